//! What the edge asks of identity and the services, as one trait, so that the edge is tested without them.

use bytes::Bytes;
use netpatch_inventory_api::{
    ApplicabilityReport, HostFactsReport, ManifestDeltaReport, ManifestOutcome, ManifestReport,
    Seen,
};
use netpatch_proof::PublicKey;
use netpatch_protocol::IdentityName;
use netpatch_protocol::document::Envelope;
use netpatch_protocol::enrol::{
    ClaimPending, Enrolled, HostEnrolment, HostRenewal, RelayClaimStart, RelayToken,
};
use netpatch_protocol::session::Renewed;
use netpatch_protocol::site::{
    DeltaFound, DeltaRequest, ProbePlan, ProbeRequest, ProbeResults, RelayReport, SiteSettings,
    StagingPlan, StagingRequest, StoredFound, StoredRequest,
};
use netpatch_scheduler_api::{OrderAnswered, RunReport, RunStored};
use netpatch_storage::blobs::Reading;
use netpatch_tunnel::ServerIdentity;
use netpatch_types::{
    DeploymentId, HostId, OrganizationId, RelayId, ServiceResult, Sha256, SiteId,
};

/// A certificate that was accepted.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    /// Whom it names.
    pub subject: IdentityName,
    /// Its key.
    pub key: PublicKey,
}

/// What the edge needs to know of a host when it connects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostStanding {
    /// The manifest that inventory holds.
    pub manifest: Option<Sha256>,
    /// Two copies of its identity were live.
    pub quarantined: bool,
    /// Its site.
    pub site: Option<SiteId>,
}

/// Whom the relays of an organization turn away, each from the last whose right ended; one more than relays are told of says that there
/// are more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotAdmitted {
    /// Hosts in quarantine.
    pub hosts: Vec<HostId>,
    /// Revoked certificates of hosts that are not at their end yet.
    pub certificates: Vec<Sha256>,
}

/// Relays that a host is told of.
pub(super) const RELAY_HINTS: usize = 8;

/// By which ways the hosts of a site come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// Whether they may go past relays.
    pub direct_allowed: bool,
    /// Where relays say that hosts reach them, `host:port`; at most eight.
    pub relays: Vec<String>,
    /// The same of the organization's other sites.
    pub others: Vec<String>,
}

/// A difference that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// From which version to which.
    pub found: DeltaFound,
    /// How to make one of the other.
    pub bytes: Bytes,
}

/// A payload that the platform keeps, as a relay may get it.
#[derive(Debug)]
pub enum StoredPayload {
    /// From the store itself, by an address that is good for a while.
    At(StoredFound),
    /// Through the edge.
    Bytes(Reading),
}

/// What the edge asks for. The organization always comes from a certificate or token, never from a message.
#[async_trait::async_trait]
pub trait Services: Send + Sync + 'static {
    /// A fresh certificate for the edge itself.
    fn edge_identity(&self) -> ServiceResult<ServerIdentity>;
    /// Whether a certificate is good: chain, time, not revoked.
    async fn admit(&self, certificate_der: &[u8]) -> ServiceResult<Admitted>;
    /// Whether a certificate that was admitted is still not revoked.
    async fn still_admitted(
        &self,
        subject: IdentityName,
        certificate_der: &[u8],
    ) -> ServiceResult<()>;
    /// A host that enrols with a token.
    async fn enrol_host(&self, request: HostEnrolment) -> ServiceResult<Enrolled>;
    /// A relay that wants a claim code.
    async fn claim_start(&self, request: RelayClaimStart) -> ServiceResult<ClaimPending>;
    /// A relay that waits; `None` while nobody has typed its code.
    async fn claim_poll(&self, device_code: &str) -> ServiceResult<Option<Enrolled>>;
    /// A relay that has a token.
    async fn enrol_relay(&self, request: RelayToken) -> ServiceResult<Enrolled>;
    /// A host or relay whose certificate may have ended.
    async fn renew_expired(&self, request: HostRenewal) -> ServiceResult<Enrolled>;
    /// A host with a live session.
    async fn renew(&self, subject: IdentityName, csr_der: &[u8]) -> ServiceResult<Renewed>;

    /// What a relay should serve.
    async fn relay_settings(
        &self,
        organization: OrganizationId,
        relay: RelayId,
    ) -> ServiceResult<SiteSettings>;
    /// What a relay says of itself.
    async fn relay_report(
        &self,
        organization: OrganizationId,
        relay: RelayId,
        report: RelayReport,
    ) -> ServiceResult<()>;

    /// Whom the relays of an organization turn away now.
    async fn not_admitted(&self, organization: OrganizationId) -> ServiceResult<NotAdmitted>;

    /// What a relay is to fetch ahead; empty when it holds to that already. It says how far it is.
    async fn staging(
        &self,
        organization: OrganizationId,
        relay: RelayId,
        request: StagingRequest,
    ) -> ServiceResult<StagingPlan>;

    /// A difference instead of a whole payload, if there is one; it may be made for the next who asks.
    async fn delta(
        &self,
        organization: OrganizationId,
        relay: RelayId,
        request: DeltaRequest,
    ) -> ServiceResult<Option<Recipe>>;

    /// A payload that the platform keeps, if it keeps it and the relay may have it; it may be fetched for the next who asks.
    async fn stored(
        &self,
        organization: OrganizationId,
        relay: RelayId,
        request: StoredRequest,
    ) -> ServiceResult<Option<StoredPayload>> {
        let _ = (organization, relay, request);
        Ok(None)
    }

    /// What a relay may try to reach now; refused where its site does not allow it.
    async fn probe_plan(
        &self,
        organization: OrganizationId,
        relay: RelayId,
        request: ProbeRequest,
    ) -> ServiceResult<ProbePlan>;
    /// What a relay reached.
    async fn probe_report(
        &self,
        organization: OrganizationId,
        relay: RelayId,
        results: ProbeResults,
    ) -> ServiceResult<()>;

    /// Where a host stands.
    async fn host(&self, organization: OrganizationId, host: HostId)
    -> ServiceResult<HostStanding>;
    /// By which ways the hosts of a site come.
    async fn ways(&self, organization: OrganizationId, site: SiteId) -> ServiceResult<Ways>;
    /// Who was seen.
    async fn seen(&self, organization: OrganizationId, seen: Vec<Seen>) -> ServiceResult<()>;
    /// What a host is.
    async fn facts(
        &self,
        organization: OrganizationId,
        report: HostFactsReport,
    ) -> ServiceResult<()>;
    /// A whole manifest.
    async fn manifest(
        &self,
        organization: OrganizationId,
        report: ManifestReport,
    ) -> ServiceResult<ManifestOutcome>;
    /// A change of a manifest.
    async fn manifest_delta(
        &self,
        organization: OrganizationId,
        report: ManifestDeltaReport,
    ) -> ServiceResult<ManifestOutcome>;
    /// What a host could install.
    async fn applicability(
        &self,
        organization: OrganizationId,
        report: ApplicabilityReport,
    ) -> ServiceResult<()>;

    /// Steps of a run.
    async fn run_report(
        &self,
        organization: OrganizationId,
        report: RunReport,
    ) -> ServiceResult<RunStored>;
    /// An answer to an order.
    async fn order_answer(
        &self,
        organization: OrganizationId,
        answer: OrderAnswered,
    ) -> ServiceResult<()>;
    /// Orders and halts that a host should hold and does not.
    async fn documents(
        &self,
        organization: OrganizationId,
        host: HostId,
        held: Vec<Sha256>,
    ) -> ServiceResult<Vec<Envelope>>;
    /// A newer membership document than the one held, with its version.
    async fn membership(
        &self,
        organization: OrganizationId,
        host: HostId,
        held_version: u64,
    ) -> ServiceResult<Option<(u64, Envelope)>>;
    /// Whether a deployment may still run, signed.
    async fn freshness(
        &self,
        organization: OrganizationId,
        host: HostId,
        deployment: DeploymentId,
    ) -> ServiceResult<Envelope>;
    /// The time, signed over a nonce. Touches no database.
    async fn time(&self, organization: OrganizationId, nonce: Sha256) -> ServiceResult<Envelope>;
}
