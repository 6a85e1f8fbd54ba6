//! Delegations: what lets a partner act in a customer's organization. The customer's row decides; the partner's list of
//! customers only says where to look.

use crate::access::{readable, require_admin_person};
use crate::{Auth, IdentityEventV1, OrganizationKind, Role, event};
use chrono::{DateTime, Duration, Utc};
use netpatch_storage::TenantTx;
use netpatch_types::{DelegationId, OrganizationId, RequestContext, ServiceError, ServiceResult};
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// How a delegation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelegationStatus {
    /// The customer has not decided.
    Pending,
    /// In force until it expires.
    Active,
    /// Past its end.
    Expired,
    /// The customer ended it.
    Revoked,
}

/// A delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// Id.
    pub id: DelegationId,
    /// Who acts.
    pub partner: OrganizationId,
    /// Where.
    pub customer: OrganizationId,
    /// As what.
    pub roles: Vec<Role>,
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// How it stands.
    pub status: DelegationStatus,
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    partner_id: Uuid,
    roles: serde_json::Value,
    status: String,
    expires_at: DateTime<Utc>,
}

const COLUMNS: &str = "tenant_id, id, partner_id, roles, status, expires_at";

impl Row {
    fn read(self, now: DateTime<Utc>) -> Delegation {
        let status = match self.status.as_str() {
            "revoked" => DelegationStatus::Revoked,
            _ if self.expires_at <= now => DelegationStatus::Expired,
            "active" => DelegationStatus::Active,
            _ => DelegationStatus::Pending,
        };
        Delegation {
            id: self.id.into(),
            partner: self.partner_id.into(),
            customer: self.tenant_id.into(),
            roles: serde_json::from_value(self.roles).unwrap_or_default(),
            expires_at: self.expires_at,
            status,
        }
    }
}

impl Auth {
    /// A partner asks a customer. The customer sees it as pending; the partner sees nothing of the customer yet, not even
    /// whether there is such an organization: the answer is the same. A new request takes the place of one that waits.
    pub async fn delegation_create(
        &self,
        ctx: &RequestContext,
        customer: OrganizationId,
        roles: &[Role],
        expires_at: DateTime<Utc>,
    ) -> ServiceResult<Delegation> {
        require_admin_person(ctx)?;
        let partner = ctx.tenant()?;
        let now = self.clock.now();
        let life = expires_at - now;
        if life <= Duration::zero() || life.num_days() > 730 {
            return Err(ServiceError::invalid(
                "expiresAt",
                "a delegation ends in the future, at most 730 days from now",
            ));
        }
        if roles.is_empty() || partner == customer {
            return Err(ServiceError::invalid(
                "roles",
                "name at least one role, and a customer other than the partner",
            ));
        }
        let own = self.organization_get(ctx, partner).await?;
        if own.kind != OrganizationKind::Partner || ctx.actor.home != partner {
            return Err(ServiceError::forbidden(
                "only a partner organization's own administrators ask for a delegation",
            ));
        }
        let tx = self.db.write(ctx).await?;
        let asked = IdentityEventV1::DelegationRequested { customer };
        event::append(&tx, ctx, &*self.clock, asked).await?;
        tx.commit().await?;
        let inside = RequestContext {
            read: vec![customer],
            write: Some(customer),
            ..ctx.clone()
        };
        let tx = self.db.write(&inside).await?;
        let exists = "select count(*) from identity.organizations where tenant_id = $1";
        let exists: Option<i64> = tx.value(exists, [customer.0.into()]).await?;
        let row = new_row(partner, customer, roles, expires_at, "pending", now);
        if exists == Some(1) {
            let replaced = "update identity.delegations set status = 'revoked', reason = 'asked anew' where tenant_id = $1 and partner_id = $2 and status = 'pending'";
            tx.execute(replaced, [customer.0.into(), partner.0.into()])
                .await?;
            self.insert(&tx, &inside, &row).await?;
        }
        tx.commit().await?;
        Ok(row.read(now))
    }

    /// An active delegation in the transaction that makes the customer. The partner's list has the customer already.
    pub(crate) async fn delegation_insert_active(
        &self,
        tx: &TenantTx,
        inside: &RequestContext,
        partner: OrganizationId,
        roles: &[Role],
    ) -> ServiceResult<()> {
        let now = self.clock.now();
        let until = now + Duration::days(365);
        let row = new_row(partner, tx.tenant()?, roles, until, "active", now);
        self.insert(tx, inside, &row).await
    }

    /// Lists a customer with the partner, before a delegation comes into force: a customer that is listed without one
    /// shows nothing.
    pub(crate) async fn customer_list_add(
        &self,
        ctx: &RequestContext,
        partner: OrganizationId,
        customer: OrganizationId,
    ) -> ServiceResult<()> {
        let listing = RequestContext {
            read: vec![partner],
            write: Some(partner),
            ..ctx.clone()
        };
        let tx = self.db.write(&listing).await?;
        tx.execute(
            "insert into identity.delegated_customers (tenant_id, customer_id) values ($1, $2) on conflict do nothing",
            [partner.0.into(), customer.0.into()],
        )
        .await?;
        Ok(tx.commit().await?)
    }

    async fn insert(&self, tx: &TenantTx, inside: &RequestContext, row: &Row) -> ServiceResult<()> {
        tx.execute(
            "insert into identity.delegations (tenant_id, id, partner_id, roles, status, expires_at, created_at) values ($1, $2, $3, $4, $5, $6, $7)",
            [
                row.tenant_id.into(),
                row.id.into(),
                row.partner_id.into(),
                row.roles.clone().into(),
                row.status.clone().into(),
                row.expires_at.into(),
                self.clock.now().into(),
            ],
        )
        .await?;
        let changed = IdentityEventV1::DelegationChanged {
            delegation: row.id.into(),
            partner: row.partner_id.into(),
            status: row.status.clone(),
        };
        Ok(event::append(tx, inside, &*self.clock, changed).await?)
    }

    /// Approves a pending delegation, or revokes one. Only the customer's own people approve: a partner may not approve
    /// itself; revoking is open to the partner's administrators too.
    pub async fn delegation_decide(
        &self,
        ctx: &RequestContext,
        id: DelegationId,
        approve: bool,
        reason: &str,
    ) -> ServiceResult<Delegation> {
        require_admin_person(ctx)?;
        let customer = ctx.tenant()?;
        let now = self.clock.now();
        if approve && (ctx.actor.home != customer || ctx.actor.delegation.is_some()) {
            return Err(ServiceError::forbidden(
                "only the customer's own administrators approve a delegation",
            ));
        }
        if reason.chars().count() > 500 || reason.contains('\0') {
            return Err(ServiceError::invalid(
                "reason",
                "a reason has at most 500 characters",
            ));
        }
        let asked = self.delegation(ctx, customer, id).await?;
        if approve {
            self.customer_list_add(ctx, asked.partner, customer).await?;
        }
        let tx = self.db.write(ctx).await?;
        let sql = format!(
            "update identity.delegations set status = $3, decided_by = $4, reason = $5 where tenant_id = $1 and id = $2 and (status = 'pending' or (status = 'active' and $3 = 'revoked')) and ($3 = 'revoked' or expires_at > $6) returning {COLUMNS}"
        );
        let status = if approve { "active" } else { "revoked" };
        let row: Option<Row> = tx
            .one(
                &sql,
                [
                    customer.0.into(),
                    id.0.into(),
                    status.into(),
                    ctx.actor.id.to_string().into(),
                    reason.into(),
                    now.into(),
                ],
            )
            .await?;
        let delegation = row
            .ok_or_else(|| {
                ServiceError::invalid_state(
                    "the delegation was decided already or has expired; ask for a new one",
                )
            })?
            .read(now);
        let changed = IdentityEventV1::DelegationChanged {
            delegation: id,
            partner: delegation.partner,
            status: status.to_owned(),
        };
        event::append(&tx, ctx, &*self.clock, changed).await?;
        tx.commit().await?;
        Ok(delegation)
    }

    async fn delegation(
        &self,
        ctx: &RequestContext,
        customer: OrganizationId,
        id: DelegationId,
    ) -> ServiceResult<Delegation> {
        let tx = self.db.read(ctx).await?;
        let sql =
            format!("select {COLUMNS} from identity.delegations where tenant_id = $1 and id = $2");
        let row: Option<Row> = tx.one(&sql, [customer.0.into(), id.0.into()]).await?;
        row.map(|row| row.read(self.clock.now()))
            .ok_or_else(|| ServiceError::not_found("delegation"))
    }

    /// Delegations of the organizations that the request may read, as customers.
    pub async fn delegation_list(&self, ctx: &RequestContext) -> ServiceResult<Vec<Delegation>> {
        let now = self.clock.now();
        let tx = self.db.read(ctx).await?;
        let sql = format!(
            "select {COLUMNS} from identity.delegations where tenant_id = any($1) order by created_at desc, id limit 1000"
        );
        let rows = tx.all::<Row>(&sql, [readable(ctx)]).await?;
        Ok(rows.into_iter().map(|row| row.read(now)).collect())
    }

    /// Delegations to a partner that are in force now, read from the customers' rows.
    pub(crate) async fn delegations_active(
        &self,
        partner: OrganizationId,
    ) -> ServiceResult<Vec<Delegation>> {
        let now = self.clock.now();
        let ctx = RequestContext::system(partner, "delegations", now);
        let tx = self.db.read(&ctx).await?;
        let customers: Vec<CustomerRow> = tx
            .all(
                "select customer_id from identity.delegated_customers where tenant_id = $1",
                [partner.0.into()],
            )
            .await?;
        drop(tx);
        if customers.is_empty() {
            return Ok(Vec::new());
        }
        let read = customers
            .iter()
            .map(|row| OrganizationId(row.customer_id))
            .collect();
        let ctx = RequestContext { read, ..ctx };
        let tx = self.db.read(&ctx).await?;
        let sql = format!(
            "select {COLUMNS} from identity.delegations where tenant_id = any($3) and partner_id = $1 and status = 'active' and expires_at > $2 order by tenant_id, id"
        );
        let rows: Vec<Row> = tx
            .all(&sql, [partner.0.into(), now.into(), readable(&ctx)])
            .await?;
        let mut active: Vec<Delegation> = rows.into_iter().map(|row| row.read(now)).collect();
        active.dedup_by_key(|delegation| delegation.customer);
        Ok(active)
    }
}

fn new_row(
    partner: OrganizationId,
    customer: OrganizationId,
    roles: &[Role],
    expires_at: DateTime<Utc>,
    status: &str,
    now: DateTime<Utc>,
) -> Row {
    Row {
        tenant_id: customer.0,
        id: DelegationId::new(now).0,
        partner_id: partner.0,
        roles: serde_json::json!(roles),
        status: status.to_owned(),
        expires_at,
    }
}

#[derive(FromQueryResult)]
struct CustomerRow {
    customer_id: Uuid,
}
