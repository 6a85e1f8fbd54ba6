//! Identity keys (ECDSA P-256), certificate requests, and the check of an identity certificate.

use crate::TunnelError;
use netpatch_protocol::IdentityName;
use netpatch_types::Sha256;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use std::fmt;
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

/// A host's or relay's certificate with its key.
#[derive(Clone)]
pub struct Identity {
    /// DER, issued by the organization's CA.
    pub certificate: CertificateDer<'static>,
    key: Arc<PrivatePkcs8KeyDer<'static>>,
}

impl Identity {
    /// From DER: the certificate, and the key as PKCS #8.
    #[must_use]
    pub fn new(certificate_der: Vec<u8>, key_pkcs8_der: Vec<u8>) -> Self {
        Self {
            certificate: CertificateDer::from(certificate_der),
            key: Arc::new(PrivatePkcs8KeyDer::from(key_pkcs8_der)),
        }
    }

    pub(crate) fn key(&self) -> PrivatePkcs8KeyDer<'static> {
        self.key.clone_key()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", Sha256::of(&self.certificate))
    }
}

/// A new P-256 key, PKCS #8 DER.
pub fn generate_key() -> Result<Vec<u8>, TunnelError> {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(own)?;
    Ok(pair.serialize_der())
}

/// A certificate request (PKCS #10 DER) for a key. The CA decides the name, so the request carries none.
pub fn certificate_request(key_pkcs8_der: &[u8]) -> Result<Vec<u8>, TunnelError> {
    let pair = key_pair(key_pkcs8_der)?;
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let request = params.serialize_request(&pair).map_err(own)?;
    Ok(request.der().to_vec())
}

/// SHA-256 of a key's SubjectPublicKeyInfo: what people compare when a relay is claimed.
pub fn key_fingerprint(key_pkcs8_der: &[u8]) -> Result<Sha256, TunnelError> {
    let pair = key_pair(key_pkcs8_der)?;
    Ok(Sha256::of(&rcgen::PublicKeyData::subject_public_key_info(
        &pair,
    )))
}

fn key_pair(key_pkcs8_der: &[u8]) -> Result<rcgen::KeyPair, TunnelError> {
    let key = PrivatePkcs8KeyDer::from(key_pkcs8_der.to_vec());
    rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ECDSA_P256_SHA256).map_err(own)
}

fn own(error: rcgen::Error) -> TunnelError {
    TunnelError::OwnCertificate(error.to_string())
}

/// Why an identity certificate is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not an X.509 certificate.
    #[error("identity certificate cannot be read")]
    Unreadable,
    /// It names nobody, or somebody in another form.
    #[error("identity certificate does not name one host or relay")]
    Name,
    /// The CA's certificate cannot be used.
    #[error("organization's ca certificate cannot be used: {0}")]
    Ca(String),
    /// Another CA, expired, not yet valid, or not for clients.
    #[error("identity certificate is not accepted: {0}")]
    Chain(String),
}

/// The name that a certificate claims; nothing is verified.
pub fn claimed_name(certificate_der: &[u8]) -> Result<IdentityName, IdentityError> {
    let (rest, certificate) =
        X509Certificate::from_der(certificate_der).map_err(|_| IdentityError::Unreadable)?;
    if !rest.is_empty() {
        return Err(IdentityError::Unreadable);
    }
    let mut names = certificate.extensions().iter().filter_map(|extension| {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        }
    });
    match (names.next().map(Vec::as_slice), names.next()) {
        (Some([GeneralName::URI(uri)]), None) => uri.parse().map_err(|_| IdentityError::Name),
        _ => Err(IdentityError::Name),
    }
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo, and the DER itself.
pub fn subject_key(certificate_der: &[u8]) -> Result<(Sha256, Vec<u8>), IdentityError> {
    let (_, certificate) =
        X509Certificate::from_der(certificate_der).map_err(|_| IdentityError::Unreadable)?;
    let spki = certificate.public_key().raw.to_vec();
    Ok((Sha256::of(&spki), spki))
}

/// From when to when a certificate holds, Unix seconds, both inclusive.
pub fn validity(certificate_der: &[u8]) -> Result<(i64, i64), IdentityError> {
    let (_, certificate) =
        X509Certificate::from_der(certificate_der).map_err(|_| IdentityError::Unreadable)?;
    let validity = certificate.validity();
    Ok((
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    ))
}

/// From when on a certificate should be renewed, Unix seconds: half of its life is over. At once if it cannot be read.
#[must_use]
pub fn renewal_due(certificate_der: &[u8]) -> i64 {
    validity(certificate_der).map_or(i64::MIN, |(from, to)| from + (to - from) / 2)
}

/// The name in a certificate, if it chains to this CA, holds at `now_unix_seconds`, and is meant for clients.
pub fn verify_identity(
    certificate_der: &[u8],
    ca_der: &[u8],
    now_unix_seconds: u64,
) -> Result<IdentityName, IdentityError> {
    let name = claimed_name(certificate_der)?;
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(ca_der.to_vec()))
        .map_err(|error| IdentityError::Ca(error.to_string()))?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crate::tls::provider())
            .build()
            .map_err(|error| IdentityError::Ca(error.to_string()))?;
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now_unix_seconds));
    verifier
        .verify_client_cert(&CertificateDer::from(certificate_der), &[], now)
        .map_err(|error| IdentityError::Chain(error.to_string()))?;
    Ok(name)
}
