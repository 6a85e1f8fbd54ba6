//! `deploymentCreate`, `deploymentPause`, `deploymentResume`, `deploymentHalt`, `deploymentCancel`.

use super::{answer, payload};
use crate::graphql::context::{Session, catalog_id, organization_id, same_organization, tenant_id};
use crate::graphql::model::{Deployment, DeploymentPlan};
use crate::graphql::once::{Once, first, once};
use crate::graphql::{DateTime, Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_scheduler_api as scheduler;
use netpatch_types::{DeploymentId, ErrorCode, PatchId, PolicyId, RequestContext, ServiceError};

/// A new deployment of approved patches.
#[derive(Clone, InputObject)]
pub struct DeploymentCreateInput {
    /// Whose.
    organization_id: ID,
    /// The policy whose rollout, windows and group to follow.
    policy_id: ID,
    /// 1 to 500 patches; each must be approved for the policy's group.
    patch_ids: Vec<ID>,
    /// For a person; absent: made from the patches.
    name: Option<String>,
    /// No install before; absent: now.
    not_before: Option<DateTime>,
    /// No install starts after; absent: 14 days.
    not_after: Option<DateTime>,
    /// Only say what would happen.
    #[graphql(default_with = "Some(false)")]
    dry_run: Option<bool>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// A person's change of state.
#[derive(Clone, InputObject)]
pub struct DeploymentChangeInput {
    /// Which.
    id: ID,
    /// Why; 3 to 500 characters, may be empty for a pause.
    #[graphql(default_with = "Some(\"\".to_owned())")]
    reason: Option<String>,
    /// The etag that was read.
    if_match: Option<String>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `deploymentCreate`.
    DeploymentCreatePayload {
        /// The deployment; null for a dry run or when approvals are missing.
        deployment: Deployment,
        /// What will, or would, happen.
        plan: DeploymentPlan,
    }
}
payload! {
    /// Answer of `deploymentPause`.
    DeploymentPausePayload {
        /// The deployment.
        deployment: Deployment,
    }
}
payload! {
    /// Answer of `deploymentResume`.
    DeploymentResumePayload {
        /// The deployment.
        deployment: Deployment,
    }
}
payload! {
    /// Answer of `deploymentHalt`.
    DeploymentHaltPayload {
        /// The deployment.
        deployment: Deployment,
    }
}
payload! {
    /// Answer of `deploymentCancel`.
    DeploymentCancelPayload {
        /// The deployment.
        deployment: Deployment,
    }
}

/// Deployments.
#[derive(Default)]
pub struct DeploymentMutation;

#[Object]
impl DeploymentMutation {
    /// Plans and, unless it is a dry run, creates a deployment of approved patches.
    #[graphql(complexity = "50 + child_complexity")]
    async fn deployment_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: DeploymentCreateInput,
    ) -> Result<DeploymentCreatePayload> {
        answer(create(ctx, input).await)
    }

    /// No new run starts until resumed.
    #[graphql(complexity = "10 + child_complexity")]
    async fn deployment_pause(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: DeploymentChangeInput,
    ) -> Result<DeploymentPausePayload> {
        let changed = change(ctx, "deploymentPause", input, Change::Pause).await;
        answer(changed.map(|deployment| DeploymentPausePayload {
            deployment: Some(deployment),
            ..Default::default()
        }))
    }

    /// Goes on after a pause; after a halt only with a new approval.
    #[graphql(complexity = "10 + child_complexity")]
    async fn deployment_resume(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: DeploymentChangeInput,
    ) -> Result<DeploymentResumePayload> {
        let changed = change(ctx, "deploymentResume", input, Change::Resume).await;
        answer(changed.map(|deployment| DeploymentResumePayload {
            deployment: Some(deployment),
            ..Default::default()
        }))
    }

    /// The kill switch: no install starts after the halt arrives.
    #[graphql(complexity = "10 + child_complexity")]
    async fn deployment_halt(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: DeploymentChangeInput,
    ) -> Result<DeploymentHaltPayload> {
        let changed = change(ctx, "deploymentHalt", input, Change::Halt).await;
        answer(changed.map(|deployment| DeploymentHaltPayload {
            deployment: Some(deployment),
            ..Default::default()
        }))
    }

    /// Ends it for good.
    #[graphql(complexity = "10 + child_complexity")]
    async fn deployment_cancel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: DeploymentChangeInput,
    ) -> Result<DeploymentCancelPayload> {
        let changed = change(ctx, "deploymentCancel", input, Change::Cancel).await;
        answer(changed.map(|deployment| DeploymentCancelPayload {
            deployment: Some(deployment),
            ..Default::default()
        }))
    }
}

async fn create(
    ctx: &Context<'_>,
    input: DeploymentCreateInput,
) -> Result<DeploymentCreatePayload> {
    let session = session(ctx)?;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    let patch = |id: &ID| {
        catalog_id::<PatchId>(id, PatchId::PREFIX, "patch").map_err(|error| ServiceError {
            path: vec!["patchIds".to_owned()],
            ..error
        })
    };
    let create = scheduler::DeploymentCreate {
        name: input.name.clone().unwrap_or_default(),
        policy: same_organization::<PolicyId>(
            &input.policy_id,
            of,
            PolicyId::PREFIX,
            "policyId",
            "policy",
        )?,
        patches: input.patch_ids.iter().map(patch).collect::<Result<_>>()?,
        not_before: input.not_before.map(|time| time.0),
        not_after: input.not_after.map(|time| time.0),
        dry_run: input.dry_run.unwrap_or(false),
    };
    let work = planned(session, &request, create);
    let plan = if input.dry_run.unwrap_or(false) {
        work.await?
    } else {
        let ids = |plan: &scheduler::DeploymentPlan| {
            plan.deployment
                .iter()
                .map(|deployment| deployment.id.0)
                .collect()
        };
        match once(
            session,
            &request,
            "deploymentCreate",
            &input.idempotency_key,
            &input,
            work,
            ids,
        )
        .await?
        {
            Once::Done(plan) => plan,
            Once::Before(ids) => {
                let get = scheduler::DeploymentGet { id: first(&ids)? };
                let deployment = session.apis.scheduler.deployment_get(&request, get).await?;
                return Ok(DeploymentCreatePayload {
                    deployment: Some(Deployment(deployment)),
                    ..Default::default()
                });
            }
        }
    };
    let refusals = missing(&plan, &request, input.dry_run.unwrap_or(false));
    Ok(DeploymentCreatePayload {
        deployment: plan.deployment.clone().map(Deployment),
        plan: Some(DeploymentPlan { of, plan }),
        user_errors: refusals,
    })
}

async fn planned(
    session: &Session,
    request: &RequestContext,
    create: scheduler::DeploymentCreate,
) -> Result<scheduler::DeploymentPlan> {
    session
        .apis
        .scheduler
        .deployment_create(request, create)
        .await
}

/// What stands in the way of a deployment that was to be created.
fn missing(
    plan: &scheduler::DeploymentPlan,
    request: &RequestContext,
    dry_run: bool,
) -> Vec<crate::graphql::model::UserError> {
    if dry_run || plan.deployment.is_some() {
        return Vec::new();
    }
    let refusal = |missing: &scheduler::NotDeployable| ServiceError {
        path: vec!["patchIds".to_owned()],
        detail: missing
            .approval
            .zip(request.write)
            .map(|(approval, of)| approval.public(of)),
        ..ServiceError::new(ErrorCode::ApprovalRequired, missing.reason.clone())
    };
    plan.missing
        .iter()
        .filter_map(|missing| crate::graphql::model::UserError::of(refusal(missing)).ok())
        .collect()
}

enum Change {
    Pause,
    Resume,
    Halt,
    Cancel,
}

async fn change(
    ctx: &Context<'_>,
    mutation: &str,
    input: DeploymentChangeInput,
    change: Change,
) -> Result<Deployment> {
    let session = session(ctx)?;
    let (of, id) = tenant_id::<DeploymentId>(&input.id, DeploymentId::PREFIX, "deployment")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("deployment"))?;
    let api = &session.apis.scheduler;
    let wanted = scheduler::DeploymentChange {
        id,
        reason: input.reason.clone().unwrap_or_default(),
        if_match: input.if_match.clone(),
    };
    let work = async {
        match change {
            Change::Pause => api.deployment_pause(&request, wanted).await,
            Change::Resume => api.deployment_resume(&request, wanted).await,
            Change::Halt => api.deployment_halt(&request, wanted).await,
            Change::Cancel => api.deployment_cancel(&request, wanted).await,
        }
    };
    let made = once(
        session,
        &request,
        mutation,
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let deployment = match made {
        Once::Done(deployment) => deployment,
        Once::Before(ids) => {
            api.deployment_get(&request, scheduler::DeploymentGet { id: first(&ids)? })
                .await?
        }
    };
    Ok(Deployment(deployment))
}
