//! Deployments: create, get, list.

use super::plan::Plan;
use super::{SchedulerService, narrowed, whole_organization};
use crate::store;
use chrono::Duration;
use netpatch_scheduler_api::*;
use netpatch_types::{
    DeploymentId, Page, Permission, RequestContext, ServiceError, ServiceResult, Sha256, WaveId,
};
use prost::Message as _;

/// An order must fit into a frame with room to spare.
const MAX_CONTENT_BYTES: usize = 512 * 1024;

impl SchedulerService {
    pub(crate) async fn create_deployment(
        &self,
        ctx: &RequestContext,
        request: DeploymentCreate,
    ) -> ServiceResult<DeploymentPlan> {
        ctx.require(Permission::Deploy)?;
        whole_organization(ctx)?;
        let ctx = &narrowed(ctx)?;
        let now = self.clock.now();
        let id = DeploymentId::new(now);
        let not_before = request.not_before.unwrap_or(now);
        let not_after = request.not_after.unwrap_or(not_before + Duration::days(14));
        if not_after <= not_before || not_after <= now || not_after - now > Duration::days(90) {
            return Err(ServiceError::invalid(
                "notAfter",
                "the end lies after the start and at most 90 days ahead",
            ));
        }
        let plan = self.plan(ctx, id, &request).await?;
        if plan.content.encoded_len() > MAX_CONTENT_BYTES {
            return Err(ServiceError::invalid(
                "patchIds",
                "the content list is too long for one order; take fewer patches",
            ));
        }
        let mut answer = DeploymentPlan {
            deployment: None,
            waves: plan.waves(),
            hosts: plan.targets.len() as u64,
            payload_bytes: plan.payload_bytes(),
            windows: plan.site_windows(now.max(not_before), not_after),
            missing: plan.missing.clone(),
        };
        if request.dry_run || !answer.missing.is_empty() {
            return Ok(answer);
        }
        if plan.targets.is_empty() {
            return Err(ServiceError::invalid(
                "patchIds",
                "no host of the policy's group needs any of these patches",
            ));
        }
        let policy_digest = serde_json::to_vec(&plan.policy.spec)
            .map(|spec| Sha256::of(&spec))
            .map_err(|_| ServiceError::internal())?;
        let deployment = Deployment {
            id,
            tenant: ctx.tenant()?,
            name: name(&request.name, &plan)?,
            policy: plan.policy.id,
            patches: plan.patches.clone(),
            status: DeploymentStatus::Scheduled,
            reason: String::new(),
            approval: None,
            created_by: ctx.actor.clone(),
            created_at: now,
            started_at: None,
            ended_at: None,
            not_after,
            etag: "1".to_owned(),
        };
        let stored = store::deployment::Stored {
            deployment: deployment.clone(),
            policy_digest: policy_digest.0.to_vec(),
            group: plan.policy.spec.group,
            rollout: plan.policy.spec.rollout.clone(),
            windows: plan.windows.clone(),
            content: plan.content.encode_to_vec(),
            approvals: plan.approvals.clone(),
            not_before,
            sequence: 0,
            floor: 1,
        };
        let tx = self.database.write(ctx).await?;
        store::deployment::insert(&tx, &stored).await?;
        for (ordinal, slice) in (1u32..).zip(&plan.slices) {
            let wave = store::wave::Stored {
                tenant: deployment.tenant,
                id: WaveId::new(now),
                deployment: id,
                ordinal,
                status: WaveStatus::Waiting,
                reason: String::new(),
                low: slice.low,
                high: slice.high,
                total: slice.hosts as u64,
                opened_at: None,
                closing_at: None,
                ended_at: None,
            };
            store::wave::insert(&tx, &wave).await?;
        }
        self.note_change(&tx, ctx, &deployment).await?;
        tx.commit().await?;
        self.hint(deployment.tenant).await;
        answer.deployment = Some(deployment);
        Ok(answer)
    }

    pub(super) async fn get_deployment(
        &self,
        ctx: &RequestContext,
        id: DeploymentId,
    ) -> ServiceResult<Deployment> {
        ctx.require(Permission::Read)?;
        let tx = self.database.read(ctx).await?;
        let stored = store::deployment::get(&tx, id)
            .await?
            .ok_or_else(|| ServiceError::not_found("deployment"))?;
        Ok(stored.deployment)
    }

    pub(super) async fn list_deployments(
        &self,
        ctx: &RequestContext,
        request: DeploymentList,
    ) -> ServiceResult<Page<Deployment>> {
        ctx.require(Permission::Read)?;
        let tx = self.database.read(ctx).await?;
        let rows = store::deployment::list(&tx, &request).await?;
        let rows = rows.into_iter().map(|stored| stored.deployment).collect();
        Ok(Page::from_rows(
            rows,
            request.page.limit(),
            |deployment: &Deployment| deployment.id.to_string(),
        ))
    }

    /// The event that goes with a deployment's new state.
    pub(crate) async fn note_change(
        &self,
        tx: &netpatch_storage::TenantTx,
        ctx: &RequestContext,
        deployment: &Deployment,
    ) -> ServiceResult<()> {
        let event = SchedulerEventV1::DeploymentChanged {
            deployment: deployment.id,
            name: deployment.name.clone(),
            status: deployment.status,
            reason: deployment.reason.clone(),
            by: ctx.actor.clone(),
        };
        Ok(self.emit(tx, &deployment.id.to_string(), event).await?)
    }
}

fn name(wanted: &str, plan: &Plan) -> ServiceResult<String> {
    let name = wanted.trim();
    if name.chars().count() > 120 || name.contains(char::is_control) {
        return Err(ServiceError::invalid(
            "name",
            "a name has at most 120 characters and no control characters",
        ));
    }
    if name.is_empty() {
        let patches = plan.patches.len();
        let noun = if patches == 1 { "patch" } else { "patches" };
        return Ok(format!("{}: {patches} {noun}", plan.policy.spec.name));
    }
    Ok(name.to_owned())
}
