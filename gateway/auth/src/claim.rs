//! Claiming a relay by code (the shape of RFC 8628): the relay shows a short code, a person types it in the portal.
//!
//! Eight consonants, 15 minutes; five wrong codes of one account in ten minutes lock claiming for that account, wherever and however
//! often the platform runs. The lock is the account's and not the code's or the organization's: a stranger who guesses locks nobody
//! out but himself, and hits one of `n` waiting relays with `n` in 5·10⁹ per account and ten minutes (20⁸ codes). At most 20,000
//! relays wait at a time.

use crate::relay::{Joining, Machine};
use crate::{Auth, IssuedCertificate, Relay, secret, user::plain_name};
use chrono::{DateTime, Utc};
use netpatch_storage::TenantTx;
use netpatch_types::{
    ErrorCode, OrganizationId, Permission, RelayId, RequestContext, ServiceError, ServiceResult,
    Sha256, SiteId,
};
use rand::TryRngCore as _;
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// A relay asks to be claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimStart {
    /// PKCS #10 DER.
    pub csr_der: Vec<u8>,
    /// Hardware or image.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// SemVer of its program.
    pub version: String,
}

/// What the relay shows and keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Secret, for polling.
    pub device_code: String,
    /// `BCDF-GHJK`, for the person.
    pub claim_code: String,
    /// When both end.
    pub expires_at: DateTime<Utc>,
}

/// Where a claim stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimState {
    /// Nobody has typed the code yet.
    Pending,
    /// Claimed.
    Taken {
        /// Whose it is now.
        organization: OrganizationId,
        /// Its id.
        relay: RelayId,
        /// Its site.
        site: SiteId,
        /// Its certificate, DER.
        certificate_der: Vec<u8>,
        /// The organization's CA, DER.
        ca_der: Vec<u8>,
    },
}

/// What a relay that waits says about itself, for the person to compare before taking it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPreview {
    /// Hardware or image.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// SemVer of its program.
    pub version: String,
    /// SHA-256 of its public key: the relay shows the same.
    pub key_fingerprint: Sha256,
    /// When its code ends.
    pub expires_at: DateTime<Utc>,
}

/// What the person sees after claiming.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimTaken {
    /// The relay.
    pub relay: Relay,
    /// To be compared with what the relay shows.
    pub key_fingerprint: Sha256,
}

const LIFE_MINUTES: i64 = 15;
/// So many wrong codes of an account …
const MAX_WRONG: i32 = 5;
/// … within this.
const WRONG_MINUTES: i64 = 10;
const CONSONANTS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";

#[derive(FromQueryResult)]
struct ByCode {
    csr: Vec<u8>,
    model: String,
    serial: String,
    version: String,
    expires_at: DateTime<Utc>,
    taken: bool,
}

#[derive(FromQueryResult)]
struct ByDevice {
    tenant_id: Option<Uuid>,
    relay_id: Option<Uuid>,
    site_id: Option<Uuid>,
    certificate: Option<Vec<u8>>,
    expires_at: DateTime<Utc>,
}

impl Auth {
    /// Opens a claim.
    pub async fn claim_start(&self, start: ClaimStart) -> ServiceResult<Claim> {
        crate::certificate::read_request(&start.csr_der)?;
        let now = self.clock.now();
        for _ in 0..5 {
            let claim = Claim {
                device_code: secret::random("npd_"),
                claim_code: claim_code(),
                expires_at: now + chrono::Duration::minutes(LIFE_MINUTES),
            };
            let tx = self.db.directory_write_tx().await?;
            let opened: Option<bool> = tx
                .value(
                    "select identity.claim_open($1, $2, $3, $4, $5, $6, $7, $8)",
                    [
                        secret::hash(&claim.device_code).into(),
                        secret::hash(&claim.claim_code).into(),
                        start.csr_der.clone().into(),
                        crate::site::cut(&start.model).into(),
                        crate::site::cut(&start.serial).into(),
                        crate::site::cut(&start.version).into(),
                        now.into(),
                        claim.expires_at.into(),
                    ],
                )
                .await?;
            tx.commit().await?;
            if opened == Some(true) {
                return Ok(claim);
            }
        }
        Err(ServiceError::unavailable("a free claim code"))
    }

    /// How a claim stands, for the relay that polls.
    pub async fn claim_poll(&self, device_code: &str) -> ServiceResult<ClaimState> {
        let ended = || {
            ServiceError::new(
                ErrorCode::NotFound,
                "the claim has ended; start claiming again",
            )
        };
        let tx = self.db.directory_tx().await?;
        let hash = secret::hash(device_code);
        let row: Option<ByDevice> = tx
            .one("select * from identity.claim_by_device($1)", [hash.into()])
            .await?;
        drop(tx);
        let row = row.ok_or_else(ended)?;
        match (row.tenant_id, row.relay_id, row.site_id, row.certificate) {
            (Some(tenant), Some(relay), Some(site), Some(certificate_der)) => {
                Ok(ClaimState::Taken {
                    organization: tenant.into(),
                    relay: relay.into(),
                    site: site.into(),
                    certificate_der,
                    ca_der: self.organization_ca(tenant.into()).await?,
                })
            }
            _ if row.expires_at <= self.clock.now() => Err(ended()),
            _ => Ok(ClaimState::Pending),
        }
    }

    /// A person looks at the relay behind a code before taking it in; `None` when none waits with it. A wrong code counts
    /// as one: looking is no way around the limit.
    pub async fn claim_preview(
        &self,
        ctx: &RequestContext,
        code: &str,
    ) -> ServiceResult<Option<ClaimPreview>> {
        ctx.require(Permission::Enrol)?;
        let Some((claim, _)) = self.claim_waiting(ctx, code).await? else {
            return Ok(None);
        };
        Ok(Some(ClaimPreview {
            key_fingerprint: crate::certificate::requested_key(&claim.csr)?,
            model: claim.model,
            serial: claim.serial,
            version: claim.version,
            expires_at: claim.expires_at,
        }))
    }

    /// The claim that waits with a code, and the code's hash; counts a wrong code.
    async fn claim_waiting(
        &self,
        ctx: &RequestContext,
        code: &str,
    ) -> ServiceResult<Option<(ByCode, Vec<u8>)>> {
        let attempt = self.code_attempt(ctx).await?;
        let hash = secret::hash(&normal_code(code));
        let tx = self.db.directory_tx().await?;
        let row: Option<ByCode> = tx
            .one(
                "select * from identity.claim_by_code($1)",
                [hash.clone().into()],
            )
            .await?;
        drop(tx);
        let now = self.clock.now();
        let waiting = row.filter(|row| row.expires_at > now && !row.taken);
        if waiting.is_some() {
            self.code_was_right(attempt).await?;
        }
        Ok(waiting.map(|row| (row, hash)))
    }

    /// Begins an attempt at a code, which counts as wrong until it is forgiven. Five in ten minutes are the limit.
    async fn code_attempt(&self, ctx: &RequestContext) -> ServiceResult<Uuid> {
        let (now, attempt) = (self.clock.now(), Uuid::new_v4());
        let tx = self.db.directory_write_tx().await?;
        let begun: Option<bool> = tx
            .value(
                "select identity.wrong_code_begin($1, $2, $3, $4, $5)",
                [
                    attempt.into(),
                    ctx.actor.id.into(),
                    now.into(),
                    (now - chrono::Duration::minutes(WRONG_MINUTES)).into(),
                    MAX_WRONG.into(),
                ],
            )
            .await?;
        tx.commit().await?;
        if begun == Some(true) {
            Ok(attempt)
        } else {
            Err(ServiceError::new(
                ErrorCode::Throttled,
                "five wrong codes; wait ten minutes and read the code from the relay again",
            ))
        }
    }

    async fn code_was_right(&self, attempt: Uuid) -> ServiceResult<()> {
        let tx = self.db.directory_write_tx().await?;
        tx.execute("select identity.wrong_code_forgive($1)", [attempt.into()])
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// A person types the code: the relay is a new one of a site.
    pub async fn claim_take(
        &self,
        ctx: &RequestContext,
        site: SiteId,
        code: &str,
        name: &str,
    ) -> ServiceResult<ClaimTaken> {
        ctx.require(Permission::Enrol)?;
        self.own_site(ctx, site).await?;
        let name = plain_name("name", name)?;
        let Some((claim, hash)) = self.claim_waiting(ctx, code).await? else {
            return Err(wrong_code());
        };
        let now = self.clock.now();
        let id = RelayId::new(now);
        let tx = self.db.write(ctx).await?;
        let joining = Joining {
            id,
            site,
            name: &name,
            machine: Machine {
                model: &claim.model,
                serial: &claim.serial,
                version: &claim.version,
                csr_der: &claim.csr,
            },
        };
        let issued = self.relay_join(&tx, ctx, joining).await?;
        self.claim_finish(tx, ctx, &hash, id, site, issued).await
    }

    /// A person types the code of a machine that takes the place of a relay: id, name, site and history stay, the key is the new
    /// machine's, and what the old one had is revoked.
    pub async fn claim_replace(
        &self,
        ctx: &RequestContext,
        relay: RelayId,
        code: &str,
    ) -> ServiceResult<ClaimTaken> {
        ctx.require(Permission::Enrol)?;
        let site = self.relay_get(ctx, relay).await?.site;
        let Some((claim, hash)) = self.claim_waiting(ctx, code).await? else {
            return Err(wrong_code());
        };
        let tx = self.db.write(ctx).await?;
        let machine = Machine {
            model: &claim.model,
            serial: &claim.serial,
            version: &claim.version,
            csr_der: &claim.csr,
        };
        let issued = self.relay_replace(&tx, ctx, relay, machine).await?;
        self.claim_finish(tx, ctx, &hash, relay, site, issued).await
    }

    /// The waiting machine gets its certificate, unless another person was faster: then nothing of this happened.
    async fn claim_finish(
        &self,
        tx: TenantTx,
        ctx: &RequestContext,
        code_hash: &[u8],
        id: RelayId,
        site: SiteId,
        issued: IssuedCertificate,
    ) -> ServiceResult<ClaimTaken> {
        let taken: Option<bool> = tx
            .value(
                "select identity.claim_take($1, $2, $3, $4, $5)",
                [
                    code_hash.to_vec().into(),
                    tx.tenant()?.0.into(),
                    id.0.into(),
                    site.0.into(),
                    issued.certificate_der.into(),
                ],
            )
            .await?;
        if taken != Some(true) {
            return Err(wrong_code());
        }
        tx.commit().await?;
        let relay = self.relay_get(ctx, id).await?;
        Ok(ClaimTaken {
            key_fingerprint: relay.key_fingerprint,
            relay,
        })
    }
}

fn wrong_code() -> ServiceError {
    ServiceError::invalid(
        "claimCode",
        "no relay waits with this code; it has eight letters and lasts 15 minutes",
    )
}

fn claim_code() -> String {
    let mut code = String::new();
    let mut byte = [0u8; 1];
    while code.len() < 9 {
        if rand::rngs::OsRng.try_fill_bytes(&mut byte).is_err() {
            rand::fill(&mut byte);
        }
        // Without the remainder every letter is as likely as the next.
        if usize::from(byte[0]) < 256 - 256 % CONSONANTS.len() {
            code.push(char::from(
                CONSONANTS[usize::from(byte[0]) % CONSONANTS.len()],
            ));
        }
        if code.len() == 4 {
            code.push('-');
        }
    }
    code
}

/// Upper case with the dash, however it was typed.
fn normal_code(code: &str) -> String {
    let letters: String = code
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_uppercase())
        .take(9)
        .collect();
    if letters.len() == 8 {
        format!("{}-{}", &letters[..4], &letters[4..])
    } else {
        letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_eight_consonants_and_is_read_however_typed() {
        for _ in 0..200 {
            let code = claim_code();
            assert_eq!(code.len(), 9);
            assert_eq!(&code[4..5], "-");
            assert!(
                code.replace('-', "")
                    .bytes()
                    .all(|letter| CONSONANTS.contains(&letter))
            );
            assert_eq!(normal_code(&code.to_lowercase().replace('-', " ")), code);
        }
    }
}
