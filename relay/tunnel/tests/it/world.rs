//! A platform root, an organization's CA, an edge that echoes, a relay that forwards and listens in.

use netpatch_protocol::session::{
    AgentMessage, EdgeMessage, Hello, HostFacts, ScanNow, SessionError, Welcome, agent_message,
    edge_message,
};
use netpatch_protocol::site::{SiteSettings, StreamAnswer, stream_open};
use netpatch_protocol::{IdentityName, Numbered, Received, SubjectKind};
use netpatch_tunnel::identity::{generate_key, subject_key};
use netpatch_tunnel::{
    AgentConnection, Candidate, CarrierKind, EdgeEndpoint, EdgeIncoming, Identity, Limits, Over,
    PlatformTrust, RelayStream, RelayUplink, ResetSecret, ServerIdentity, SessionClient,
    SessionEvent, SessionOptions, SiteClient, SiteEndpoint, TunnelError, site, verify_identity,
};
use netpatch_types::{HostId, OrganizationId, SharedClock, SystemClock};
use prost::Message as _;
use rcgen::{BasicConstraints, CertificateParams, Issuer, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub(crate) struct Authority {
    pub(crate) der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    pub(crate) organization: OrganizationId,
}

fn new_key() -> KeyPair {
    let der = PrivatePkcs8KeyDer::from(generate_key().expect("key"));
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ECDSA_P256_SHA256).expect("key")
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = new_key();
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(BasicConstraints::Constrained(0));
        let der = params.self_signed(&key).expect("signed").der().to_vec();
        Self {
            der,
            issuer: Issuer::new(params, key),
            organization: OrganizationId::new(clock().now()),
        }
    }

    fn issue(&self, san: SanType, server: bool) -> (Vec<u8>, Vec<u8>) {
        let key = new_key();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![san];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        if server {
            params.insert_extended_key_usage(rcgen::ExtendedKeyUsagePurpose::ServerAuth);
        }
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        (certificate.der().to_vec(), key.serialize_der())
    }

    pub(crate) fn identity(&self, kind: SubjectKind) -> Identity {
        self.identity_with_key(kind).0
    }

    pub(crate) fn identity_with_key(&self, kind: SubjectKind) -> (Identity, Vec<u8>) {
        let name = IdentityName {
            organization: self.organization,
            kind,
            id: HostId::new(clock().now()).0,
        };
        let uri = SanType::URI(name.to_string().try_into().expect("ascii"));
        let (certificate, key) = self.issue(uri, kind == SubjectKind::Relay);
        (Identity::new(certificate, key.clone()), key)
    }

    pub(crate) fn edge(&self) -> ServerIdentity {
        let name = SanType::DnsName("edge.test".try_into().expect("ascii"));
        let (certificate, key) = self.issue(name, true);
        ServerIdentity {
            chain: vec![certificate.into(), CertificateDer::from(self.der.clone())],
            key: key.into(),
            reset: Some(ResetSecret::new(&self.der)),
        }
    }

    pub(crate) fn trust(&self) -> PlatformTrust {
        PlatformTrust::Roots(vec![self.der.clone().into()])
    }

    pub(crate) fn fingerprint(&self) -> PlatformTrust {
        PlatformTrust::Fingerprint(subject_key(&self.der).expect("certificate").0)
    }
}

pub(crate) fn clock() -> SharedClock {
    SystemClock::shared()
}

pub(crate) fn limits() -> Limits {
    Limits {
        handshake_timeout: Duration::from_secs(3),
        idle_timeout: Duration::from_secs(3),
        keep_alive: Duration::from_millis(500),
        ..Limits::default()
    }
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// What the edge has seen of all its agents.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) hostnames: Mutex<Vec<String>>,
    pub(crate) errors: Mutex<Vec<String>>,
    sessions: Mutex<HashMap<Vec<u8>, Arc<Slot>>>,
}

/// What outlives a session's carriers; a new carrier takes it from the one before.
struct Slot {
    numbered: tokio::sync::Mutex<Numbered<EdgeMessage>>,
    carried: Mutex<CancellationToken>,
}

impl Slot {
    /// Ends the carrier before; the token of this one.
    fn take_over(&self) -> CancellationToken {
        let mine = CancellationToken::new();
        std::mem::replace(&mut *self.carried.lock().unwrap(), mine.clone()).cancel();
        mine
    }
}

pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    pub(crate) endpoint: Arc<EdgeEndpoint>,
    _task: AbortOnDropHandle<()>,
}

impl Edge {
    /// An edge that admits hosts and relays of one organization and echoes host names as scan reasons.
    pub(crate) fn start(platform: &Authority, organization: &Authority) -> Self {
        Self::start_with(limits(), platform, organization)
    }

    pub(crate) fn start_with(
        limits: Limits,
        platform: &Authority,
        organization: &Authority,
    ) -> Self {
        let endpoint = EdgeEndpoint::bind(loopback(), &platform.edge(), &clock(), limits);
        Self::serve(endpoint.expect("bind"), organization)
    }

    /// On an address that another one has just left.
    pub(crate) async fn start_at(
        at: SocketAddr,
        platform: &Authority,
        organization: &Authority,
    ) -> Self {
        for _ in 0..500 {
            if let Ok(endpoint) = EdgeEndpoint::bind(at, &platform.edge(), &clock(), limits()) {
                return Self::serve(endpoint, organization);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{at} does not become free");
    }

    fn serve(endpoint: EdgeEndpoint, organization: &Authority) -> Self {
        let address = endpoint.local_addr().expect("address");
        let (seen, endpoint) = (Arc::new(Seen::default()), Arc::new(endpoint));
        let (ca, for_task) = (organization.der.clone(), seen.clone());
        let accepting = endpoint.clone();
        let task = tokio::spawn(async move {
            let mut peers = tokio::task::JoinSet::new();
            while let Some(handshake) = accepting.accept().await {
                let (ca, seen) = (ca.clone(), for_task.clone());
                peers.spawn(async move {
                    match handshake.open().await {
                        Ok(incoming) => serve(incoming, &ca, &seen).await,
                        Err(error) => seen.errors.lock().unwrap().push(error.to_string()),
                    }
                });
            }
        });
        Self {
            address,
            seen,
            endpoint,
            _task: AbortOnDropHandle::new(task),
        }
    }
}

fn accepted(certificate: &[u8], ca: &[u8]) -> bool {
    let now = u64::try_from(clock().now().timestamp()).expect("after 1970");
    verify_identity(certificate, ca, now).is_ok()
}

async fn serve(incoming: EdgeIncoming, ca: &[u8], seen: &Arc<Seen>) {
    match incoming {
        EdgeIncoming::Agent(agent) => serve_agent(agent, ca, seen).await,
        EdgeIncoming::Enrol(enrolment) => crate::enrolment::answer(enrolment).await,
        EdgeIncoming::Relay(relay) => {
            if !accepted(&relay.certificate, ca) {
                relay.close(netpatch_tunnel::close_code::UNAUTHENTICATED, "not accepted");
                return;
            }
            relay.admit();
            let mut streams = tokio::task::JoinSet::new();
            while let Ok(handshake) = relay.accept().await {
                let (ca, seen) = (ca.to_vec(), seen.clone());
                streams.spawn(async move {
                    match handshake.open().await {
                        Ok(RelayStream::Agent(agent)) => serve_agent(agent, &ca, &seen).await,
                        Ok(RelayStream::Enrol(enrolment)) => {
                            crate::enrolment::answer(enrolment).await;
                        }
                        Ok(
                            RelayStream::Report(_, answer)
                            | RelayStream::Settings(answer)
                            | RelayStream::Probe(_, answer)
                            | RelayStream::Probed(_, answer)
                            | RelayStream::Staging(_, answer)
                            | RelayStream::Delta(_, answer)
                            | RelayStream::Stored(_, answer)
                            | RelayStream::Refused(_, answer),
                        ) => {
                            let settings = SiteSettings {
                                site_id: "site".into(),
                                ..SiteSettings::default()
                            };
                            let body = StreamAnswer {
                                status: 200,
                                body: settings.encode_to_vec(),
                                ..StreamAnswer::default()
                            };
                            let _ = answer.answer(&body).await;
                        }
                        Err(error) => seen.errors.lock().unwrap().push(error.to_string()),
                    }
                });
            }
        }
    }
}

async fn serve_agent(mut agent: AgentConnection, ca: &[u8], seen: &Seen) {
    if !accepted(&agent.certificate, ca) {
        let refusal = edge_message::Body::Error(SessionError {
            code: "UNAUTHENTICATED".into(),
            message: "certificate not accepted".into(),
        });
        let _ = agent.messages.send(&edge(refusal)).await;
        agent.finish().await;
        return;
    }
    if let Err(error) = echo(&mut agent, seen).await {
        seen.errors.lock().unwrap().push(error.to_string());
    }
}

fn edge(body: edge_message::Body) -> EdgeMessage {
    EdgeMessage {
        body: Some(body),
        ..EdgeMessage::default()
    }
}

async fn echo(agent: &mut AgentConnection, seen: &Seen) -> Result<(), TunnelError> {
    let Some(AgentMessage {
        body: Some(agent_message::Body::Hello(hello)),
        ack,
        ..
    }) = agent.messages.receive::<AgentMessage>().await?
    else {
        return Err(TunnelError::Unexpected("no hello".into()));
    };
    let slot = {
        let mut sessions = seen.sessions.lock().unwrap();
        let known = sessions.get(&hello.resume_id).cloned();
        known.unwrap_or_else(|| {
            let id = rand_id();
            let slot = Arc::new(Slot {
                numbered: Numbered::new(id.clone(), 100).into(),
                carried: Mutex::default(),
            });
            sessions.insert(id, slot.clone());
            slot
        })
    };
    let superseded = slot.take_over();
    let mut numbered = slot.numbered.lock().await;
    if numbered.resume_id() == hello.resume_id {
        numbered.receive(0, ack).expect("acknowledges");
    }
    let id = numbered.resume_id().to_vec();
    let welcome = numbered.send_uncounted(edge(edge_message::Body::Welcome(Welcome {
        resume_id: id,
        ..Welcome::default()
    })));
    tokio::select! {
        result = converse(agent, seen, &mut numbered, welcome) => result,
        () = superseded.cancelled() => Ok(()),
    }
}

async fn converse(
    agent: &mut AgentConnection,
    seen: &Seen,
    numbered: &mut Numbered<EdgeMessage>,
    welcome: EdgeMessage,
) -> Result<(), TunnelError> {
    agent.messages.send(&welcome).await?;
    for again in numbered.unacknowledged().collect::<Vec<_>>() {
        agent.messages.send(&again).await?;
    }
    while let Some(message) = agent.messages.receive::<AgentMessage>().await? {
        let taken = numbered.receive(message.number, message.ack);
        if taken.expect("follows the rules") == Received::Duplicate {
            continue;
        }
        if let Some(agent_message::Body::Facts(facts)) = message.body {
            seen.hostnames.lock().unwrap().push(facts.hostname.clone());
            numbered.durable(message.number);
            let scan = ScanNow {
                reason: facts.hostname,
            };
            let answer = numbered.send(edge(edge_message::Body::ScanNow(scan)));
            agent.messages.send(&answer.expect("room")).await?;
        }
    }
    Ok(())
}

fn rand_id() -> Vec<u8> {
    generate_key().expect("key")[40..56].to_vec()
}

/// A relay that forwards streams and keeps every byte it could see.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    /// What carries the streams to the edge.
    pub(crate) carrier: CarrierKind,
    pub(crate) captured: Arc<Mutex<Vec<u8>>>,
    _task: AbortOnDropHandle<()>,
}

impl Relay {
    pub(crate) async fn start(
        at: SocketAddr,
        edge: SocketAddr,
        platform: &Authority,
        organization: &Authority,
    ) -> Self {
        Self::start_over(Over::Any, at, edge, platform, organization).await
    }

    pub(crate) async fn start_over(
        over: Over,
        at: SocketAddr,
        edge: SocketAddr,
        platform: &Authority,
        organization: &Authority,
    ) -> Self {
        Self::start_with(limits(), over, at, edge, platform, organization).await
    }

    pub(crate) async fn start_with(
        limits: Limits,
        over: Over,
        at: SocketAddr,
        edge: SocketAddr,
        platform: &Authority,
        organization: &Authority,
    ) -> Self {
        let identity = organization.identity(SubjectKind::Relay);
        let ca = organization.der.clone();
        let endpoint = SiteEndpoint::bind(at, &identity, ca, clock(), limits).expect("bind");
        let address = endpoint.local_addr().expect("address");
        let to = edge.to_string();
        let trust = platform.trust();
        let uplink =
            RelayUplink::connect_over(over, &to.into(), trust, &identity, &clock(), limits).await;
        let uplink = uplink.expect("uplink");
        let carrier = uplink.carrier();
        let captured = Arc::new(Mutex::new(Vec::new()));
        let for_task = captured.clone();
        let task = tokio::spawn(async move {
            let mut agents = tokio::task::JoinSet::new();
            while let Some(handshake) = endpoint.accept().await {
                let (uplink, captured) = (uplink.clone(), for_task.clone());
                agents.spawn(async move {
                    let Ok(agent) = handshake.open().await else {
                        return;
                    };
                    let mut streams = tokio::task::JoinSet::new();
                    while let Ok(stream) = agent.accept().await {
                        streams.spawn(forward(stream, uplink.clone(), captured.clone()));
                    }
                });
            }
        });
        Self {
            address,
            carrier,
            captured,
            _task: AbortOnDropHandle::new(task),
        }
    }
}

async fn forward(
    stream: site::SiteStream,
    uplink: RelayUplink,
    captured: Arc<Mutex<Vec<u8>>>,
) -> Result<(), TunnelError> {
    let (kind, mut down) = stream.open().await?;
    assert!(!matches!(kind, stream_open::Kind::Payload(_)));
    let (answer, up) = uplink.open(kind).await?;
    site::send_answer(&mut down, &answer).await?;
    let (mut down_read, mut down_write) = tokio::io::split(down);
    let (mut up_read, mut up_write) = tokio::io::split(up);
    let _ = tokio::join!(
        copy(&mut down_read, &mut up_write, &captured),
        copy(&mut up_read, &mut down_write, &captured)
    );
    Ok(())
}

async fn copy(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    captured: &Mutex<Vec<u8>>,
) -> std::io::Result<()> {
    let mut buffer = [0u8; 4096];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        captured.lock().unwrap().extend_from_slice(&buffer[..count]);
        to.write_all(&buffer[..count]).await?;
    }
}

pub(crate) fn via(address: SocketAddr, organization: &Authority, host: &Identity) -> Candidate {
    via_with(limits(), address, organization, host)
}

pub(crate) fn via_with(
    limits: Limits,
    address: SocketAddr,
    organization: &Authority,
    host: &Identity,
) -> Candidate {
    Candidate::Relay {
        site: Arc::new(SiteClient::new(
            address.to_string(),
            organization.der.clone(),
            host.clone(),
            clock(),
            limits,
        )),
    }
}

pub(crate) fn direct(address: SocketAddr) -> Candidate {
    Candidate::Direct {
        address: address.to_string(),
    }
}

pub(crate) fn over_tcp(address: SocketAddr) -> Candidate {
    Candidate::Tcp {
        address: address.to_string().into(),
    }
}

pub(crate) fn agent(
    candidates: Vec<Candidate>,
    host: &Identity,
    trust: PlatformTrust,
) -> SessionClient {
    agent_with(limits(), candidates, host, trust)
}

pub(crate) fn agent_with(
    limits: Limits,
    candidates: Vec<Candidate>,
    host: &Identity,
    trust: PlatformTrust,
) -> SessionClient {
    let mut options = SessionOptions::new(candidates, host.clone(), trust, clock());
    options.limits = limits;
    options.backoff_first = Duration::from_millis(20);
    options.backoff_longest = Duration::from_millis(200);
    options.probe_every = Duration::from_millis(200);
    SessionClient::connect(options, |resume_id| Hello {
        protocol: 1,
        resume_id,
        ..Hello::default()
    })
}

pub(crate) fn facts(hostname: &str) -> agent_message::Body {
    agent_message::Body::Facts(HostFacts {
        hostname: hostname.into(),
        ..HostFacts::default()
    })
}

pub(crate) async fn next(session: &mut SessionClient) -> SessionEvent {
    tokio::time::timeout(Duration::from_secs(20), session.next())
        .await
        .expect("in time")
        .expect("alive")
}

/// The reason of a scan that the edge asks for.
pub(crate) fn reason_of(message: EdgeMessage) -> Option<String> {
    match message.body {
        Some(edge_message::Body::ScanNow(scan)) => Some(scan.reason),
        _ => None,
    }
}

/// The reason of the next scan, which the edge echoes; carriers may come and go meanwhile.
pub(crate) async fn next_reason(session: &mut SessionClient) -> String {
    loop {
        if let SessionEvent::Message(message) = next(session).await
            && let Some(edge_message::Body::ScanNow(scan)) = message.body
        {
            session.handle().durable(message.number);
            return scan.reason;
        }
    }
}

/// Waits until a carrier is up: which kind, and the session's id.
pub(crate) async fn next_up(session: &mut SessionClient) -> (CarrierKind, Vec<u8>) {
    loop {
        if let SessionEvent::Up { carrier, welcome } = next(session).await {
            return (carrier, welcome.resume_id);
        }
    }
}

/// Waits for the reason of the next loss of a carrier.
pub(crate) async fn next_down(session: &mut SessionClient) -> String {
    loop {
        match next(session).await {
            SessionEvent::Down { reason } => return reason,
            SessionEvent::Up { .. } => panic!("the session came up"),
            SessionEvent::Message(_) => {}
        }
    }
}
