//! A platform small enough for a test: it enrols one host, keeps its session, signs what it is told to.

use crate::order::{self, HOST, ORGANIZATION, freshness, key, membership};
use netpatch_protocol::counter::counter_bytes;
use netpatch_protocol::document::{Envelope, Time};
use netpatch_protocol::enrol::{EnrolAnswer, EnrolError, Enrolled, enrol_answer, enrol_request};
use netpatch_protocol::session::{
    AgentMessage, Counter, EdgeMessage, HeartbeatAnswer, RunEvent, RunEventsRefused,
    RunEventsStored, TimeProof, Welcome, agent_message, edge_message,
};
use netpatch_protocol::{EnrolmentToken, IdentityName, Numbered, Received, SubjectKind, seal};
use netpatch_tunnel::identity::{generate_key, subject_key};
use netpatch_tunnel::{
    AgentConnection, EdgeEndpoint, EdgeIncoming, EnrolConnection, Identity, Limits, PlatformTrust,
    RelayConnection, RelayStream, ServerIdentity, verify_identity,
};
use netpatch_types::{Clock as _, OrganizationId, Sha256, SystemClock};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, Issuer, KeyPair, SanType,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast;
use tokio_util::task::AbortOnDropHandle;

pub(crate) const SECRET: &str = "a-secret-of-enough-characters";

/// A certificate authority: platform root or the organization's.
struct Authority {
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = new_key();
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(BasicConstraints::Constrained(0));
        let der = params.self_signed(&key).expect("signed").der().to_vec();
        Self {
            der,
            issuer: Issuer::new(params, key),
        }
    }
}

fn new_key() -> KeyPair {
    let der = PrivatePkcs8KeyDer::from(generate_key().expect("key"));
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ECDSA_P256_SHA256).expect("key")
}

/// What the edge knows and was told.
struct Inside {
    platform: Authority,
    organization: Authority,
    heard: Mutex<Vec<agent_message::Body>>,
    outgoing: broadcast::Sender<Envelope>,
    on_runs: Mutex<OnRuns>,
    /// Sessions end when this is told.
    hang_up: tokio::sync::Notify,
    /// What hosts are told of.
    relays: Mutex<Vec<String>>,
    other_relays: Mutex<Vec<String>>,
    /// How long a check-in needs no counter after one; 0: each has one.
    signed_seconds: AtomicU32,
    direct_forbidden: AtomicBool,
}

/// What the edge does with steps of runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnRuns {
    Store,
    /// Hears them and says nothing.
    Ignore,
    /// Of this sequence for good, and stores the others.
    Refuse(u64),
}

pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    inside: Arc<Inside>,
    _task: AbortOnDropHandle<()>,
}

impl Edge {
    /// Hosts are told of these from now on.
    pub(crate) fn tell_of_relays(&self, relays: Vec<String>) {
        *self.inside.relays.lock().expect("no panic") = relays;
    }

    pub(crate) fn tell_of_other_sites_relays(&self, relays: Vec<String>) {
        *self.inside.other_relays.lock().expect("no panic") = relays;
    }

    /// In sessions to come.
    pub(crate) fn wants_counters_every(&self, seconds: u32) {
        self.inside.signed_seconds.store(seconds, Ordering::Relaxed);
    }

    /// The site of the hosts forbids the direct way.
    pub(crate) fn forbid_direct(&self) {
        self.inside.direct_forbidden.store(true, Ordering::Relaxed);
    }

    pub(crate) fn start() -> Self {
        let inside = Arc::new(Inside {
            platform: Authority::new(),
            organization: Authority::new(),
            heard: Mutex::new(Vec::new()),
            outgoing: broadcast::channel(64).0,
            on_runs: Mutex::new(OnRuns::Store),
            hang_up: tokio::sync::Notify::new(),
            relays: Mutex::default(),
            other_relays: Mutex::default(),
            signed_seconds: AtomicU32::new(0),
            direct_forbidden: AtomicBool::new(false),
        });
        let leaf_key = new_key();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::DnsName("edge.test".try_into().expect("ascii"))];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params
            .signed_by(&leaf_key, &inside.platform.issuer)
            .expect("signed");
        let server = ServerIdentity {
            chain: vec![
                leaf.der().clone(),
                CertificateDer::from(inside.platform.der.clone()),
            ],
            key: leaf_key.serialize_der().into(),
            reset: None,
        };
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let endpoint =
            EdgeEndpoint::bind(loopback, &server, &SystemClock::shared(), Limits::default())
                .expect("binds");
        let address = endpoint.local_addr().expect("address");
        let for_task = Arc::clone(&inside);
        let task = tokio::spawn(async move {
            let mut peers = tokio::task::JoinSet::new();
            while let Some(handshake) = endpoint.accept().await {
                let inside = Arc::clone(&for_task);
                peers.spawn(async move {
                    match handshake.open().await {
                        Ok(EdgeIncoming::Enrol(enrolment)) => inside.enrol(enrolment).await,
                        Ok(EdgeIncoming::Agent(agent)) => inside.serve(agent).await,
                        Ok(EdgeIncoming::Relay(relay)) => inside.serve_relay(relay).await,
                        Err(_) => {}
                    }
                });
            }
        });
        Self {
            address,
            inside,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Certificate, CA and platform of a relay of the organization.
    pub(crate) fn relay_identity(&self) -> (Identity, Vec<u8>, PlatformTrust) {
        self.identity(SubjectKind::Relay)
    }

    /// The same of a host.
    pub(crate) fn host_identity(&self) -> (Identity, Vec<u8>, PlatformTrust) {
        self.identity(SubjectKind::Host)
    }

    fn identity(&self, kind: SubjectKind) -> (Identity, Vec<u8>, PlatformTrust) {
        let name = IdentityName {
            organization: OrganizationId(ORGANIZATION),
            kind,
            id: uuid::Uuid::from_u128(9),
        };
        let key = new_key();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(name.to_string().try_into().expect("ascii"))];
        params.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
        ];
        let certificate = params
            .signed_by(&key, &self.inside.organization.issuer)
            .expect("signed");
        let identity = Identity::new(certificate.der().to_vec(), key.serialize_der());
        let platform = PlatformTrust::Roots(vec![self.inside.platform.der.clone().into()]);
        (identity, self.inside.organization.der.clone(), platform)
    }

    /// A token with this secret for this platform.
    pub(crate) fn token(&self, secret: &str) -> EnrolmentToken {
        let (platform_root, _) = subject_key(&self.inside.platform.der).expect("certificate");
        EnrolmentToken {
            secret: secret.to_owned(),
            platform_root,
        }
    }

    /// Deals with steps of runs so from now on, in sessions to come: those that live end.
    pub(crate) fn on_runs(&self, does: OnRuns) {
        *self.inside.on_runs.lock().expect("lock") = does;
        self.inside.hang_up.notify_waiters();
    }

    /// Sends a document to the agent.
    pub(crate) fn send(&self, envelope: Envelope) {
        self.inside.outgoing.send(envelope).expect("a session");
    }

    /// The same, if there is a session now.
    pub(crate) fn offer(&self, envelope: Envelope) {
        let _ = self.inside.outgoing.send(envelope);
    }

    /// The first message that fits, among all that came.
    pub(crate) fn heard<T>(&self, fits: impl Fn(&agent_message::Body) -> Option<T>) -> Option<T> {
        self.inside
            .heard
            .lock()
            .expect("lock")
            .iter()
            .find_map(fits)
    }

    /// Every step of every run that was reported, in order of arrival.
    pub(crate) fn steps(&self) -> Vec<RunEvent> {
        let heard = self.inside.heard.lock().expect("lock");
        let events = heard.iter().filter_map(|body| match body {
            agent_message::Body::RunEvents(events) => Some(events.events.clone()),
            _ => None,
        });
        events.flatten().collect()
    }
}

fn now_ms() -> i64 {
    SystemClock::default().now().timestamp_millis()
}

fn message(body: edge_message::Body) -> EdgeMessage {
    EdgeMessage {
        body: Some(body),
        ..EdgeMessage::default()
    }
}

/// The time, for the counter that asks.
fn time(counter: &Counter) -> Option<TimeProof> {
    let boot_id: [u8; 16] = counter.boot_id.as_slice().try_into().expect("16 bytes");
    let time = Time {
        organization_id: ORGANIZATION.to_string(),
        at_ms: now_ms(),
        nonce: Sha256::of(&counter_bytes(&boot_id, counter.n)).0.to_vec(),
    };
    Some(TimeProof {
        envelope: Some(seal(&time, &[&key(2)]).expect("seals")),
    })
}

impl Inside {
    async fn serve_relay(self: &Arc<Self>, relay: RelayConnection) {
        relay.admit();
        let mut streams = tokio::task::JoinSet::new();
        while let Ok(handshake) = relay.accept().await {
            let inside = Arc::clone(self);
            streams.spawn(async move {
                match handshake.open().await {
                    Ok(RelayStream::Agent(agent)) => inside.serve(agent).await,
                    Ok(RelayStream::Enrol(enrolment)) => inside.enrol(enrolment).await,
                    _ => {}
                }
            });
        }
    }

    async fn enrol(&self, mut connection: EnrolConnection) {
        let Ok(request) = connection.request().await else {
            return;
        };
        let body = match request.body {
            Some(enrol_request::Body::Host(host)) if host.secret == SECRET => {
                enrol_answer::Body::Enrolled(self.admit(&host.csr_der))
            }
            _ => enrol_answer::Body::Error(EnrolError {
                code: "UNAUTHENTICATED".into(),
                message: "the token is unknown or used up".into(),
            }),
        };
        let _ = connection.answer(&EnrolAnswer { body: Some(body) }).await;
    }

    fn admit(&self, csr_der: &[u8]) -> Enrolled {
        let name = IdentityName {
            organization: OrganizationId(ORGANIZATION),
            kind: SubjectKind::Host,
            id: HOST,
        };
        let mut request =
            CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr_der))
                .expect("a request");
        request.params.subject_alt_names =
            vec![SanType::URI(name.to_string().try_into().expect("ascii"))];
        request.params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = request
            .signed_by(&self.organization.issuer)
            .expect("signed");
        let root = order::root(self.organization.der.clone());
        Enrolled {
            organization_id: ORGANIZATION.to_string(),
            subject_id: HOST.to_string(),
            site_id: uuid::Uuid::nil().to_string(),
            certificate_der: certificate.der().to_vec(),
            ca_der: self.organization.der.clone(),
            root: Some(seal(&root, &[&key(1)]).expect("seals")),
            platform_root_der: self.platform.der.clone(),
        }
    }

    async fn serve(&self, mut agent: AgentConnection) {
        let now = u64::try_from(now_ms() / 1000).expect("after 1970");
        verify_identity(&agent.certificate, &self.organization.der, now)
            .expect("the certificate that was issued");
        let mut outgoing = self.outgoing.subscribe();
        let mut numbered =
            Numbered::<EdgeMessage>::new(uuid::Uuid::new_v4().as_bytes().to_vec(), 1000);
        let Ok(Some(hello)) = agent.messages.receive::<AgentMessage>().await else {
            return;
        };
        let Some(agent_message::Body::Hello(hello)) = hello.body else {
            panic!("no hello")
        };
        let welcome = numbered.send_uncounted(message(edge_message::Body::Welcome(Welcome {
            resume_id: numbered.resume_id().to_vec(),
            time: time(&hello.counter.expect("a counter")),
            heartbeat_seconds: 1,
            relay_hints: self.relays.lock().expect("no panic").clone(),
            other_relay_hints: self.other_relays.lock().expect("no panic").clone(),
            signed_seconds: self.signed_seconds.load(Ordering::Relaxed),
            ..Welcome::default()
        })));
        agent.messages.send(&welcome).await.expect("sends");
        let member = membership(self.direct_forbidden.load(Ordering::Relaxed));
        let member = numbered
            .send(message(edge_message::Body::Document(member)))
            .expect("room");
        agent.messages.send(&member).await.expect("sends");
        loop {
            let answer = tokio::select! {
                received = agent.messages.receive::<AgentMessage>() => {
                    let Ok(Some(received)) = received else { return };
                    let new = numbered.receive(received.number, received.ack).expect("follows the rules");
                    numbered.durable(received.number);
                    let Some(body) = received.body.filter(|_| new == Received::New) else { continue };
                    self.answer(body)
                }
                Ok(envelope) = outgoing.recv() => vec![edge_message::Body::Document(envelope)],
                () = self.hang_up.notified() => return,
            };
            for answer in answer {
                let counted = !matches!(answer, edge_message::Body::Heartbeat(_));
                let answer = message(answer);
                let answer = if counted {
                    numbered.send(answer).expect("room")
                } else {
                    numbered.send_uncounted(answer)
                };
                if agent.messages.send(&answer).await.is_err() {
                    return;
                }
            }
        }
    }

    fn answer(&self, body: agent_message::Body) -> Vec<edge_message::Body> {
        let answer = match &body {
            agent_message::Body::Heartbeat(heartbeat) => {
                let counter = heartbeat.counter.as_ref();
                assert!(counter.is_some() || self.signed_seconds.load(Ordering::Relaxed) > 0);
                vec![edge_message::Body::Heartbeat(HeartbeatAnswer {
                    time: counter.and_then(time),
                })]
            }
            agent_message::Body::FreshnessRequest(_) => {
                vec![edge_message::Body::Document(freshness(now_ms()))]
            }
            agent_message::Body::RunEvents(events) => self.on_events(&events.events),
            _ => Vec::new(),
        };
        self.heard.lock().expect("lock").push(body);
        answer
    }

    /// An answer for each run, in their order.
    fn on_events(&self, events: &[RunEvent]) -> Vec<edge_message::Body> {
        let does = *self.on_runs.lock().expect("lock");
        if does == OnRuns::Ignore {
            return Vec::new();
        }
        let runs = events.chunk_by(|one, next| {
            (&one.deployment_id, one.sequence) == (&next.deployment_id, next.sequence)
        });
        runs.filter_map(|steps| steps.last())
            .map(|last| match does {
                OnRuns::Refuse(sequence) if sequence == last.sequence => {
                    edge_message::Body::RunEventsRefused(RunEventsRefused {
                        deployment_id: last.deployment_id.clone(),
                        sequence,
                        attempt: last.attempt,
                        code: "NOT_FOUND".into(),
                        message: "order is not known".into(),
                    })
                }
                _ => edge_message::Body::RunEventsStored(RunEventsStored {
                    deployment_id: last.deployment_id.clone(),
                    sequence: last.sequence,
                    attempt: last.attempt,
                    step: last.step,
                }),
            })
            .collect()
    }
}
