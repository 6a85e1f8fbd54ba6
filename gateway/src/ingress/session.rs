//! One agent's session: who it is, hello, then messages in order until the carrier ends.

use super::convert::error_word;
use super::counter::{self, CheckIn, Judgement};
use super::parts::Parts;
use super::registry::{Arrival, Live, Memory};
use super::services::{Admitted, Ways};
use super::{Going, Shared};
use netpatch_inventory_api::Seen;
use netpatch_protocol::numbered::NumberError;
use netpatch_protocol::parts::MAX_WHOLE_BYTES;
use netpatch_protocol::session::{
    AgentMessage, EdgeMessage, Hello, ManifestWanted, SessionError, TimeProof, Welcome,
    agent_message, edge_message,
};
use netpatch_protocol::{IdentityName, Numbered, PROTOCOL_VERSION, Received, SubjectKind};
use netpatch_tunnel::{AgentConnection, TunnelError};
use netpatch_types::{ErrorCode, HostId, OrganizationId, RelayId, ServiceError, Sha256, SiteId};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// Messages that wait for an agent's acknowledgement.
const OUTBOX: usize = 1000;
/// A superseded session has this long to let go.
const LET_GO: Duration = Duration::from_secs(5);
/// A peer that takes nothing for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a host is heard that came directly although its site forbids it: it learns of its site's relays and of its membership, and
/// is given nothing to do.
const INTRODUCTION: Duration = Duration::from_secs(5);
/// How often a living session's certificate and standing are looked at again.
const RECHECK: Duration = Duration::from_secs(60);

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    /// The agent is told why.
    #[error("refused: {}", .0.message)]
    Refused(ServiceError),
    /// A service cannot take a message now: the agent sends it again on its next carrier.
    #[error("unavailable: {}", .0.message)]
    Unavailable(ServiceError),
    /// The carrier broke, or the peer broke the rules.
    #[error(transparent)]
    Broken(#[from] TunnelError),
    /// The numbers do not fit.
    #[error(transparent)]
    Numbers(#[from] NumberError),
    /// The agent has a newer session.
    #[error("superseded")]
    Superseded,
    /// This edge is about to end; the agent goes to another one.
    #[error("draining")]
    Draining,
    /// A message that was begun in parts did not become whole: the agent sends it again on its next carrier.
    #[error("message in parts did not become whole in time")]
    Unfinished,
    /// Nothing was heard for too long.
    #[error("silent")]
    Silent,
}

/// A session that was let in.
pub(crate) struct Session<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) connection: &'a mut AgentConnection,
    pub(crate) admitted: Admitted,
    pub(crate) memory: &'a mut Memory,
    pub(crate) live: Arc<Live>,
    pub(crate) relay: Option<RelayId>,
    /// The host's, when it connected.
    site: Option<SiteId>,
    /// When the session ends, because it came directly and its site forbids that.
    introduced_until: Option<Instant>,
    /// The manifest that inventory holds, as far as this session knows.
    pub(crate) manifest: Option<Sha256>,
    pub(crate) parts: Parts,
    heard: Instant,
    /// When the host signed a counter last.
    pub(crate) signed: Instant,
}

/// Serves an agent, directly or through a relay of its organization.
pub(crate) async fn serve(
    shared: &Shared,
    mut connection: AgentConnection,
    relay: Option<IdentityName>,
    leaving: Going,
) {
    let remote = connection.remote;
    let end = converse(shared, &mut connection, relay, leaving).await;
    match end {
        Ok(()) => tracing::debug!(%remote, "session ended"),
        Err(End::Draining) => {
            tracing::debug!(%remote, "session is sent to another edge");
            connection.finish().await;
        }
        Err(End::Refused(error)) => {
            tracing::info!(%remote, code = ?error.code, message = %error.message, "agent refused");
            let body = edge_message::Body::Error(SessionError {
                code: error_word(error.code),
                message: error.message,
            });
            let message = EdgeMessage {
                body: Some(body),
                ..EdgeMessage::default()
            };
            Box::pin(async {
                if connection.messages.send(&message).await.is_ok() {
                    connection.finish().await;
                }
            })
            .await;
        }
        Err(error) => tracing::info!(%remote, %error, "session ended"),
    }
}

pub(crate) fn refused(code: ErrorCode, message: &str) -> End {
    End::Refused(ServiceError::new(code, message))
}

async fn converse(
    shared: &Shared,
    connection: &mut AgentConnection,
    relay: Option<IdentityName>,
    leaving: Going,
) -> Result<(), End> {
    let doubts = shared.doubts.heard();
    let admitted = shared
        .services
        .admit(&connection.certificate)
        .await
        .map_err(End::Refused)?;
    let subject = admitted.subject;
    if subject.kind != SubjectKind::Host
        || relay.is_some_and(|relay| relay.organization != subject.organization)
    {
        return Err(refused(
            ErrorCode::Unauthenticated,
            "certificate is not of a host of this organization",
        ));
    }
    let name = (subject.organization, HostId(subject.id));
    let (hello, ack) = Box::pin(first_message(shared, connection)).await?;
    if hello.protocol != PROTOCOL_VERSION {
        return Err(refused(
            ErrorCode::BadUserInput,
            "agent speaks another version of the protocol",
        ));
    }
    let check_in = counter::read(hello.counter.as_ref(), &admitted.key).ok_or_else(|| {
        refused(
            ErrorCode::Unauthenticated,
            "check-in counter is not signed with the host's key",
        )
    })?;
    let standing = shared
        .services
        .host(name.0, name.1)
        .await
        .map_err(End::Refused)?;
    if standing.quarantined {
        return Err(refused(
            ErrorCode::Forbidden,
            "host is quarantined: two copies of its identity were live",
        ));
    }
    let now = shared.clock.monotonic();
    let live_for = shared.options.heartbeat * 3;
    let arrival = match shared.registry.arrive(name, check_in, now, live_for) {
        Ok(arrival) => arrival,
        Err(Judgement::Forked) => {
            Box::pin(quarantine(shared, name, relay)).await;
            return Err(refused(
                ErrorCode::Forbidden,
                "host is quarantined: two copies of its identity are live",
            ));
        }
        Err(_) => {
            return Err(refused(
                ErrorCode::Conflict,
                "check-in counter was used before",
            ));
        }
    };
    let left = Leave {
        shared,
        name,
        live: arrival.live.clone(),
    };
    let Arrival {
        live,
        memory,
        restored,
    } = arrival;
    let mut memory = tokio::time::timeout(LET_GO, memory.lock_owned())
        .await
        .map_err(|_| End::Superseded)?;
    let resumed = resume(&mut memory, &hello, ack);
    let Some(memory) = memory.as_mut() else {
        return Err(End::Superseded);
    };
    if restored {
        tracing::warn!(tenant.id = %name.0, host.id = %name.1, "host fell back to an earlier state: a restored snapshot");
    }
    let mut session = Session {
        shared,
        connection,
        admitted,
        memory,
        live,
        relay: relay.map(|relay| RelayId(relay.id)),
        site: standing.site,
        introduced_until: None,
        manifest: standing.manifest.filter(|_| !restored),
        parts: Parts::default(),
        heard: Instant::now(),
        signed: Instant::now(),
    };
    let begun = async {
        if shared.doubts.heard() != doubts {
            session.recheck().await?;
        }
        session.begin(check_in, resumed, restored).await
    };
    let served = match Box::pin(begun).await {
        Ok(()) => session.run(leaving).await,
        Err(end) => Err(end),
    };
    drop(left);
    served
}

/// Takes leave of the registry however the session ends.
struct Leave<'a> {
    shared: &'a Shared,
    name: (OrganizationId, HostId),
    live: Arc<Live>,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.shared.registry.leave(self.name, &self.live);
    }
}

async fn first_message(
    shared: &Shared,
    connection: &mut AgentConnection,
) -> Result<(Hello, u64), End> {
    let limit = shared.options.limits.handshake_timeout;
    let first = tokio::time::timeout(limit, connection.messages.receive::<AgentMessage>()).await;
    match first.map_err(|_| End::Silent)?? {
        Some(AgentMessage {
            body: Some(agent_message::Body::Hello(hello)),
            ack,
            ..
        }) => Ok((hello, ack)),
        Some(_) => Err(refused(
            ErrorCode::BadUserInput,
            "a session begins with a hello",
        )),
        None => Err(End::Silent),
    }
}

/// Both copies go: this one is refused, the other one is superseded, and neither is let in again.
async fn quarantine(shared: &Shared, name: (OrganizationId, HostId), relay: Option<IdentityName>) {
    tracing::error!(tenant.id = %name.0, host.id = %name.1, "two copies of one identity are live; host is quarantined");
    let seen = Seen {
        host: name.1,
        at: shared.clock.now(),
        relay: relay.map(|relay| RelayId(relay.id)),
        reboot_pending: false,
        forked: true,
    };
    shared.presence.saw(name.0, seen);
    shared.presence.write(shared).await;
}

/// Goes on with the session that both sides remember, or begins a new one.
fn resume(memory: &mut Option<Memory>, hello: &Hello, ack: u64) -> bool {
    if let Some(known) = memory.as_mut()
        && known.numbered.resume_id() == hello.resume_id
        && known.numbered.receive(0, ack).is_ok()
    {
        // A message that no service could take ended the last carrier.
        known.numbered.expect_again();
        known.membership_version = hello.membership_version;
        return true;
    }
    let held = hello
        .active_orders
        .iter()
        .filter_map(|bytes| Sha256::from_slice(bytes));
    *memory = Some(Memory {
        numbered: Numbered::new(uuid::Uuid::new_v4().as_bytes().to_vec(), OUTBOX),
        held: held.collect(),
        membership_version: hello.membership_version,
    });
    false
}

impl Session<'_> {
    pub(crate) fn organization(&self) -> OrganizationId {
        self.admitted.subject.organization
    }

    pub(crate) fn host(&self) -> HostId {
        HostId(self.admitted.subject.id)
    }

    /// Welcomes the agent and sends what waits for it.
    async fn begin(&mut self, hello: CheckIn, resumed: bool, restored: bool) -> Result<(), End> {
        self.saw(false);
        let ways = self.ways().await?;
        let welcome = Welcome {
            resume_id: self.memory.numbered.resume_id().to_vec(),
            time: self.time(&hello).await,
            known_manifest_hash: self
                .manifest
                .map(|hash| hash.0.to_vec())
                .unwrap_or_default(),
            heartbeat_seconds: u32::try_from(self.shared.options.heartbeat.as_secs().max(1))
                .unwrap_or(u32::MAX),
            relay_hints: ways.relays,
            other_relay_hints: ways.others,
            whole_bytes: MAX_WHOLE_BYTES as u64,
            signed_seconds: u32::try_from(self.shared.options.signed_every.as_secs())
                .unwrap_or(u32::MAX),
        };
        self.tell(edge_message::Body::Welcome(welcome)).await?;
        if resumed {
            for message in self.memory.numbered.unacknowledged().collect::<Vec<_>>() {
                self.write(&message).await?;
            }
        }
        if restored {
            let whole = edge_message::Body::ManifestWanted(ManifestWanted::default());
            self.send(whole).await?;
        }
        self.deliver().await
    }

    /// Relays that the host may go through: hints, without them it goes on as it came. One that came directly although its site forbids
    /// it hears of them and is sent away.
    async fn ways(&mut self) -> Result<Ways, End> {
        let Some(site) = self.site else {
            return Ok(Ways::default());
        };
        match self.shared.services.ways(self.organization(), site).await {
            Ok(ways) => {
                if !ways.direct_allowed {
                    self.forbid_direct();
                }
                Ok(ways)
            }
            Err(error) if self.relay.is_none() => Err(End::Unavailable(error)),
            Err(error) => {
                tracing::warn!(tenant.id = %self.organization(), %error, "a host is told of no relays");
                Ok(Ways::default())
            }
        }
    }

    /// The host's site forbids the direct way.
    pub(crate) fn forbid_direct(&mut self) {
        if self.relay.is_none() {
            let until = Instant::now() + INTRODUCTION;
            self.introduced_until.get_or_insert(until);
        }
    }

    /// Whether the host only hears by which way to come.
    pub(crate) fn is_introduction(&self) -> bool {
        self.introduced_until.is_some()
    }

    async fn run(&mut self, mut leaving: Going) -> Result<(), End> {
        let mut look = tokio::time::interval(self.shared.options.look_every);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        look.reset();
        let mut checked = Instant::now();
        let live = self.live.clone();
        loop {
            let introduced_until = self.introduced_until;
            let introduced = async {
                match introduced_until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = live.superseded.cancelled() => return Err(End::Superseded),
                () = introduced => return Err(refused(
                    ErrorCode::Forbidden,
                    "the host's site forbids the direct way: come through its relays",
                )),
                () = &mut leaving => return Err(End::Draining),
                received = self.connection.messages.receive::<AgentMessage>() => match received? {
                    Some(message) => Box::pin(self.take(message)).await?,
                    None => return Ok(()),
                },
                () = live.wake.notified() => {
                    if live.doubted.swap(false, Ordering::Relaxed) {
                        Box::pin(self.recheck()).await?;
                    }
                    Box::pin(self.look()).await?;
                }
                _ = look.tick() => {
                    if self.heard.elapsed() > self.shared.options.heartbeat * 3 {
                        return Err(End::Silent);
                    }
                    self.expect_whole()?;
                    if checked.elapsed() > RECHECK {
                        checked = Instant::now();
                        Box::pin(self.recheck()).await?;
                    }
                    Box::pin(self.look()).await?;
                }
            }
        }
    }

    /// Scans that were asked for, documents that wait.
    async fn look(&mut self) -> Result<(), End> {
        if self.live.scan_wanted.swap(false, Ordering::Relaxed) {
            let scan = netpatch_protocol::session::ScanNow {
                reason: "asked for".into(),
            };
            self.send(edge_message::Body::ScanNow(scan)).await?;
        }
        self.deliver().await
    }

    async fn take(&mut self, message: AgentMessage) -> Result<(), End> {
        self.heard = Instant::now();
        let AgentMessage { number, ack, body } = message;
        if self.memory.numbered.receive(number, ack)? == Received::Duplicate {
            return Ok(());
        }
        let Some(body) = body else {
            return Err(refused(
                ErrorCode::BadUserInput,
                "message has no body that is known here",
            ));
        };
        match body {
            agent_message::Body::Part(part) => return self.part(number, part).await,
            body => self.handle(body).await?,
        }
        self.memory.numbered.durable(number);
        Ok(())
    }

    /// The host was seen.
    pub(crate) fn saw(&self, reboot_pending: bool) {
        let seen = Seen {
            host: self.host(),
            at: self.shared.clock.now(),
            relay: self.relay,
            reboot_pending,
            forked: false,
        };
        self.shared.presence.saw(self.organization(), seen);
    }

    /// The signed time for a check-in; without it the agent opens no window, which is the safe direction.
    pub(crate) async fn time(&mut self, check_in: &CheckIn) -> Option<TimeProof> {
        let signed = self
            .shared
            .services
            .time(self.organization(), counter::nonce(check_in))
            .await;
        match signed {
            Ok(envelope) => Some(TimeProof {
                envelope: Some(envelope),
            }),
            Err(error) => {
                tracing::warn!(tenant.id = %self.organization(), %error, "time cannot be signed");
                None
            }
        }
    }

    /// Sends until it is acknowledged.
    pub(crate) async fn send(&mut self, body: edge_message::Body) -> Result<(), End> {
        let message = self.memory.numbered.send(EdgeMessage {
            body: Some(body),
            ..EdgeMessage::default()
        })?;
        self.write(&message).await
    }

    /// Sends once.
    pub(crate) async fn tell(&mut self, body: edge_message::Body) -> Result<(), End> {
        let message = self.memory.numbered.send_uncounted(EdgeMessage {
            body: Some(body),
            ..EdgeMessage::default()
        });
        self.write(&message).await
    }

    /// A session that is superseded does not wait for its peer: the new one waits for what it holds.
    async fn write(&mut self, message: &EdgeMessage) -> Result<(), End> {
        let live = self.live.clone();
        let sending = self.connection.messages.send(message);
        tokio::select! {
            sent = tokio::time::timeout(WRITE_TIMEOUT, sending) => match sent {
                Ok(sent) => Ok(sent?),
                Err(_) => Err(End::Silent),
            },
            () = live.superseded.cancelled() => Err(End::Superseded),
        }
    }
}
