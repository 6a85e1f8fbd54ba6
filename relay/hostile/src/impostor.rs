//! What a relay can do with TLS of its own: play the edge to a host, and a host to the edge.
//!
//! It has a certificate of the organization for a relay, and can make any others, with names and keys as it likes. A host that
//! believed it would tell it everything, which the capture would show, and take documents that the cloud never signed. An edge that
//! believed it would take reports that no host sent.

use crate::capture::{Capture, MARK, Tap};
use crate::cloud::EDGE_NAME;
use crate::plan::Mutation;
use anyhow::Result;
use netpatch_proof::Ed25519Signer;
use netpatch_protocol::document::{Membership, Order};
use netpatch_protocol::enrol::{EnrolAnswer, EnrolRequest, Enrolled, enrol_answer};
use netpatch_protocol::session::{
    AgentMessage, Counter, EdgeMessage, Hello, HostFacts, Welcome, agent_message, edge_message,
};
use netpatch_protocol::site::{StreamAnswer, StreamOpen, stream_open};
use netpatch_protocol::{
    ALPN_AGENT, ALPN_ENROL, IdentityName, PROTOCOL_VERSION, SubjectKind, seal,
};
use netpatch_tunnel::identity::{certificate_request, claimed_name, generate_key};
use netpatch_tunnel::message::{receive_one, send_one};
use netpatch_tunnel::quic::QuicStream;
use netpatch_tunnel::tls::provider;
use netpatch_tunnel::{ByteStream, MessageStream};
use prost::Message as _;
use rcgen::{CertificateParams, CertificateSigningRequestParams, Issuer, KeyPair, SanType};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// It does not wait longer for anybody.
const PATIENCE: Duration = Duration::from_millis(300);

/// A chain with its key.
type Shown = (Vec<CertificateDer<'static>>, Vec<u8>);

/// The relay's own certificate, and what it has made for itself.
pub(crate) struct Impostor {
    own: Shown,
    edge: Shown,
    host: Shown,
    capture: Arc<Capture>,
}

impl Impostor {
    pub(crate) fn new(certificate: &[u8], key: Vec<u8>, capture: Arc<Capture>) -> Result<Self> {
        let relay = claimed_name(certificate)?;
        let name = IdentityName {
            kind: SubjectKind::Host,
            ..relay
        };
        Ok(Self {
            own: (vec![certificate.to_vec().into()], key),
            edge: made(SanType::DnsName(EDGE_NAME.try_into()?))?,
            host: made(SanType::URI(name.to_string().try_into()?))?,
            capture,
        })
    }

    /// Answers a host as if it were the edge, for as long as the host believes it.
    pub(crate) async fn as_edge(&self, mutation: &Mutation, mut stream: QuicStream) {
        let shown = match mutation.dice.is_multiple_of(2) {
            true => &self.own,
            false => &self.edge,
        };
        let played = async {
            let ok = StreamAnswer {
                status: 200,
                ..StreamAnswer::default()
            };
            send_one(&mut stream, &ok).await?;
            let mut config = rustls::ServerConfig::builder_with_provider(provider())
                .with_protocol_versions(&[&rustls::version::TLS13])?
                .with_no_client_auth()
                .with_single_cert(shown.0.clone(), key(shown))?;
            config.alpn_protocols = vec![ALPN_AGENT.to_vec(), ALPN_ENROL.to_vec()];
            let tls = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
            let is_enrolment = tls.get_ref().1.alpn_protocol() == Some(ALPN_ENROL);
            let messages = MessageStream::new(tls);
            match is_enrolment {
                true => self.enrol(messages).await,
                false => self.converse(messages).await,
            }
        };
        // That it ends in an error is what is hoped for.
        let _ = tokio::time::timeout(PATIENCE, played).await;
    }

    /// A session: a welcome, a membership and an order of its own make, and everything that the host says.
    async fn converse(&self, mut messages: MessageStream) -> Result<()> {
        let own = Ed25519Signer::from_secret(&[66; 32]);
        let mut tap = Tap::default();
        let mut number = 0;
        while let Some(message) = messages.receive::<AgentMessage>().await? {
            let bytes = message.encode_to_vec();
            self.capture
                .take(&mut tap, "a session with the impostor", &bytes);
            if !matches!(message.body, Some(agent_message::Body::Hello(_))) {
                continue;
            }
            let welcome = edge_message::Body::Welcome(Welcome {
                resume_id: vec![6; 16],
                ..Welcome::default()
            });
            let membership = seal(&Membership::default(), &[&own])?;
            let order = seal(&Order::default(), &[&own])?;
            for body in [
                welcome,
                edge_message::Body::Document(membership),
                edge_message::Body::Document(order),
            ] {
                let body = Some(body);
                messages
                    .send(&EdgeMessage {
                        number,
                        ack: 0,
                        body,
                    })
                    .await?;
                number += 1;
            }
        }
        Ok(())
    }

    async fn enrol(&self, mut messages: MessageStream) -> Result<()> {
        let request = messages.receive::<EnrolRequest>().await?;
        let bytes = request.unwrap_or_default().encode_to_vec();
        let place = "an enrolment with the impostor";
        self.capture.take(&mut Tap::default(), place, &bytes);
        let enrolled = Enrolled {
            certificate_der: self
                .host
                .0
                .first()
                .map(|one| one.to_vec())
                .unwrap_or_default(),
            ..Enrolled::default()
        };
        let body = Some(enrol_answer::Body::Enrolled(enrolled));
        messages.send(&EnrolAnswer { body }).await?;
        Ok(())
    }

    /// Speaks to the edge as if it were a host.
    pub(crate) async fn as_host(
        &self,
        mutation: &Mutation,
        kind: stream_open::Kind,
        mut stream: impl ByteStream,
    ) {
        let is_session = matches!(kind, stream_open::Kind::Session(_));
        let shown = match mutation.dice.is_multiple_of(2) {
            true => &self.own,
            false => &self.host,
        };
        let played = async {
            send_one(&mut stream, &StreamOpen { kind: Some(kind) }).await?;
            receive_one::<StreamAnswer>(&mut stream).await?;
            let mut config = rustls::ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&[&rustls::version::TLS13])?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody))
                .with_client_auth_cert(shown.0.clone(), key(shown))?;
            let alpn = if is_session { ALPN_AGENT } else { ALPN_ENROL };
            config.alpn_protocols = vec![alpn.to_vec()];
            let connector = TlsConnector::from(Arc::new(config));
            let name = ServerName::try_from(EDGE_NAME)?;
            let mut messages = MessageStream::new(connector.connect(name, stream).await?);
            let hello = agent_message::Body::Hello(Hello {
                protocol: PROTOCOL_VERSION,
                counter: Some(Counter {
                    boot_id: vec![6; 16],
                    n: 1,
                    signature: vec![6; 70],
                }),
                ..Hello::default()
            });
            let facts = agent_message::Body::Facts(HostFacts {
                hostname: format!("{MARK}-of-nobody"),
                ..HostFacts::default()
            });
            for (number, body) in [(0, hello), (1, facts)] {
                let body = Some(body);
                messages
                    .send(&AgentMessage {
                        number,
                        ack: 0,
                        body,
                    })
                    .await?;
            }
            while messages.receive::<EdgeMessage>().await?.is_some() {}
            Ok::<_, anyhow::Error>(())
        };
        // That it ends in an error is what is hoped for.
        let _ = tokio::time::timeout(PATIENCE, played).await;
    }
}

fn key(shown: &Shown) -> rustls_pki_types::PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(shown.1.clone()).into()
}

/// A certificate below a root of its own, with any name.
fn made(san: SanType) -> Result<Shown> {
    let pair = |key: &[u8]| {
        let key = PrivatePkcs8KeyDer::from(key.to_vec());
        KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ECDSA_P256_SHA256)
    };
    let root_key = pair(&generate_key()?)?;
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    let root = params.self_signed(&root_key)?.der().clone();
    let key = generate_key()?;
    let csr = CertificateSigningRequestDer::from(certificate_request(&key)?);
    let mut request = CertificateSigningRequestParams::from_der(&csr)?;
    request.params.subject_alt_names = vec![san];
    let leaf = request.signed_by(&Issuer::new(params, root_key))?;
    Ok((vec![leaf.der().clone(), root], key))
}

/// It does not care who the edge is.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
