//! `delegationCreate`, `delegationDecide`.

use super::{answer, payload};
use crate::graphql::context::{organization_id, tenant_id};
use crate::graphql::model::{Delegation, Role};
use crate::graphql::once::{Once, first, once};
use crate::graphql::{DateTime, Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_auth::Auth;
use netpatch_types::{DelegationId, OrganizationId, RequestContext, ServiceError};

/// A partner asks a customer.
#[derive(Clone, InputObject)]
pub struct DelegationCreateInput {
    /// Who would act.
    partner_id: ID,
    /// Where.
    customer_id: ID,
    /// As what.
    roles: Vec<Role>,
    /// Until when, at most 730 days.
    expires_at: DateTime,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// The customer decides.
#[derive(Clone, InputObject)]
pub struct DelegationDecideInput {
    /// Which.
    id: ID,
    /// Approve, or refuse or revoke.
    is_approved: bool,
    /// Why.
    reason: String,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `delegationCreate`.
    DelegationCreatePayload {
        /// The delegation.
        delegation: Delegation,
    }
}
payload! {
    /// Answer of `delegationDecide`.
    DelegationDecidePayload {
        /// The delegation.
        delegation: Delegation,
    }
}

/// Delegations.
#[derive(Default)]
pub struct DelegationMutation;

#[Object]
impl DelegationMutation {
    /// A partner asks a customer to be let in.
    #[graphql(complexity = "10 + child_complexity")]
    async fn delegation_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: DelegationCreateInput,
    ) -> Result<DelegationCreatePayload> {
        answer(create(ctx, input).await)
    }

    /// The customer approves a delegation, or ends it.
    #[graphql(complexity = "10 + child_complexity")]
    async fn delegation_decide(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: DelegationDecideInput,
    ) -> Result<DelegationDecidePayload> {
        answer(decide(ctx, input).await)
    }
}

async fn create(
    ctx: &Context<'_>,
    input: DelegationCreateInput,
) -> Result<DelegationCreatePayload> {
    let session = session(ctx)?;
    let auth = &session.apis.auth;
    let partner = organization_id(&input.partner_id)?;
    let customer = organization_id(&input.customer_id)?;
    let request = session.inside(partner)?;
    let roles: Vec<netpatch_auth::Role> = input.roles.iter().map(|role| (*role).into()).collect();
    let work = auth.delegation_create(&request, customer, &roles, input.expires_at.0);
    let made = once(
        session,
        &request,
        "delegationCreate",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let delegation = match made {
        Once::Done(delegation) => delegation,
        // As it was asked: whether there is a row, and what became of it, only the customer may know.
        Once::Before(ids) => netpatch_auth::Delegation {
            id: first(&ids)?,
            partner,
            customer,
            roles,
            expires_at: input.expires_at.0,
            status: netpatch_auth::DelegationStatus::Pending,
        },
    };
    Ok(DelegationCreatePayload {
        delegation: Some(Delegation(delegation)),
        ..Default::default()
    })
}

async fn decide(
    ctx: &Context<'_>,
    input: DelegationDecideInput,
) -> Result<DelegationDecidePayload> {
    let session = session(ctx)?;
    let auth = &session.apis.auth;
    let (customer, id): (OrganizationId, DelegationId) =
        tenant_id(&input.id, DelegationId::PREFIX, "delegation")?;
    let request = session
        .inside(customer)
        .map_err(|_| ServiceError::not_found("delegation"))?;
    let work = auth.delegation_decide(&request, id, input.is_approved, &input.reason);
    let made = once(
        session,
        &request,
        "delegationDecide",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let delegation = match made {
        Once::Done(delegation) => delegation,
        Once::Before(ids) => find(auth, &request, first(&ids)?).await?,
    };
    Ok(DelegationDecidePayload {
        delegation: Some(Delegation(delegation)),
        ..Default::default()
    })
}

async fn find(
    auth: &Auth,
    request: &RequestContext,
    id: DelegationId,
) -> Result<netpatch_auth::Delegation> {
    let list = auth.delegation_list(request).await?;
    list.into_iter()
        .find(|delegation| delegation.id == id)
        .ok_or_else(|| ServiceError::not_found("delegation"))
}
