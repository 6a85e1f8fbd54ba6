//! A relay that is killed in the middle of what a host installs: the run goes on past it, or waits for it where the site forbids that. The
//! host's apt is real.

use crate::edge::{Edge, SECRET};
use crate::host::{Host, until, use_sources};
use crate::order::order;
use crate::relay::Relay;
use crate::session::{enrol_with, final_step, options, web_server};
use netpatch_agent::agent::{self, Status, read_status};
use netpatch_agent::state::StateFolder;
use netpatch_protocol::session::{RunEvent, agent_message};
use netpatch_types::{Clock as _, SystemClock};
use std::net::SocketAddr;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// A host behind a relay that dies in the middle of the first package, with an order for one.
struct Site {
    host: Host,
    edge: Edge,
    at: SocketAddr,
    state: StateFolder,
    stop: CancellationToken,
    running: JoinHandle<Result<(), agent::AgentFault>>,
    _relay: Relay,
    _web: AbortOnDropHandle<()>,
}

impl Site {
    async fn start(direct_forbidden: bool) -> Self {
        let host = Host::with(&["np-good"]).await;
        let (url, web) = web_server().await;
        use_sources(&host.root(), &url);
        let edge = Edge::start();
        if direct_forbidden {
            edge.forbid_direct();
        }
        let relay = Relay::start_mortal(&edge).await;
        let at = relay.address;
        let state = StateFolder::open(&host.root().join("var/lib/netpatch-agent")).expect("state");
        let (server, named) = (edge.address.to_string(), at.to_string());
        enrol_with(&state, &server, Some(&named), &host, &edge.token(SECRET))
            .await
            .expect("enrols");
        let stop = CancellationToken::new();
        let running = tokio::spawn(agent::run(options(&state, &host), stop.clone()));
        until(|| async {
            edge.heard(|body| matches!(body, agent_message::Body::Applicability(_)).then_some(()))
        })
        .await;
        let (_, good) = host.plan(&["np-good"]).await;
        let now_ms = SystemClock::default().now().timestamp_millis();
        edge.send(order(&good, 1, now_ms));
        Self {
            host,
            edge,
            at,
            state,
            stop,
            running,
            _relay: relay,
            _web: web,
        }
    }

    fn status(&self) -> Option<Status> {
        read_status(&self.state).ok()?
    }

    /// The run's end, after every step has arrived once and in order.
    async fn end(self) -> RunEvent {
        let done = final_step(&self.edge, 1).await;
        assert_eq!(done.state, "succeeded", "{done:?}");
        assert_eq!(self.host.version("np-good"), "2.0-1 installed");
        let mut steps: Vec<u64> = self.edge.steps().iter().map(|step| step.step).collect();
        steps.dedup();
        assert_eq!(steps, (1..=done.step).collect::<Vec<_>>());
        self.stop.cancel();
        self.running
            .await
            .expect("no panic")
            .expect("ends in good order");
        done
    }
}

#[tokio::test]
async fn a_package_whose_relay_is_killed_is_fetched_from_its_repository() {
    let site = Site::start(false).await;
    let done = site.end().await;
    assert!(done.bytes_from_relay > 0, "it began with the relay");
    assert!(done.bytes_from_origin > 0, "and went on past it");
}

#[tokio::test]
async fn where_the_direct_way_is_forbidden_the_run_waits_for_the_relay() {
    let site = Site::start(true).await;
    let lost = until(|| async {
        let status = site.status()?;
        (status.session == "down" && !status.relays_refused.is_empty()).then_some(status)
    })
    .await;
    assert!(lost.direct_forbidden);
    assert_eq!(lost.runs[0].state, "staging", "{:?}", lost.runs);
    let _back = Relay::start_at(&site.edge, site.at).await;
    let done = site.end().await;
    assert!(done.bytes_from_relay > 0);
    assert_eq!(done.bytes_from_origin, 0, "nothing went past the relay");
}
