//! Whether somebody who is connected still may be: looked at each minute, and at once when the bus says that a right may have ended.
//!
//! A hint ends nothing: it names whom to look at, and what identity and inventory answer decides. Whoever is being let in while a hint
//! arrives is looked at once more ([`Doubts::heard`]), so none slips through between the first look and its place in the registry.
//! A lost hint costs a minute; when hints may have been lost, everybody is looked at.
//!
//! Relays serve payloads without asking: they are told whom they turn away (refused.rs), at the same hints.

use super::Shared;
use super::session::{End, Session, refused};
use netpatch_protocol::{IdentityName, SubjectKind};
use netpatch_storage::Bus;
use netpatch_tunnel::identity::validity;
use netpatch_types::{ErrorCode, HostId, OrganizationId, ServiceError};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::broadcast;

/// Where it is told whose right may have ended, as its name in certificates; see [`standing_changed`].
pub const STANDING_TOPIC: &str = "ingress.standing";
/// Hints that wait for the task of a relay; with more it looks in any case.
const WAITING: usize = 64;

/// Tells every edge that a host's or relay's right may have ended, or a host's may have come back, after the change is durable: whichever
/// holds a session of it looks now, and the relays of its organization hear of it.
pub async fn standing_changed(bus: &dyn Bus, whose: IdentityName) {
    bus.publish(STANDING_TOPIC, whose.to_string().as_bytes())
        .await;
}

/// Hints that this edge has heard.
pub(crate) struct Doubts {
    heard: AtomicU64,
    relays: broadcast::Sender<Option<IdentityName>>,
    /// Whose hosts are meant.
    hosts: broadcast::Sender<Option<OrganizationId>>,
}

impl Default for Doubts {
    fn default() -> Self {
        Self {
            heard: AtomicU64::new(0),
            relays: broadcast::Sender::new(WAITING),
            hosts: broadcast::Sender::new(WAITING),
        }
    }
}

impl Doubts {
    /// How many so far.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::SeqCst)
    }

    /// Hints from now on, for a relay's task.
    pub(crate) fn of_relays(&self) -> RelayDoubts {
        RelayDoubts(self.relays.subscribe())
    }

    /// Ends at a hint from now on about a host of this organization.
    pub(crate) fn about_hosts(
        &self,
        organization: OrganizationId,
    ) -> impl Future<Output = ()> + use<> {
        let mut hosts = self.hosts.subscribe();
        async move {
            while let Ok(Some(other)) = hosts.recv().await {
                if other == organization {
                    return;
                }
            }
        }
    }
}

/// Hints, as a relay's task waits for them.
pub(crate) struct RelayDoubts(broadcast::Receiver<Option<IdentityName>>);

impl RelayDoubts {
    /// Ends when this relay is to be looked at.
    pub(crate) async fn about(&mut self, relay: IdentityName) {
        while let Ok(Some(other)) = self.0.recv().await {
            if other == relay {
                return;
            }
        }
    }
}

/// Passes a hint of [`STANDING_TOPIC`] on to whom it is about.
pub(crate) fn doubt(shared: &Shared, hint: &[u8]) {
    let named = std::str::from_utf8(hint)
        .ok()
        .and_then(|name| name.parse::<IdentityName>().ok());
    if named.is_none() && !hint.is_empty() {
        tracing::debug!("a hint of an ended right names nobody");
        return;
    }
    shared.doubts.heard.fetch_add(1, Ordering::SeqCst);
    match named {
        Some(host) if host.kind == SubjectKind::Host => {
            let name = (host.organization, HostId(host.id));
            shared.registry.doubt(name);
        }
        Some(_) => {}
        None => shared.registry.doubt_all(),
    }
    // Nobody may listen.
    if named.is_none_or(|name| name.kind == SubjectKind::Relay) {
        let _ = shared.doubts.relays.send(named);
    }
    if named.is_none_or(|name| name.kind == SubjectKind::Host) {
        let whose = named.map(|name| name.organization);
        let _ = shared.doubts.hosts.send(whose);
    }
}

impl Session<'_> {
    /// A certificate may be revoked, a host quarantined, while its session lives.
    pub(crate) async fn recheck(&mut self) -> Result<(), End> {
        let services = &self.shared.services;
        let is_final = |error: &ServiceError| {
            matches!(
                error.code,
                ErrorCode::Unauthenticated | ErrorCode::Forbidden | ErrorCode::NotFound
            )
        };
        // Chain and key were checked when it came, and do not change; time does.
        let certificate = &self.connection.certificate;
        let now = self.shared.clock.now().timestamp();
        if validity(certificate).is_ok_and(|(_, to)| now > to) {
            let ended = "the certificate has ended; renew it";
            return Err(refused(ErrorCode::Unauthenticated, ended));
        }
        match services
            .still_admitted(self.admitted.subject, certificate)
            .await
        {
            Err(error) if is_final(&error) => return Err(End::Refused(error)),
            _ => {}
        }
        match services.host(self.organization(), self.host()).await {
            Ok(standing) if standing.quarantined => {
                Err(refused(ErrorCode::Forbidden, "host is quarantined"))
            }
            Err(error) if is_final(&error) => Err(End::Refused(error)),
            _ => Ok(()),
        }
    }
}
