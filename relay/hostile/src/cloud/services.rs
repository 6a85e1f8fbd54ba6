//! What the edge asks for, answered as this world needs it; what has an effect is written down.

use super::{CLAIM, EDGE_NAME, Played, answer_named, facts_named, manifest_named, result_named};
use async_trait::async_trait;
use netpatch_gateway::ingress::{Admitted, HostStanding, NotAdmitted, Recipe, Services, Ways};
use netpatch_inventory_api::{
    ApplicabilityReport, HostFactsReport, ManifestDeltaReport, ManifestOutcome, ManifestReport,
    Seen,
};
use netpatch_proof::PublicKey;
use netpatch_protocol::document::{Envelope, Freshness, Time};
use netpatch_protocol::enrol::{
    ClaimPending, Enrolled, HostEnrolment, HostRenewal, RelayClaimStart, RelayToken,
};
use netpatch_protocol::session::Renewed;
use netpatch_protocol::site::{
    DeltaRequest, ProbePlan, ProbeRequest, ProbeResults, RelayReport, SiteSettings, StagingPlan,
    StagingRequest, Upstream,
};
use netpatch_protocol::{IdentityName, SubjectKind, seal};
use netpatch_scheduler_api::{OrderAnswered, RunReport, RunStored};
use netpatch_tunnel::identity::{certificate_request, claimed_name, generate_key, subject_key};
use netpatch_tunnel::{ServerIdentity, verify_identity};
use netpatch_types::{
    DeploymentId, ErrorCode, HostId, OrganizationId, RelayId, ServiceError, ServiceResult, Sha256,
    SiteId,
};
use rcgen::SanType;
use rustls_pki_types::CertificateDer;
use uuid::Uuid;

fn internal(_: anyhow::Error) -> ServiceError {
    ServiceError::internal()
}

fn unauthenticated() -> ServiceError {
    ServiceError::new(ErrorCode::Unauthenticated, "not accepted")
}

fn absent() -> ServiceError {
    ServiceError::new(ErrorCode::NotFound, "not here")
}

#[async_trait]
impl Services for Played {
    fn edge_identity(&self) -> ServiceResult<ServerIdentity> {
        let made = || {
            let key = generate_key()?;
            let name = SanType::DnsName(EDGE_NAME.try_into()?);
            let leaf = self.platform.sign(&certificate_request(&key)?, name)?;
            Ok(ServerIdentity {
                chain: vec![leaf.into(), CertificateDer::from(self.platform.der.clone())],
                key: key.into(),
                reset: None,
            })
        };
        made().map_err(internal)
    }

    async fn admit(&self, der: &[u8]) -> ServiceResult<Admitted> {
        let claimed = claimed_name(der).map_err(|_| unauthenticated())?;
        if claimed.organization != self.organization {
            return Err(unauthenticated());
        }
        let now = u64::try_from(self.clock.now().timestamp()).unwrap_or(0);
        let subject = verify_identity(der, &self.ca.der, now).map_err(|_| unauthenticated())?;
        let key = subject_key(der)
            .ok()
            .and_then(|(_, spki)| PublicKey::p256_spki(&spki))
            .ok_or_else(unauthenticated)?;
        Ok(Admitted { subject, key })
    }

    async fn still_admitted(&self, _: IdentityName, _: &[u8]) -> ServiceResult<()> {
        Ok(())
    }

    async fn enrol_host(&self, request: HostEnrolment) -> ServiceResult<Enrolled> {
        let mut ledger = self.ledger();
        if !ledger.tokens.remove(&request.secret) {
            return Err(unauthenticated());
        }
        let digest = Sha256::of(&request.csr_der);
        if !ledger.requests.contains(&digest) {
            self.verdict
                .wrong("a certificate was made for a request that no host sent".to_owned());
        }
        *ledger.effects.entry("enrolment").or_default() += 1;
        let enrolled = self
            .certify(SubjectKind::Host, &request.csr_der)
            .map_err(internal)?;
        ledger
            .issued
            .insert(digest, enrolled.certificate_der.clone());
        Ok(enrolled)
    }

    async fn claim_start(&self, _: RelayClaimStart) -> ServiceResult<ClaimPending> {
        Err(absent())
    }

    async fn claim_poll(&self, _: &str) -> ServiceResult<Option<Enrolled>> {
        Err(absent())
    }

    async fn enrol_relay(&self, request: RelayToken) -> ServiceResult<Enrolled> {
        if request.secret != CLAIM {
            return Err(unauthenticated());
        }
        self.certify(SubjectKind::Relay, &request.csr_der)
            .map_err(internal)
    }

    async fn renew_expired(&self, _: HostRenewal) -> ServiceResult<Enrolled> {
        Err(absent())
    }

    async fn renew(&self, _: IdentityName, _: &[u8]) -> ServiceResult<Renewed> {
        Err(absent())
    }

    async fn relay_settings(&self, _: OrganizationId, _: RelayId) -> ServiceResult<SiteSettings> {
        Ok(SiteSettings {
            site_id: Uuid::from_u128(8).to_string(),
            upstreams: vec![Upstream {
                repository: crate::goods::REPOSITORY.to_owned(),
                urls: Vec::new(),
            }],
            ..SiteSettings::default()
        })
    }

    async fn not_admitted(&self, _: OrganizationId) -> ServiceResult<NotAdmitted> {
        Ok(NotAdmitted::default())
    }

    async fn relay_report(
        &self,
        _: OrganizationId,
        _: RelayId,
        _: RelayReport,
    ) -> ServiceResult<()> {
        Ok(())
    }

    async fn staging(
        &self,
        _: OrganizationId,
        _: RelayId,
        _: StagingRequest,
    ) -> ServiceResult<StagingPlan> {
        Ok(StagingPlan::default())
    }

    async fn delta(
        &self,
        _: OrganizationId,
        _: RelayId,
        _: DeltaRequest,
    ) -> ServiceResult<Option<Recipe>> {
        Ok(None)
    }

    async fn probe_plan(
        &self,
        _: OrganizationId,
        _: RelayId,
        _: ProbeRequest,
    ) -> ServiceResult<ProbePlan> {
        Ok(ProbePlan::default())
    }

    async fn probe_report(
        &self,
        _: OrganizationId,
        _: RelayId,
        _: ProbeResults,
    ) -> ServiceResult<()> {
        Ok(())
    }

    async fn host(&self, _: OrganizationId, _: HostId) -> ServiceResult<HostStanding> {
        Ok(HostStanding::default())
    }

    async fn ways(&self, _: OrganizationId, _: SiteId) -> ServiceResult<Ways> {
        Ok(Ways {
            direct_allowed: true,
            ..Ways::default()
        })
    }

    async fn seen(&self, _: OrganizationId, seen: Vec<Seen>) -> ServiceResult<()> {
        for one in seen.iter().filter(|one| one.forked) {
            let text = format!("{} is taken for two copies of one host", one.host);
            self.verdict.wrong(text);
        }
        Ok(())
    }

    async fn facts(&self, _: OrganizationId, report: HostFactsReport) -> ServiceResult<()> {
        self.came(report.host, "facts", facts_named(&report.facts.hostname));
        Ok(())
    }

    async fn manifest(
        &self,
        _: OrganizationId,
        report: ManifestReport,
    ) -> ServiceResult<ManifestOutcome> {
        self.came(report.host, "manifest", manifest_named(report.hash));
        Ok(ManifestOutcome {
            base_known: true,
            ..ManifestOutcome::default()
        })
    }

    async fn manifest_delta(
        &self,
        _: OrganizationId,
        report: ManifestDeltaReport,
    ) -> ServiceResult<ManifestOutcome> {
        self.verdict
            .wrong(format!("{} sent no difference of manifests", report.host));
        Ok(ManifestOutcome::default())
    }

    async fn applicability(
        &self,
        _: OrganizationId,
        report: ApplicabilityReport,
    ) -> ServiceResult<()> {
        self.verdict
            .wrong(format!("{} sent no applicability", report.host));
        Ok(())
    }

    /// Steps are stored once, as the scheduler does: one that comes again must be the same.
    async fn run_report(&self, _: OrganizationId, report: RunReport) -> ServiceResult<RunStored> {
        let step = report.events.last().map_or(0, |event| event.step);
        let bytes = report.result.unwrap_or_default();
        let (host, digest) = (report.host, Sha256::of(&bytes));
        let held = self.ledger().runs.insert((host, report.sequence), digest);
        match held {
            None => self.came(host, "result", result_named(report.sequence, &bytes)),
            Some(held) if held == digest => {}
            Some(_) => self
                .verdict
                .wrong(format!("a result of {host} was replaced")),
        }
        Ok(RunStored { step })
    }

    async fn order_answer(&self, _: OrganizationId, answer: OrderAnswered) -> ServiceResult<()> {
        self.came(
            answer.host,
            "answer",
            answer_named(answer.order, answer.accepted),
        );
        Ok(())
    }

    async fn documents(
        &self,
        _: OrganizationId,
        host: HostId,
        held: Vec<Sha256>,
    ) -> ServiceResult<Vec<Envelope>> {
        let ledger = self.ledger();
        let orders = ledger.orders.get(&host).into_iter().flatten();
        Ok(orders
            .filter(|order| !held.contains(&order.digest()))
            .cloned()
            .collect())
    }

    async fn membership(
        &self,
        _: OrganizationId,
        host: HostId,
        held: u64,
    ) -> ServiceResult<Option<(u64, Envelope)>> {
        let membership = self.ledger().memberships.get(&host).cloned();
        Ok(membership.filter(|(version, _)| *version > held))
    }

    async fn freshness(
        &self,
        organization: OrganizationId,
        _: HostId,
        deployment: DeploymentId,
    ) -> ServiceResult<Envelope> {
        let [_, director, _] = &self.keys;
        let freshness = Freshness {
            organization_id: organization.to_string(),
            deployment_id: deployment.to_string(),
            running: true,
            at_ms: self.clock.now().timestamp_millis(),
            ..Freshness::default()
        };
        seal(&freshness, &[director]).map_err(|_| ServiceError::internal())
    }

    async fn time(&self, organization: OrganizationId, nonce: Sha256) -> ServiceResult<Envelope> {
        let [_, director, _] = &self.keys;
        let time = Time {
            organization_id: organization.to_string(),
            at_ms: self.clock.now().timestamp_millis(),
            nonce: nonce.0.to_vec(),
        };
        seal(&time, &[director]).map_err(|_| ServiceError::internal())
    }
}
