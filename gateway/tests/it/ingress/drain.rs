//! An edge that ends for an upgrade: agents and relays go to another one and lose nothing.

use super::world::*;
use netpatch_protocol::SubjectKind;
use netpatch_protocol::session::{Hello, RunEvent, RunEvents, agent_message, edge_message};
use netpatch_protocol::site::{SiteRequest, stream_open};
use netpatch_tunnel::{RelayUplink, SessionClient, SessionEvent};
use netpatch_types::{DeploymentId, HostId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const AGENTS: u64 = 20;
/// Steps of a run before the drain begins, and of all.
const BEFORE: u64 = 3;
const STEPS: u64 = 12;

/// A host that reports a run, step by step.
struct Reporter {
    session: SessionClient,
    deployment: DeploymentId,
    carriers: u32,
}

impl Reporter {
    fn of(world: &World, edges: &[SocketAddr], host: &Holder) -> Self {
        let (signing, counters) = (host.clone(), Arc::new(AtomicU64::new(1)));
        let hello = move |resume_id| Hello {
            protocol: 1,
            resume_id,
            counter: Some(signing.counter(1, counters.fetch_add(1, Ordering::Relaxed))),
            ..Hello::default()
        };
        Self {
            session: world.agent_to(edges, host, hello),
            deployment: DeploymentId::new(clock().now()),
            carriers: 0,
        }
    }

    /// Until the platform has stored this step.
    async fn report(&mut self, step: u64) {
        let event = RunEvent {
            deployment_id: self.deployment.to_string(),
            sequence: 1,
            attempt: 1,
            step,
            state: "installing".into(),
            at_ms: clock().now().timestamp_millis(),
            order: vec![4; 32],
            ..RunEvent::default()
        };
        let events = vec![event];
        let body = agent_message::Body::RunEvents(RunEvents { events });
        self.session.handle().send(body).unwrap();
        loop {
            match next(&mut self.session).await {
                SessionEvent::Up { .. } => self.carriers += 1,
                SessionEvent::Down { .. } => {}
                SessionEvent::Message(message) => {
                    self.session.handle().durable(message.number);
                    if let Some(edge_message::Body::RunEventsStored(stored)) = message.body
                        && stored.step >= step
                    {
                        return;
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn agents_go_to_another_edge_in_the_middle_of_their_runs_and_lose_no_step() {
    let mut world = World::start_with(|options| options.drain = Duration::from_secs(4)).await;
    let other = world.another_edge();
    let edges = [world.address, other.address];
    let (mut running, mut hosts) = (JoinSet::new(), Vec::new());
    for _ in 0..AGENTS {
        let host = world.host();
        hosts.push(host.host());
        let mut reporter = Reporter::of(&world, &edges, &host);
        running.spawn(async move {
            for step in 1..=BEFORE {
                reporter.report(step).await;
            }
            reporter
        });
    }
    let reporters = running.join_all().await;
    assert!(reporters.iter().all(|reporter| reporter.carriers == 1));

    // Everybody goes on reporting while the edge ends. Whoever found it slow is at the other one already, and stays there.
    let (mut running, ended) = (JoinSet::new(), CancellationToken::new());
    for mut reporter in reporters {
        let ended = ended.clone();
        running.spawn(async move {
            let mut step = BEFORE;
            while (reporter.carriers < 2 && !ended.is_cancelled()) || step < STEPS {
                step += 1;
                reporter.report(step).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (reporter, step)
        });
    }
    world.drained().await;
    ended.cancel();

    // The other edge serves on.
    let mut moved = 0;
    for (mut reporter, step) in running.join_all().await {
        reporter.report(step + 1).await;
        assert!(reporter.carriers <= 2, "moved once");
        moved += u64::from(reporter.carriers == 2);
    }
    assert!(moved > AGENTS / 2, "{moved} moved");
    let script = world.played.script.lock().unwrap();
    let steps = |host: &HostId| -> Vec<u64> {
        let of_host = script.runs.iter().filter(|report| report.host == *host);
        let events = of_host.flat_map(|report| &report.events);
        events.map(|event| event.step).collect()
    };
    for host in &hosts {
        let mut seen = steps(host);
        assert!(seen.is_sorted(), "in order: {seen:?}");
        let count = seen.len();
        seen.dedup();
        // The answer to one may have been lost with the carrier: then it came again, and the store knows it.
        assert!(count - seen.len() <= 1, "{count} reports of {seen:?}");
        let last = *seen.last().expect("steps");
        assert_eq!(seen, (1..=last).collect::<Vec<_>>(), "none is missing");
        assert!(last > STEPS);
    }
}

#[tokio::test]
async fn a_relay_is_told_to_go_and_finds_the_other_edge() {
    let mut world = World::start_with(|options| options.drain = Duration::from_secs(2)).await;
    let other = world.another_edge();
    let relay = world.organization.holder(SubjectKind::Relay);
    let (here, there) = (world.address.to_string(), other.address.to_string());
    let connect = async |to: String| {
        let trust = world.trust();
        RelayUplink::connect(&to.into(), trust, &relay.tls, &clock(), limits()).await
    };
    let uplink = connect(here).await.expect("connects");
    let settings = || stream_open::Kind::Site(SiteRequest {});
    uplink.open(settings()).await.expect("admitted");
    let next = connect(there).await.expect("connects");
    world.drained().await;
    let reason = uplink.closed().await;
    assert!(reason.contains("draining"), "{reason}");
    next.open(settings()).await.expect("served");
}
