//! Enrolment tokens: short-lived rights to enrol hosts (or one relay) at one site.

use crate::access::{reaches, readable};
use crate::certificate::{alone, live_count};
use crate::relay::{Joining, Machine};
use crate::{Auth, IdentityEventV1, IssuedCertificate, Subject, event, secret};
use chrono::{DateTime, Utc};
use netpatch_protocol::SubjectKind;
use netpatch_storage::TenantTx;
use netpatch_types::{
    EnrolmentTokenId, ErrorCode, HostId, Labels, OrganizationId, Permission, RelayId,
    RequestContext, ServiceError, ServiceResult, SiteId,
};
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// An enrolment token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentToken {
    /// Id.
    pub id: EnrolmentTokenId,
    /// Whose.
    pub organization: OrganizationId,
    /// Where hosts enrol.
    pub site: SiteId,
    /// Given to hosts.
    pub labels: Labels,
    /// For a relay instead of hosts.
    pub for_relay: bool,
    /// How often it was used.
    pub uses: u32,
    /// How often it may be.
    pub max_uses: u32,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// Ended by a person.
    pub revoked: bool,
}

/// A new enrolment token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentTokenCreate {
    /// Where.
    pub site: SiteId,
    /// Given to hosts.
    pub labels: Labels,
    /// For a relay instead of hosts; then `max_uses` is 1.
    pub for_relay: bool,
    /// 1–10,000.
    pub max_uses: u32,
    /// 60 s – 30 days.
    pub ttl_seconds: u32,
}

/// What a consumed token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentGrant {
    /// Where the host belongs.
    pub organization: OrganizationId,
    /// At which site.
    pub site: SiteId,
    /// With which labels.
    pub labels: Labels,
    /// By which token.
    pub token: EnrolmentTokenId,
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    site_id: Uuid,
    labels: serde_json::Value,
    for_relay: bool,
    uses: i32,
    max_uses: i32,
    expires_at: DateTime<Utc>,
    revoked: bool,
}

const COLUMNS: &str =
    "tenant_id, id, site_id, labels, for_relay, uses, max_uses, expires_at, revoked";

impl From<Row> for EnrolmentToken {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            organization: row.tenant_id.into(),
            site: row.site_id.into(),
            labels: serde_json::from_value(row.labels).unwrap_or_default(),
            for_relay: row.for_relay,
            uses: u32::try_from(row.uses).unwrap_or(0),
            max_uses: u32::try_from(row.max_uses).unwrap_or(0),
            expires_at: row.expires_at,
            revoked: row.revoked,
        }
    }
}

#[derive(FromQueryResult)]
struct DirectoryRow {
    tenant_id: Uuid,
    token_id: Uuid,
}

#[derive(FromQueryResult)]
struct RelayToken {
    site_id: Uuid,
    fresh: bool,
    relay_id: Option<Uuid>,
}

fn refused() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unauthenticated,
        "the enrolment token is unknown, expired, used up or revoked; create a new one",
    )
}

impl Auth {
    /// Creates a token. The text, `np1.<secret>.<fingerprint>`, is in the answer only.
    pub async fn enrolment_token_create(
        &self,
        ctx: &RequestContext,
        create: EnrolmentTokenCreate,
    ) -> ServiceResult<(EnrolmentToken, String)> {
        ctx.require(Permission::Enrol)?;
        self.own_site(ctx, create.site).await?;
        if !(1..=10_000).contains(&create.max_uses) || (create.for_relay && create.max_uses != 1) {
            return Err(ServiceError::invalid(
                "maxUses",
                "a token is used 1 to 10,000 times, a relay's once",
            ));
        }
        if !(60..=30 * 86_400).contains(&create.ttl_seconds) {
            return Err(ServiceError::invalid(
                "ttlSeconds",
                "a token lasts from 60 seconds to 30 days",
            ));
        }
        let now = self.clock.now();
        let token = EnrolmentToken {
            id: EnrolmentTokenId::new(now),
            organization: ctx.tenant()?,
            site: create.site,
            labels: create.labels,
            for_relay: create.for_relay,
            uses: 0,
            max_uses: create.max_uses,
            expires_at: now + chrono::Duration::seconds(i64::from(create.ttl_seconds)),
            revoked: false,
        };
        let secret = secret::random("");
        let hash = secret::hash(&secret);
        let tx = self.db.write(ctx).await?;
        tx.execute(
            "insert into identity.enrolment_tokens (tenant_id, id, site_id, secret_hash, labels, for_relay, max_uses, expires_at, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            [
                token.organization.0.into(),
                token.id.0.into(),
                token.site.0.into(),
                hash.clone().into(),
                serde_json::json!(token.labels).into(),
                token.for_relay.into(),
                i32::try_from(token.max_uses).unwrap_or(1).into(),
                token.expires_at.into(),
                now.into(),
            ],
        )
        .await?;
        let entry = [hash.into(), token.organization.0.into(), token.id.0.into()];
        tx.execute("select identity.token_enter($1, $2, $3)", entry)
            .await?;
        event::append(
            &tx,
            ctx,
            &*self.clock,
            IdentityEventV1::TokenCreated { token: token.id },
        )
        .await?;
        tx.commit().await?;
        let text = netpatch_protocol::EnrolmentToken {
            secret,
            platform_root: self.platform_fingerprint()?,
        };
        Ok((token, text.to_string()))
    }

    /// Ends a token.
    pub async fn enrolment_token_revoke(
        &self,
        ctx: &RequestContext,
        id: EnrolmentTokenId,
    ) -> ServiceResult<EnrolmentToken> {
        ctx.require(Permission::Enrol)?;
        let tx = self.db.write(ctx).await?;
        let sql = format!(
            "update identity.enrolment_tokens set revoked = true where tenant_id = $1 and id = $2 returning {COLUMNS}"
        );
        let row: Option<Row> = tx.one(&sql, [tx.tenant()?.0.into(), id.0.into()]).await?;
        let token = row
            .map(EnrolmentToken::from)
            .filter(|token| reaches(ctx, token.site))
            .ok_or_else(|| ServiceError::not_found("enrolment token"))?;
        event::append(
            &tx,
            ctx,
            &*self.clock,
            IdentityEventV1::TokenRevoked { token: id },
        )
        .await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Tokens, newest first.
    pub async fn enrolment_token_list(
        &self,
        ctx: &RequestContext,
    ) -> ServiceResult<Vec<EnrolmentToken>> {
        ctx.require(Permission::Enrol)?;
        let tx = self.db.read(ctx).await?;
        let sql = format!(
            "select {COLUMNS} from identity.enrolment_tokens where tenant_id = any($1) order by created_at desc, id limit 1000"
        );
        let rows = tx.all::<Row>(&sql, [readable(ctx)]).await?;
        let tokens = rows.into_iter().map(EnrolmentToken::from);
        Ok(tokens.filter(|token| reaches(ctx, token.site)).collect())
    }

    /// Uses a token for hosts once. Unknown, expired, used up, revoked or for a relay: one answer.
    pub async fn token_consume(&self, secret: &str) -> ServiceResult<EnrolmentGrant> {
        let (tx, id) = self.token_open(secret).await?;
        let sql = format!(
            "update identity.enrolment_tokens set uses = uses + 1 where tenant_id = $1 and id = $2 and not for_relay and not revoked and uses < max_uses and expires_at > $3 returning {COLUMNS}"
        );
        let now = self.clock.now();
        let row: Option<Row> = tx
            .one(&sql, [tx.tenant()?.0.into(), id.into(), now.into()])
            .await?;
        let token: EnrolmentToken = row.ok_or_else(refused)?.into();
        tx.commit().await?;
        Ok(EnrolmentGrant {
            organization: token.organization,
            site: token.site,
            labels: token.labels,
            token: token.id,
        })
    }

    /// A transaction of the organization that a token belongs to, and the token's id.
    async fn token_open(&self, secret: &str) -> ServiceResult<(TenantTx, Uuid)> {
        let hash = secret::hash(secret);
        let tx = self.db.directory_tx().await?;
        let entry: Option<DirectoryRow> = tx
            .one("select * from identity.token_by_hash($1)", [hash.into()])
            .await?;
        drop(tx);
        let entry = entry.ok_or_else(refused)?;
        let organization = OrganizationId(entry.tenant_id);
        let ctx = RequestContext::system(organization, "enrolment", self.clock.now());
        Ok((self.db.write(&ctx).await?, entry.token_id))
    }

    /// Zero-touch: a relay joins with its single-use token. The use and the relay come in one transaction, so that neither is there
    /// without the other. Whoever lost the answer (killed, cut off) asks again with the same token and the same key, while the token
    /// lasts, and is the same relay; another key finds the token used up.
    pub async fn relay_enrol(
        &self,
        secret: &str,
        model: &str,
        serial: &str,
        version: &str,
        csr_der: &[u8],
    ) -> ServiceResult<(RelayId, IssuedCertificate)> {
        crate::certificate::read_request(csr_der)?;
        let key = crate::certificate::requested_key(csr_der)?;
        let (tx, token) = self.token_open(secret).await?;
        let now = self.clock.now();
        let tenant = tx.tenant()?;
        let sql = "select site_id, uses < max_uses as fresh, relay_id from identity.enrolment_tokens where tenant_id = $1 and id = $2 and for_relay and not revoked and expires_at > $3 for update";
        let row: Option<RelayToken> = tx
            .one(sql, [tenant.0.into(), token.into(), now.into()])
            .await?;
        let row = row.ok_or_else(refused)?;
        let ctx = RequestContext::system(tenant, "relay enrolment", now);
        let (id, issued) = match row.relay_id.map(RelayId) {
            None if row.fresh => {
                let id = RelayId::new(now);
                let name = match crate::site::cut(serial) {
                    serial if serial.is_empty() => "relay".to_owned(),
                    serial => format!("relay {serial}"),
                };
                let machine = Machine {
                    model,
                    serial,
                    version,
                    csr_der,
                };
                let joining = Joining {
                    id,
                    site: row.site_id.into(),
                    name: &name,
                    machine,
                };
                let issued = self.relay_join(&tx, &ctx, joining).await?;
                let sql = "update identity.enrolment_tokens set uses = uses + 1, relay_id = $3 where tenant_id = $1 and id = $2";
                tx.execute(sql, [tenant.0.into(), token.into(), id.0.into()])
                    .await?;
                (id, issued)
            }
            Some(id) if self.relay_key(&tx, id).await? == Some(key) => {
                let subject = Subject {
                    organization: tenant,
                    kind: SubjectKind::Relay,
                    id: id.0,
                };
                alone(&tx, subject).await?;
                // A person may have revoked it since.
                if live_count(&tx, subject, now).await? == 0 {
                    return Err(refused());
                }
                (id, self.issue(&tx, subject, csr_der).await?)
            }
            _ => return Err(refused()),
        };
        tx.commit().await?;
        Ok((id, issued))
    }

    /// Gives a use back when the enrolment failed after [`Self::token_consume`]. At most once for each grant: a grant does
    /// not remember that it was given back.
    pub async fn token_release(&self, grant: &EnrolmentGrant) -> ServiceResult<()> {
        let ctx = RequestContext::system(grant.organization, "enrolment", self.clock.now());
        let tx = self.db.write(&ctx).await?;
        let sql = "update identity.enrolment_tokens set uses = uses - 1 where tenant_id = $1 and id = $2 and uses > 0";
        tx.execute(sql, [grant.organization.0.into(), grant.token.0.into()])
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The certificate of a newly registered host. A host that has one that lives needs a person first, who revokes it: a
    /// new key for a known machine may be a clone.
    pub async fn host_enrol(
        &self,
        organization: OrganizationId,
        host: HostId,
        csr_der: &[u8],
    ) -> ServiceResult<IssuedCertificate> {
        let ctx = RequestContext::system(organization, "enrolment", self.clock.now());
        let tx = self.db.write(&ctx).await?;
        let subject = Subject {
            organization,
            kind: SubjectKind::Host,
            id: host.0,
        };
        alone(&tx, subject).await?;
        if live_count(&tx, subject, self.clock.now()).await? > 0 {
            return Err(ServiceError::new(
                ErrorCode::ApprovalRequired,
                "this machine is enrolled already: revoke its certificates first if it was installed anew",
            ));
        }
        let issued = self.issue(&tx, subject, csr_der).await?;
        event::append(
            &tx,
            &ctx,
            &*self.clock,
            IdentityEventV1::HostEnrolled { host },
        )
        .await?;
        tx.commit().await?;
        Ok(issued)
    }
}
