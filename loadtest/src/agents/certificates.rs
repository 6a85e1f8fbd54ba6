//! Certificates of a run: one CA, servers and clients below it.

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The name in every server's certificate.
pub(super) const SERVER: &str = "localhost";

/// A CA; its keys are ECDSA P-256, as the platform's.
pub(super) struct Authority {
    pub(super) certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named("load test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self {
            certificate: params.self_signed(&key)?,
            issuer: Issuer::new(params, key),
        })
    }

    /// A certificate with its key.
    pub(super) fn issue(&self, name: &str) -> Result<(rcgen::Certificate, KeyPair)> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = named(name);
        Ok((params.signed_by(&key, &self.issuer)?, key))
    }

    /// How a client with a certificate of its own connects. Nothing is resumed: agents resume no TLS session either.
    pub(super) fn client(&self) -> Result<rustls::ClientConfig> {
        let (certificate, key) = self.issue("client")?;
        let certificate: CertificateDer<'static> = certificate.der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.der().clone())?;
        let mut config =
            rustls::ClientConfig::builder_with_provider(netpatch_tunnel::tls::provider())
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_client_auth_cert(vec![certificate], key)?;
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }
}

/// OpenSSL takes a certificate with its issuer's name for a self-signed one.
fn named(name: &str) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    all.push(DnType::CommonName, name);
    all
}
