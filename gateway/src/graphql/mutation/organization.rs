//! `organizationCreate`.

use super::{answer, payload};
use crate::graphql::context::organization_id;
use crate::graphql::model::{Organization, OrganizationKind};
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_types::{OrganizationId, RequestContext};

/// A new organization.
#[derive(Clone, InputObject)]
pub struct OrganizationCreateInput {
    /// Name, 1 to 80 characters.
    name: String,
    /// Partner or customer.
    kind: OrganizationKind,
    /// The viewer's own partner organization: it gets a delegation that is approved already.
    partner_id: Option<ID>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `organizationCreate`.
    OrganizationCreatePayload {
        /// The organization.
        organization: Organization,
    }
}

/// Organizations.
#[derive(Default)]
pub struct OrganizationMutation;

#[Object]
impl OrganizationMutation {
    /// Makes an organization.
    #[graphql(complexity = "10 + child_complexity")]
    async fn organization_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: OrganizationCreateInput,
    ) -> Result<OrganizationCreatePayload> {
        answer(create(ctx, input).await)
    }
}

async fn create(
    ctx: &Context<'_>,
    input: OrganizationCreateInput,
) -> Result<OrganizationCreatePayload> {
    let session = session(ctx)?;
    let auth = &session.apis.auth;
    let home = session.principal()?.home;
    let partner = input.partner_id.as_ref().map(organization_id).transpose()?;
    let request = session.inside(partner.unwrap_or(home))?;
    let work = auth.organization_create(&request, &input.name, input.kind.into(), partner);
    let made = once(
        session,
        &request,
        "organizationCreate",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let organization = match made {
        Once::Done(organization) => organization,
        Once::Before(ids) => {
            let id: OrganizationId = first(&ids)?;
            auth.organization_get(
                &RequestContext {
                    read: vec![id],
                    ..request
                },
                id,
            )
            .await?
        }
    };
    Ok(OrganizationCreatePayload {
        organization: Some(Organization(organization)),
        ..Default::default()
    })
}
