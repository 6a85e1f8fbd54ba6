//! Client certificates of hosts and relays: one CA an organization, 30 days, renewed at half.

use crate::{
    Auth, IdentityEventV1,
    bootstrap::unreadable,
    event,
    platform::{authority, issuer, name, validity},
};
use chrono::{DateTime, Utc};
use netpatch_protocol::{IdentityName, SubjectKind};
use netpatch_storage::TenantTx;
use netpatch_types::{
    ErrorCode, OrganizationId, Permission, RequestContext, ServiceError, ServiceResult, Sha256,
};
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, KeyUsagePurpose,
    SanType,
};
use sea_orm::FromQueryResult;
use std::collections::HashMap;
use uuid::Uuid;
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

    /// The same of an organization that is known to have issued certificates; asks no database.
    pub fn issuing_ca(&self, organization: OrganizationId) -> ServiceResult<Vec<u8>> {
        self.ca(organization)
    }

    fn ca(&self, organization: OrganizationId) -> ServiceResult<Vec<u8>> {
        let key = format!("{organization}/ca");
        let stamp = self.keys.stamp(&format!("{key}.der")).map_err(unreadable)?;
        if let Some(stamp) = stamp
            && let Some(held) = self.authorities.held(organization, stamp)
        {
            return Ok(held);
        }
        let title = format!("NetPatch organization {organization}");
        let der = authority(self, &key, &title)?;
        if let Some(stamp) = stamp {
            self.authorities.hold(organization, stamp, der.clone());
        }
        Ok(der)
    }

    /// Signs a request and records the certificate in the caller's transaction.
    pub(crate) async fn issue(
        &self,
        tx: &TenantTx,
        subject: Subject,
        csr_der: &[u8],
    ) -> ServiceResult<IssuedCertificate> {
        let mut request = read_request(csr_der)?;
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
        // Of its own: without one rcgen takes a hash of the key, and a renewed certificate would have the old one's.
        let mut serial: [u8; 16] = rand::random();
        serial[0] = serial[0] & 0x7f | 0x40;
        params.serial_number = Some(serial.to_vec().into());
        params.use_authority_key_identifier_extension = true;
        let not_before = now - chrono::Duration::hours(1);
        validity(&mut params, not_before, not_after)?;
        request.params = params;
        let ca_der = self.ca(subject.organization)?;
        let issuer = issuer(self, &format!("{}/ca", subject.organization), &ca_der)?;
        let certificate = request.signed_by(&issuer).map_err(|_| not_a_request())?;
        let certificate_der = certificate.der().to_vec();
        tx.execute(
            "insert into identity.certificates (tenant_id, fingerprint, kind, subject_id, not_before, not_after) values ($1, $2, $3, $4, $5, $6)",
            [
                subject.organization.0.into(),
                Sha256::of(&certificate_der).0.to_vec().into(),
                subject.kind.as_str().into(),
                subject.id.into(),
                not_before.into(),
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
        let asked = [(subject, Sha256::of(certificate_der))];
        let live = self.certificates_live(subject.organization, &asked).await?;
        if live == [true] {
            Ok(())
        } else {
            Err(certificate_revoked())
        }
    }

    /// The same for many certificates of an organization, by the SHA-256 of each: one answer for each, in order.
    pub async fn certificates_live(
        &self,
        organization: OrganizationId,
        certificates: &[(Subject, Sha256)],
    ) -> ServiceResult<Vec<bool>> {
        #[derive(FromQueryResult)]
        struct Row {
            fingerprint: Vec<u8>,
            subject_id: Uuid,
            kind: String,
        }
        let ctx = RequestContext::system(organization, "certificate", self.clock.now());
        let tx = self.db.read(&ctx).await?;
        let sql = "select fingerprint, subject_id, kind from identity.certificates where tenant_id = $1 and fingerprint = any($2::bytea[]) and revoked_at is null";
        let fingerprints: Vec<Vec<u8>> = certificates
            .iter()
            .map(|(_, fingerprint)| fingerprint.0.to_vec())
            .collect();
        let rows: Vec<Row> = tx
            .all(sql, [organization.0.into(), fingerprints.into()])
            .await?;
        let live: HashMap<Vec<u8>, (Uuid, String)> = rows
            .into_iter()
            .map(|row| (row.fingerprint, (row.subject_id, row.kind)))
            .collect();
        let is_live = |(subject, fingerprint): &(Subject, Sha256)| {
            subject.organization == organization
                && live
                    .get(fingerprint.0.as_slice())
                    .is_some_and(|(id, kind)| *id == subject.id && kind == subject.kind.as_str())
        };
        Ok(certificates.iter().map(is_live).collect())
    }

    /// Certificates of an organization's hosts that are revoked and not at their end yet, by the SHA-256 of each, from the last that was
    /// revoked; at most `limit`.
    pub async fn host_certificates_revoked(
        &self,
        organization: OrganizationId,
        limit: usize,
    ) -> ServiceResult<Vec<Sha256>> {
        #[derive(FromQueryResult)]
        struct Row {
            fingerprint: Vec<u8>,
        }
        let now = self.clock.now();
        let ctx = RequestContext::system(organization, "certificate", now);
        let tx = self.db.read(&ctx).await?;
        let sql = "select fingerprint from identity.certificates where tenant_id = $1 and kind = $2 and revoked_at is not null and not_after > $3 order by revoked_at desc, fingerprint limit $4";
        let values = [
            organization.0.into(),
            SubjectKind::Host.as_str().into(),
            now.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ];
        let rows: Vec<Row> = tx.all(sql, values).await?;
        let digest = |row: Row| {
            Sha256::from_slice(&row.fingerprint).ok_or_else(|| {
                tracing::error!("a certificate is stored under something else than its hash");
                ServiceError::internal()
            })
        };
        rows.into_iter().map(digest).collect()
    }

    /// Whether a host or relay has a certificate that is neither revoked nor at its end.
    pub async fn has_live_certificate(&self, subject: Subject) -> ServiceResult<bool> {
        let now = self.clock.now();
        let ctx = RequestContext::system(subject.organization, "certificate", now);
        let tx = self.db.read(&ctx).await?;
        Ok(live_count(&tx, subject, now).await? > 0)
    }

    /// Revokes all certificates of a host or relay of the organization that the request writes to. Needs the right
    /// `Enrol` in the whole organization: where a host is, identity does not know.
    pub async fn certificates_revoke(
        &self,
        ctx: &RequestContext,
        subject: Subject,
    ) -> ServiceResult<u64> {
        ctx.require(Permission::Enrol)?;
        if subject.organization != ctx.tenant()? || ctx.sites.is_some() {
            return Err(ServiceError::not_found(subject.kind.as_str()));
        }
        let tx = self.db.write(ctx).await?;
        alone(&tx, subject).await?;
        let count = self.revoke(&tx, subject).await?;
        if count > 0 {
            let revoked = IdentityEventV1::CertificatesRevoked {
                subject: subject.to_string(),
            };
            event::append(&tx, ctx, &*self.clock, revoked).await?;
        }
        tx.commit().await?;
        Ok(count)
    }

    /// How many certificates of a subject were not revoked before; they are now. The caller holds [`alone`].
    pub(crate) async fn revoke(&self, tx: &TenantTx, subject: Subject) -> ServiceResult<u64> {
        let sql = "update identity.certificates set revoked_at = $3 where tenant_id = $1 and subject_id = $2 and kind = $4 and revoked_at is null";
        let count = tx
            .execute(
                sql,
                [
                    tx.tenant()?.0.into(),
                    subject.id.into(),
                    self.clock.now().into(),
                    subject.kind.as_str().into(),
                ],
            )
            .await?;
        Ok(count)
    }

    /// A new certificate for a live session's subject, unless all that it had are revoked: a session that outlives a
    /// revocation cannot renew itself out of it.
    pub async fn certificate_renew(
        &self,
        subject: Subject,
        csr_der: &[u8],
    ) -> ServiceResult<IssuedCertificate> {
        self.renew(subject, None, csr_der).await
    }

    /// `old`: the certificate that is renewed and must not be revoked; without it any that the subject has will do.
    async fn renew(
        &self,
        subject: Subject,
        old: Option<Sha256>,
        csr_der: &[u8],
    ) -> ServiceResult<IssuedCertificate> {
        let ctx = RequestContext::system(subject.organization, "renewal", self.clock.now());
        let tx = self.db.write(&ctx).await?;
        alone(&tx, subject).await?;
        let sql = "select count(*) from identity.certificates where tenant_id = $1 and subject_id = $2 and kind = $3 and revoked_at is null and ($4::bytea is null or fingerprint = $4)";
        let names = || {
            [
                subject.organization.0.into(),
                subject.id.into(),
                subject.kind.as_str().into(),
            ]
        };
        let [tenant, id, kind] = names();
        let old = old.map(|old| old.0.to_vec());
        let live: Option<i64> = tx.value(sql, [tenant, id, kind, old.into()]).await?;
        if live.unwrap_or(0) == 0 {
            return Err(certificate_revoked());
        }
        let issued = self.issue(&tx, subject, csr_der).await?;
        if subject.kind == SubjectKind::Relay {
            let [tenant, id, _] = names();
            let key = crate::relay::key_fingerprint(&issued.certificate_der);
            tx.execute(
                "update identity.relays set key_fingerprint = $3 where tenant_id = $1 and id = $2",
                [tenant, id, key.0.to_vec().into()],
            )
            .await?;
        }
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
        self.renew(subject, Some(Sha256::of(old_der)), csr_der)
            .await
    }
}

/// What a certificate that was not issued here, or is revoked, is answered.
#[must_use]
pub fn certificate_revoked() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unauthenticated,
        "the certificate is unknown or revoked; enrol again",
    )
}

fn not_a_request() -> ServiceError {
    ServiceError::invalid(
        "csr",
        "the certificate request is not a PKCS #10 request signed with an ECDSA P-256 key",
    )
}

/// A request whose signature is good and whose key is on P-256. The signature's algorithm alone says only the digest.
pub(crate) fn read_request(csr_der: &[u8]) -> ServiceResult<CertificateSigningRequestParams> {
    if csr_der.len() > 8 * 1024 {
        return Err(not_a_request());
    }
    let (rest, request) =
        x509_parser::certification_request::X509CertificationRequest::from_der(csr_der)
            .map_err(|_| not_a_request())?;
    let key = request.certification_request_info.subject_pki.raw;
    if !rest.is_empty() || netpatch_proof::PublicKey::p256_spki(key).is_none() {
        return Err(not_a_request());
    }
    let params = CertificateSigningRequestParams::from_der(&csr_der.to_vec().into())
        .map_err(|_| not_a_request())?;
    if params.public_key.algorithm() == &rcgen::PKCS_ECDSA_P256_SHA256 {
        Ok(params)
    } else {
        Err(not_a_request())
    }
}

/// SHA-256 of the public key in a certificate request.
pub(crate) fn requested_key(csr_der: &[u8]) -> ServiceResult<Sha256> {
    let (_, request) =
        x509_parser::certification_request::X509CertificationRequest::from_der(csr_der)
            .map_err(|_| not_a_request())?;
    let key = request.certification_request_info.subject_pki.raw;
    Ok(Sha256::of(key))
}

/// How many certificates of a subject are neither revoked nor at their end.
pub(crate) async fn live_count(
    tx: &TenantTx,
    subject: Subject,
    now: DateTime<Utc>,
) -> ServiceResult<i64> {
    let sql = "select count(*) from identity.certificates where tenant_id = $1 and subject_id = $2 and kind = $3 and revoked_at is null and not_after > $4";
    let values = [
        subject.organization.0.into(),
        subject.id.into(),
        subject.kind.as_str().into(),
        now.into(),
    ];
    Ok(tx.value(sql, values).await?.unwrap_or(0))
}

/// One at a time for each subject until the transaction ends, so that a revocation and a renewal see each other.
pub(crate) async fn alone(tx: &TenantTx, subject: Subject) -> ServiceResult<()> {
    tx.execute(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        [subject.to_string().into()],
    )
    .await?;
    Ok(())
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
