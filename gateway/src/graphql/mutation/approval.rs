//! `approvalRequest`, `approvalDecide`.

use super::{answer, payload};
use crate::graphql::context::{catalog_id, organization_id, same_organization, tenant_id};
use crate::graphql::model::{Approval, ApprovalVerdict};
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_policy_api as policy;
use netpatch_types::{
    ActorKind, ApprovalId, DeploymentId, GroupId, OrganizationId, PatchId, ServiceError,
};

/// Asks people about a patch, or about going on with a halted deployment.
#[derive(Clone, InputObject)]
pub struct ApprovalRequestInput {
    /// Whose.
    organization_id: ID,
    /// Which patch.
    patch_id: Option<ID>,
    /// For which hosts; absent: all of the organization.
    group_id: Option<ID>,
    /// Which halted deployment, instead of a patch.
    deployment_id: Option<ID>,
    /// How many distinct people, 1 to 5.
    #[graphql(default_with = "Some(1)")]
    required: Option<i32>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// A person decides.
#[derive(Clone, InputObject)]
pub struct ApprovalDecideInput {
    /// Which.
    id: ID,
    /// What.
    verdict: ApprovalVerdict,
    /// Why; 3 to 500 characters.
    reason: String,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `approvalRequest`.
    ApprovalRequestPayload {
        /// The approval.
        approval: Approval,
    }
}
payload! {
    /// Answer of `approvalDecide`.
    ApprovalDecidePayload {
        /// The approval.
        approval: Approval,
    }
}

/// Approvals.
#[derive(Default)]
pub struct ApprovalMutation;

#[Object]
impl ApprovalMutation {
    /// Asks people.
    #[graphql(complexity = "10 + child_complexity")]
    async fn approval_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: ApprovalRequestInput,
    ) -> Result<ApprovalRequestPayload> {
        answer(request(ctx, input).await)
    }

    /// A person decides. Who asked may not; programs never.
    #[graphql(complexity = "10 + child_complexity")]
    async fn approval_decide(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: ApprovalDecideInput,
    ) -> Result<ApprovalDecidePayload> {
        answer(decide(ctx, input).await)
    }
}

fn subject(input: &ApprovalRequestInput, of: OrganizationId) -> Result<policy::Subject> {
    match (&input.patch_id, &input.deployment_id) {
        (Some(patch), None) => {
            let absent = |error: ServiceError| ServiceError {
                path: vec!["patchId".to_owned()],
                ..error
            };
            let group =
                |id: &ID| same_organization::<GroupId>(id, of, GroupId::PREFIX, "groupId", "group");
            Ok(policy::Subject::Patch {
                patch: catalog_id::<PatchId>(patch, PatchId::PREFIX, "patch").map_err(absent)?,
                group: input.group_id.as_ref().map(group).transpose()?,
            })
        }
        (None, Some(deployment)) if input.group_id.is_none() => Ok(policy::Subject::Deployment {
            deployment: same_organization(
                deployment,
                of,
                DeploymentId::PREFIX,
                "deploymentId",
                "deployment",
            )?,
        }),
        _ => Err(ServiceError::invalid(
            "patchId",
            "name either a patch (and perhaps a group) or a deployment",
        )),
    }
}

async fn request(ctx: &Context<'_>, input: ApprovalRequestInput) -> Result<ApprovalRequestPayload> {
    let session = session(ctx)?;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    let ask = policy::ApprovalRequest {
        subject: subject(&input, of)?,
        required: u32::try_from(input.required.unwrap_or(1)).unwrap_or(0),
    };
    let work = session.apis.policy.approval_request(&request, ask);
    let made = once(
        session,
        &request,
        "approvalRequest",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let approval = match made {
        Once::Done(approval) => approval,
        Once::Before(ids) => {
            session
                .apis
                .policy
                .approval_get(&request, policy::ApprovalGet { id: first(&ids)? })
                .await?
        }
    };
    Ok(ApprovalRequestPayload {
        approval: Some(Approval(approval)),
        ..Default::default()
    })
}

async fn decide(ctx: &Context<'_>, input: ApprovalDecideInput) -> Result<ApprovalDecidePayload> {
    let session = session(ctx)?;
    let (of, id) = tenant_id::<ApprovalId>(&input.id, ApprovalId::PREFIX, "approval")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("approval"))?;
    if request.actor.kind != ActorKind::User {
        return Err(ServiceError::forbidden("only people decide approvals"));
    }
    let decision = policy::ApprovalDecide {
        id,
        verdict: input.verdict.into(),
        reason: input.reason.clone(),
    };
    let work = session.apis.policy.approval_decide(&request, decision);
    let made = once(
        session,
        &request,
        "approvalDecide",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let approval = match made {
        Once::Done(approval) => approval,
        Once::Before(ids) => {
            session
                .apis
                .policy
                .approval_get(&request, policy::ApprovalGet { id: first(&ids)? })
                .await?
        }
    };
    Ok(ApprovalDecidePayload {
        approval: Some(Approval(approval)),
        ..Default::default()
    })
}
