//! A deployment moves by one step: its next wave opens, closes, passes, or halts everything.

use crate::SchedulerService;
use crate::domain::gate::{self, Times, Verdict};
use crate::domain::status::{Act, after};
use crate::store::{self, deployment::Stored, wave::Stored as Wave};
use netpatch_scheduler_api::{DeploymentStatus, SchedulerEventV1, WaveStatus};
use netpatch_storage::TenantTx;
use netpatch_types::{DeploymentId, RequestContext, ServiceResult};

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
                self.read_gate(&tx, ctx, &mut deployment, wave).await?
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
    ) -> ServiceResult<bool> {
        let now = self.clock.now();
        let runs = store::run::newest_of_wave(tx, wave.id).await?;
        // Runs of before a halt say nothing about the order that is out now.
        let runs: Vec<_> = runs
            .into_iter()
            .filter(|run| run.run.sequence >= deployment.floor || run.run.confirmed == Some(true))
            .collect();
        let facts = self.facts(ctx, &runs).await?;
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
                wave.status = WaveStatus::Failed;
                wave.reason.clone_from(&reason);
                wave.ended_at = Some(now);
                deployment.deployment.status = after(deployment.deployment.status, Act::Halt)?;
                deployment.deployment.reason = format!("wave {}: {reason}", wave.ordinal);
                self.sign_halt(tx, deployment, &deployment.deployment.reason.clone())
                    .await?;
                store::deployment::save(tx, deployment).await?;
                self.note_change(tx, ctx, &deployment.deployment).await?;
            }
        }
        self.move_wave(tx, &wave).await?;
        Ok(true)
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
