//! What the agent tells of its runs, and what it does when nobody takes it.

use crate::crash::content;
use crate::edge::{Edge, OnRuns, SECRET};
use crate::host::until;
use crate::order::{DEPLOYMENT, order};
use netpatch_agent::agent::{self, AgentFault, Options, Status, read_status};
use netpatch_agent::command::Runner;
use netpatch_agent::enrol;
use netpatch_agent::provider::Providers;
use netpatch_agent::provider::fake::Fake;
use netpatch_agent::run::runs::MOST;
use netpatch_agent::run::{Runs, report};
use netpatch_agent::state::StateFolder;
use netpatch_agent::state::journal::Journal;
use netpatch_agent_core::journal::{OrderRecord, Record};
use netpatch_agent_core::{Input, Refusal};
use netpatch_protocol::session::agent_message;
use netpatch_types::{Clock as _, Sha256, SystemClock};
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// An enrolled agent with a package manager in memory.
struct Host {
    edge: Edge,
    state: StateFolder,
    fake: Fake,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Host {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let edge = Edge::start();
        let state = StateFolder::open(&folder.path().join("state")).expect("state");
        std::fs::create_dir(folder.path().join("etc")).expect("a folder");
        std::fs::write(
            folder.path().join("etc/machine-id"),
            "0123456789abcdef0123456789abcdef\n",
        )
        .expect("a file");
        let request = enrol::Request {
            server: &edge.address.to_string(),
            relay: None,
            proxies: netpatch_tunnel::Proxies::default(),
            token: &edge.token(SECRET),
            root: folder.path(),
            clock: SystemClock::shared(),
            again: false,
        };
        enrol::enrol(&state, request).await.expect("enrols");
        Self {
            edge,
            state,
            fake: Fake::with_one_update(),
            stop: CancellationToken::new(),
            _folder: folder,
        }
    }

    fn start(&self, root: &Path) -> JoinHandle<Result<(), AgentFault>> {
        let options = Options {
            state: self.state.clone(),
            runner: Runner::in_root(root.to_owned(), vec!["false".into()]),
            audit_only: false,
            schedule: None,
            proxies: netpatch_tunnel::Proxies::default(),
            clock: SystemClock::shared(),
            uptime: Arc::new(netpatch_agent::clock::uptime),
            providers: Some(Providers::new(Arc::new(self.fake.clone()), Vec::new())),
        };
        tokio::spawn(agent::run(options, self.stop.clone()))
    }

    /// Runs that are over and of which nobody has heard, as an agent long without the platform has them.
    fn refuse_orders(&self, count: u64) {
        for sequence in 1..=count {
            let deployment = uuid::Uuid::from_u128(u128::from(sequence) << 64);
            let record = Record::Order(OrderRecord {
                deployment,
                wave: uuid::Uuid::nil(),
                sequence,
                attempt: 1,
                order: Sha256::of(&sequence.to_be_bytes()),
                envelope: String::new(),
            });
            let step = |input| Record::Transition {
                input,
                message: String::new(),
                evidence: Vec::new(),
            };
            let folder = Runs::new(&self.state).folder(deployment, sequence);
            let at_ms = i64::try_from(sequence).expect("small");
            let mut journal = Journal::create(&folder, at_ms, record).expect("begins");
            journal.append(at_ms, step(Input::Accept)).expect("accepts");
            journal
                .append(at_ms + 1000, step(Input::Refuse(Refusal::Superseded)))
                .expect("refuses");
        }
    }

    async fn until_status(&self, is_so: impl Fn(&Status) -> bool) -> Status {
        until(|| async {
            read_status(&self.state)
                .expect("readable")
                .filter(|status| status.running && is_so(status))
        })
        .await
    }

    fn is_answered(&self, digest: Sha256) -> bool {
        let answered = self.edge.heard(|body| match body {
            agent_message::Body::OrderAnswer(answer) if answer.order == digest.0 => {
                Some(answer.accepted)
            }
            _ => None,
        });
        answered.is_some_and(|accepted| accepted)
    }

    async fn end(self, running: JoinHandle<Result<(), AgentFault>>) {
        self.stop.cancel();
        let ended = running.await.expect("no panic");
        ended.expect("ends in good order");
    }
}

#[tokio::test]
async fn a_run_that_the_platform_refuses_is_named_and_holds_up_no_other() {
    let host = Host::new().await;
    host.edge.on_runs(OnRuns::Refuse(1));
    host.refuse_orders(2);
    let root = tempfile::tempdir().expect("folder");
    let running = host.start(root.path());
    let status = host
        .until_status(|status| {
            status.runs.len() == 2
                && status.runs.iter().any(|run| run.told)
                && status.runs.iter().any(|run| run.report_problem.is_some())
        })
        .await;
    let [second, first] = &status.runs[..] else {
        panic!("two runs: {status:?}")
    };
    assert!(second.told && second.report_problem.is_none());
    assert!(!first.told);
    let text = status.to_text(SystemClock::default().now());
    let problem = "the platform does not store it: NOT_FOUND: order is not known";
    assert!(text.contains(problem), "{text}");

    // A new session asks once more.
    host.edge.on_runs(OnRuns::Store);
    host.until_status(|status| status.runs.iter().all(|run| run.told))
        .await;
    let told: Vec<_> = host
        .edge
        .steps()
        .into_iter()
        .filter(|step| step.sequence == 2)
        .collect();
    assert_eq!(told.len(), 2, "what was stored is not told again");
    host.end(running).await;
}

#[tokio::test]
async fn without_room_for_one_more_run_an_order_waits_with_the_platform_and_nothing_is_lost() {
    let host = Host::new().await;
    host.edge.on_runs(OnRuns::Ignore);
    host.refuse_orders(MOST as u64);
    let root = tempfile::tempdir().expect("folder");
    let running = host.start(root.path());
    host.until_status(|status| status.session == "up").await;
    let now_ms = SystemClock::default().now().timestamp_millis();
    let one_more = order(&content(), 1000, now_ms);
    host.edge.send(one_more.clone());
    let status = host
        .until_status(|status| status.order_problem.is_some())
        .await;
    let problem = status.order_problem.expect("a problem");
    assert!(problem.contains("at most 200"), "{problem}");
    assert!(!host.is_answered(one_more.digest()));
    assert!(!Runs::new(&host.state).folder(DEPLOYMENT, 1000).exists());
    assert!(
        host.edge.steps().len() < 2 * MOST,
        "no more than a part is on its way"
    );

    // The platform takes what is told: there is room, and the order comes with the next session.
    host.edge.on_runs(OnRuns::Store);
    host.until_status(|status| status.order_problem.is_none())
        .await;
    until(|| async {
        if host.is_answered(one_more.digest()) {
            return Some(());
        }
        host.edge.offer(one_more.clone());
        None
    })
    .await;
    let folder = Runs::new(&host.state).folder(DEPLOYMENT, 1000);
    until(|| async { (report::acknowledged(&folder) > 0).then_some(()) }).await;
    let told: std::collections::BTreeSet<_> = host
        .edge
        .steps()
        .into_iter()
        .map(|step| (step.sequence, step.step))
        .collect();
    for sequence in 1..=MOST as u64 {
        assert!(told.contains(&(sequence, 1)) && told.contains(&(sequence, 2)));
    }
    host.end(running).await;
}
