//! A host cut off from the platform for days: it runs the orders that it holds inside their windows, and tells afterwards, in order
//! and once in effect, whoever dies in between. The agent, the edge and PostgreSQL are real; the package manager is played.

use crate::delta::{Place, running_relay};
use crate::line::Line;
use crate::renewal::{Running, World};
use netpatch_agent::agent::read_status;
use netpatch_agent::provider::Providers;
use netpatch_agent::provider::fake::Fake;
use netpatch_agent::run::{Runs, report};
use netpatch_agent::state::journal::Recorded;
use netpatch_agent_core::RunState;
use netpatch_policy_api::*;
use netpatch_reporting_api::{LedgerEntry, LedgerList};
use netpatch_scheduler_api::*;
use netpatch_testkit::poll_until;
use netpatch_types::{Clock as _, PageRequest, PatchId, PolicyId};
use netpatch_window::{Schedule, Tz, WindowRule};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const LONG: Duration = Duration::from_secs(120);
const HOUR: Duration = Duration::from_secs(3600);

/// A host with two packages that may be updated, and the line to its platform.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) line: Line,
    host: Fake,
}

impl Site {
    async fn new() -> Self {
        let mut world = World::before_enrolment().await;
        let line = Line::to(world.edge_address()).await;
        world.server = Some(line.address);
        world.enrol(false).await.unwrap();
        Self::of(world, line)
    }

    /// Of a host that is enrolled.
    pub(crate) fn of(world: World, line: Line) -> Self {
        let host = Fake::with_one_update();
        host.world().installed.insert("tool".into(), "1".into());
        host.world().available.insert("tool".into(), "2".into());
        Self { world, line, host }
    }

    /// Starts the agent; its machine's uptime is the test's clock.
    pub(crate) fn start(&self) -> Running {
        self.world.start_as(|options| {
            let (clock, installer) = (self.world.clock.clone(), Arc::new(self.host.clone()));
            options.schedule = Some(Schedule::every(HOUR * 24 * 30));
            options.uptime = Arc::new(move || clock.monotonic());
            options.providers = Some(Providers::new(installer, Vec::new()));
        })
    }

    /// A policy whose window opens after so many hours, for four.
    pub(crate) async fn policy(&self, name: &str, opens_after: i64) -> PolicyId {
        let policy = &self.world.sandbox.roles.policy;
        let starts_at = self.world.clock.now() + chrono::Duration::hours(opens_after);
        let window = WindowSpec {
            name: name.into(),
            rule: WindowRule {
                rrule: "FREQ=DAILY;COUNT=1".into(),
                starts_at: starts_at.naive_utc(),
                duration_s: 4 * 3600,
                offset_days: 0,
                time_zone: Some(Tz::UTC),
            },
            blackout: false,
        };
        let window = policy
            .window_create(&self.world.ctx, WindowCreate { spec: window })
            .await
            .unwrap();
        let spec = PolicySpec {
            name: name.into(),
            enabled: true,
            group: None,
            rules: vec![Rule {
                name: "everything".into(),
                then: Decision::Approve,
                ..Rule::default()
            }],
            rollout: Rollout {
                waves: vec![WaveSize::Percent { percent: 100 }],
                silent_after_seconds: 30 * 86_400,
                lease_seconds: 72 * 3600,
                ..Rollout::default()
            },
            windows: vec![window.id],
            automatic: false,
        };
        let create = PolicyCreate { spec };
        policy
            .policy_create(&self.world.ctx, create)
            .await
            .unwrap()
            .id
    }

    /// Deploys version 2 of a package; the host holds the order and a lease when this returns.
    pub(crate) async fn deploy(&self, policy: PolicyId, package: &str) -> Deployment {
        let scheduler = &self.world.sandbox.roles.scheduler;
        let tenant = self.world.ctx.write.unwrap();
        let create = DeploymentCreate {
            name: String::new(),
            policy,
            patches: vec![PatchId::of("deb", &format!("debian/bookworm/{package}/2"))],
            not_before: None,
            not_after: Some(self.world.clock.now() + chrono::Duration::days(10)),
            dry_run: true,
        };
        poll_until("an approved plan", LONG, async || {
            let ctx = self.world.sandbox.person(tenant, "asker");
            let plan = scheduler.deployment_create(&ctx, create.clone()).await;
            plan.ok().filter(|plan| plan.missing.is_empty())
        })
        .await;
        let create = DeploymentCreate {
            dry_run: false,
            ..create
        };
        let ctx = self.world.sandbox.person(tenant, "asker");
        let made = scheduler.deployment_create(&ctx, create).await.unwrap();
        let made = made.deployment.unwrap();
        // And its lease: without the platform's word that the deployment goes on, nothing is started.
        let lease = format!("documents/{}.freshness", made.id.0);
        poll_until("the host holds the order", LONG, async || {
            let run = self.run(&made)?;
            let waits = run.run.state == RunState::WaitingForWindow;
            let is_leased = self.world.state().read(&lease).unwrap().is_some();
            (waits && is_told(&run) && is_leased).then_some(())
        })
        .await;
        made
    }

    /// The host's journal of a deployment.
    fn run(&self, deployment: &Deployment) -> Option<Recorded> {
        let runs = Runs::new(&self.world.state()).recorded();
        runs.into_iter()
            .find(|recorded| recorded.run.order.deployment == deployment.id.0)
    }

    pub(crate) async fn until_over(&self, deployment: &Deployment) -> Recorded {
        poll_until("the end of a run on the host", LONG, async || {
            self.run(deployment).filter(|run| run.run.is_final())
        })
        .await
    }

    /// What the platform has of a deployment's runs.
    async fn runs(&self, deployment: &Deployment) -> Vec<Run> {
        let scheduler = &self.world.sandbox.roles.scheduler;
        let list = RunList {
            page: PageRequest::largest(),
            deployment: Some(deployment.id),
            wave: None,
            host: None,
            statuses: Vec::new(),
        };
        let runs = scheduler.run_list(&self.world.ctx, list).await.unwrap();
        let mut whole = Vec::new();
        for run in runs.into_nodes() {
            let get = RunGet { id: run.id };
            whole.push(scheduler.run_get(&self.world.ctx, get).await.unwrap());
        }
        whole
    }

    /// The ends of runs in the ledger, first first.
    async fn ends(&self) -> Vec<LedgerEntry> {
        let list = LedgerList {
            page: PageRequest::largest(),
            tenant: self.world.ctx.write,
            actions: vec!["run.ended".into()],
            subject: None,
        };
        let reporting = &self.world.sandbox.roles.reporting;
        let page = reporting.ledger_list(&self.world.ctx, list).await.unwrap();
        let mut entries = page.into_nodes();
        entries.sort_by_key(|entry| entry.sequence);
        entries
    }

    /// Everything arrived: each run is stored as its journal says it, and counts.
    pub(crate) async fn arrives(&self, deployments: &[&Deployment]) {
        for deployment in deployments {
            let journal = self.run(deployment).unwrap();
            poll_until("the whole run at the platform", LONG, async || {
                let runs = self.runs(deployment).await;
                (runs.len() == 1 && runs[0].confirmed == Some(true)).then_some(())
            })
            .await;
            let run = self.runs(deployment).await.remove(0);
            let stored: Vec<_> = run
                .events
                .iter()
                .map(|event| {
                    (
                        event.step,
                        event.status.as_str(),
                        event.at.timestamp_millis(),
                    )
                })
                .collect();
            let written: Vec<_> = journal
                .run
                .steps
                .iter()
                .map(|step| (step.step, step.state.word(), step.at_ms))
                .collect();
            assert_eq!(stored, written);
            assert_eq!(run.status, RunStatus::Succeeded);
            poll_until("the host knows that it arrived", LONG, async || {
                is_told(&journal).then_some(())
            })
            .await;
            let scheduler = &self.world.sandbox.roles.scheduler;
            let get = DeploymentGet { id: deployment.id };
            poll_until("the deployment's end", LONG, async || {
                let now = scheduler.deployment_get(&self.world.ctx, get).await;
                (now.unwrap().status == DeploymentStatus::Completed).then_some(())
            })
            .await;
        }
        let ends = poll_until("the ledger has every run", LONG, async || {
            Some(self.ends().await).filter(|ends| ends.len() >= deployments.len())
        })
        .await;
        let mut expected = Vec::new();
        for deployment in deployments {
            expected.push(format!("run:{}", self.runs(deployment).await[0].id));
        }
        let subjects: Vec<_> = ends.iter().map(|entry| entry.subject.clone()).collect();
        assert_eq!(subjects, expected, "each once, in the order of their ends");
        assert!(ends.iter().all(|entry| entry.document.is_some()));
        assert_eq!(self.host.world().installs, deployments.len());
    }
}

fn is_told(run: &Recorded) -> bool {
    report::acknowledged(&run.folder) == run.run.steps.len() as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_without_the_platform_orders_run_in_their_windows_and_results_come_afterwards() {
    let site = Site::new().await;
    let agent = site.start();
    site.world.until_connected().await;
    let late = site.policy("in two days", 48).await;
    let soon = site.policy("tomorrow", 24).await;
    let app = site.deploy(late, "app").await;
    let tool = site.deploy(soon, "tool").await;

    site.line.carries(false, false);
    site.world.clock.advance(HOUR * 23);
    assert_eq!(site.host.world().installs, 0, "not before its window");
    site.world.clock.advance(HOUR * 2);
    let first = site.until_over(&tool).await;
    assert_eq!(first.run.state, RunState::Succeeded);
    assert_eq!(
        site.run(&app).unwrap().run.state,
        RunState::WaitingForWindow
    );
    assert!(!is_told(&first));

    // The machine's agent is killed meanwhile; the next one goes on without ever having heard the platform.
    agent.kill().await;
    let agent = site.start();
    site.world.clock.advance(HOUR * 24);
    let second = site.until_over(&app).await;
    assert_eq!(second.run.state, RunState::Succeeded);
    let status = site
        .world
        .until("two runs that are not told", |status| {
            status.runs.len() == 2 && status.runs.iter().all(|run| !run.told)
        })
        .await;
    assert_eq!(status.session, "down");
    for deployment in [&app, &tool] {
        let known = site.runs(deployment).await;
        assert_eq!(known[0].status, RunStatus::WaitingForWindow);
    }
    agent.kill().await;

    site.line.carries(true, true);
    let agent = site.start();
    site.arrives(&[&tool, &app]).await;
    site.world
        .until("two runs that are told", |status| {
            status.runs.iter().all(|run| run.told)
        })
        .await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_count_once_when_agent_and_edge_die_between_taking_and_acknowledging() {
    let mut site = Site::new().await;
    let agent = site.start();
    site.world.until_connected().await;
    let policy = site.policy("tomorrow", 24).await;
    let app = site.deploy(policy, "app").await;

    // What the agent says gets through, what it should hear does not.
    site.line.carries(true, false);
    site.world.clock.advance(HOUR * 25);
    site.until_over(&app).await;
    poll_until("the platform has stored the result", LONG, async || {
        let runs = site.runs(&app).await;
        (runs[0].status == RunStatus::Succeeded).then_some(())
    })
    .await;
    assert!(!is_told(&site.run(&app).unwrap()));
    agent.kill().await;
    // Another process of the edge remembers no session.
    site.world.start_edge().await;
    assert!(!is_told(&site.run(&app).unwrap()));

    // Once more with an edge that goes on: the agent alone dies.
    let agent = site.start();
    site.line.carries(true, false);
    agent.kill().await;

    site.line.carries(true, true);
    let agent = site.start();
    site.arrives(&[&app]).await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_ran_out_starts_nothing_until_the_platform_is_heard_again() {
    let site = Site::new().await;
    let agent = site.start();
    site.world.until_connected().await;
    let policy = site.policy("in four days", 96).await;
    let app = site.deploy(policy, "app").await;
    site.line.carries(false, false);
    site.world.clock.advance(HOUR * 97);
    agent.kill().await;
    let agent = site.start();
    site.world
        .until("a session that is down", |status| {
            status.session == "down" && !status.runs.is_empty()
        })
        .await;
    let waits = site.run(&app).unwrap().run;
    assert_eq!(waits.state, RunState::WaitingForWindow);
    assert_eq!(site.host.world().installs, 0);
    agent.kill().await;

    site.line.carries(true, true);
    let agent = site.start();
    assert_eq!(site.until_over(&app).await.run.state, RunState::Succeeded);
    site.arrives(&[&app]).await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_vanishes_without_a_word_is_gone_past_and_returned_to() {
    let mut world = World::before_enrolment().await;
    let place = Place {
        ctx: world.ctx.clone(),
        organization: world.ctx.write.unwrap(),
        site: world.site,
    };
    let edge = world.edge_address().to_string();
    let (relay, _folder) = running_relay(&world.sandbox, &place, &edge).await;
    let line = Line::to(relay.local_addr().unwrap()).await;
    world.relay = Some(line.address);
    world.enrol(false).await.unwrap();
    let host = Fake::with_one_update();
    let agent = world.start_as(|options| {
        options.providers = Some(Providers::new(Arc::new(host.clone()), Vec::new()));
    });
    let over = async |carrier: &str| {
        poll_until(carrier, LONG, async || {
            let status = read_status(&world.state()).unwrap()?;
            (status.carrier.as_deref() == Some(carrier)).then_some(status)
        })
        .await
    };
    over("relay").await;
    line.carries(false, false);
    let status = over("direct").await;
    assert!(status.relay.is_some(), "it still knows of it");
    line.carries(true, true);
    over("relay").await;
    agent.stop().await;
}
