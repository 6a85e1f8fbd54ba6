//! What the edge asks for, answered by identity and the services.

mod together;

use super::services::{Admitted, HostStanding, NotAdmitted, Recipe, Services, StoredPayload, Ways};
use super::{convert, delta, probe, staging, stored, week};
use netpatch_auth::{
    Auth, ClaimStart, ClaimState, IssuedCertificate, RelayReport as IdentityRelayReport, RoleKeys,
    Site, certificate_revoked,
};
use netpatch_inventory_api::{
    ApplicabilityReport, HostFactsReport, HostGet, HostRegister, InventoryApi, ManifestDeltaReport,
    ManifestOutcome, ManifestReport, PresenceReport, Seen,
};
use netpatch_policy_api::{ApprovalKeyGet, MembershipGet, PolicyApi};
use netpatch_proof::PublicKey;
use netpatch_protocol::document::Envelope;
use netpatch_protocol::enrol::{
    ClaimPending, Enrolled, HostEnrolment, HostRenewal, RelayClaimStart, RelayToken,
};
use netpatch_protocol::session::Renewed;
use netpatch_protocol::site::{
    DeltaRequest, ProbePlan, ProbeRequest, ProbeResults, RelayReport, SiteSettings, StagingPlan,
    StagingRequest, StoredFound, StoredRequest, Upstream,
};
use netpatch_protocol::{IdentityName, SubjectKind};
use netpatch_reporting_api::{LedgerKeyGet, ReportingApi};
use netpatch_scheduler_api::{
    DirectorKeyGet, DocumentsForHost, FreshnessGet, OrderAnswered, RunReport, RunStored,
    SchedulerApi, StagingPlanGet, TimeSign,
};
use netpatch_storage::Blobs;
use netpatch_tunnel::identity::{claimed_name, subject_key};
use netpatch_tunnel::{ResetSecret, ServerIdentity, verify_identity};
use netpatch_types::{
    Actor, ActorKind, DeploymentId, ErrorCode, HostId, OrganizationId, RelayId, RequestContext,
    ServiceError, ServiceResult, Sha256, SiteId,
};
use prost::Message as _;
use std::collections::HashMap;
use std::sync::Arc;
use together::Together;

/// How often a relay asks for its claim, seconds.
const POLL_SECONDS: u32 = 2;

/// Identity and the services, wherever they run.
pub struct PlatformParts {
    /// Organizations, tokens, certificates, relays.
    pub auth: Auth,
    /// Hosts.
    pub inventory: Arc<dyn InventoryApi>,
    /// Membership.
    pub policy: Arc<dyn PolicyApi>,
    /// Orders and runs.
    pub scheduler: Arc<dyn SchedulerApi>,
    /// The ledger's key.
    pub reporting: Arc<dyn ReportingApi>,
    /// Recipes of differences, and payloads that are kept.
    pub blobs: Blobs,
}

/// What the edge asks of them. Questions that each session asks go together (gather.rs).
pub struct PlatformServices {
    parts: Arc<PlatformParts>,
    together: Together,
    told: stored::Told,
}

impl PlatformServices {
    /// Begins to gather questions; inside a tokio runtime.
    #[must_use]
    pub fn new(parts: PlatformParts) -> Self {
        let parts = Arc::new(parts);
        Self {
            together: Together::new(&parts),
            told: stored::Told::default(),
            parts,
        }
    }

    fn edge(&self, organization: OrganizationId) -> RequestContext {
        self.parts.edge(organization)
    }

    /// For what an agent does itself.
    fn agent(&self, organization: OrganizationId, host: HostId) -> RequestContext {
        let edge = self.edge(organization);
        RequestContext {
            actor: Actor {
                kind: ActorKind::Agent,
                id: host.0,
                display: format!("host {host}"),
                ..edge.actor
            },
            ..edge
        }
    }

    /// The site of a relay, if it lets its relays probe.
    async fn probing_site(&self, ctx: &RequestContext, relay: RelayId) -> ServiceResult<SiteId> {
        let relay = self.parts.auth.relay_get(ctx, relay).await?;
        let site = self.parts.auth.site_get(ctx, relay.site).await?;
        if site.probes_exposure {
            Ok(site.id)
        } else {
            Err(ServiceError::forbidden(
                "the site does not let its relays probe its hosts",
            ))
        }
    }

    /// Has kept what a plan names: mirrors may lose it before the relay has it.
    async fn keep(&self, ctx: &RequestContext, site: &Site, plan: &StagingPlan) {
        let now = self.parts.auth.clock().now();
        if !self.told.is_due(site.id, &plan.plan, now) {
            return;
        }
        let keep = stored::of_plan(plan, &site.upstreams);
        if !keep.payloads.is_empty()
            && let Err(error) = self.parts.inventory.payloads_store(ctx, keep).await
        {
            tracing::warn!(site.id = %site.id, %error, "payloads of a plan are not kept; trying again");
            return;
        }
        self.told.told(site.id, &plan.plan, now);
    }

    async fn root(&self, organization: OrganizationId) -> ServiceResult<Envelope> {
        let ctx = self.edge(organization);
        let keys = RoleKeys {
            director: self
                .parts
                .scheduler
                .director_key(&ctx, DirectorKeyGet {})
                .await?
                .public_key,
            approval: self
                .parts
                .policy
                .approval_key(&ctx, ApprovalKeyGet {})
                .await?
                .public_key,
            ledger: self
                .parts
                .reporting
                .ledger_key(&ctx, LedgerKeyGet {})
                .await?
                .public_key,
        };
        self.parts.auth.root_document(organization, &keys).await
    }

    /// For a host `root` is read before the certificate is issued: what fails after that cannot be tried again.
    fn enrolled(
        &self,
        issued: IssuedCertificate,
        site: SiteId,
        root: Envelope,
    ) -> ServiceResult<Enrolled> {
        Ok(Enrolled {
            organization_id: issued.subject.organization.to_string(),
            subject_id: issued.subject.id.to_string(),
            site_id: site.to_string(),
            certificate_der: issued.certificate_der,
            ca_der: issued.ca_der,
            root: Some(root),
            platform_root_der: self.parts.auth.platform_root()?,
        })
    }
}

impl PlatformParts {
    fn edge(&self, organization: OrganizationId) -> RequestContext {
        RequestContext::system(organization, "edge", self.auth.clock().now())
    }
}

fn envelope(bytes: &[u8]) -> ServiceResult<Envelope> {
    Envelope::decode(bytes).map_err(|_| {
        tracing::error!("a service answered bytes that are no envelope");
        ServiceError::internal()
    })
}

fn not_accepted() -> ServiceError {
    ServiceError::new(ErrorCode::Unauthenticated, "certificate is not accepted")
}

#[async_trait::async_trait]
impl Services for PlatformServices {
    fn edge_identity(&self) -> ServiceResult<ServerIdentity> {
        let made = self.parts.auth.edge_identity()?;
        Ok(ServerIdentity {
            chain: made.chain.into_iter().map(Into::into).collect(),
            key: made.key.into(),
            reset: made.reset.map(|secret| ResetSecret::new(&secret)),
        })
    }

    async fn admit(&self, certificate_der: &[u8]) -> ServiceResult<Admitted> {
        let claimed = claimed_name(certificate_der).map_err(|_| not_accepted())?;
        // Only an organization that exists has issued one: for no other a certificate authority is looked for, let alone made.
        self.still_admitted(claimed, certificate_der).await?;
        let ca = self.parts.auth.issuing_ca(claimed.organization)?;
        let now = u64::try_from(self.parts.auth.clock().now().timestamp()).unwrap_or(0);
        let subject = verify_identity(certificate_der, &ca, now).map_err(|error| {
            tracing::info!(%error, "certificate is not accepted");
            not_accepted()
        })?;
        let (_, spki) = subject_key(certificate_der).map_err(|_| not_accepted())?;
        let key = PublicKey::p256_spki(&spki).ok_or_else(not_accepted)?;
        Ok(Admitted { subject, key })
    }

    async fn still_admitted(
        &self,
        subject: IdentityName,
        certificate_der: &[u8],
    ) -> ServiceResult<()> {
        let asked = (subject, Sha256::of(certificate_der));
        let certificates = &self.together.certificates;
        if certificates.ask(subject.organization, asked).await? {
            Ok(())
        } else {
            Err(certificate_revoked())
        }
    }

    async fn enrol_host(&self, request: HostEnrolment) -> ServiceResult<Enrolled> {
        let facts = convert::facts(request.facts.unwrap_or_default())?;
        let grant = self.parts.auth.token_consume(&request.secret).await?;
        let register = HostRegister {
            id: HostId::new(self.parts.auth.clock().now()),
            site: grant.site,
            facts,
            labels: grant.labels.clone(),
        };
        let enrolling = async {
            let root = self.root(grant.organization).await?;
            let edge = self.edge(grant.organization);
            let host = self
                .parts
                .inventory
                .host_register(&edge, register)
                .await?
                .id;
            let issued = self
                .parts
                .auth
                .host_enrol(grant.organization, host, &request.csr_der)
                .await?;
            self.enrolled(issued, grant.site, root)
        };
        let enrolled = enrolling.await;
        if enrolled.is_err()
            && let Err(error) = self.parts.auth.token_release(&grant).await
        {
            tracing::warn!(%error, "a token's use cannot be given back");
        }
        enrolled
    }

    async fn claim_start(&self, request: RelayClaimStart) -> ServiceResult<ClaimPending> {
        let start = ClaimStart {
            csr_der: request.csr_der,
            model: request.model,
            serial: request.serial,
            version: request.version,
        };
        let claim = self.parts.auth.claim_start(start).await?;
        Ok(ClaimPending {
            device_code: claim.device_code,
            claim_code: claim.claim_code,
            expires_at_ms: claim.expires_at.timestamp_millis(),
            interval_seconds: POLL_SECONDS,
        })
    }

    async fn claim_poll(&self, device_code: &str) -> ServiceResult<Option<Enrolled>> {
        match self.parts.auth.claim_poll(device_code).await? {
            ClaimState::Pending => Ok(None),
            ClaimState::Taken {
                organization,
                relay,
                site,
                certificate_der,
                ca_der,
            } => Ok(Some(Enrolled {
                organization_id: organization.to_string(),
                subject_id: relay.to_string(),
                site_id: site.to_string(),
                certificate_der,
                ca_der,
                root: Some(self.root(organization).await?),
                platform_root_der: self.parts.auth.platform_root()?,
            })),
        }
    }

    async fn enrol_relay(&self, request: RelayToken) -> ServiceResult<Enrolled> {
        let (model, serial, version) = (&request.model, &request.serial, &request.version);
        let (id, issued) = self
            .parts
            .auth
            .relay_enrol(&request.secret, model, serial, version, &request.csr_der)
            .await?;
        // What fails from here on is asked again with the same key.
        let organization = issued.subject.organization;
        let site = self
            .parts
            .auth
            .relay_get(&self.edge(organization), id)
            .await?
            .site;
        let root = self.root(organization).await?;
        self.enrolled(issued, site, root)
    }

    async fn renew_expired(&self, request: HostRenewal) -> ServiceResult<Enrolled> {
        let HostRenewal {
            certificate_der,
            csr_der,
            signature,
        } = request;
        let issued = self
            .parts
            .auth
            .certificate_renew_expired(&certificate_der, &csr_der, &signature)
            .await?;
        let subject = issued.subject;
        let ctx = self.edge(subject.organization);
        let site = match subject.kind {
            SubjectKind::Host => {
                self.parts
                    .inventory
                    .host_get(
                        &ctx,
                        HostGet {
                            id: HostId(subject.id),
                        },
                    )
                    .await?
                    .site
            }
            SubjectKind::Relay => {
                self.parts
                    .auth
                    .relay_get(&ctx, RelayId(subject.id))
                    .await?
                    .site
            }
        };
        let root = self.root(subject.organization).await?;
        self.enrolled(issued, site, root)
    }

    async fn renew(&self, subject: IdentityName, csr_der: &[u8]) -> ServiceResult<Renewed> {
        let issued = self.parts.auth.certificate_renew(subject, csr_der).await?;
        Ok(Renewed {
            certificate_der: issued.certificate_der,
            ca_der: issued.ca_der,
        })
    }

    async fn relay_settings(
        &self,
        organization: OrganizationId,
        relay: RelayId,
    ) -> ServiceResult<SiteSettings> {
        let ctx = self.edge(organization);
        let relay = self.parts.auth.relay_get(&ctx, relay).await?;
        let site = self.parts.auth.site_get(&ctx, relay.site).await?;
        let mut mirrors: HashMap<String, Vec<String>> = site
            .mirrors
            .into_iter()
            .map(|of| (of.repository, of.urls))
            .collect();
        let upstream = |repository: String| Upstream {
            urls: mirrors.remove(&repository).unwrap_or_default(),
            repository,
        };
        Ok(SiteSettings {
            site_id: site.id.to_string(),
            upstreams: site.upstreams.into_iter().map(upstream).collect(),
            direct_allowed: site.direct_allowed,
            probes_exposure: site.probes_exposure,
            time_zone: site.time_zone,
            bandwidth: Some(week::bandwidth(&site.bandwidth)),
            serves_proxy: site.serves_proxy,
            staging_hours: site.staging_hours.iter().map(week::hours).collect(),
            whole_files_only: !site.uses_deltas,
        })
    }

    async fn not_admitted(&self, organization: OrganizationId) -> ServiceResult<NotAdmitted> {
        self.together.not_admitted.ask(organization, ()).await
    }

    async fn relay_report(
        &self,
        organization: OrganizationId,
        relay: RelayId,
        report: RelayReport,
    ) -> ServiceResult<()> {
        let report = IdentityRelayReport {
            version: report.version,
            address: report.address,
            cache_bytes: report.cache_bytes,
            bytes_served: report.bytes_served,
            bytes_fetched: report.bytes_fetched,
            hits: report.hits,
            misses: report.misses,
            sessions: report.sessions,
            deltas: report.deltas,
            delta_saved_bytes: report.delta_saved_bytes,
            stored: report.stored,
        };
        self.parts
            .auth
            .relay_report(organization, relay, &report)
            .await
    }

    async fn staging(
        &self,
        organization: OrganizationId,
        relay: RelayId,
        request: StagingRequest,
    ) -> ServiceResult<StagingPlan> {
        let ctx = self.edge(organization);
        let relay = self.parts.auth.relay_get(&ctx, relay).await?;
        let waves = staging::waves(&request);
        if waves != relay.staging {
            self.parts
                .auth
                .relay_staging(organization, relay.id, &waves)
                .await?;
        }
        let site = self.parts.auth.site_get(&ctx, relay.site).await?;
        let get = StagingPlanGet { site: site.id };
        let plan = self.parts.scheduler.staging_plan(&ctx, get).await?;
        let plan = staging::plan(plan, &site.upstreams);
        self.keep(&ctx, &site, &plan).await;
        if plan.plan == request.plan {
            return Ok(StagingPlan::default());
        }
        Ok(plan)
    }

    async fn delta(
        &self,
        organization: OrganizationId,
        relay: RelayId,
        request: DeltaRequest,
    ) -> ServiceResult<Option<Recipe>> {
        let ctx = self.edge(organization);
        let relay = self.parts.auth.relay_get(&ctx, relay).await?;
        let site = self.parts.auth.site_get(&ctx, relay.site).await?;
        if !site.uses_deltas {
            return Ok(None);
        }
        let Some(get) = delta::get(&request, &site.upstreams)? else {
            return Ok(None);
        };
        let Some(there) = self.parts.inventory.delta_get(&ctx, get).await? else {
            return Ok(None);
        };
        let bytes = self.parts.blobs.get(&there.blob).await?;
        let found = delta::found(&there);
        Ok(bytes.map(|bytes| Recipe { found, bytes }))
    }

    async fn stored(
        &self,
        organization: OrganizationId,
        relay: RelayId,
        request: StoredRequest,
    ) -> ServiceResult<Option<StoredPayload>> {
        let ctx = self.edge(organization);
        let relay = self.parts.auth.relay_get(&ctx, relay).await?;
        let site = self.parts.auth.site_get(&ctx, relay.site).await?;
        let Some(get) = stored::get(&request, &site.upstreams)? else {
            return Ok(None);
        };
        let Some(there) = self.parts.inventory.stored_payload_get(&ctx, get).await? else {
            return Ok(None);
        };
        let lifetime = stored::ADDRESS_LIFETIME;
        if let Some(url) = self.parts.blobs.presigned(&there.blob, lifetime).await? {
            let expires_at = self.parts.auth.clock().now() + lifetime;
            return Ok(Some(StoredPayload::At(StoredFound {
                url,
                expires_at_ms: expires_at.timestamp_millis(),
            })));
        }
        let reading = self.parts.blobs.read(&there.blob, request.offset).await?;
        Ok(reading.map(StoredPayload::Bytes))
    }

    async fn probe_plan(
        &self,
        organization: OrganizationId,
        relay: RelayId,
        request: ProbeRequest,
    ) -> ServiceResult<ProbePlan> {
        let ctx = self.edge(organization);
        let site = self.probing_site(&ctx, relay).await?;
        let request = probe::plan_get(relay, site, &request)?;
        let plan = self.parts.inventory.probe_plan(&ctx, request).await?;
        Ok(probe::plan(plan))
    }

    async fn probe_report(
        &self,
        organization: OrganizationId,
        relay: RelayId,
        results: ProbeResults,
    ) -> ServiceResult<()> {
        let ctx = self.edge(organization);
        let site = self.probing_site(&ctx, relay).await?;
        let report = probe::report(relay, site, &results)?;
        self.parts
            .inventory
            .probe_report(&ctx, report)
            .await
            .map(drop)
    }

    async fn host(
        &self,
        organization: OrganizationId,
        host: HostId,
    ) -> ServiceResult<HostStanding> {
        let place = self.together.places.ask(organization, host).await?;
        let place = place.ok_or_else(|| ServiceError::not_found("host"))?;
        Ok(HostStanding {
            manifest: place.manifest,
            quarantined: place.quarantined,
            site: Some(place.site),
        })
    }

    async fn ways(&self, organization: OrganizationId, site: SiteId) -> ServiceResult<Ways> {
        self.together.ways.ask(organization, site).await
    }

    async fn seen(&self, organization: OrganizationId, seen: Vec<Seen>) -> ServiceResult<()> {
        let report = PresenceReport { seen };
        self.parts
            .inventory
            .presence_report(&self.edge(organization), report)
            .await
            .map(drop)
    }

    async fn facts(
        &self,
        organization: OrganizationId,
        report: HostFactsReport,
    ) -> ServiceResult<()> {
        self.parts
            .inventory
            .host_facts_report(&self.edge(organization), report)
            .await
            .map(drop)
    }

    async fn manifest(
        &self,
        organization: OrganizationId,
        report: ManifestReport,
    ) -> ServiceResult<ManifestOutcome> {
        self.parts
            .inventory
            .manifest_report(&self.edge(organization), report)
            .await
    }

    async fn manifest_delta(
        &self,
        organization: OrganizationId,
        report: ManifestDeltaReport,
    ) -> ServiceResult<ManifestOutcome> {
        self.parts
            .inventory
            .manifest_delta_report(&self.edge(organization), report)
            .await
    }

    async fn applicability(
        &self,
        organization: OrganizationId,
        report: ApplicabilityReport,
    ) -> ServiceResult<()> {
        self.parts
            .inventory
            .applicability_report(&self.edge(organization), report)
            .await
            .map(drop)
    }

    async fn run_report(
        &self,
        organization: OrganizationId,
        report: RunReport,
    ) -> ServiceResult<RunStored> {
        let ctx = self.agent(organization, report.host);
        self.parts.scheduler.run_report(&ctx, report).await
    }

    async fn order_answer(
        &self,
        organization: OrganizationId,
        answer: OrderAnswered,
    ) -> ServiceResult<()> {
        let ctx = self.agent(organization, answer.host);
        self.parts
            .scheduler
            .order_answer(&ctx, answer)
            .await
            .map(drop)
    }

    async fn documents(
        &self,
        organization: OrganizationId,
        host: HostId,
        held: Vec<Sha256>,
    ) -> ServiceResult<Vec<Envelope>> {
        let asked = DocumentsForHost { host, held };
        let documents = self.together.documents.ask(organization, asked).await?;
        documents.iter().map(|bytes| envelope(bytes)).collect()
    }

    async fn membership(
        &self,
        organization: OrganizationId,
        host: HostId,
        held_version: u64,
    ) -> ServiceResult<Option<(u64, Envelope)>> {
        let asked = MembershipGet { host, held_version };
        let newer = self.together.memberships.ask(organization, asked).await?;
        newer
            .map(|newer| Ok((newer.version, envelope(&newer.envelope)?)))
            .transpose()
    }

    async fn freshness(
        &self,
        organization: OrganizationId,
        host: HostId,
        deployment: DeploymentId,
    ) -> ServiceResult<Envelope> {
        let ctx = self.agent(organization, host);
        let signed = self
            .parts
            .scheduler
            .freshness(&ctx, FreshnessGet { deployment })
            .await?;
        envelope(&signed.envelope)
    }

    async fn time(&self, organization: OrganizationId, nonce: Sha256) -> ServiceResult<Envelope> {
        let request = TimeSign {
            nonce: nonce.0.to_vec(),
        };
        let signed = self
            .parts
            .scheduler
            .time_sign(&self.edge(organization), request)
            .await?;
        envelope(&signed.envelope)
    }
}
