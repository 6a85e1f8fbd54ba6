//! What each side checks of the other's certificate during the handshake.

use crate::identity::{subject_key, verify_identity};
use crate::tls::{PlatformTrust, provider};
use netpatch_protocol::SubjectKind;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &provider().signature_verification_algorithms;
            verify_tls12_signature(message, cert, dss, algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &provider().signature_verification_algorithms;
            verify_tls13_signature(message, cert, dss, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            provider()
                .signature_verification_algorithms
                .supported_schemes()
        }
    };
}

/// A client must hold the key of the certificate it shows. The chain is judged after the handshake, because only then
/// is known which organization's CA has to be asked; whether a certificate is needed depends on the protocol.
#[derive(Debug)]
pub(crate) struct ProofOfPossession;

impl ClientCertVerifier for ProofOfPossession {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    signatures!();
}

/// The edge: its certificate chains to the pinned platform root. The root signs nothing but edges, so the name that
/// was dialled says nothing more and is not compared.
#[derive(Debug)]
pub(crate) struct EdgeVerifier(pub(crate) PlatformTrust);

impl ServerCertVerifier for EdgeVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut roots = RootCertStore::empty();
        match &self.0 {
            PlatformTrust::Roots(pinned) => {
                for root in pinned {
                    roots.add(root.clone())?;
                }
            }
            PlatformTrust::Fingerprint(fingerprint) => {
                let sent = intermediates.iter().find(|certificate| {
                    subject_key(certificate).is_ok_and(|(found, _)| found == *fingerprint)
                });
                let root = sent.ok_or(CertificateError::UnknownIssuer)?;
                roots.add(root.clone().into_owned())?;
            }
        }
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &roots,
            &[],
            now,
            provider().signature_verification_algorithms.all,
        )?;
        Ok(ServerCertVerified::assertion())
    }

    signatures!();
}

/// A relay, seen from an agent: a relay's certificate of the own organization.
#[derive(Debug)]
pub(crate) struct RelayVerifier {
    pub(crate) ca: CertificateDer<'static>,
}

impl ServerCertVerifier for RelayVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match verify_identity(end_entity, &self.ca, now.as_secs()) {
            Ok(name) if name.kind == SubjectKind::Relay => Ok(ServerCertVerified::assertion()),
            Ok(_) => Err(Error::General("peer is not a relay".into())),
            Err(error) => Err(Error::General(error.to_string())),
        }
    }

    signatures!();
}

/// A relay, seen from a host that has no certificate yet: anybody. The enrolment inside is verified end to end
/// against the platform root, so an impostor can only refuse service.
#[derive(Debug)]
pub(crate) struct AnyRelay;

impl ServerCertVerifier for AnyRelay {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    signatures!();
}
