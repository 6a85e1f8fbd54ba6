//! The platform root: signs the edge's TLS certificate and each organization's root document.

use crate::{Auth, bootstrap::unreadable};
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use netpatch_proof::Ed25519Signer;
use netpatch_protocol::document::{Envelope, RoleKey, Root};
use netpatch_types::{OrganizationId, ServiceError, ServiceResult, Sha256};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

/// What the edge's QUIC endpoint shows.
#[derive(Clone)]
pub struct EdgeIdentity {
    /// Leaf, then platform root, DER.
    pub chain: Vec<Vec<u8>>,
    /// PKCS #8 DER.
    pub key: Vec<u8>,
    /// A secret that this machine's edge has again when it is started anew; `None` where the machine has no name of its own.
    pub reset: Option<Vec<u8>>,
}

/// Public keys of an organization's roles, Ed25519, 32 bytes each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleKeys {
    /// Signs orders, freshness, halts, time.
    pub director: Vec<u8>,
    /// Signs approvals and membership.
    pub approval: Vec<u8>,
    /// Signs checkpoints.
    pub ledger: Vec<u8>,
}

const NAME: &str = "platform-root";
const RESET: &str = "edge-reset";

impl Auth {
    /// The platform root's certificate, DER; made at first use.
    pub fn platform_root(&self) -> ServiceResult<Vec<u8>> {
        authority(self, NAME, "NetPatch platform root")
    }

    /// SHA-256 of the platform root's SubjectPublicKeyInfo: what tokens and relays are given to trust.
    pub fn platform_fingerprint(&self) -> ServiceResult<Sha256> {
        let der = self.platform_root()?;
        let (_, certificate) =
            x509_parser::parse_x509_certificate(&der).map_err(|_| damaged(NAME))?;
        Ok(Sha256::of(certificate.public_key().raw))
    }

    /// A fresh certificate for the edge, for 90 days, with a key that never touches the disk.
    pub fn edge_identity(&self) -> ServiceResult<EdgeIdentity> {
        let root = self.platform_root()?;
        let issuer = issuer(self, NAME, &root)?;
        let key = KeyPair::generate().map_err(|_| ServiceError::internal())?;
        let mut params = CertificateParams::new(vec!["netpatch-edge".to_owned()])
            .map_err(|_| ServiceError::internal())?;
        params.distinguished_name = name("NetPatch edge");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        validity(
            &mut params,
            self.clock.now() - chrono::Duration::hours(1),
            self.clock.now() + chrono::Duration::days(90),
        )?;
        let leaf = params
            .signed_by(&key, &issuer)
            .map_err(|_| ServiceError::internal())?;
        Ok(EdgeIdentity {
            chain: vec![leaf.der().to_vec(), root],
            key: key.serialize_der(),
            reset: self.reset_secret()?,
        })
    }

    /// Edges share the key folder, so each machine's name is mixed in: no other edge may have its secret.
    fn reset_secret(&self) -> ServiceResult<Option<Vec<u8>>> {
        let Some(machine) = nix::unistd::gethostname()
            .ok()
            .filter(|name| !name.is_empty())
        else {
            return Ok(None);
        };
        let secret = self.keys.secret(RESET).map_err(unreadable)?;
        let mixed = [&secret, machine.as_encoded_bytes()].concat();
        Ok(Some(Sha256::of(&mixed).0.to_vec()))
    }

    /// The root document that agents of an organization pin, signed by the platform root.
    pub async fn root_document(
        &self,
        organization: OrganizationId,
        keys: &RoleKeys,
    ) -> ServiceResult<Envelope> {
        let secret = self.keys.secret(NAME).map_err(unreadable)?;
        let signer = Ed25519Signer::from_secret(&secret);
        let public = ed25519_dalek::SigningKey::from_bytes(&secret).verifying_key();
        let role = |role: &str, public_key: &[u8]| RoleKey {
            role: role.to_owned(),
            public_key: public_key.to_vec(),
        };
        let root = Root {
            version: 1,
            organization_id: organization.to_string(),
            keys: vec![
                role("root", public.as_bytes()),
                role("director", &keys.director),
                role("approval", &keys.approval),
                role("ledger", &keys.ledger),
            ],
            director_threshold: 1,
            approval_threshold: 1,
            ca_der: self.organization_ca(organization).await?,
            epoch: 1,
            root_threshold: 1,
        };
        netpatch_protocol::seal(&root, &[&signer]).map_err(|error| {
            tracing::error!(%error, "signing a root document failed");
            ServiceError::internal()
        })
    }
}

/// A self-signed certificate authority over the Ed25519 key of this name; both are made at first use.
pub(crate) fn authority(auth: &Auth, key: &str, title: &str) -> ServiceResult<Vec<u8>> {
    let now = auth.clock.now();
    let made = || -> ServiceResult<Vec<u8>> {
        let pair = key_pair(auth, key)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name(title);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        validity(
            &mut params,
            now - chrono::Duration::days(1),
            now + chrono::Duration::days(3650),
        )?;
        Ok(params
            .self_signed(&pair)
            .map_err(|_| ServiceError::internal())?
            .der()
            .to_vec())
    };
    auth.keys
        .load_or_create(&format!("{key}.der"), || {
            made().map_err(std::io::Error::other)
        })
        .map_err(unreadable)
}

/// Signs with the authority of this name.
pub(crate) fn issuer(
    auth: &Auth,
    key: &str,
    certificate: &[u8],
) -> ServiceResult<Issuer<'static, KeyPair>> {
    Issuer::from_ca_cert_der(&certificate.to_vec().into(), key_pair(auth, key)?)
        .map_err(|_| damaged(key))
}

fn key_pair(auth: &Auth, key: &str) -> ServiceResult<KeyPair> {
    let secret = auth.keys.secret(key).map_err(unreadable)?;
    let der = ed25519_dalek::SigningKey::from_bytes(&secret)
        .to_pkcs8_der()
        .map_err(|_| damaged(key))?;
    KeyPair::try_from(der.as_bytes()).map_err(|_| damaged(key))
}

pub(crate) fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

pub(crate) fn validity(
    params: &mut CertificateParams,
    from: chrono::DateTime<chrono::Utc>,
    to: chrono::DateTime<chrono::Utc>,
) -> ServiceResult<()> {
    let date = |at: chrono::DateTime<chrono::Utc>| {
        time::OffsetDateTime::from_unix_timestamp(at.timestamp())
            .map_err(|_| ServiceError::internal())
    };
    params.not_before = date(from)?;
    params.not_after = date(to)?;
    Ok(())
}

fn damaged(key: &str) -> ServiceError {
    tracing::error!(
        key,
        "a key or certificate in the key folder is damaged; restore it from a backup"
    );
    ServiceError::internal()
}
