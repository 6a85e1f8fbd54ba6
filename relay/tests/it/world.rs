//! A platform root, an organization's CA, and an edge that claims relays and echoes to agents.

use chrono::{DateTime, Utc};
use netpatch_protocol::enrol::{
    ClaimPending, EnrolAnswer, EnrolError, Enrolled, Unchanged, enrol_answer, enrol_request,
};
use netpatch_protocol::session::{
    AgentMessage, EdgeMessage, ScanNow, Welcome, agent_message, edge_message,
};
use netpatch_protocol::site::{
    DeltaFound, DeltaRequest, ProbePlan, ProbeRequest, ProbeResults, RefusedHosts, RelayReport,
    SiteSettings, StagingPlan, StagingRequest, StoredFound, StoredRequest, StreamAnswer,
};
use netpatch_protocol::{IdentityName, SubjectKind};
use netpatch_relay::{Config, DataDir, Enrolment};
use netpatch_tunnel::identity::{certificate_request, claimed_name, generate_key, subject_key};
use netpatch_tunnel::{
    AgentConnection, EdgeEndpoint, EdgeIncoming, EnrolConnection, Identity, Limits, RelayStream,
    ServerIdentity, verify_identity,
};
use netpatch_types::{Clock, HostId, OrganizationId, Sha256, SharedClock, SystemClock};
use prost::Message as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams,
    ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth},
    Issuer, KeyPair, SanType,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

pub(crate) fn clock() -> SharedClock {
    SystemClock::shared()
}

/// A clock that a test moves ahead of the machine's.
#[derive(Default)]
pub(crate) struct Ahead {
    machine: SystemClock,
    by: Mutex<Duration>,
}

impl Ahead {
    pub(crate) fn advance(&self, by: Duration) {
        *self.by.lock().unwrap() += by;
    }
}

impl Clock for Ahead {
    fn now(&self) -> DateTime<Utc> {
        self.machine.now() + *self.by.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic() + *self.by.lock().unwrap()
    }
}

pub(crate) fn limits() -> Limits {
    Limits {
        handshake_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(3),
        keep_alive: Duration::from_millis(500),
        return_every: Duration::from_millis(200),
        ..Limits::default()
    }
}

pub(crate) struct Authority {
    pub(crate) der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    organization: OrganizationId,
    /// First and last year of certificates to come; `None` for always.
    pub(crate) years: Mutex<Option<(i32, i32)>>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let der = PrivatePkcs8KeyDer::from(generate_key().expect("key"));
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ECDSA_P256_SHA256);
        let key = key.expect("key");
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(BasicConstraints::Constrained(0));
        let der = params.self_signed(&key).expect("signed").der().to_vec();
        Self {
            der,
            issuer: Issuer::new(params, key),
            organization: OrganizationId::new(clock().now()),
            years: Mutex::default(),
        }
    }

    fn sign(&self, csr: Vec<u8>, san: SanType) -> Vec<u8> {
        let csr = CertificateSigningRequestDer::from(csr);
        let mut request = CertificateSigningRequestParams::from_der(&csr).expect("request");
        request.params.subject_alt_names = vec![san];
        request.params.extended_key_usages = vec![ClientAuth, ServerAuth];
        if let Some((first, last)) = *self.years.lock().unwrap() {
            request.params.not_before = rcgen::date_time_ymd(first, 1, 1);
            request.params.not_after = rcgen::date_time_ymd(last, 1, 1);
        }
        request
            .signed_by(&self.issuer)
            .expect("signed")
            .der()
            .to_vec()
    }

    /// A certificate for a request, and the subject's id.
    pub(crate) fn certify(&self, kind: SubjectKind, csr: Vec<u8>) -> (Vec<u8>, String) {
        let name = IdentityName {
            organization: self.organization,
            kind,
            id: HostId::new(clock().now()).0,
        };
        (self.certify_as(name, csr), name.id.to_string())
    }

    fn certify_as(&self, name: IdentityName, csr: Vec<u8>) -> Vec<u8> {
        let uri = SanType::URI(name.to_string().try_into().expect("ascii"));
        self.sign(csr, uri)
    }

    pub(crate) fn host(&self) -> Identity {
        let id = HostId::new(clock().now());
        self.host_named(id).0
    }

    /// A host's identity, and the SHA-256 of its certificate.
    pub(crate) fn host_named(&self, id: HostId) -> (Identity, Sha256) {
        let key = generate_key().expect("key");
        let csr = certificate_request(&key).expect("request");
        let name = IdentityName {
            organization: self.organization,
            kind: SubjectKind::Host,
            id: id.0,
        };
        let certificate = self.certify_as(name, csr);
        let digest = Sha256::of(&certificate);
        (Identity::new(certificate, key), digest)
    }

    fn edge(&self) -> ServerIdentity {
        let key = generate_key().expect("key");
        let name = SanType::DnsName("edge.test".try_into().expect("ascii"));
        let leaf = self.sign(certificate_request(&key).expect("request"), name);
        ServerIdentity {
            chain: vec![leaf.into(), CertificateDer::from(self.der.clone())],
            key: key.into(),
            reset: None,
        }
    }

    pub(crate) fn fingerprint(&self) -> Sha256 {
        subject_key(&self.der).expect("certificate").0
    }
}

/// A port that was just given up is free a moment later.
async fn bind(at: SocketAddr, identity: &ServerIdentity, limits: Limits) -> EdgeEndpoint {
    let mut last = None;
    for _ in 0..500 {
        match EdgeEndpoint::bind(at, identity, &clock(), limits) {
            Ok(endpoint) => return endpoint,
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("cannot bind {at}: {last:?}");
}

/// What tests turn and read.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) settings: Mutex<SiteSettings>,
    pub(crate) reports: Mutex<Vec<RelayReport>>,
    /// What the next question is answered with; then nothing is to be probed.
    pub(crate) plan: Mutex<ProbePlan>,
    pub(crate) asked: Mutex<Vec<ProbeRequest>>,
    pub(crate) probed: Mutex<Vec<ProbeResults>>,
    /// What is to be fetched ahead, for whoever does not hold to it yet.
    pub(crate) staging: Mutex<StagingPlan>,
    pub(crate) staged: Mutex<Vec<StagingRequest>>,
    /// The difference that is there, whatever is asked for.
    pub(crate) delta: Mutex<Option<(DeltaFound, Vec<u8>)>>,
    pub(crate) deltas_asked: Mutex<Vec<DeltaRequest>>,
    /// Its second half follows once this is notified.
    pub(crate) delta_rest: Mutex<Option<Arc<Notify>>>,
    /// Where the platform keeps whatever is asked for.
    pub(crate) stored: Mutex<Option<StoredFound>>,
    pub(crate) stored_asked: Mutex<Vec<StoredRequest>>,
    /// What it keeps itself: the half, and the rest of what was asked for once this is notified.
    pub(crate) carried: Mutex<Option<(Vec<u8>, Arc<Notify>)>>,
    /// Whom relays turn away; nobody says anything before it has a name.
    pub(crate) refused: watch::Sender<RefusedHosts>,
    /// How often they asked.
    pub(crate) refused_asked: AtomicU32,
    /// The person has typed the code.
    pub(crate) approved: Mutex<bool>,
    /// The code has ended.
    pub(crate) ended: Mutex<bool>,
    /// Claims that were begun.
    pub(crate) claims: AtomicU32,
    request: Mutex<Vec<u8>>,
    /// Renewals that were asked for.
    pub(crate) renewals: AtomicU32,
    /// How many of them are refused.
    pub(crate) refusals: AtomicU32,
}

pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) desk: Arc<Desk>,
    pub(crate) organization: Arc<Authority>,
    pub(crate) platform: Arc<Authority>,
    _task: AbortOnDropHandle<()>,
}

impl Edge {
    pub(crate) async fn start() -> Self {
        Self::start_with(limits()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        let (platform, organization) = (Arc::new(Authority::new()), Arc::new(Authority::new()));
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_limited(at, platform, organization, limits).await
    }

    pub(crate) async fn start_at(
        at: SocketAddr,
        platform: Arc<Authority>,
        organization: Arc<Authority>,
    ) -> Self {
        Self::start_limited(at, platform, organization, limits()).await
    }

    async fn start_limited(
        at: SocketAddr,
        platform: Arc<Authority>,
        organization: Arc<Authority>,
        limits: Limits,
    ) -> Self {
        let endpoint = bind(at, &platform.edge(), limits).await;
        let address = endpoint.local_addr().expect("address");
        let desk = Arc::<Desk>::default();
        let serving = Serving {
            desk: desk.clone(),
            organization: organization.clone(),
            platform: platform.clone(),
        };
        let task = tokio::spawn(async move {
            let mut peers = tokio::task::JoinSet::new();
            while let Some(handshake) = endpoint.accept().await {
                let serving = serving.clone();
                peers.spawn(async move {
                    match handshake.open().await {
                        Ok(EdgeIncoming::Enrol(enrolment)) => serving.enrol(enrolment).await,
                        Ok(EdgeIncoming::Agent(agent)) => serving.agent(agent).await,
                        Ok(EdgeIncoming::Relay(relay)) => serving.relay(relay).await,
                        Err(_) => {}
                    }
                });
            }
        });
        Self {
            address,
            desk,
            organization,
            platform,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// A claimed relay's data directory.
    pub(crate) fn claimed(&self, folder: &std::path::Path) -> DataDir {
        let data = DataDir::open(folder).expect("folder");
        let csr = certificate_request(&data.key().expect("key")).expect("request");
        let (certificate, relay_id) = self.organization.certify(SubjectKind::Relay, csr);
        let enrolment = Enrolment {
            server: self.address.to_string(),
            organization_id: self.organization.organization.to_string(),
            relay_id,
            site_id: "a-site".into(),
            certificate,
            ca: self.organization.der.clone(),
            platform_root: self.platform.der.clone(),
        };
        data.save_enrolment(&enrolment).expect("saved");
        data
    }
}

pub(crate) fn config() -> Config {
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        report_seconds: 1,
        metrics_listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ..Config::load(None).expect("defaults")
    }
}

#[derive(Clone)]
struct Serving {
    desk: Arc<Desk>,
    organization: Arc<Authority>,
    platform: Arc<Authority>,
}

impl Serving {
    fn admits(&self, certificate: &[u8]) -> bool {
        let now = u64::try_from(clock().now().timestamp()).expect("after 1970");
        verify_identity(certificate, &self.organization.der, now).is_ok()
    }

    async fn relay(&self, relay: netpatch_tunnel::RelayConnection) {
        if !self.admits(&relay.certificate) {
            relay.close(netpatch_tunnel::close_code::UNAUTHENTICATED, "not accepted");
            return;
        }
        relay.admit();
        let mut streams = tokio::task::JoinSet::new();
        while let Ok(handshake) = relay.accept().await {
            let this = self.clone();
            streams.spawn(async move {
                match handshake.open().await {
                    Ok(RelayStream::Agent(agent)) => this.agent(agent).await,
                    Ok(RelayStream::Enrol(enrolment)) => this.enrol(enrolment).await,
                    Ok(RelayStream::Report(report, answer)) => {
                        this.desk.reports.lock().unwrap().push(report);
                        let _ = answer.answer(&ok(Vec::new())).await;
                    }
                    Ok(RelayStream::Settings(answer)) => {
                        let settings = this.desk.settings.lock().unwrap().encode_to_vec();
                        let _ = answer.answer(&ok(settings)).await;
                    }
                    Ok(RelayStream::Staging(request, answer)) => {
                        let mut plan = this.desk.staging.lock().unwrap().clone();
                        if plan.plan == request.plan {
                            plan = StagingPlan::default();
                        }
                        this.desk.staged.lock().unwrap().push(request);
                        let _ = answer.answer(&ok(plan.encode_to_vec())).await;
                    }
                    Ok(RelayStream::Delta(request, answer)) => {
                        this.desk.deltas_asked.lock().unwrap().push(request);
                        let there = this.desk.delta.lock().unwrap().clone();
                        let rest = this.desk.delta_rest.lock().unwrap().clone();
                        let _ = match (there, rest) {
                            (Some((found, recipe)), Some(rest)) => {
                                let head = ok(found.encode_to_vec());
                                carry(head, recipe, 0, rest, answer).await
                            }
                            (Some((found, recipe)), None) => {
                                let body = found.encode_to_vec();
                                answer.answer_with(&ok(body), &recipe).await
                            }
                            (None, _) => answer.answer(&nothing()).await,
                        };
                    }
                    Ok(RelayStream::Stored(request, answer)) => {
                        let offset = usize::try_from(request.offset).unwrap();
                        this.desk.stored_asked.lock().unwrap().push(request);
                        let carried = this.desk.carried.lock().unwrap().clone();
                        if let Some((bytes, rest)) = carried {
                            let head = StreamAnswer {
                                total_bytes: bytes.len() as u64,
                                ..ok(StoredFound::default().encode_to_vec())
                            };
                            let _ = carry(head, bytes, offset, rest, answer).await;
                            return;
                        }
                        let there = this.desk.stored.lock().unwrap().clone();
                        let _ = match there {
                            Some(found) => answer.answer(&ok(found.encode_to_vec())).await,
                            None => answer.answer(&nothing()).await,
                        };
                    }
                    Ok(RelayStream::Refused(request, answer)) => {
                        this.desk.refused_asked.fetch_add(1, Ordering::Relaxed);
                        let mut list = this.desk.refused.subscribe();
                        let mut held = request.list;
                        let mut messages = answer.begin().await.unwrap();
                        loop {
                            let now = list.borrow_and_update().clone();
                            if now.list != held {
                                if messages.send(&now).await.is_err() {
                                    return;
                                }
                                held = now.list;
                            }
                            tokio::select! {
                                _ = list.changed() => {}
                                () = messages.closed() => return,
                            }
                        }
                    }
                    Ok(RelayStream::Probe(request, answer)) => {
                        this.desk.asked.lock().unwrap().push(request);
                        let plan = std::mem::take(&mut *this.desk.plan.lock().unwrap());
                        let _ = answer.answer(&ok(plan.encode_to_vec())).await;
                    }
                    Ok(RelayStream::Probed(results, answer)) => {
                        this.desk.probed.lock().unwrap().push(results);
                        let _ = answer.answer(&ok(Vec::new())).await;
                    }
                    Err(_) => {}
                }
            });
        }
    }

    async fn enrol(&self, mut enrolment: EnrolConnection) {
        let Ok(request) = enrolment.request().await else {
            return;
        };
        let Some(body) = request.body else {
            return;
        };
        let body = Some(self.enrolled(body));
        let _ = enrolment.answer(&EnrolAnswer { body }).await;
    }

    fn enrolled(&self, body: enrol_request::Body) -> enrol_answer::Body {
        match body {
            enrol_request::Body::RelayStart(start) => {
                *self.desk.request.lock().unwrap() = start.csr_der;
                self.desk.claims.fetch_add(1, Ordering::Relaxed);
                enrol_answer::Body::Claim(ClaimPending {
                    device_code: "device".into(),
                    claim_code: "BCDF-GHJK".into(),
                    expires_at_ms: clock().now().timestamp_millis() + 60_000,
                    interval_seconds: 1,
                })
            }
            enrol_request::Body::RelayPoll(_) if *self.desk.ended.lock().unwrap() => {
                enrol_answer::Body::Error(EnrolError {
                    code: "NOT_FOUND".into(),
                    message: "the claim has ended; start claiming again".into(),
                })
            }
            enrol_request::Body::RelayPoll(_) if !*self.desk.approved.lock().unwrap() => {
                enrol_answer::Body::Pending(Unchanged {})
            }
            enrol_request::Body::RelayPoll(_) => self.certified(
                SubjectKind::Relay,
                self.desk.request.lock().unwrap().clone(),
            ),
            enrol_request::Body::RelayToken(token) if token.secret == "a-good-claim-token" => {
                self.certified(SubjectKind::Relay, token.csr_der)
            }
            enrol_request::Body::Host(host) => self.certified(SubjectKind::Host, host.csr_der),
            enrol_request::Body::Renewal(renewal) => {
                let asked = self.desk.renewals.fetch_add(1, Ordering::Relaxed);
                if asked < self.desk.refusals.load(Ordering::Relaxed) {
                    return enrol_answer::Body::Error(EnrolError {
                        code: "INTERNAL_SERVER_ERROR".into(),
                        message: "not now".into(),
                    });
                }
                let name = claimed_name(&renewal.certificate_der).expect("a name");
                let certificate = self.organization.certify_as(name, renewal.csr_der);
                self.answer(certificate, name.id.to_string())
            }
            enrol_request::Body::RelayToken(_) => enrol_answer::Body::Error(EnrolError {
                code: "UNAUTHENTICATED".into(),
                message: "token is unknown or expired".into(),
            }),
        }
    }

    fn certified(&self, kind: SubjectKind, csr: Vec<u8>) -> enrol_answer::Body {
        let (certificate, subject_id) = self.organization.certify(kind, csr);
        self.answer(certificate, subject_id)
    }

    fn answer(&self, certificate_der: Vec<u8>, subject_id: String) -> enrol_answer::Body {
        enrol_answer::Body::Enrolled(Enrolled {
            organization_id: self.organization.organization.to_string(),
            subject_id,
            site_id: "a-site".into(),
            certificate_der,
            ca_der: self.organization.der.clone(),
            root: None,
            platform_root_der: self.platform.der.clone(),
        })
    }

    async fn agent(&self, mut agent: AgentConnection) {
        if !self.admits(&agent.certificate) {
            return;
        }
        while let Ok(Some(message)) = agent.messages.receive::<AgentMessage>().await {
            let body = match message.body {
                Some(agent_message::Body::Hello(_)) => edge_message::Body::Welcome(Welcome {
                    resume_id: vec![7; 16],
                    ..Welcome::default()
                }),
                Some(agent_message::Body::Facts(facts)) => edge_message::Body::ScanNow(ScanNow {
                    reason: facts.hostname,
                }),
                _ => continue,
            };
            let answer = EdgeMessage {
                body: Some(body),
                ..EdgeMessage::default()
            };
            if agent.messages.send(&answer).await.is_err() {
                return;
            }
        }
    }
}

fn nothing() -> StreamAnswer {
    StreamAnswer {
        status: 404,
        message: "no difference yet".into(),
        ..StreamAnswer::default()
    }
}

fn ok(body: Vec<u8>) -> StreamAnswer {
    StreamAnswer {
        status: 200,
        body,
        ..StreamAnswer::default()
    }
}

/// Half of what is wanted, and the rest once it is notified.
async fn carry(
    head: StreamAnswer,
    bytes: Vec<u8>,
    offset: usize,
    rest: Arc<Notify>,
    answer: netpatch_tunnel::edge::RelayAnswer,
) -> Result<(), netpatch_tunnel::TunnelError> {
    let total_bytes = bytes.len() as u64;
    let (from, mut to) = tokio::io::duplex(64 << 10);
    let feeding = async move {
        let half = offset + (bytes.len() - offset) / 2;
        to.write_all(&bytes[offset..half]).await?;
        rest.notified().await;
        rest.notify_one();
        to.write_all(&bytes[half..]).await
    };
    let sending = answer.answer_from(&head, total_bytes - offset as u64, from);
    let (sent, _) = tokio::join!(sending, feeding);
    sent
}
