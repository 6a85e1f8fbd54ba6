//! A person changes a deployment: pause, resume, halt, cancel. Stopping is easier than starting.

use super::{SchedulerService, narrowed, whole_organization};
use crate::domain::status::{Act, after};
use crate::store::{self, deployment::Stored};
use netpatch_policy_api::{ApprovalGet, ApprovalRequest, ApprovalStatus, ApprovalUsable, Subject};
use netpatch_protocol::document::Halt;
use netpatch_scheduler_api::*;
use netpatch_storage::TenantTx;
use netpatch_types::{
    ApprovalId, DeploymentId, ErrorCode, Permission, RequestContext, ServiceError, ServiceResult,
    Sha256,
};
use prost::Message as _;

/// What goes along with a transition, in its transaction.
enum Along {
    Nothing,
    /// Sign a halt.
    Halt(String),
    /// Sign a halt, for good.
    End(String),
    /// A resume waits for this approval.
    WaitFor(ApprovalId),
    /// Go on under a new sequence, if it is this approval that is waited for.
    Renew(ApprovalId),
}

impl SchedulerService {
    pub(super) async fn pause(
        &self,
        ctx: &RequestContext,
        request: DeploymentChange,
    ) -> ServiceResult<Deployment> {
        ctx.require(Permission::Stop)?;
        self.change(ctx, &request, Act::Pause, Along::Nothing).await
    }

    pub(super) async fn halt(
        &self,
        ctx: &RequestContext,
        request: DeploymentChange,
    ) -> ServiceResult<Deployment> {
        ctx.require(Permission::Stop)?;
        let reason = reason(&request)?;
        self.change(ctx, &request, Act::Halt, Along::Halt(reason))
            .await
    }

    pub(super) async fn cancel(
        &self,
        ctx: &RequestContext,
        request: DeploymentChange,
    ) -> ServiceResult<Deployment> {
        ctx.require(Permission::Stop)?;
        whole_organization(ctx)?;
        let reason = reason(&request)?;
        self.change(ctx, &request, Act::Cancel, Along::End(reason))
            .await
    }

    /// After a pause at once; after a halt only with a new approval, and then under a new sequence.
    pub(super) async fn resume(
        &self,
        ctx: &RequestContext,
        request: DeploymentChange,
    ) -> ServiceResult<Deployment> {
        ctx.require(Permission::Resume)?;
        whole_organization(ctx)?;
        let ctx = &narrowed(ctx)?;
        let tx = self.database.write(ctx).await?;
        let current = store::deployment::own(&tx, request.id)
            .await?
            .ok_or_else(|| ServiceError::not_found("deployment"))?;
        tx.rollback().await?;
        match (current.deployment.status, current.deployment.approval) {
            (DeploymentStatus::AwaitingApproval, Some(approval)) => {
                let asked = self
                    .policy
                    .approval_get(ctx, ApprovalGet { id: approval })
                    .await?;
                match asked.status {
                    ApprovalStatus::Approved if asked.logged => {
                        self.still_approved(ctx, &current).await?;
                        self.change(ctx, &request, Act::Renew, Along::Renew(approval))
                            .await
                    }
                    ApprovalStatus::Approved | ApprovalStatus::Awaiting => Err(needs(
                        approval,
                        ctx,
                        "the approval for going on after the halt is not there yet",
                    )),
                    ApprovalStatus::Declined
                    | ApprovalStatus::Deferred
                    | ApprovalStatus::Banned
                    | ApprovalStatus::Expired => self.ask_anew(ctx, &request).await,
                }
            }
            (DeploymentStatus::Halted | DeploymentStatus::AwaitingApproval, _) => {
                self.ask_anew(ctx, &request).await
            }
            _ => {
                self.change(ctx, &request, Act::Resume, Along::Nothing)
                    .await
            }
        }
    }

    async fn ask_anew(
        &self,
        ctx: &RequestContext,
        request: &DeploymentChange,
    ) -> ServiceResult<Deployment> {
        let approval = self.ask(ctx, request.id).await?;
        self.change(ctx, request, Act::Ask, Along::WaitFor(approval))
            .await?;
        Err(needs(
            approval,
            ctx,
            "going on after a halt needs a new approval; it is asked for",
        ))
    }

    /// What was declined, banned or put off meanwhile does not go on. Fewer packages than approved are fine: hosts have been patched.
    async fn still_approved(&self, ctx: &RequestContext, stored: &Stored) -> ServiceResult<()> {
        let usable = self
            .policy
            .approval_usable(
                ctx,
                ApprovalUsable {
                    patches: stored.deployment.patches.clone(),
                    group: stored.group,
                },
            )
            .await?;
        for missing in usable.missing {
            let status = match missing.approval {
                Some(id) => Some(
                    self.policy
                        .approval_get(ctx, ApprovalGet { id })
                        .await?
                        .status,
                ),
                None => None,
            };
            if status != Some(ApprovalStatus::Approved) {
                return Err(ServiceError::invalid_state(format!(
                    "a patch of this deployment may not go any more: {}; cancel it and deploy the others",
                    missing.reason
                )));
            }
        }
        Ok(())
    }

    async fn ask(
        &self,
        ctx: &RequestContext,
        deployment: DeploymentId,
    ) -> ServiceResult<ApprovalId> {
        let request = ApprovalRequest {
            subject: Subject::Deployment { deployment },
            required: 1,
        };
        Ok(self.policy.approval_request(ctx, request).await?.id)
    }

    /// The wave that the halt stopped waits again, so that it is signed anew.
    async fn reopen(&self, tx: &TenantTx, deployment: DeploymentId) -> ServiceResult<()> {
        for mut wave in store::wave::of_deployment(tx, deployment).await? {
            if matches!(
                wave.status,
                WaveStatus::Open | WaveStatus::Closing | WaveStatus::Failed
            ) {
                wave.status = WaveStatus::Waiting;
                wave.reason = "resumed after a halt".to_owned();
                wave.closing_at = None;
                wave.ended_at = None;
                store::wave::save(tx, &wave).await?;
            }
        }
        Ok(())
    }

    /// One transition: locked, checked, written, told.
    async fn change(
        &self,
        ctx: &RequestContext,
        request: &DeploymentChange,
        act: Act,
        along: Along,
    ) -> ServiceResult<Deployment> {
        let tx = self.database.write(ctx).await?;
        let mut stored = store::deployment::lock(&tx, request.id)
            .await?
            .ok_or_else(|| ServiceError::not_found("deployment"))?;
        ServiceError::unless_read(request.if_match.as_deref(), &stored.deployment.etag)?;
        stored.deployment.status = after(stored.deployment.status, act)?;
        // A deployment that never started goes back to waiting for its first wave.
        if matches!(act, Act::Resume | Act::Renew) && stored.deployment.started_at.is_none() {
            stored.deployment.status = DeploymentStatus::Scheduled;
        }
        stored.deployment.reason = request.reason.trim().chars().take(500).collect();
        match along {
            Along::Nothing => {}
            Along::Halt(reason) => {
                stored.deployment.approval = None;
                self.sign_halt(&tx, &stored, &reason).await?;
            }
            Along::End(reason) => {
                stored.deployment.ended_at = Some(self.clock.now());
                self.sign_halt(&tx, &stored, &reason).await?;
            }
            Along::WaitFor(approval) => stored.deployment.approval = Some(approval),
            Along::Renew(approval) => {
                if stored.deployment.approval != Some(approval) {
                    return Err(ServiceError::conflict(stored.deployment.etag));
                }
                stored.deployment.approval = None;
                // Orders of before the halt never run again; the wave gets a new one.
                stored.floor = stored.sequence + 1;
                self.reopen(&tx, stored.deployment.id).await?;
            }
        }
        store::deployment::save(&tx, &stored).await?;
        self.note_change(&tx, ctx, &stored.deployment).await?;
        // As it stands now, without needing the right to read it.
        let changed = store::deployment::own(&tx, request.id)
            .await?
            .ok_or_else(|| ServiceError::not_found("deployment"))?;
        tx.commit().await?;
        self.hint(changed.deployment.tenant).await;
        Ok(changed.deployment)
    }

    /// The platform stops a deployment for a reason; nothing if it is over or stands already.
    pub(crate) async fn stop(
        &self,
        ctx: &RequestContext,
        id: DeploymentId,
        reason: &str,
    ) -> ServiceResult<()> {
        let request = DeploymentChange {
            id,
            reason: reason.chars().take(500).collect(),
            if_match: None,
        };
        let stopped = self
            .change(
                ctx,
                &request,
                Act::Halt,
                Along::Halt(request.reason.clone()),
            )
            .await;
        match stopped {
            Err(error) if error.code == ErrorCode::InvalidState => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Signs the halt of every order so far. It is released at once: stopping never waits for the ledger.
    pub(crate) async fn sign_halt(
        &self,
        tx: &TenantTx,
        stored: &Stored,
        reason: &str,
    ) -> ServiceResult<()> {
        let (deployment, now) = (&stored.deployment, self.clock.now());
        let halt = Halt {
            organization_id: deployment.tenant.to_string(),
            deployment_id: deployment.id.to_string(),
            sequence: stored.sequence,
            reason: reason.chars().take(500).collect(),
            at_ms: now.timestamp_millis(),
        };
        let envelope = self.signers.seal(deployment.tenant, &halt)?;
        let document = store::document::Stored {
            digest: Sha256::of(&envelope.payload),
            deployment: deployment.id,
            wave: None,
            kind: "halt".to_owned(),
            sequence: stored.sequence,
            low: 0,
            high: 0,
            envelope: envelope.encode_to_vec(),
            released: true,
            not_after: deployment.not_after,
        };
        store::document::insert(tx, &document, now).await?;
        let event = SchedulerEventV1::HaltSigned {
            deployment: deployment.id,
            envelope: document.envelope,
        };
        Ok(self.emit(tx, &deployment.id.to_string(), event).await?)
    }
}

fn reason(request: &DeploymentChange) -> ServiceResult<String> {
    let reason = request.reason.trim();
    if (3..=500).contains(&reason.chars().count()) {
        Ok(reason.to_owned())
    } else {
        Err(ServiceError::invalid(
            "reason",
            "say why, in 3 to 500 characters",
        ))
    }
}

fn needs(approval: ApprovalId, ctx: &RequestContext, message: &str) -> ServiceError {
    ServiceError {
        detail: ctx.write.map(|tenant| approval.public(tenant)),
        ..ServiceError::new(ErrorCode::ApprovalRequired, message)
    }
}
