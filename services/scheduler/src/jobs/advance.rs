//! A deployment moves by one step: its next wave opens, closes, passes, or halts everything.

use crate::SchedulerService;
use crate::domain::gate::{self, Times, Verdict};
use crate::domain::status::{Act, after};
use crate::service::wave::{facts, that_count};
use crate::store::{self, deployment::Stored, wave::Stored as Wave};
use chrono::{DateTime, Utc};
use netpatch_scheduler_api::{DeploymentStatus, SchedulerEventV1, WaveStatus};
use netpatch_storage::TenantTx;
use netpatch_types::{DeploymentId, HostId, RequestContext, ServiceResult};
use std::collections::HashMap;

impl SchedulerService {
    /// Steps until nothing moves any more.
    pub(super) async fn advance(
        &self,
        ctx: &RequestContext,
        id: DeploymentId,
    ) -> ServiceResult<()> {
        // Each step moves one wave forward; the bound only guards against a mistake of ours.
        for _ in 0..1000 {
            if !self.step(ctx, id).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn step(&self, ctx: &RequestContext, id: DeploymentId) -> ServiceResult<bool> {
        // Heartbeats are asked for before the transaction; a run that begins in between has spoken just now.
        let tx = self.database.read(ctx).await?;
        let open = store::run::open(&tx, id).await?;
        tx.rollback().await?;
        let seen = self.seen(ctx, &open).await?;
        let tx = self.database.write(ctx).await?;
        let Some(mut deployment) = store::deployment::lock(&tx, id).await? else {
            return Ok(false);
        };
        let waves = store::wave::of_deployment(&tx, id).await?;
        let current = waves
            .into_iter()
            .find(|wave| wave.status != WaveStatus::Passed);
        let moved = match (deployment.deployment.status, current) {
            (DeploymentStatus::Running, None) => self.complete(&tx, ctx, &mut deployment).await?,
            (DeploymentStatus::Scheduled | DeploymentStatus::Running, Some(wave))
                if wave.status == WaveStatus::Waiting =>
            {
                self.open(&tx, ctx, &mut deployment, wave).await?
            }
            (DeploymentStatus::Running, Some(wave)) if wave.status != WaveStatus::Failed => {
                self.read_gate(&tx, ctx, &mut deployment, wave, &seen)
                    .await?
            }
            _ => false,
        };
        if moved {
            tx.commit().await?;
            self.hint(ctx.tenant()?).await;
        }
        Ok(moved)
    }

    async fn complete(
        &self,
        tx: &TenantTx,
        ctx: &RequestContext,
        deployment: &mut Stored,
    ) -> ServiceResult<bool> {
        deployment.deployment.status = after(deployment.deployment.status, Act::Complete)?;
        deployment.deployment.reason = "every wave passed".to_owned();
        deployment.deployment.ended_at = Some(self.clock.now());
        store::deployment::save(tx, deployment).await?;
        self.note_change(tx, ctx, &deployment.deployment).await?;
        Ok(true)
    }

    async fn open(
        &self,
        tx: &TenantTx,
        ctx: &RequestContext,
        deployment: &mut Stored,
        mut wave: Wave,
    ) -> ServiceResult<bool> {
        let now = self.clock.now();
        if now < deployment.not_before {
            return Ok(false);
        }
        if now >= deployment.deployment.not_after {
            let reason = "the deployment's time was over before this wave could start";
            self.fail(tx, ctx, deployment, wave, reason.to_owned())
                .await?;
            return Ok(true);
        }
        deployment.sequence += 1;
        self.sign_order(tx, deployment, &wave).await?;
        wave.status = WaveStatus::Open;
        wave.reason = String::new();
        wave.opened_at = Some(now);
        self.move_wave(tx, &wave).await?;
        if deployment.deployment.status == DeploymentStatus::Scheduled {
            deployment.deployment.status = after(deployment.deployment.status, Act::Start)?;
            deployment.deployment.started_at = Some(now);
            self.note_change(tx, ctx, &deployment.deployment).await?;
        }
        store::deployment::save(tx, deployment).await?;
        Ok(true)
    }

    async fn read_gate(
        &self,
        tx: &TenantTx,
        ctx: &RequestContext,
        deployment: &mut Stored,
        mut wave: Wave,
        seen: &HashMap<HostId, DateTime<Utc>>,
    ) -> ServiceResult<bool> {
        let now = self.clock.now();
        let runs = store::run::newest_of_wave(tx, wave.id).await?;
        let runs = that_count(runs, deployment.floor);
        let facts = facts(&runs, seen);
        let times = Times {
            now,
            closing_at: wave.closing_at,
            not_after: deployment.deployment.not_after,
        };
        match gate::read(wave.total, &facts, &deployment.rollout, times) {
            Verdict::Wait => return Ok(false),
            Verdict::Close => {
                wave.status = WaveStatus::Closing;
                wave.closing_at = Some(now);
            }
            Verdict::Pass(reason) => {
                wave.status = WaveStatus::Passed;
                wave.reason = reason;
                wave.ended_at = Some(now);
            }
            Verdict::Fail(reason) => {
                self.fail(tx, ctx, deployment, wave, reason).await?;
                return Ok(true);
            }
        }
        self.move_wave(tx, &wave).await?;
        Ok(true)
    }

    /// The wave's gate is not satisfied: the deployment halts.
    async fn fail(
        &self,
        tx: &TenantTx,
        ctx: &RequestContext,
        deployment: &mut Stored,
        mut wave: Wave,
        reason: String,
    ) -> ServiceResult<()> {
        deployment.deployment.status = after(deployment.deployment.status, Act::Halt)?;
        deployment.deployment.reason = format!("wave {}: {reason}", wave.ordinal);
        wave.status = WaveStatus::Failed;
        wave.reason = reason;
        wave.ended_at = Some(self.clock.now());
        self.sign_halt(tx, deployment, &deployment.deployment.reason)
            .await?;
        store::deployment::save(tx, deployment).await?;
        self.note_change(tx, ctx, &deployment.deployment).await?;
        self.move_wave(tx, &wave).await
    }

    async fn move_wave(&self, tx: &TenantTx, wave: &Wave) -> ServiceResult<()> {
        store::wave::save(tx, wave).await?;
        let event = SchedulerEventV1::WaveChanged {
            deployment: wave.deployment,
            wave: wave.id,
            ordinal: wave.ordinal,
            status: wave.status,
            reason: wave.reason.clone(),
        };
        Ok(self.emit(tx, &wave.deployment.to_string(), event).await?)
    }
}
