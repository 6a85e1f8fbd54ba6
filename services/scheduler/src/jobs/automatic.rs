//! Policies that deploy by themselves: what is approved, stands in the ledger and is in no deployment yet, once a window is
//! within a day.
//!
//! What a person cancelled, only a person deploys again. What a deployment has ended with, on hosts that still need it, is
//! tried again a day later at the earliest.

use crate::SchedulerService;
use crate::store::{self, deployment::Use};
use chrono::{DateTime, Duration, Utc};
use netpatch_inventory_api::PatchList;
use netpatch_policy_api::{ApprovalUsable, Policy, PolicyGet};
use netpatch_scheduler_api::{DeploymentCreate, DeploymentStatus};
use netpatch_types::{ErrorCode, PageRequest, PatchId, PolicyId, RequestContext, ServiceResult};
use std::collections::BTreeSet;

/// How often a policy is looked at.
const LOOK_SECONDS: i64 = 60;
/// A deployment has at most so many patches.
const MAX_PATCHES: usize = 500;
/// How long a cancelled deployment keeps its patches from going by themselves.
const REMEMBERED_DAYS: i64 = 90;

impl SchedulerService {
    /// Looks at every policy that is due. One that fails does not hold up the others.
    pub(super) async fn deploy_automatically(&self) -> ServiceResult<()> {
        let since = self.clock.now() - Duration::seconds(LOOK_SECONDS);
        let tx = self.database.worker_tx().await?;
        let due = store::automatic::due(&tx, since).await?;
        tx.rollback().await?;
        for (tenant, policy) in due {
            let ctx = self.system(tenant);
            if let Err(error) = self.look_at(&ctx, policy, since).await {
                tracing::warn!(%error, tenant.id = %tenant, %policy, "a policy could not deploy by itself; trying again");
            }
        }
        Ok(())
    }

    async fn look_at(
        &self,
        ctx: &RequestContext,
        id: PolicyId,
        since: DateTime<Utc>,
    ) -> ServiceResult<()> {
        let now = self.clock.now();
        // Whoever takes the look has it alone; killed after this, the next look comes in a minute.
        let tx = self.database.write(ctx).await?;
        if !store::automatic::take(&tx, id, since, now).await? {
            return Ok(());
        }
        tx.commit().await?;
        let policy = self.policy.policy_get(ctx, PolicyGet { id }).await?;
        if !policy.spec.enabled || !policy.spec.automatic || !self.opens_soon(ctx, &policy).await? {
            return Ok(());
        }
        let mut patches = self.undeployed(ctx, &policy).await?;
        // Whatever may not go for another reason is left out, then tried once more.
        for _ in 0..2 {
            if patches.is_empty() {
                return Ok(());
            }
            let request = DeploymentCreate {
                name: String::new(),
                policy: id,
                patches: patches.clone(),
                not_before: None,
                not_after: None,
                dry_run: false,
            };
            let plan = match self.create_deployment(ctx, request).await {
                Err(error) if error.code == ErrorCode::BadUserInput => {
                    tracing::info!(%error, policy.id = %id, "nothing to deploy by itself");
                    return Ok(());
                }
                other => other?,
            };
            if let Some(deployment) = plan.deployment {
                tracing::info!(tenant.id = %deployment.tenant, deployment.id = %deployment.id, "deployed by a policy");
                return Ok(());
            }
            patches.retain(|patch| plan.missing.iter().all(|missing| missing.patch != *patch));
        }
        Ok(())
    }

    /// Whether a window of the policy is open or opens within a day.
    async fn opens_soon(&self, ctx: &RequestContext, policy: &Policy) -> ServiceResult<bool> {
        if policy.spec.windows.is_empty() {
            return Ok(false);
        }
        let (now, windows) = (self.clock.now(), self.windows(ctx, policy).await?);
        // A rule without a zone opens in each host's own; a day is wide enough for all of them to begin.
        Ok(windows.maintenance.iter().any(|rule| {
            netpatch_window::open_between(
                rule,
                &windows.blackouts,
                chrono_tz::UTC,
                now,
                now + Duration::days(1),
            )
            .is_ok_and(|open| !open.is_empty())
        }))
    }

    /// Approved patches that hosts need and that no deployment has.
    async fn undeployed(
        &self,
        ctx: &RequestContext,
        policy: &Policy,
    ) -> ServiceResult<Vec<PatchId>> {
        let mut wanted = BTreeSet::new();
        let mut page = PageRequest::largest();
        loop {
            let list = PatchList {
                page: page.clone(),
                ..PatchList::default()
            };
            let found = self.inventory.patch_list(ctx, list).await?;
            page.after = found.rows.last().map(|row| row.cursor.clone());
            let has_next = found.has_next && page.after.is_some();
            wanted.extend(
                found
                    .into_nodes()
                    .into_iter()
                    .filter(|patch| patch.hosts > 0)
                    .map(|patch| patch.id),
            );
            if !has_next || wanted.len() >= 10_000 {
                break;
            }
        }
        let now = self.clock.now();
        let tx = self.database.write(ctx).await?;
        let uses = store::deployment::uses(&tx, now - Duration::days(REMEMBERED_DAYS)).await?;
        tx.rollback().await?;
        let taken = |used: &&Use| {
            used.group == policy.spec.group
                && (used.status != DeploymentStatus::Completed
                    || used
                        .ended_at
                        .is_none_or(|ended| ended > now - Duration::days(1)))
        };
        for used in uses.iter().filter(taken) {
            for patch in &used.patches {
                wanted.remove(patch);
            }
        }
        let wanted: Vec<PatchId> = wanted.into_iter().collect();
        let mut approved = Vec::new();
        for patches in wanted.chunks(MAX_PATCHES) {
            let request = ApprovalUsable {
                patches: patches.to_vec(),
                group: policy.spec.group,
            };
            let usable = self.policy.approval_usable(ctx, request).await?;
            approved.extend(usable.approved.into_iter().map(|approval| approval.patch));
        }
        approved.truncate(MAX_PATCHES);
        Ok(approved)
    }
}
