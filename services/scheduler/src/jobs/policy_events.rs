//! Policy's events: what may not go any more stops, and policies that deploy by themselves are looked at.

use crate::SchedulerService;
use crate::store::{self, SCHEMA, deployment::Use};
use chrono::{DateTime, Utc};
use netpatch_policy_api::{
    ApprovalStatus, EventsAfter, PolicyEvent, PolicyEventV1, PolicyGet, Subject,
};
use netpatch_scheduler_api::DeploymentStatus;
use netpatch_storage::{Consumer, Until};
use netpatch_types::{ErrorCode, EventEnvelope, PolicyId, ServiceResult, TenantId};

impl SchedulerService {
    pub(super) async fn follow_policy(&self, until: Until) -> ServiceResult<usize> {
        let source = async |after, limit| {
            self.policy
                .events(&self.for_events(), EventsAfter { after, limit })
                .await
        };
        Consumer::of(SCHEMA, "policy")
            .follow(&self.database, &*self.bus, until, source, |event| {
                self.note_policy(event)
            })
            .await
    }

    async fn note_policy(&self, event: EventEnvelope) -> ServiceResult<()> {
        match serde_json::from_value(event.payload) {
            Ok(PolicyEvent::V1(PolicyEventV1::ApprovalDecided {
                subject,
                status,
                reason,
                ..
            })) => {
                self.withdrawn(event.tenant, event.at, subject, status, &reason)
                    .await
            }
            Ok(PolicyEvent::V1(PolicyEventV1::PolicyChanged { policy, .. })) => {
                self.note_automatic(event.tenant, policy).await
            }
            Ok(PolicyEvent::V1(
                PolicyEventV1::WindowChanged { .. }
                | PolicyEventV1::BaselineChanged { .. }
                | PolicyEventV1::ExceptionChanged { .. }
                | PolicyEventV1::ApprovalRequested { .. }
                | PolicyEventV1::MembershipChanged { .. },
            )) => Ok(()),
            Err(_) => {
                tracing::warn!(event = %event.id, "an event of policy in a version that the scheduler does not read");
                Ok(())
            }
        }
    }

    /// Stops the deployments of a patch that may not go any more. An order that is out carries an approval whose signature
    /// stays valid, so only a halt keeps hosts from installing.
    async fn withdrawn(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        subject: Subject,
        status: ApprovalStatus,
        reason: &str,
    ) -> ServiceResult<()> {
        let Subject::Patch { patch, group } = subject else {
            return Ok(());
        };
        let word = match status {
            ApprovalStatus::Awaiting | ApprovalStatus::Approved => return Ok(()),
            ApprovalStatus::Declined => "declined",
            ApprovalStatus::Deferred => "put off",
            ApprovalStatus::Banned => "banned",
            ApprovalStatus::Expired => "not approved any more",
        };
        let ctx = self.system(tenant);
        let tx = self.database.write(&ctx).await?;
        let uses = store::deployment::uses(&tx, at).await?;
        tx.rollback().await?;
        // A ban reaches every group. What was decided before the deployment was made was known to it.
        let concerned = |found: &Use| {
            found.patches.contains(&patch)
                && found.created_at <= at
                && (found.group == group || status == ApprovalStatus::Banned)
                && matches!(
                    found.status,
                    DeploymentStatus::Scheduled
                        | DeploymentStatus::Running
                        | DeploymentStatus::Paused
                )
        };
        for found in uses.iter().filter(|found| concerned(found)) {
            let why = format!("patch {} is {word}: {reason}", patch.public());
            self.stop(&ctx, found.id, &why).await?;
        }
        Ok(())
    }

    /// Remembers a policy that deploys by itself, and forgets one that does no longer.
    async fn note_automatic(&self, tenant: TenantId, policy: PolicyId) -> ServiceResult<()> {
        let ctx = self.system(tenant);
        let is_automatic = match self.policy.policy_get(&ctx, PolicyGet { id: policy }).await {
            Ok(policy) => policy.spec.enabled && policy.spec.automatic,
            Err(error) if error.code == ErrorCode::NotFound => false,
            Err(error) => return Err(error),
        };
        let tx = self.database.write(&ctx).await?;
        if is_automatic {
            store::automatic::note(&tx, policy).await?;
        } else {
            store::automatic::forget(&tx, policy).await?;
        }
        Ok(tx.commit().await?)
    }
}
