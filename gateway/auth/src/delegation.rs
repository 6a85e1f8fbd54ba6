//! Delegations: what lets a partner act in a customer's organization. The customer's row decides; the partner's list of
//! customers only says where to look.

use crate::{Auth, IdentityEventV1, Role, event};
use chrono::{DateTime, Utc};
use netpatch_types::{
    DelegationId, OrganizationId, Permission, RequestContext, ServiceError, ServiceResult,
};
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
    /// A partner asks a customer. The customer sees it as pending; the partner sees nothing of the customer yet.
    pub async fn delegation_create(
        &self,
        ctx: &RequestContext,
        customer: OrganizationId,
        roles: &[Role],
        expires_at: DateTime<Utc>,
    ) -> ServiceResult<Delegation> {
        ctx.require(Permission::Admin)?;
        let partner = ctx.tenant()?;
        let days = (expires_at - self.clock.now()).num_days();
        if !(0..=730).contains(&days) {
            return Err(ServiceError::invalid(
                "expiresAt",
                "a delegation lasts from 1 to 730 days",
            ));
        }
        if roles.is_empty() || partner == customer {
            return Err(ServiceError::invalid(
                "roles",
                "name at least one role, and a customer other than the partner",
            ));
        }
        let inside = self.inside(ctx, customer);
        self.organization_get(&inside, customer).await?;
        self.delegation_insert(&inside, partner, customer, roles, expires_at, "pending")
            .await
    }

    /// An active delegation for a customer that the partner has just made.
    pub(crate) async fn delegation_insert_active(
        &self,
        ctx: &RequestContext,
        partner: OrganizationId,
        customer: OrganizationId,
        roles: &[Role],
    ) -> ServiceResult<Delegation> {
        let expires_at = self.clock.now() + chrono::Duration::days(365);
        self.delegation_insert(
            &self.inside(ctx, customer),
            partner,
            customer,
            roles,
            expires_at,
            "active",
        )
        .await
    }

    async fn delegation_insert(
        &self,
        inside: &RequestContext,
        partner: OrganizationId,
        customer: OrganizationId,
        roles: &[Role],
        expires_at: DateTime<Utc>,
        status: &str,
    ) -> ServiceResult<Delegation> {
        let now = self.clock.now();
        let row = Row {
            tenant_id: customer.0,
            id: DelegationId::new(now).0,
            partner_id: partner.0,
            roles: serde_json::json!(roles),
            status: status.to_owned(),
            expires_at,
        };
        // The list first: a customer that is listed without a delegation shows nothing.
        let listing = RequestContext {
            read: vec![partner],
            write: Some(partner),
            ..inside.clone()
        };
        let tx = self.db.write(&listing).await?;
        tx.execute(
            "insert into identity.delegated_customers (tenant_id, customer_id) values ($1, $2) on conflict do nothing",
            [partner.0.into(), customer.0.into()],
        )
        .await?;
        tx.commit().await?;
        let tx = self.db.write(inside).await?;
        tx.execute(
            "insert into identity.delegations (tenant_id, id, partner_id, roles, status, expires_at, created_at) values ($1, $2, $3, $4, $5, $6, $7)",
            [
                customer.0.into(),
                row.id.into(),
                partner.0.into(),
                row.roles.clone().into(),
                status.into(),
                expires_at.into(),
                now.into(),
            ],
        )
        .await?;
        let changed = IdentityEventV1::DelegationChanged {
            delegation: row.id.into(),
            partner,
            status: status.to_owned(),
        };
        event::append(&tx, inside, &*self.clock, changed).await?;
        tx.commit().await?;
        Ok(row.read(now))
    }

    /// The customer approves or revokes. Only the customer's own people: a partner may not approve itself.
    pub async fn delegation_decide(
        &self,
        ctx: &RequestContext,
        id: DelegationId,
        approve: bool,
        reason: &str,
    ) -> ServiceResult<Delegation> {
        ctx.require(Permission::Admin)?;
        let customer = ctx.tenant()?;
        if approve && ctx.actor.home != customer {
            return Err(ServiceError::forbidden(
                "only the customer's own administrators approve a delegation",
            ));
        }
        let tx = self.db.write(ctx).await?;
        let sql = format!(
            "update identity.delegations set status = $3, decided_by = $4, reason = $5 where tenant_id = $1 and id = $2 and status <> 'revoked' returning {COLUMNS}"
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
                ],
            )
            .await?;
        let delegation = row
            .ok_or_else(|| ServiceError::not_found("delegation"))?
            .read(self.clock.now());
        let changed = IdentityEventV1::DelegationChanged {
            delegation: id,
            partner: delegation.partner,
            status: status.to_owned(),
        };
        event::append(&tx, ctx, &*self.clock, changed).await?;
        tx.commit().await?;
        Ok(delegation)
    }

    /// Delegations of the organizations that the request may read, as customers.
    pub async fn delegation_list(&self, ctx: &RequestContext) -> ServiceResult<Vec<Delegation>> {
        let now = self.clock.now();
        let tx = self.db.read(ctx).await?;
        let sql = format!(
            "select {COLUMNS} from identity.delegations order by created_at desc limit 1000"
        );
        Ok(tx
            .all::<Row>(&sql, [])
            .await?
            .into_iter()
            .map(|row| row.read(now))
            .collect())
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
        let tx = self.db.read(&RequestContext { read, ..ctx }).await?;
        let sql = format!(
            "select {COLUMNS} from identity.delegations where partner_id = $1 and status = 'active' and expires_at > $2 order by tenant_id, id"
        );
        let rows: Vec<Row> = tx.all(&sql, [partner.0.into(), now.into()]).await?;
        let mut active: Vec<Delegation> = rows.into_iter().map(|row| row.read(now)).collect();
        active.dedup_by_key(|delegation| delegation.customer);
        Ok(active)
    }

    fn inside(&self, ctx: &RequestContext, customer: OrganizationId) -> RequestContext {
        RequestContext {
            read: vec![customer],
            write: Some(customer),
            ..ctx.clone()
        }
    }
}

#[derive(FromQueryResult)]
struct CustomerRow {
    customer_id: Uuid,
}
