//! Client certificates of hosts and relays: one CA an organization, 30 days, renewed at half.

use crate::{
    Auth,
    platform::{authority, issuer, name, validity},
};
use chrono::{DateTime, Utc};
use netpatch_protocol::{IdentityName, SubjectKind};
use netpatch_storage::TenantTx;
use netpatch_types::{
    ErrorCode, OrganizationId, RequestContext, ServiceError, ServiceResult, Sha256,
};
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, KeyUsagePurpose,
    SanType,
};
use x509_parser::prelude::FromDer as _;

/// Whom a certificate names.
pub type Subject = IdentityName;

/// A new certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// Whom it names.
    pub subject: Subject,
    /// The certificate, DER.
    pub certificate_der: Vec<u8>,
    /// The CA that signed it, DER.
    pub ca_der: Vec<u8>,
    /// When it ends.
    pub not_after: DateTime<Utc>,
}

impl Auth {
    /// The CA certificate of an organization that exists, DER; made at first use.
    pub async fn organization_ca(&self, organization: OrganizationId) -> ServiceResult<Vec<u8>> {
        let ctx = RequestContext::system(organization, "certificate authority", self.clock.now());
        self.organization_get(&ctx, organization).await?;
        self.ca(organization)
    }

    fn ca(&self, organization: OrganizationId) -> ServiceResult<Vec<u8>> {
        authority(
            self,
            &format!("{organization}/ca"),
            &format!("NetPatch organization {organization}"),
        )
    }

    /// Signs a request and records the certificate in the caller's transaction.
    pub(crate) async fn issue(
        &self,
        tx: &TenantTx,
        subject: Subject,
        csr_der: &[u8],
    ) -> ServiceResult<IssuedCertificate> {
        let bad = || {
            ServiceError::invalid(
                "csr",
                "the certificate request is not a PKCS #10 request signed with an ECDSA P-256 key",
            )
        };
        if csr_der.len() > 8 * 1024 {
            return Err(bad());
        }
        let mut request = CertificateSigningRequestParams::from_der(&csr_der.to_vec().into())
            .map_err(|_| bad())?;
        if request.public_key.algorithm() != &rcgen::PKCS_ECDSA_P256_SHA256 {
            return Err(bad());
        }
        let now = self.clock.now();
        let not_after = now + self.settings.certificate;
        // Nothing of what the request asks for is taken over but the key, whose possession it proves.
        let mut params = CertificateParams::default();
        params.distinguished_name = name(&format!("{} {}", subject.kind.as_str(), subject.id));
        params.subject_alt_names = vec![SanType::URI(
            subject
                .to_string()
                .try_into()
                .map_err(|_| ServiceError::internal())?,
        )];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match subject.kind {
            SubjectKind::Host => vec![ExtendedKeyUsagePurpose::ClientAuth],
            SubjectKind::Relay => vec![
                ExtendedKeyUsagePurpose::ClientAuth,
                ExtendedKeyUsagePurpose::ServerAuth,
            ],
        };
        validity(&mut params, now - chrono::Duration::hours(1), not_after)?;
        request.params = params;
        let ca_der = self.ca(subject.organization)?;
        let issuer = issuer(self, &format!("{}/ca", subject.organization), &ca_der)?;
        let certificate = request.signed_by(&issuer).map_err(|_| bad())?;
        let certificate_der = certificate.der().to_vec();
        tx.execute(
            "insert into identity.certificates (tenant_id, fingerprint, kind, subject_id, not_before, not_after) values ($1, $2, $3, $4, $5, $6)",
            [
                subject.organization.0.into(),
                Sha256::of(&certificate_der).0.to_vec().into(),
                subject.kind.as_str().into(),
                subject.id.into(),
                now.into(),
                not_after.into(),
            ],
        )
        .await?;
        Ok(IssuedCertificate {
            subject,
            certificate_der,
            ca_der,
            not_after,
        })
    }

    /// Whether a certificate, whose chain was checked, was issued by us and is not revoked.
    pub async fn certificate_live(
        &self,
        subject: Subject,
        certificate_der: &[u8],
    ) -> ServiceResult<()> {
        let ctx = RequestContext::system(subject.organization, "certificate", self.clock.now());
        let tx = self.db.read(&ctx).await?;
        let sql = "select count(*) from identity.certificates where tenant_id = $1 and fingerprint = $2 and subject_id = $3 and kind = $4 and revoked_at is null";
        let live: Option<i64> = tx
            .value(
                sql,
                [
                    subject.organization.0.into(),
                    Sha256::of(certificate_der).0.to_vec().into(),
                    subject.id.into(),
                    subject.kind.as_str().into(),
                ],
            )
            .await?;
        if live == Some(1) {
            Ok(())
        } else {
            Err(ServiceError::new(
                ErrorCode::Unauthenticated,
                "the certificate is unknown or revoked; enrol again",
            ))
        }
    }

    /// Revokes all certificates of a host or relay.
    pub async fn certificates_revoke(
        &self,
        ctx: &RequestContext,
        subject: Subject,
    ) -> ServiceResult<u64> {
        let tx = self.db.write(ctx).await?;
        let sql = "update identity.certificates set revoked_at = $3 where tenant_id = $1 and subject_id = $2 and revoked_at is null";
        let count = tx
            .execute(
                sql,
                [
                    tx.tenant()?.0.into(),
                    subject.id.into(),
                    self.clock.now().into(),
                ],
            )
            .await?;
        tx.commit().await?;
        Ok(count)
    }

    /// A new certificate for a live session's subject.
    pub async fn certificate_renew(
        &self,
        subject: Subject,
        csr_der: &[u8],
    ) -> ServiceResult<IssuedCertificate> {
        let ctx = RequestContext::system(subject.organization, "renewal", self.clock.now());
        let tx = self.db.write(&ctx).await?;
        let issued = self.issue(&tx, subject, csr_der).await?;
        tx.commit().await?;
        Ok(issued)
    }

    /// A new certificate for an old one that may have ended up to the grace ago. `signature` is the old key's over
    /// `netpatch_protocol::counter::renewal_bytes(csr)`.
    pub async fn certificate_renew_expired(
        &self,
        old_der: &[u8],
        csr_der: &[u8],
        signature: &[u8],
    ) -> ServiceResult<IssuedCertificate> {
        let refused = || {
            ServiceError::new(
                ErrorCode::Unauthenticated,
                "the old certificate cannot be renewed; enrol again with a token",
            )
        };
        let (_, old) =
            x509_parser::certificate::X509Certificate::from_der(old_der).map_err(|_| refused())?;
        let subject = subject_of(&old).ok_or_else(refused)?;
        let ca_der = self
            .organization_ca(subject.organization)
            .await
            .map_err(|_| refused())?;
        let (_, ca) =
            x509_parser::certificate::X509Certificate::from_der(&ca_der).map_err(|_| refused())?;
        let key = netpatch_proof::PublicKey::ed25519(&ca.public_key().subject_public_key.data)
            .ok_or_else(refused)?;
        if !key.verify(old.tbs_certificate.as_ref(), &old.signature_value.data) {
            return Err(refused());
        }
        let ended = DateTime::from_timestamp(old.validity().not_after.timestamp(), 0)
            .ok_or_else(refused)?;
        let possession =
            netpatch_proof::PublicKey::p256_spki(old.public_key().raw).ok_or_else(refused)?;
        if ended + self.settings.renewal_grace < self.clock.now()
            || !possession.verify(
                &netpatch_protocol::counter::renewal_bytes(csr_der),
                signature,
            )
        {
            return Err(refused());
        }
        self.certificate_live(subject, old_der).await?;
        self.certificate_renew(subject, csr_der).await
    }
}

/// The one name in a certificate.
fn subject_of(certificate: &x509_parser::certificate::X509Certificate<'_>) -> Option<Subject> {
    let names = certificate.subject_alternative_name().ok()??;
    let mut uris = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            x509_parser::extensions::GeneralName::URI(uri) => uri.parse().ok(),
            _ => None,
        });
    let first = uris.next();
    if uris.next().is_some() { None } else { first }
}
