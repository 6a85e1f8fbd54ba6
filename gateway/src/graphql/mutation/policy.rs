//! `policyCreate`, `policyUpdate`, `policyEvaluate`, `blockListSet`.

mod spec;

use super::{answer, payload};
use crate::graphql::context::{organization_id, tenant_id};
use crate::graphql::model::{Approval, BlockEntry, Policy};
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_policy_api as policy;
use netpatch_types::{PolicyId, ServiceError};
pub use spec::*;

/// Decide anew.
#[derive(Clone, InputObject)]
pub struct PolicyEvaluateInput {
    /// Which policy.
    id: ID,
    /// Only say what would be decided.
    #[graphql(default_with = "Some(false)")]
    dry_run: Option<bool>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// Adds or removes a line of the block list.
#[derive(Clone, InputObject)]
pub struct BlockListSetInput {
    /// Whose.
    organization_id: ID,
    /// Glob over source and binary package names.
    package: String,
    /// Why.
    reason: String,
    /// False removes the line.
    is_blocked: bool,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `policyCreate`.
    PolicyCreatePayload {
        /// The policy.
        policy: Policy,
    }
}
payload! {
    /// Answer of `policyUpdate`.
    PolicyUpdatePayload {
        /// The policy.
        policy: Policy,
    }
}
payload! {
    /// Answer of `policyEvaluate`.
    PolicyEvaluatePayload {
        /// What was, or would be, decided or asked.
        approvals: Vec<Approval>,
    }
}
payload! {
    /// Answer of `blockListSet`.
    BlockListSetPayload {
        /// The whole list.
        entries: Vec<BlockEntry>,
    }
}

/// Policies.
#[derive(Default)]
pub struct PolicyMutation;

#[Object]
impl PolicyMutation {
    /// Makes a policy.
    #[graphql(complexity = "10 + child_complexity")]
    async fn policy_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: PolicyCreateInput,
    ) -> Result<PolicyCreatePayload> {
        answer(create(ctx, input).await)
    }

    /// Changes a policy.
    #[graphql(complexity = "10 + child_complexity")]
    async fn policy_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: PolicyUpdateInput,
    ) -> Result<PolicyUpdatePayload> {
        answer(update(ctx, input).await)
    }

    /// Decides anew for everything that hosts offer now.
    #[graphql(complexity = "50 + 5 * child_complexity")]
    async fn policy_evaluate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: PolicyEvaluateInput,
    ) -> Result<PolicyEvaluatePayload> {
        answer(evaluate(ctx, input).await)
    }

    /// Never installs a package, or again.
    #[graphql(complexity = "10 + 5 * child_complexity")]
    async fn block_list_set(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: BlockListSetInput,
    ) -> Result<BlockListSetPayload> {
        answer(block(ctx, input).await)
    }
}

async fn create(ctx: &Context<'_>, input: PolicyCreateInput) -> Result<PolicyCreatePayload> {
    let session = session(ctx)?;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    let create = policy::PolicyCreate {
        spec: input.clone().spec(of)?,
    };
    let work = session.apis.policy.policy_create(&request, create);
    let made = once(
        session,
        &request,
        "policyCreate",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let policy = match made {
        Once::Done(policy) => policy,
        Once::Before(ids) => {
            session
                .apis
                .policy
                .policy_get(&request, policy::PolicyGet { id: first(&ids)? })
                .await?
        }
    };
    Ok(PolicyCreatePayload {
        policy: Some(Policy(policy)),
        ..Default::default()
    })
}

async fn update(ctx: &Context<'_>, input: PolicyUpdateInput) -> Result<PolicyUpdatePayload> {
    let session = session(ctx)?;
    let (of, id) = tenant_id::<PolicyId>(&input.id, PolicyId::PREFIX, "policy")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("policy"))?;
    let change = policy::PolicyUpdate {
        id,
        if_match: input.if_match.clone(),
        spec: input.clone().spec(of)?,
    };
    let work = session.apis.policy.policy_update(&request, change);
    let made = once(
        session,
        &request,
        "policyUpdate",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let policy = match made {
        Once::Done(policy) => policy,
        Once::Before(ids) => {
            session
                .apis
                .policy
                .policy_get(&request, policy::PolicyGet { id: first(&ids)? })
                .await?
        }
    };
    Ok(PolicyUpdatePayload {
        policy: Some(Policy(policy)),
        ..Default::default()
    })
}

async fn evaluate(ctx: &Context<'_>, input: PolicyEvaluateInput) -> Result<PolicyEvaluatePayload> {
    let session = session(ctx)?;
    let (of, id) = tenant_id::<PolicyId>(&input.id, PolicyId::PREFIX, "policy")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("policy"))?;
    let work = session.apis.policy.policy_evaluate(
        &request,
        policy::PolicyEvaluate {
            id,
            dry_run: input.dry_run.unwrap_or(false),
        },
    );
    let approvals = if input.dry_run.unwrap_or(false) {
        work.await?
    } else {
        let ids =
            |made: &Vec<policy::Approval>| made.iter().map(|approval| approval.id.0).collect();
        match once(
            session,
            &request,
            "policyEvaluate",
            &input.idempotency_key,
            &input,
            work,
            ids,
        )
        .await?
        {
            Once::Done(approvals) => approvals,
            Once::Before(ids) => {
                let mut approvals = Vec::new();
                for id in ids {
                    approvals.push(
                        session
                            .apis
                            .policy
                            .approval_get(&request, policy::ApprovalGet { id: id.into() })
                            .await?,
                    );
                }
                approvals
            }
        }
    };
    Ok(PolicyEvaluatePayload {
        approvals: Some(approvals.into_iter().map(Approval).collect()),
        ..Default::default()
    })
}

async fn block(ctx: &Context<'_>, input: BlockListSetInput) -> Result<BlockListSetPayload> {
    let session = session(ctx)?;
    let request = session.inside(organization_id(&input.organization_id)?)?;
    let set = policy::BlockSet {
        package: input.package.clone(),
        reason: input.reason.clone(),
        blocked: input.is_blocked,
    };
    let work = session.apis.policy.block_set(&request, set);
    let entries = match once(
        session,
        &request,
        "blockListSet",
        &input.idempotency_key,
        &input,
        work,
        |_| Vec::new(),
    )
    .await?
    {
        Once::Done(entries) => entries,
        Once::Before(_) => {
            session
                .apis
                .policy
                .block_list(&request, policy::BlockList {})
                .await?
        }
    };
    Ok(BlockListSetPayload {
        entries: Some(entries.into_iter().map(BlockEntry::from).collect()),
        ..Default::default()
    })
}
