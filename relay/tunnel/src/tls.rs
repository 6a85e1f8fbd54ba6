//! TLS configurations: one provider, TLS 1.3, injected time.

use crate::congestion::TolerantConfig;
use crate::identity::Identity;
use crate::reset::ResetSecret;
use crate::silence::{Pulse, WatchedConfig};
use crate::verify::{AnyRelay, EdgeVerifier, ProofOfPossession, RelayVerifier};
use crate::{Congestion, Limits, TunnelError};
use netpatch_types::{Sha256, SharedClock};
use quinn::congestion::{ControllerFactory, CubicConfig};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

/// What a client knows of the platform before it connects.
#[derive(Clone, Debug)]
pub enum PlatformTrust {
    /// SHA-256 of the platform root's SubjectPublicKeyInfo, from the enrolment token. The edge sends the root.
    Fingerprint(Sha256),
    /// The pinned platform roots, DER.
    Roots(Vec<CertificateDer<'static>>),
}

/// A server's certificate chain, leaf first and root last, with the leaf's key.
pub struct ServerIdentity {
    /// The edge sends its root too, for clients that know only its fingerprint.
    pub chain: Vec<CertificateDer<'static>>,
    /// PKCS #8.
    pub key: PrivatePkcs8KeyDer<'static>,
    /// Where peers of an earlier life are to be told that they must connect again.
    pub reset: Option<ResetSecret>,
}

impl Clone for ServerIdentity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            reset: self.reset.clone(),
        }
    }
}

impl From<&Identity> for ServerIdentity {
    fn from(identity: &Identity) -> Self {
        let key = identity.key();
        Self {
            chain: vec![identity.certificate.clone()],
            reset: Some(ResetSecret::new(key.secret_pkcs8_der())),
            key,
        }
    }
}

/// Whom a client expects.
#[derive(Clone, Debug)]
pub(crate) enum Expect {
    /// The edge of this platform.
    Edge(PlatformTrust),
    /// A relay of the organization with this CA.
    Relay(CertificateDer<'static>),
    /// Whoever answers: only for carrying an enrolment that is verified inside.
    AnyRelay,
}

/// The only crypto provider of all connections.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER
        .get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .clone()
}

pub(crate) struct TlsTime(pub(crate) SharedClock);

impl TimeProvider for TlsTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().timestamp()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

impl fmt::Debug for TlsTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTime")
    }
}

/// A client of one protocol.
pub(crate) fn client_config(
    alpn: &[u8],
    expect: &Expect,
    identity: Option<&Identity>,
    clock: &SharedClock,
) -> Result<rustls::ClientConfig, TunnelError> {
    let verifier: Arc<dyn ServerCertVerifier> = match expect {
        Expect::Edge(trust) => Arc::new(EdgeVerifier(trust.clone())),
        Expect::Relay(ca) => Arc::new(RelayVerifier { ca: ca.clone() }),
        Expect::AnyRelay => Arc::new(AnyRelay),
    };
    let builder =
        rustls::ClientConfig::builder_with_details(provider(), Arc::new(TlsTime(clock.clone())))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder.with_client_auth_cert(
            vec![identity.certificate.clone()],
            PrivateKeyDer::Pkcs8(identity.key()),
        )?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    config.enable_sni = false;
    // A resumed session would skip the check of the certificates.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// The certificate that a server shows: replaced while it runs, for handshakes to come.
#[derive(Debug)]
pub(crate) struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    pub(crate) fn new(identity: &ServerIdentity) -> Result<Arc<Self>, TunnelError> {
        Ok(Arc::new(Self(RwLock::new(certified(identity)?))))
    }

    pub(crate) fn replace(&self, identity: &ServerIdentity) -> Result<(), TunnelError> {
        let certified = certified(identity)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.0
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }
}

/// An error when the key is not the certificate's.
fn certified(identity: &ServerIdentity) -> Result<Arc<CertifiedKey>, TunnelError> {
    let key = PrivateKeyDer::Pkcs8(identity.key.clone_key());
    let certified = CertifiedKey::from_der(identity.chain.clone(), key, &provider())?;
    Ok(Arc::new(certified))
}

/// A server of several protocols.
pub(crate) fn server_config(
    alpns: &[&[u8]],
    shown: &Arc<Shown>,
    clock: &SharedClock,
) -> Result<rustls::ServerConfig, TunnelError> {
    let mut config =
        rustls::ServerConfig::builder_with_details(provider(), Arc::new(TlsTime(clock.clone())))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(ProofOfPossession))
            .with_cert_resolver(shown.clone());
    config.alpn_protocols = alpns.iter().map(|alpn| alpn.to_vec()).collect();
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Bytes of a stream that may be on their way: 100 Mbit/s over 200 ms, and half as much again.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// Of all streams of a connection. A limit of what a peer can make this side hold; an idle connection holds nothing of it.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Probes of the round trip that nobody reads: the newest replace the others.
const PROBES_BYTES: usize = 64;

/// The peer acknowledges after so many packets instead of after each second one (draft-ietf-quic-ack-frequency): bulk costs both
/// sides less. One that is alone, or behind a gap, is acknowledged as before.
const UNACKNOWLEDGED: u32 = 8;

/// Transport parameters of both sides; whoever connects listens to the pulse.
pub(crate) fn transport(
    limits: &Limits,
    incoming_streams: u32,
    pulse: Option<Arc<Pulse>>,
) -> Arc<quinn::TransportConfig> {
    let congestion = match limits.congestion {
        Congestion::Tolerant => {
            Arc::new(TolerantConfig) as Arc<dyn ControllerFactory + Send + Sync>
        }
        Congestion::Cubic => Arc::new(CubicConfig::default()),
    };
    let mut acknowledgements = quinn::AckFrequencyConfig::default();
    acknowledgements.ack_eliciting_threshold(UNACKNOWLEDGED.into());
    let mut transport = quinn::TransportConfig::default();
    transport
        .ack_frequency_config(Some(acknowledgements))
        .max_concurrent_bidi_streams(incoming_streams.into())
        .max_concurrent_uni_streams(0u32.into())
        .datagram_receive_buffer_size(Some(PROBES_BYTES))
        // One side is enough: with two of them each idle connection cost its server twice as many packets.
        .keep_alive_interval(pulse.is_some().then_some(limits.keep_alive))
        .max_idle_timeout(quinn::IdleTimeout::try_from(limits.idle_timeout).ok())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(CONNECTION_WINDOW_BYTES.into())
        .send_window(CONNECTION_WINDOW_BYTES.into())
        .enable_segmentation_offload(limits.segments)
        .congestion_controller_factory(match pulse {
            Some(pulse) => Arc::new(WatchedConfig {
                inner: congestion,
                pulse,
            }),
            None => congestion,
        });
    Arc::new(transport)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::SystemClock;

    /// A replayed hello would be another check-in, so nothing of ours may be sent before the handshake is done.
    #[test]
    fn nobody_sends_or_takes_early_data_nor_resumes() {
        let clock = SystemClock::shared();
        let key = crate::identity::generate_key().expect("key");
        let pair = rcgen::KeyPair::try_from(key.as_slice()).expect("a pair");
        let own = rcgen::CertificateParams::default()
            .self_signed(&pair)
            .expect("signed");
        let identity = ServerIdentity {
            chain: vec![own.der().clone()],
            key: key.into(),
            reset: None,
        };
        let shown = Shown::new(&identity).expect("usable");
        let server = server_config(&[b"x"], &shown, &clock).expect("a server");
        assert_eq!(
            (server.max_early_data_size, server.send_tls13_tickets),
            (0, 0)
        );
        let client = client_config(b"x", &Expect::AnyRelay, None, &clock).expect("a client");
        assert!(!client.enable_early_data);
    }

    #[test]
    fn key_exchange_is_post_quantum_first() {
        let preferred = super::provider().kx_groups[0].name();
        assert_eq!(preferred, rustls::NamedGroup::X25519MLKEM768);
    }
}
