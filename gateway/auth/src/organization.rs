//! Organizations: the tenants.

use crate::access::{readable, require_admin};
use crate::{Auth, IdentityEventV1, Role, event};
use chrono::{DateTime, Utc};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{ActorKind, OrganizationId, RequestContext, ServiceError, ServiceResult};
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// Partner (an MSP) or customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrganizationKind {
    /// Acts for customers by delegation.
    Partner,
    /// Owns hosts.
    Customer,
}

impl OrganizationKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Partner => "partner",
            Self::Customer => "customer",
        }
    }
}

/// An organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Id, and tenant.
    pub id: OrganizationId,
    /// Partner or customer.
    pub kind: OrganizationKind,
    /// Name.
    pub name: String,
    /// For URLs.
    pub slug: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    kind: String,
    name: String,
    slug: String,
    created_at: DateTime<Utc>,
}

impl From<Row> for Organization {
    fn from(row: Row) -> Self {
        let kind = if row.kind == "partner" {
            OrganizationKind::Partner
        } else {
            OrganizationKind::Customer
        };
        Self {
            id: row.tenant_id.into(),
            kind,
            name: row.name,
            slug: row.slug,
            created_at: row.created_at,
        }
    }
}

const COLUMNS: &str = "tenant_id, kind, name, slug, created_at";

impl Auth {
    /// Creates an organization. With `partner`, the maker's own organization, a pre-approved delegation comes along, in the
    /// same transaction. Only the platform itself makes one without: nobody could reach it.
    pub async fn organization_create(
        &self,
        ctx: &RequestContext,
        name: &str,
        kind: OrganizationKind,
        partner: Option<OrganizationId>,
    ) -> ServiceResult<Organization> {
        require_admin(ctx)?;
        if partner.is_some_and(|partner| partner != ctx.actor.home || ctx.write != Some(partner)) {
            return Err(ServiceError::not_found("organization"));
        }
        if let Some(partner) = partner {
            let own = self.organization_get(ctx, partner).await?;
            if own.kind != OrganizationKind::Partner {
                return Err(ServiceError::forbidden(
                    "only a partner organization makes other organizations",
                ));
            }
        } else if ctx.actor.kind != ActorKind::System {
            return Err(ServiceError::invalid(
                "partnerId",
                "name your own organization as the partner, otherwise nobody can reach the new one",
            ));
        }
        let id = OrganizationId::new(self.clock.now());
        self.organization_insert(ctx, id, name, kind, partner).await
    }

    pub(crate) async fn organization_insert(
        &self,
        ctx: &RequestContext,
        id: OrganizationId,
        name: &str,
        kind: OrganizationKind,
        partner: Option<OrganizationId>,
    ) -> ServiceResult<Organization> {
        let name = crate::user::plain_name("name", name)?;
        let organization = Organization {
            id,
            kind,
            slug: slug(&name, id),
            name,
            created_at: self.clock.now(),
        };
        let inside = RequestContext {
            read: vec![id],
            write: Some(id),
            ..ctx.clone()
        };
        if let Some(partner) = partner {
            self.customer_list_add(ctx, partner, id).await?;
        }
        let tx = self.db.write(&inside).await?;
        insert(&tx, &organization).await?;
        event::append(
            &tx,
            &inside,
            &*self.clock,
            IdentityEventV1::OrganizationCreated { organization: id },
        )
        .await?;
        if let Some(partner) = partner {
            self.delegation_insert_active(&tx, &inside, partner, &[Role::Owner])
                .await?;
        }
        tx.commit().await?;
        Ok(organization)
    }

    /// Organizations that the request may read, by name.
    pub async fn organization_list(
        &self,
        ctx: &RequestContext,
    ) -> ServiceResult<Vec<Organization>> {
        let tx = self.db.read(ctx).await?;
        let sql = format!(
            "select {COLUMNS} from identity.organizations where tenant_id = any($1) order by name, tenant_id limit 10000"
        );
        let rows = tx.all::<Row>(&sql, [readable(ctx)]).await?;
        Ok(rows.into_iter().map(Organization::from).collect())
    }

    /// One organization.
    pub async fn organization_get(
        &self,
        ctx: &RequestContext,
        id: OrganizationId,
    ) -> ServiceResult<Organization> {
        let tx = self.db.read(ctx).await?;
        let sql = format!("select {COLUMNS} from identity.organizations where tenant_id = $1");
        let row = tx.one::<Row>(&sql, [id.0.into()]).await?;
        row.map(Organization::from)
            .ok_or_else(|| ServiceError::not_found("organization"))
    }
}

async fn insert(tx: &TenantTx, organization: &Organization) -> StorageResult<()> {
    tx.execute(
        "insert into identity.organizations (tenant_id, kind, name, slug, created_at) values ($1, $2, $3, $4, $5)",
        [
            organization.id.0.into(),
            organization.kind.as_str().into(),
            organization.name.clone().into(),
            organization.slug.clone().into(),
            organization.created_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Letters and digits of the name, and the end of the id, so that two of the same name differ.
fn slug(name: &str, id: OrganizationId) -> String {
    let words: Vec<String> = name
        .to_lowercase()
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let id = id.0.simple().to_string();
    format!("{}-{}", words.join("-"), &id[id.len() - 6..])
        .trim_start_matches('-')
        .to_owned()
}
