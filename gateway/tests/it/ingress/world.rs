//! Certificates, a scripted platform, agents that sign their counters.

use chrono::{DateTime, Datelike as _, Utc};
use netpatch_gateway::ingress::{
    Admitted, HostStanding, Ingress, NotAdmitted, Options, Recipe, Services, Ways,
};
use netpatch_gateway::throttle::Rate;
use netpatch_inventory_api::{
    ApplicabilityReport, HostFactsReport, ManifestDeltaReport, ManifestOutcome, ManifestReport,
    Seen,
};
use netpatch_proof::{Ed25519Signer, P256Signer, PublicKey, Signer as _};
use netpatch_protocol::counter::counter_bytes;
use netpatch_protocol::document::{Envelope, Membership, Order, Time};
use netpatch_protocol::enrol::{
    ClaimPending, Enrolled, HostEnrolment, HostRenewal, RelayClaimStart, RelayToken,
};
use netpatch_protocol::session::{Counter, EdgeMessage, Hello, Renewed, edge_message};
use netpatch_protocol::site::{
    DeltaFound, DeltaRequest, ProbeHost, ProbePlan, ProbeRequest, ProbeResults, RelayReport,
    SiteSettings, StagingPlan, StagingRequest,
};
use netpatch_protocol::{IdentityName, SubjectKind, seal};
use netpatch_scheduler_api::{OrderAnswered, RunReport, RunStored};
use netpatch_storage::{SharedBus, bus};
use netpatch_tunnel::identity::{certificate_request, claimed_name, generate_key, subject_key};
use netpatch_tunnel::{
    Candidate, Identity, Limits, PlatformTrust, ServerIdentity, SessionClient, SessionEvent,
    SessionOptions, verify_identity,
};
use netpatch_types::{
    DeploymentId, ErrorCode, HostId, OrganizationId, RelayId, ServiceError, ServiceResult, Sha256,
    SharedClock, SiteId, SystemClock,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams,
    ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth},
    Issuer, KeyPair, SanType,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub(super) fn clock() -> SharedClock {
    SystemClock::shared()
}

pub(super) fn limits() -> Limits {
    Limits {
        handshake_timeout: Duration::from_secs(5),
        ..Limits::default()
    }
}

/// A certificate authority.
pub(super) struct Authority {
    pub(super) der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    pub(super) organization: OrganizationId,
}

/// A host or relay with its key.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) name: IdentityName,
    pub(super) tls: Identity,
    pub(super) key: Vec<u8>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let der = PrivatePkcs8KeyDer::from(generate_key().unwrap());
        let key =
            KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(BasicConstraints::Constrained(0));
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            der,
            issuer: Issuer::new(params, key),
            organization: OrganizationId::new(clock().now()),
        }
    }

    fn sign(&self, key: &[u8], san: SanType) -> Vec<u8> {
        self.sign_with(key, san, |_| {})
    }

    fn sign_with(
        &self,
        key: &[u8],
        san: SanType,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Vec<u8> {
        let csr = CertificateSigningRequestDer::from(certificate_request(key).unwrap());
        let mut request = CertificateSigningRequestParams::from_der(&csr).unwrap();
        request.params.subject_alt_names = vec![san];
        request.params.extended_key_usages = vec![ClientAuth, ServerAuth];
        change(&mut request.params);
        request.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    pub(super) fn holder(&self, kind: SubjectKind) -> Holder {
        self.holder_named(IdentityName {
            organization: self.organization,
            kind,
            id: HostId::new(clock().now()).0,
        })
    }

    /// A certificate with any name: a CA may lie about organizations that are not its own.
    pub(super) fn holder_named(&self, name: IdentityName) -> Holder {
        let key = generate_key().unwrap();
        let uri = SanType::URI(name.to_string().try_into().unwrap());
        let certificate = self.sign(&key, uri);
        Holder {
            name,
            tls: Identity::new(certificate, key.clone()),
            key,
        }
    }

    /// A server's certificate for 90 days from this day on.
    fn edge(&self, today: DateTime<Utc>) -> ServerIdentity {
        let key = generate_key().unwrap();
        let name = SanType::DnsName("edge.test".try_into().unwrap());
        let date = |at: DateTime<Utc>| {
            let day = u8::try_from(at.day()).unwrap();
            rcgen::date_time_ymd(at.year(), u8::try_from(at.month()).unwrap(), day)
        };
        let leaf = self.sign_with(&key, name, |params| {
            params.not_before = date(today);
            params.not_after = date(today + chrono::Duration::days(90));
        });
        ServerIdentity {
            chain: vec![leaf.into(), CertificateDer::from(self.der.clone())],
            key: key.into(),
            reset: None,
        }
    }
}

impl Holder {
    pub(super) fn host(&self) -> HostId {
        HostId(self.name.id)
    }

    pub(super) fn signer(&self) -> P256Signer {
        P256Signer::from_pkcs8_der(&self.key).unwrap()
    }

    pub(super) fn counter(&self, boot: u8, n: u64) -> Counter {
        let signature = self.signer().sign(&counter_bytes(&[boot; 16], n)).unwrap();
        Counter {
            boot_id: vec![boot; 16],
            n,
            signature,
        }
    }
}

/// Of all hosts.
const SITE: SiteId = SiteId(uuid::Uuid::from_u128(7));

/// What the played platform has heard and will say.
#[derive(Default)]
pub(super) struct Script {
    /// Where relays of other sites are.
    pub(super) other_relays: Vec<String>,
    /// Where the relays of the site are.
    pub(super) relays: Vec<String>,
    /// Hosts of the site may not go past them.
    pub(super) direct_forbidden: bool,
    pub(super) quarantined: HashSet<HostId>,
    pub(super) seen: Vec<Seen>,
    pub(super) facts: Vec<HostFactsReport>,
    pub(super) manifests: Vec<ManifestReport>,
    /// How many updates each applicability report has.
    pub(super) updates: Vec<usize>,
    pub(super) runs: Vec<RunReport>,
    pub(super) answers: Vec<OrderAnswered>,
    pub(super) reports: Vec<RelayReport>,
    pub(super) probed: Vec<ProbeResults>,
    pub(super) membership: Option<(u64, Envelope)>,
    pub(super) orders: Vec<Envelope>,
    pub(super) manifest: Option<Sha256>,
    pub(super) base_known: bool,
    /// Of hosts.
    pub(super) revoked_certificates: Vec<Sha256>,
    /// How often it was asked whom relays turn away.
    pub(super) not_admitted_asked: u32,
    /// What was admitted is revoked since.
    pub(super) revoked: bool,
    /// How often the edge looked whether it is.
    pub(super) looks: u32,
    /// How many it let in.
    pub(super) admitted: u32,
    /// Calls that fail before the services are back.
    pub(super) outages: u32,
}

/// The played platform.
pub(super) struct Played {
    organization: OrganizationId,
    ca: Vec<u8>,
    platform: Arc<Authority>,
    clock: SharedClock,
    /// How many certificates the edge was given, and how often it is refused one.
    pub(super) certificates: AtomicU64,
    pub(super) without_certificate: AtomicU64,
    pub(super) director: Ed25519Signer,
    pub(super) script: Mutex<Script>,
    /// Calls that would touch a database.
    pub(super) database: AtomicU64,
    /// Who holds it for writing lets nobody know where a host stands.
    pub(super) standing: tokio::sync::RwLock<()>,
}

impl Played {
    fn call(
        &self,
        organization: OrganizationId,
    ) -> ServiceResult<std::sync::MutexGuard<'_, Script>> {
        assert_eq!(organization, self.organization);
        self.database.fetch_add(1, Ordering::Relaxed);
        let mut script = self.script.lock().unwrap();
        if script.outages > 0 {
            script.outages -= 1;
            return Err(ServiceError::unavailable("the service"));
        }
        Ok(script)
    }
}

fn unauthenticated() -> ServiceError {
    ServiceError::new(ErrorCode::Unauthenticated, "certificate is not accepted")
}

#[async_trait::async_trait]
impl Services for Played {
    fn edge_identity(&self) -> ServiceResult<ServerIdentity> {
        if self.certificates.load(Ordering::Relaxed) > 0
            && self.without_certificate.load(Ordering::Relaxed) > 0
        {
            self.without_certificate.fetch_sub(1, Ordering::Relaxed);
            return Err(ServiceError::internal());
        }
        self.certificates.fetch_add(1, Ordering::Relaxed);
        Ok(self.platform.edge(self.clock.now()))
    }

    async fn admit(&self, der: &[u8]) -> ServiceResult<Admitted> {
        self.database.fetch_add(1, Ordering::Relaxed);
        let claimed = claimed_name(der).map_err(|_| unauthenticated())?;
        if claimed.organization != self.organization {
            return Err(unauthenticated());
        }
        let now = u64::try_from(clock().now().timestamp()).unwrap();
        let subject = verify_identity(der, &self.ca, now).map_err(|_| unauthenticated())?;
        let key = PublicKey::p256_spki(&subject_key(der).unwrap().1).unwrap();
        let mut script = self.script.lock().unwrap();
        if script.revoked {
            return Err(unauthenticated());
        }
        script.admitted += 1;
        Ok(Admitted { subject, key })
    }

    async fn still_admitted(&self, _: IdentityName, _: &[u8]) -> ServiceResult<()> {
        let mut script = self.script.lock().unwrap();
        script.looks += 1;
        if script.revoked {
            return Err(unauthenticated());
        }
        Ok(())
    }

    async fn enrol_host(&self, request: HostEnrolment) -> ServiceResult<Enrolled> {
        match request.secret.as_str() {
            "a-good-token" => Ok(Enrolled {
                site_id: "a-site".into(),
                ..Enrolled::default()
            }),
            _ => Err(ServiceError::new(
                ErrorCode::Unauthenticated,
                "token is unknown or expired",
            )),
        }
    }

    async fn claim_start(&self, _: RelayClaimStart) -> ServiceResult<ClaimPending> {
        Ok(ClaimPending {
            claim_code: "BCDF-GHJK".into(),
            ..ClaimPending::default()
        })
    }

    async fn claim_poll(&self, device_code: &str) -> ServiceResult<Option<Enrolled>> {
        Ok((device_code == "taken").then(Enrolled::default))
    }

    async fn enrol_relay(&self, _: RelayToken) -> ServiceResult<Enrolled> {
        Ok(Enrolled::default())
    }

    async fn renew_expired(&self, _: HostRenewal) -> ServiceResult<Enrolled> {
        Ok(Enrolled::default())
    }

    async fn renew(&self, _: IdentityName, csr_der: &[u8]) -> ServiceResult<Renewed> {
        Ok(Renewed {
            certificate_der: csr_der.to_vec(),
            ca_der: Vec::new(),
        })
    }

    async fn relay_settings(
        &self,
        organization: OrganizationId,
        relay: RelayId,
    ) -> ServiceResult<SiteSettings> {
        drop(self.call(organization)?);
        Ok(SiteSettings {
            site_id: relay.to_string(),
            ..SiteSettings::default()
        })
    }

    async fn staging(
        &self,
        organization: OrganizationId,
        _: RelayId,
        request: StagingRequest,
    ) -> ServiceResult<StagingPlan> {
        drop(self.call(organization)?);
        Ok(StagingPlan {
            plan: request.plan,
            ..StagingPlan::default()
        })
    }

    /// Who names what it wants gets it, from its first base.
    async fn delta(
        &self,
        organization: OrganizationId,
        _: RelayId,
        request: DeltaRequest,
    ) -> ServiceResult<Option<Recipe>> {
        drop(self.call(organization)?);
        let base = request.bases.first().map(|base| base.sha256.clone());
        let is_there = !request.sha256.is_empty();
        Ok(base.filter(|_| is_there).map(|base| Recipe {
            found: DeltaFound {
                base,
                sha256: request.sha256,
            },
            bytes: vec![7; 3_000_000].into(),
        }))
    }

    async fn not_admitted(&self, organization: OrganizationId) -> ServiceResult<NotAdmitted> {
        let mut script = self.call(organization)?;
        script.not_admitted_asked += 1;
        Ok(NotAdmitted {
            hosts: script.quarantined.iter().copied().collect(),
            certificates: script.revoked_certificates.clone(),
        })
    }

    async fn relay_report(
        &self,
        organization: OrganizationId,
        _: RelayId,
        report: RelayReport,
    ) -> ServiceResult<()> {
        self.call(organization)?.reports.push(report);
        Ok(())
    }

    async fn probe_plan(
        &self,
        organization: OrganizationId,
        _: RelayId,
        request: ProbeRequest,
    ) -> ServiceResult<ProbePlan> {
        drop(self.call(organization)?);
        let asked = |host_id| ProbeHost {
            host_id,
            sockets: Vec::new(),
        };
        Ok(ProbePlan {
            hosts: request.hosts.into_iter().map(asked).collect(),
        })
    }

    async fn probe_report(
        &self,
        organization: OrganizationId,
        _: RelayId,
        results: ProbeResults,
    ) -> ServiceResult<()> {
        self.call(organization)?.probed.push(results);
        Ok(())
    }

    async fn host(
        &self,
        organization: OrganizationId,
        host: HostId,
    ) -> ServiceResult<HostStanding> {
        drop(self.standing.read().await);
        let script = self.call(organization)?;
        Ok(HostStanding {
            manifest: script.manifest,
            quarantined: script.quarantined.contains(&host),
            site: Some(SITE),
        })
    }

    async fn ways(&self, organization: OrganizationId, site: SiteId) -> ServiceResult<Ways> {
        assert_eq!(site, SITE);
        let script = self.call(organization)?;
        Ok(Ways {
            direct_allowed: !script.direct_forbidden,
            relays: script.relays.clone(),
            others: script.other_relays.clone(),
        })
    }

    async fn seen(&self, organization: OrganizationId, seen: Vec<Seen>) -> ServiceResult<()> {
        let mut script = self.call(organization)?;
        for one in seen {
            if one.forked {
                script.quarantined.insert(one.host);
            }
            script.seen.push(one);
        }
        Ok(())
    }

    async fn facts(
        &self,
        organization: OrganizationId,
        report: HostFactsReport,
    ) -> ServiceResult<()> {
        self.call(organization)?.facts.push(report);
        Ok(())
    }

    async fn manifest(
        &self,
        organization: OrganizationId,
        report: ManifestReport,
    ) -> ServiceResult<ManifestOutcome> {
        let mut script = self.call(organization)?;
        script.manifest = Some(report.hash);
        script.manifests.push(report);
        Ok(ManifestOutcome {
            base_known: true,
            ..ManifestOutcome::default()
        })
    }

    async fn manifest_delta(
        &self,
        organization: OrganizationId,
        _: ManifestDeltaReport,
    ) -> ServiceResult<ManifestOutcome> {
        Ok(ManifestOutcome {
            base_known: self.call(organization)?.base_known,
            ..ManifestOutcome::default()
        })
    }

    async fn applicability(
        &self,
        organization: OrganizationId,
        report: ApplicabilityReport,
    ) -> ServiceResult<()> {
        self.call(organization)?.updates.push(report.updates.len());
        Ok(())
    }

    async fn run_report(
        &self,
        organization: OrganizationId,
        report: RunReport,
    ) -> ServiceResult<RunStored> {
        let mut script = self.call(organization)?;
        let step = report.events.last().map_or(0, |event| event.step);
        script.runs.push(report);
        Ok(RunStored { step })
    }

    async fn order_answer(
        &self,
        organization: OrganizationId,
        answer: OrderAnswered,
    ) -> ServiceResult<()> {
        self.call(organization)?.answers.push(answer);
        Ok(())
    }

    async fn documents(
        &self,
        organization: OrganizationId,
        _: HostId,
        held: Vec<Sha256>,
    ) -> ServiceResult<Vec<Envelope>> {
        let script = self.call(organization)?;
        let missing = script
            .orders
            .iter()
            .filter(|order| !held.contains(&order.digest()));
        Ok(missing.cloned().collect())
    }

    async fn membership(
        &self,
        organization: OrganizationId,
        _: HostId,
        held: u64,
    ) -> ServiceResult<Option<(u64, Envelope)>> {
        let script = self.call(organization)?;
        Ok(script
            .membership
            .clone()
            .filter(|(version, _)| *version > held))
    }

    async fn freshness(
        &self,
        organization: OrganizationId,
        _: HostId,
        deployment: DeploymentId,
    ) -> ServiceResult<Envelope> {
        drop(self.call(organization)?);
        let freshness = netpatch_protocol::document::Freshness {
            deployment_id: deployment.to_string(),
            running: true,
            ..Default::default()
        };
        Ok(seal(&freshness, &[&self.director]).unwrap())
    }

    async fn time(&self, organization: OrganizationId, nonce: Sha256) -> ServiceResult<Envelope> {
        let time = Time {
            organization_id: organization.to_string(),
            at_ms: clock().now().timestamp_millis(),
            nonce: nonce.0.to_vec(),
        };
        Ok(seal(&time, &[&self.director]).unwrap())
    }
}

/// A running edge.
pub(super) struct World {
    pub(super) address: SocketAddr,
    pub(super) platform: Arc<Authority>,
    pub(super) organization: Authority,
    pub(super) played: Arc<Played>,
    pub(super) bus: SharedBus,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

/// A further edge of the same platform.
pub(super) struct Another {
    pub(super) address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn options() -> Options {
    Options {
        limits: limits(),
        presence_every: Duration::from_millis(20),
        enrolments: Rate {
            maximum: 1000,
            restore_rate: 1000,
        },
        ..Options::default()
    }
}

impl World {
    pub(super) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(super) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        Self::start_at(clock(), change).await
    }

    /// An edge whose clock a test may move.
    pub(super) async fn start_at(clock: SharedClock, change: impl FnOnce(&mut Options)) -> Self {
        let bus = bus::connect("memory:").await.unwrap();
        Self::start_on(bus, clock, change).await
    }

    /// An edge on a bus.
    pub(super) async fn start_on(
        bus: SharedBus,
        clock: SharedClock,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let (platform, organization) = (Arc::new(Authority::new()), Authority::new());
        let played = Arc::new(Played {
            organization: organization.organization,
            ca: organization.der.clone(),
            platform: platform.clone(),
            clock: clock.clone(),
            certificates: AtomicU64::new(0),
            without_certificate: AtomicU64::new(0),
            director: Ed25519Signer::from_secret(&[5; 32]),
            script: Mutex::default(),
            database: AtomicU64::new(0),
            standing: tokio::sync::RwLock::default(),
        });
        let mut options = options();
        change(&mut options);
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let ingress = Ingress::bind(at, played.clone(), bus.clone(), clock, options).unwrap();
        let address = ingress.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = AbortOnDropHandle::new(tokio::spawn(ingress.run(stop.clone())));
        Self {
            address,
            platform,
            organization,
            played,
            bus,
            stop,
            task,
        }
    }

    /// A further edge of the same platform.
    pub(super) fn another_edge(&self) -> Another {
        self.another_edge_on(self.bus.clone())
    }

    /// A further edge with its own way to the bus.
    pub(super) fn another_edge_on(&self, bus: SharedBus) -> Another {
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let played = self.played.clone();
        let clock = self.played.clock.clone();
        let ingress = Ingress::bind(at, played, bus, clock, options()).unwrap();
        Another {
            address: ingress.local_addr().unwrap(),
            _task: AbortOnDropHandle::new(tokio::spawn(ingress.run(CancellationToken::new()))),
        }
    }

    /// Tells the edge to end, and waits until it has.
    pub(super) async fn drained(&mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(30), &mut self.task).await;
        ended.expect("in time").expect("in order");
    }

    pub(super) fn trust(&self) -> PlatformTrust {
        PlatformTrust::Roots(vec![self.platform.der.clone().into()])
    }

    pub(super) fn host(&self) -> Holder {
        self.organization.holder(SubjectKind::Host)
    }

    /// An agent whose counter begins at `n` and grows with each carrier.
    pub(super) fn agent(&self, host: &Holder, boot: u8, n: u64) -> SessionClient {
        let counters = Arc::new(AtomicU64::new(n));
        let signing = host.clone();
        self.agent_saying(host, move |resume_id| Hello {
            protocol: 1,
            resume_id,
            counter: Some(signing.counter(boot, counters.fetch_add(1, Ordering::Relaxed))),
            ..Hello::default()
        })
    }

    pub(super) fn agent_saying(
        &self,
        host: &Holder,
        hello: impl FnMut(Vec<u8>) -> Hello + Send + 'static,
    ) -> SessionClient {
        self.agent_to(&[self.address], host, hello)
    }

    /// An agent that knows several edges.
    pub(super) fn agent_to(
        &self,
        edges: &[SocketAddr],
        host: &Holder,
        hello: impl FnMut(Vec<u8>) -> Hello + Send + 'static,
    ) -> SessionClient {
        let direct = |edge: &SocketAddr| Candidate::Direct {
            address: edge.to_string(),
        };
        let candidates = edges.iter().map(direct).collect();
        let time = self.played.clock.clone();
        let mut options = SessionOptions::new(candidates, host.tls.clone(), self.trust(), time);
        options.limits = limits();
        options.backoff_first = Duration::from_millis(50);
        options.backoff_longest = Duration::from_millis(200);
        SessionClient::connect(options, hello)
    }

    /// Waits until the script says so.
    pub(super) async fn until(&self, what: &str, mut holds: impl FnMut(&Script) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
        while !holds(&self.played.script.lock().unwrap()) {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{what} did not happen"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn order(&self, sequence: u64) -> Envelope {
        let order = Order {
            sequence,
            ..Order::default()
        };
        seal(&order, &[&self.played.director]).unwrap()
    }

    pub(super) fn membership(&self, version: u64) -> (u64, Envelope) {
        let membership = Membership {
            version,
            ..Membership::default()
        };
        (
            version,
            seal(&membership, &[&self.played.director]).unwrap(),
        )
    }
}

pub(super) async fn next(session: &mut SessionClient) -> SessionEvent {
    tokio::time::timeout(Duration::from_secs(15), session.next())
        .await
        .expect("in time")
        .expect("alive")
}

pub(super) async fn up(session: &mut SessionClient) -> netpatch_protocol::session::Welcome {
    loop {
        match next(session).await {
            SessionEvent::Up { welcome, .. } => return welcome,
            SessionEvent::Down { reason } => tracing::debug!(%reason, "down"),
            SessionEvent::Message(message) => panic!("a message before the welcome: {message:?}"),
        }
    }
}

/// The next message; panics when the session breaks.
pub(super) async fn message(session: &mut SessionClient) -> edge_message::Body {
    match next(session).await {
        SessionEvent::Message(EdgeMessage {
            number,
            body: Some(body),
            ..
        }) => {
            session.handle().durable(number);
            body
        }
        other => panic!("no message: {other:?}"),
    }
}

/// Why the session broke.
pub(super) async fn down(session: &mut SessionClient) -> String {
    loop {
        match next(session).await {
            SessionEvent::Down { reason } => return reason,
            SessionEvent::Up { .. } => panic!("the session came up"),
            SessionEvent::Message(_) => {}
        }
    }
}

/// What the edge says when it ends a session.
pub(super) async fn refusal(session: &mut SessionClient) -> String {
    loop {
        match next(session).await {
            SessionEvent::Message(EdgeMessage {
                body: Some(edge_message::Body::Error(error)),
                ..
            }) => return error.message,
            SessionEvent::Message(_) => {}
            other => panic!("ended without a word: {other:?}"),
        }
    }
}
