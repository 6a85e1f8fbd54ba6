//! One agent's session: who it is, hello (welcome.rs), then messages in order until the carrier ends.

use super::convert::error_word;
use super::counter::{self, Judgement};
use super::parts::Parts;
use super::registry::{Arrival, Live, Memory};
use super::services::Admitted;
use super::welcome::{first_message, resume};
use super::{Going, Shared, ways};
use netpatch_inventory_api::Seen;
use netpatch_protocol::numbered::NumberError;
use netpatch_protocol::session::{
    AgentMessage, EdgeMessage, SessionError, agent_message, edge_message,
};
use netpatch_protocol::{IdentityName, PROTOCOL_VERSION, Received, SubjectKind};
use netpatch_tunnel::{AgentConnection, TunnelError};
use netpatch_types::{ErrorCode, HostId, OrganizationId, RelayId, ServiceError, Sha256, SiteId};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// A superseded session has this long to let go.
const LET_GO: Duration = Duration::from_secs(5);
/// A peer that takes nothing for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
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
    pub(super) site: Option<SiteId>,
    /// When the session ends, because it came directly and its site forbids that.
    pub(super) introduced_until: Option<Instant>,
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

impl Session<'_> {
    pub(crate) fn organization(&self) -> OrganizationId {
        self.admitted.subject.organization
    }

    pub(crate) fn host(&self) -> HostId {
        HostId(self.admitted.subject.id)
    }

    async fn run(&mut self, mut leaving: Going) -> Result<(), End> {
        let mut look = tokio::time::interval(self.shared.options.look_every);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        look.reset();
        let mut checked = Instant::now();
        let live = self.live.clone();
        loop {
            let introduced = ways::introduced(self.introduced_until);
            tokio::select! {
                () = live.superseded.cancelled() => return Err(End::Superseded),
                end = introduced => return Err(end),
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
    pub(super) async fn write(&mut self, message: &EdgeMessage) -> Result<(), End> {
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
