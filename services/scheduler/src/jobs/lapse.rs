//! What the scheduler says of runs whose agents are silent: expired before the install, or not back from the reboot. A later
//! word of the agent overrides both.

use crate::SchedulerService;
use crate::domain::cause::explain;
use crate::domain::gate::{LEASE_SECONDS, RunFact};
use crate::service::wave::facts;
use crate::store::{self, deployment::Stored};
use chrono::Duration;
use netpatch_scheduler_api::RunStatus;
use netpatch_types::{DeploymentId, RequestContext, ServiceResult};

impl SchedulerService {
    pub(super) async fn lapse(
        &self,
        ctx: &RequestContext,
        deployment: DeploymentId,
    ) -> ServiceResult<()> {
        let tx = self.database.read(ctx).await?;
        let Some(planned) = store::deployment::get(&tx, deployment).await? else {
            return Ok(());
        };
        let runs = store::run::open(&tx, deployment).await?;
        tx.rollback().await?;
        if runs.is_empty() {
            return Ok(());
        }
        let seen = self.seen(ctx, &runs).await?;
        for (stored, fact) in runs.iter().zip(facts(&runs, &seen)) {
            if let Some((status, cause, message)) = self.verdict(&planned, fact) {
                self.end(ctx, stored, status, cause, message).await?;
            }
        }
        Ok(())
    }

    fn verdict(
        &self,
        planned: &Stored,
        run: RunFact,
    ) -> Option<(RunStatus, &'static str, &'static str)> {
        let now = self.clock.now();
        // A report on its way may still say that the install began in time.
        let over = now >= planned.deployment.not_after + Duration::seconds(LEASE_SECONDS);
        if over && before_installing(run.status) {
            return Some((
                RunStatus::Expired,
                "order_expired",
                "no install had begun when the deployment ended",
            ));
        }
        if run.status == RunStatus::Rebooting && run.lost(&planned.rollout, now) {
            return Some((
                RunStatus::Failed,
                "reboot_did_not_return",
                "it has not been heard of since",
            ));
        }
        None
    }

    async fn end(
        &self,
        ctx: &RequestContext,
        seen: &store::run::Stored,
        status: RunStatus,
        cause: &str,
        message: &str,
    ) -> ServiceResult<()> {
        let tx = self.database.write(ctx).await?;
        let run = &seen.run;
        let key = store::run::Key {
            deployment: run.deployment,
            host: run.host,
            sequence: run.sequence,
            attempt: run.attempt,
        };
        // Unless the agent has spoken meanwhile.
        let Some(mut stored) = store::run::lock(&tx, key)
            .await?
            .filter(|now| now.step == seen.step && now.run.status == run.status)
        else {
            return Ok(());
        };
        stored.run.status = status;
        stored.run.ended_at = Some(self.clock.now());
        stored.run.error = Some(explain(cause, message, Vec::new()));
        store::run::save(&tx, &stored).await?;
        self.note_run(&tx, &stored).await?;
        if status == RunStatus::Failed {
            // No agent is there to sign a result.
            self.note_end(&tx, &stored).await?;
        }
        tx.commit().await?;
        self.hint_events().await;
        Ok(())
    }
}

/// Expired and cancelled are reached only from here.
fn before_installing(status: RunStatus) -> bool {
    matches!(
        status,
        RunStatus::Offered
            | RunStatus::Accepted
            | RunStatus::Staging
            | RunStatus::Staged
            | RunStatus::WaitingForWindow
            | RunStatus::Snapshotting
    )
}
