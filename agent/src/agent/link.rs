//! The session with the edge, and when the next check-in is due.

use super::{Agent, lock};
use netpatch_protocol::PROTOCOL_VERSION;
use netpatch_protocol::parts;
use netpatch_protocol::session::{Hello, Welcome, agent_message};
use netpatch_tunnel::session::SessionHandle;
use netpatch_tunnel::{Candidate, CarrierKind, SessionClient, SessionOptions};
use netpatch_types::SharedClock;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Until the edge says otherwise.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// A received message is acknowledged within this, if nothing else is sent.
const ACKNOWLEDGE: Duration = Duration::from_secs(2);

/// A session and its timing.
pub(super) struct Link {
    pub(super) session: SessionClient,
    pub(super) handle: SessionHandle,
    /// The carrier that is up.
    pub(super) carrier: Option<CarrierKind>,
    /// Why there is none.
    pub(super) reason: String,
    /// What the edge said last when it ended a session.
    refusal: Option<String>,
    heartbeat: Duration,
    /// How long the edge takes check-ins without a counter after the last one.
    signed_for: Duration,
    /// When the next check-in has one.
    sign_due: Instant,
    /// Largest message that the edge takes.
    whole_bytes: u64,
    /// When the next check-in is due.
    pub(super) due: Instant,
    hello: Arc<Mutex<HelloFacts>>,
}

/// What a hello says, kept current.
#[derive(Default)]
struct HelloFacts {
    root_version: u64,
    membership_version: u64,
    active_orders: Vec<Vec<u8>>,
}

impl Link {
    /// Starts to connect: the relay first, if there is one, then, where that may be, the edge directly, over TCP where UDP stays silent.
    pub(super) fn connect(agent: &Agent) -> Self {
        let mut candidates: Vec<Candidate> = agent
            .site
            .iter()
            .map(|site| Candidate::Relay {
                site: Arc::clone(site),
            })
            .collect();
        if agent.ways.may_go_directly() {
            let address = &agent.enrolled.enrolment.server;
            candidates.push(Candidate::Direct {
                address: address.clone(),
            });
            candidates.push(Candidate::Tcp {
                address: agent.proxies.edge(address),
            });
        }
        let clock: SharedClock = agent.clock.clone();
        let options = SessionOptions::new(
            candidates,
            agent.enrolled.tls(),
            agent.enrolled.platform(),
            clock,
        );
        let hello = Arc::new(Mutex::new(HelloFacts::default()));
        let (facts, check_in, reported) = (
            Arc::clone(&hello),
            Arc::clone(&agent.check_in),
            Arc::clone(&agent.reported),
        );
        let session = SessionClient::connect(options, move |resume_id| {
            let counter = lock(&check_in)
                .issue()
                .map_err(|error| tracing::error!(%error, "cannot check in"))
                .ok();
            let facts = lock(&facts);
            Hello {
                protocol: PROTOCOL_VERSION,
                agent_version: env!("CARGO_PKG_VERSION").to_owned(),
                resume_id,
                counter,
                manifest_hash: lock(&reported).hash(),
                root_version: facts.root_version,
                membership_version: facts.membership_version,
                active_orders: facts.active_orders.clone(),
            }
        });
        let link = Self {
            handle: session.handle(),
            session,
            carrier: None,
            reason: "connecting".into(),
            refusal: None,
            heartbeat: HEARTBEAT,
            signed_for: Duration::ZERO,
            sign_due: Instant::now(),
            whole_bytes: 0,
            due: Instant::now() + HEARTBEAT,
            hello,
        };
        link.refresh_hello(agent);
        link
    }

    /// What the next hello will say.
    pub(super) fn refresh_hello(&self, agent: &Agent) {
        let runs = agent.runs.recorded();
        let orders = runs
            .iter()
            .map(|recorded| &recorded.run)
            .filter(|run| !run.is_final());
        *lock(&self.hello) = HelloFacts {
            root_version: agent.enrolled.root.version,
            membership_version: agent
                .documents()
                .membership()
                .map_or(0, |membership| membership.version),
            active_orders: orders.map(|run| run.order.order.0.to_vec()).collect(),
        };
    }

    /// The carrier is up.
    pub(super) fn up(&mut self, carrier: CarrierKind, welcome: &Welcome) {
        if welcome.heartbeat_seconds > 0 {
            let seconds = welcome.heartbeat_seconds.clamp(1, 3600);
            self.heartbeat = Duration::from_secs(u64::from(seconds));
        }
        // The hello had one. The next is due at random, so that hosts that came at once do not all sign at once.
        self.signed_for = Duration::from_secs(u64::from(welcome.signed_seconds));
        self.sign_due = Instant::now() + self.signed_for.mul_f64(any_part());
        self.whole_bytes = welcome.whole_bytes;
        self.carrier = Some(carrier);
        self.refusal = None;
        self.reason.clear();
        self.due = Instant::now() + self.heartbeat;
    }

    /// The carrier is gone.
    pub(super) fn down(&mut self, reason: String) {
        self.carrier = None;
        self.reason = self.refusal.take().unwrap_or(reason);
    }

    /// The edge said why it ends the session.
    pub(super) fn refused(&mut self, message: String) {
        self.refusal = Some(message);
    }

    /// Whether the next check-in needs a counter.
    pub(super) fn is_to_sign(&self) -> bool {
        Instant::now() >= self.sign_due
    }

    /// A counter is sent.
    pub(super) fn signed(&mut self) {
        self.sign_due = Instant::now() + self.signed_for;
    }

    /// A check-in was sent.
    pub(super) fn checked_in(&mut self) {
        self.due = Instant::now() + self.heartbeat;
    }

    /// A message waits for its acknowledgement: the next check-in carries it.
    pub(super) fn acknowledge_soon(&mut self) {
        self.due = self.due.min(Instant::now() + ACKNOWLEDGE);
    }

    /// Sends until it is acknowledged, in parts if it is large; a full outbox is logged and left to the next session.
    pub(super) fn send(&self, body: agent_message::Body) -> bool {
        let bodies = match parts::split(body, self.whole_bytes) {
            Ok(bodies) => bodies,
            Err(error) => {
                tracing::warn!(%error, "cannot send to the edge");
                return false;
            }
        };
        for body in bodies {
            if let Err(error) = self.handle.send(body) {
                tracing::warn!(%error, "cannot send to the edge");
                return false;
            }
        }
        true
    }
}

/// Any part of a whole.
fn any_part() -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "any bits do")]
    let bits = uuid::Uuid::new_v4().as_u128() as u32;
    f64::from(bits) / f64::from(u32::MAX)
}
