//! Events of identity, versioned. The gateway carries those that belong there into the organization's ledger.

use netpatch_storage::{Bus, Consumer, StorageResult, TenantTx, Until, outbox};
use netpatch_types::{
    Actor, Clock, Cursor, DelegationId, EnrolmentTokenId, EventEnvelope, EventPage, HostId,
    OrganizationId, RelayId, RequestContext, ServiceResult, Sha256, SiteId, UserId,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// What happened in identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum IdentityEvent {
    /// Version 1.
    #[serde(rename = "1")]
    V1 {
        /// By whom.
        by: Actor,
        /// What.
        event: IdentityEventV1,
    },
}

fn yes() -> bool {
    true
}

/// Version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum IdentityEventV1 {
    /// An organization was made.
    OrganizationCreated {
        /// Which.
        organization: OrganizationId,
    },
    /// A site was made.
    SiteCreated {
        /// Which.
        site: SiteId,
    },
    /// A site's settings were changed.
    SiteChanged {
        /// Which.
        site: SiteId,
        /// Whether its relays may probe its hosts now.
        probes_exposure: bool,
        /// What its line may carry now.
        #[serde(default)]
        bandwidth: netpatch_types::Bandwidth,
        /// Whether its relays may serve hosts without an agent now; events from before there was such a thing say nothing of it.
        #[serde(default)]
        serves_proxy: bool,
        /// When its relays fetch ahead now; none: at all hours.
        #[serde(default)]
        staging_hours: Vec<netpatch_types::WeekHours>,
        /// Where its relays fetch now, of repositories that are not fetched from where hosts name them.
        #[serde(default)]
        mirrors: Vec<crate::Mirrors>,
        /// Whether its relays use differences now; so they did before there was a choice.
        #[serde(default = "yes")]
        uses_deltas: bool,
        /// Whether hosts may go past the relay now; events from before that could be changed say nothing of it.
        #[serde(default)]
        direct_allowed: Option<bool>,
    },
    /// A user was made.
    UserCreated {
        /// Which.
        user: UserId,
    },
    /// Somebody signed in.
    SignedIn {
        /// Who.
        user: UserId,
    },
    /// An API client was made.
    ApiClientCreated {
        /// Which.
        client: netpatch_types::ApiClientId,
    },
    /// A delegation was asked for, approved or revoked.
    DelegationChanged {
        /// Which.
        delegation: DelegationId,
        /// To which partner.
        partner: OrganizationId,
        /// How it stands now.
        status: String,
    },
    /// An enrolment token was made.
    TokenCreated {
        /// Which.
        token: EnrolmentTokenId,
    },
    /// An enrolment token was revoked.
    TokenRevoked {
        /// Which.
        token: EnrolmentTokenId,
    },
    /// A host enrolled or renewed with a new key.
    HostEnrolled {
        /// Which.
        host: HostId,
    },
    /// All certificates of a host or relay were revoked.
    CertificatesRevoked {
        /// The name in the certificates.
        subject: String,
    },
    /// A user changed the password.
    PasswordChanged {
        /// Who.
        user: UserId,
    },
    /// A partner asked a customer for a delegation. Logged with the partner; the customer has `DelegationChanged`.
    DelegationRequested {
        /// Whom, if there is such an organization.
        customer: OrganizationId,
    },
    /// A relay was claimed.
    RelayClaimed {
        /// Which.
        relay: RelayId,
        /// SHA-256 of its public key; events from before there was such a thing say nothing of it.
        #[serde(default)]
        key: Option<Sha256>,
    },
    /// Another machine took a relay's place: same id, name, site and history. The old one's certificates are revoked.
    RelayReplaced {
        /// Which.
        relay: RelayId,
        /// SHA-256 of the old machine's public key.
        old_key: Sha256,
        /// And of the new one's.
        new_key: Sha256,
    },
}

/// Writes an event in the transaction of the change.
pub(crate) async fn append(
    tx: &TenantTx,
    ctx: &RequestContext,
    clock: &dyn Clock,
    event: IdentityEventV1,
) -> StorageResult<()> {
    let by = ctx.actor.clone();
    outbox::append(
        tx,
        "identity",
        "identity",
        &IdentityEvent::V1 { by, event },
        clock,
    )
    .await?;
    Ok(())
}

impl crate::Auth {
    /// Events behind a cursor, in commit order.
    pub async fn events(&self, after: Cursor, limit: u32) -> ServiceResult<EventPage> {
        Ok(outbox::read(&self.db, "identity", after, limit).await?)
    }

    /// Watches and prunes the events until stopped.
    pub async fn events_tend(&self, stop: CancellationToken) {
        outbox::tend(&self.db, "identity", self.clock.clone(), stop).await;
    }

    /// Hands every event on, at least once and in commit order, until stopped. How far `consumer` got is kept.
    pub async fn events_each<H, F>(
        &self,
        consumer: &str,
        bus: &dyn Bus,
        stop: CancellationToken,
        handle: H,
    ) where
        H: Fn(EventEnvelope) -> F,
        F: Future<Output = ServiceResult<()>>,
    {
        let source = |after, limit| self.events(after, limit);
        let _ = unhinted(consumer)
            .follow(&self.db, bus, Until::Stopped(stop), source, handle)
            .await;
    }

    /// As [`Self::events_each`], a page of events at a time; a page that fails is handed on again event by event.
    pub async fn events_in_pages<H, F>(
        &self,
        consumer: &str,
        bus: &dyn Bus,
        stop: CancellationToken,
        handle: H,
    ) where
        H: Fn(Vec<EventEnvelope>) -> F,
        F: Future<Output = ServiceResult<()>>,
    {
        let source = |after, limit| self.events(after, limit);
        let _ = unhinted(consumer)
            .follow_pages(&self.db, bus, Until::Stopped(stop), source, handle)
            .await;
    }
}

/// Nobody hints at identity's events and nobody waits for them.
fn unhinted(consumer: &str) -> Consumer {
    Consumer::new("identity", consumer, "identity.outbox").unhurried()
}
