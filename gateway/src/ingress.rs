//! The edge: where agents and relays come in over QUIC, or over TCP where UDP does not get through.
//!
//! ```text
//! accept ─┬─ enrolment ─► enrol.rs            one request, one answer, rate-limited, no certificate needed
//!         ├─ agent ─► session.rs ─► message.rs   hello, then messages in order; parts.rs puts large ones together,
//!         │                                      deliver.rs sends what waits
//!         └─ relay ─► relay.rs ─┬─ report, settings, whom to turn away (refused.rs), what to fetch ahead (staging.rs), differences (delta.rs),
//!                               │  kept payloads (stored.rs)
//!                               └─ agents and enrolments behind it, as above
//! ```
//!
//! Invariants: a certificate is believed only under the CA of the organization it names, and only while it is not
//! revoked: who is connected is looked at again (standing.rs); a session is one host's, so no message can speak for another; a message
//! is acknowledged when its effect is
//! durable in the service that owns it, never earlier; an unchanged check-in touches no database; two live copies of
//! one identity are both quarantined; the edge's own certificate is renewed under living sessions (certificate.rs). Every peer's task is owned by [`Ingress::run`] and ends with it.

mod certificate;
mod convert;
mod counter;
mod deliver;
mod delta;
mod enrol;
mod gather;
mod message;
mod parts;
mod places;
mod platform;
mod presence;
mod probe;
mod refused;
mod registry;
mod relay;
mod services;
mod session;
mod staging;
mod standing;
mod stored;
mod ways;
mod week;
mod welcome;

pub use platform::{PlatformParts, PlatformServices};
pub use services::{Admitted, HostStanding, NotAdmitted, Recipe, Services, StoredPayload, Ways};
pub use standing::{STANDING_TOPIC, standing_changed};

use crate::throttle::{Buckets, Rate};
use certificate::EdgeCertificate;
use futures::StreamExt as _;
use netpatch_storage::SharedBus;
use netpatch_tunnel::edge::EdgeHandshake;
use netpatch_tunnel::{EdgeEndpoint, EdgeIncoming, Limits, TunnelError};
use netpatch_types::{HostId, OrganizationId, ServiceError, SharedClock};
use places::Places;
use presence::Presence;
use registry::Registry;
use serde::{Deserialize, Serialize};
use standing::Doubts;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Where wishes for a scan are told; see [`request_scan`].
pub const SCAN_TOPIC: &str = "ingress.scan";
/// Topics after which documents for hosts may wait.
const DOCUMENT_TOPICS: [&str; 2] = ["scheduler.outbox", "policy.outbox"];

/// Times and rates of the edge.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bounds of connections.
    pub limits: Limits,
    /// Whether agents and relays may come over TCP too, at the same port, where UDP does not get through.
    pub tcp: bool,
    /// How long the end may take: agents and relays are sent to other edges over the first half of it.
    pub drain: Duration,
    /// How often an agent checks in.
    pub heartbeat: Duration,
    /// How often it signs a counter while its session lives; check-ins between are vouched for by the session alone.
    pub signed_every: Duration,
    /// How often a session looks for documents when no hint comes.
    pub look_every: Duration,
    /// How often presence is written.
    pub presence_every: Duration,
    /// Most bytes of messages in parts that are held for all sessions together.
    pub parts_bytes: usize,
    /// Manifests that are read and stored at the same time; other sessions keep theirs as they came.
    pub manifests: usize,
    /// Hosts whose runs' steps are stored at the same time; the rest of the database is left for who waits for an answer.
    pub reports: usize,
    /// Differences that are read and sent to relays at the same time, and how many of them to one organization's; further relays take
    /// whole files.
    pub deltas: usize,
    /// See [`Options::deltas`].
    pub deltas_of_one: usize,
    /// Kept payloads that are looked up, and sent where they have no address of their own, at the same time, and how many of them for one
    /// organization's relays; for more a relay is told to go to its mirrors.
    pub payloads: usize,
    /// See [`Options::payloads`].
    pub payloads_of_one: usize,
    /// Enrolment requests of one address.
    pub enrolments: Rate,
    /// Enrolment requests behind one relay.
    pub relayed_enrolments: Rate,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            tcp: true,
            drain: Duration::from_secs(10),
            heartbeat: Duration::from_secs(30),
            signed_every: Duration::from_secs(300),
            look_every: Duration::from_secs(15),
            presence_every: Duration::from_secs(5),
            parts_bytes: 256 << 20,
            manifests: 512,
            reports: 8,
            deltas: 16,
            deltas_of_one: 4,
            payloads: 32,
            payloads_of_one: 8,
            enrolments: Rate {
                maximum: 60,
                restore_rate: 1,
            },
            relayed_enrolments: Rate {
                maximum: 300,
                restore_rate: 10,
            },
        }
    }
}

/// What the tasks of all peers share.
pub(crate) struct Shared {
    pub(crate) services: Arc<dyn Services>,
    pub(crate) clock: SharedClock,
    pub(crate) registry: Registry,
    pub(crate) presence: Presence,
    pub(crate) bus: SharedBus,
    pub(crate) doubts: Doubts,
    pub(crate) options: Options,
    pub(crate) parts: Arc<Semaphore>,
    pub(crate) manifests: Semaphore,
    pub(crate) reports: Semaphore,
    pub(crate) deltas: Places,
    pub(crate) payloads: Places,
    pub(crate) enrolments: Buckets,
    pub(crate) relayed_enrolments: Buckets,
    /// Peers go, each in its own time; see [`Shared::leaving`].
    pub(crate) drain: CancellationToken,
}

/// When a peer has to go.
pub(crate) type Going = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Shared {
    /// Ends some time after the drain has begun: at random, so that not all go to the other edges at once.
    pub(crate) fn leaving(&self) -> Going {
        let (drain, spread) = (self.drain.clone(), self.options.drain / 2);
        Box::pin(async move {
            drain.cancelled().await;
            #[expect(clippy::cast_possible_truncation, reason = "any bits do")]
            let part = f64::from(uuid::Uuid::new_v4().as_u128() as u32) / f64::from(u32::MAX);
            Box::pin(tokio::time::sleep(spread.mul_f64(part))).await;
        })
    }
}

/// Why the edge cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// It has no certificate.
    #[error("cannot make the edge's certificate: {}", .0.message)]
    Certificate(ServiceError),
    /// The socket, or the certificate in it.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
}

/// The listening edge.
pub struct Ingress {
    endpoint: EdgeEndpoint,
    certificate: EdgeCertificate,
    shared: Arc<Shared>,
}

impl Ingress {
    /// Listens on an address with a fresh certificate; port 0 takes any.
    pub fn bind(
        address: SocketAddr,
        services: Arc<dyn Services>,
        bus: SharedBus,
        clock: SharedClock,
        options: Options,
    ) -> Result<Self, BindError> {
        let identity = services.edge_identity().map_err(BindError::Certificate)?;
        let certificate = EdgeCertificate::of(&identity);
        let bind = if options.tcp {
            EdgeEndpoint::bind
        } else {
            EdgeEndpoint::bind_udp_only
        };
        let endpoint = bind(address, &identity, &clock, options.limits)?;
        let shared = Shared {
            services,
            registry: Registry::default(),
            presence: Presence::default(),
            bus,
            doubts: Doubts::default(),
            options,
            parts: Arc::new(Semaphore::new(options.parts_bytes)),
            manifests: Semaphore::new(options.manifests.max(1)),
            reports: Semaphore::new(options.reports.max(1)),
            deltas: Places::new(options.deltas, options.deltas_of_one),
            payloads: Places::new(options.payloads, options.payloads_of_one),
            enrolments: Buckets::new(options.enrolments, clock.clone()),
            relayed_enrolments: Buckets::new(options.relayed_enrolments, clock.clone()),
            clock,
            drain: CancellationToken::new(),
        };
        Ok(Self {
            endpoint,
            certificate,
            shared: Arc::new(shared),
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> Result<SocketAddr, TunnelError> {
        self.endpoint.local_addr()
    }

    /// Serves until stopped. Then nobody is let in any more, and who is there is sent to other edges, each between two messages and
    /// spread over a time; what is left at its end is cut.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut peers = JoinSet::new();
        let mut tick = tokio::time::interval(self.shared.options.presence_every);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // In a task of its own: whoever knocks does not wait for a database.
        let over = CancellationToken::new();
        let presence = presence::keep(self.shared.clone(), over.clone());
        let presence = AbortOnDropHandle::new(tokio::spawn(presence));
        let hints = follow_hints(self.shared.clone());
        tokio::pin!(hints);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.endpoint.accept() => {
                    let Some(handshake) = accepted else { break };
                    peers.spawn(peer(self.shared.clone(), handshake));
                }
                Some(ended) = peers.join_next() => {
                    if let Err(error) = ended && error.is_panic() {
                        tracing::error!(%error, "the task of a peer ended unexpectedly");
                    }
                }
                _ = tick.tick() => self.certificate.renew_when_due(&self.endpoint, &self.shared),
                () = &mut hints => {}
            }
        }
        self.endpoint.drain();
        self.shared.drain.cancel();
        let empty = async {
            loop {
                tokio::select! {
                    ended = peers.join_next() => if ended.is_none() {
                        break;
                    },
                    // Turns peers away; none comes out.
                    accepted = self.endpoint.accept() => if accepted.is_none() {
                        break;
                    },
                }
            }
        };
        let in_time = tokio::time::timeout(self.shared.options.drain, empty).await;
        if in_time.is_err() {
            tracing::warn!(peers = peers.len(), "peers that did not go in time are cut");
        }
        // What it is writing, it writes.
        over.cancel();
        let _ = presence.await;
        self.shared.presence.write(&self.shared).await;
        self.endpoint.close();
        peers.shutdown().await;
        let _ = tokio::time::timeout(Duration::from_secs(2), self.endpoint.closed()).await;
    }
}

/// What happens once is boxed, here and in session.rs: a session that waits, as most do most of the time, holds no space for it.
async fn peer(shared: Arc<Shared>, handshake: EdgeHandshake) {
    let remote = handshake.remote();
    match Box::pin(handshake.open()).await {
        Ok(EdgeIncoming::Enrol(enrolment)) => {
            Box::pin(enrol::serve(&shared, enrolment, None)).await;
        }
        Ok(EdgeIncoming::Agent(agent)) => {
            let leaving = shared.leaving();
            session::serve(&shared, agent, None, leaving).await;
        }
        Ok(EdgeIncoming::Relay(relay)) => Box::pin(relay::serve(&shared, relay)).await,
        Err(error) => tracing::debug!(%remote, %error, "handshake failed"),
    }
}

/// A wish to scan, on [`SCAN_TOPIC`].
#[derive(Debug, Serialize, Deserialize)]
struct ScanWish {
    organization: OrganizationId,
    hosts: Vec<HostId>,
}

/// Asks the agents of hosts to scan now, wherever they are connected. Hosts without a session scan by themselves
/// when they come back.
pub async fn request_scan(bus: &SharedBus, organization: OrganizationId, hosts: Vec<HostId>) {
    let wish = ScanWish {
        organization,
        hosts,
    };
    if let Ok(hint) = serde_json::to_vec(&wish) {
        bus.publish(SCAN_TOPIC, &hint).await;
    }
}

/// Several events of one change come together.
const HINTS_TOGETHER: Duration = Duration::from_millis(100);
/// All sessions look at most this often because of hints: while deployments run, there is one after the other.
const WAKE_EVERY: Duration = Duration::from_secs(1);

/// Never ends: wakes the sessions that a hint is about.
async fn follow_hints(shared: Arc<Shared>) {
    let bus = &shared.bus;
    let mut scans = bus.subscribe(SCAN_TOPIC).await;
    let mut standings = bus.subscribe(STANDING_TOPIC).await;
    let [first, second] = DOCUMENT_TOPICS;
    let mut documents =
        futures::stream::select(bus.subscribe(first).await, bus.subscribe(second).await);
    let mut woken: Option<Instant> = None;
    let mut wake_at: Option<Instant> = None;
    loop {
        let due = async move {
            match wake_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {
                (woken, wake_at) = (Some(Instant::now()), None);
                shared.registry.wake_all();
            }
            Some(hint) = scans.next() => {
                // An empty hint says that hints may have been lost.
                if let Ok(wish) = serde_json::from_slice::<ScanWish>(&hint) {
                    for host in wish.hosts {
                        shared.registry.want_scan(wish.organization, host);
                    }
                }
            }
            Some(hint) = standings.next() => standing::doubt(&shared, &hint),
            Some(_) = documents.next() => {
                let soon = Instant::now() + HINTS_TOGETHER;
                let at = woken.map_or(soon, |woken| soon.max(woken + WAKE_EVERY));
                wake_at.get_or_insert(at);
            }
        }
    }
}
