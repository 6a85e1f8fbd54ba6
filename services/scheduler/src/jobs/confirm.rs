//! A run counts as succeeded when the host, scanned after it, no longer needs what the run installed.

use crate::SchedulerService;
use crate::domain::cause::explain;
use crate::store;
use chrono::Duration;
use netpatch_inventory_api::{HostGet, PatchPending};
use netpatch_scheduler_api::RunStatus;
use netpatch_types::{DeploymentId, ErrorCode, PatchId, RequestContext, ServiceResult};

/// A scan so long after the end that still shows the findings is the last word; one must come within the time after which
/// the rollout counts a host as silent.
const PATIENCE_SECONDS: i64 = 120;

impl SchedulerService {
    pub(super) async fn confirm(
        &self,
        ctx: &RequestContext,
        deployment: DeploymentId,
    ) -> ServiceResult<()> {
        let tx = self.database.read(ctx).await?;
        let runs = store::run::unconfirmed(&tx, deployment).await?;
        let Some(planned) = store::deployment::get(&tx, deployment).await? else {
            return Ok(());
        };
        tx.rollback().await?;
        let silent_after = i64::from(planned.rollout.silent_after_seconds);
        for stored in runs {
            let run = stored.run.id;
            let checked = self.check(ctx, stored, &planned.deployment.patches, silent_after);
            if let Err(error) = checked.await {
                tracing::warn!(%error, %run, "a run could not be confirmed; trying again");
            }
        }
        Ok(())
    }

    /// Asks inventory what the host needs now, and writes down what that means.
    async fn check(
        &self,
        ctx: &RequestContext,
        stored: store::run::Stored,
        patches: &[PatchId],
        silent_after: i64,
    ) -> ServiceResult<()> {
        let id = stored.run.host;
        let host = match self.inventory.host_get(ctx, HostGet { id }).await {
            Err(error) if error.code == ErrorCode::NotFound => {
                let why = "the host is not known any more";
                return self.record(ctx, stored, Err(why.to_owned())).await;
            }
            other => other?,
        };
        // The platform's clock, as the scan's.
        let ended = stored.run.last_event_at.unwrap_or_default();
        let same = stored.manifest.is_some() && host.manifest == stored.manifest;
        let scanned = same || host.last_scan_at.is_some_and(|scan| scan >= ended);
        if !scanned {
            let patience = Duration::seconds(silent_after.max(PATIENCE_SECONDS));
            if self.clock.now() < ended + patience {
                return Ok(());
            }
            let why = "the host has not been scanned since the run ended";
            return self.record(ctx, stored, Err(why.to_owned())).await;
        }
        let asked = PatchPending {
            host: id,
            patches: patches.to_vec(),
        };
        let pending = self.inventory.patch_pending(ctx, asked).await?;
        if pending.is_empty() {
            return self.record(ctx, stored, Ok(())).await;
        }
        let late = ended + Duration::seconds(PATIENCE_SECONDS);
        if host.last_scan_at.is_some_and(|scan| scan >= late) {
            let why = format!(
                "{} of the deployment's patches are still needed by the host's newest scan",
                pending.len()
            );
            return self.record(ctx, stored, Err(why)).await;
        }
        Ok(())
    }

    async fn record(
        &self,
        ctx: &RequestContext,
        seen: store::run::Stored,
        outcome: Result<(), String>,
    ) -> ServiceResult<()> {
        let tx = self.database.write(ctx).await?;
        let run = &seen.run;
        let key = store::run::Key {
            deployment: run.deployment,
            host: run.host,
            sequence: run.sequence,
            attempt: run.attempt,
        };
        let Some(mut stored) = store::run::lock(&tx, key)
            .await?
            .filter(|now| now.run.confirmed.is_none() && now.run.status == RunStatus::Succeeded)
        else {
            return Ok(());
        };
        stored.run.confirmed = Some(outcome.is_ok());
        if let Err(why) = outcome {
            stored.run.error = Some(explain("not_confirmed", "", vec![why]));
        }
        store::run::save(&tx, &stored).await?;
        self.emit(
            &tx,
            &stored.run.id.to_string(),
            netpatch_scheduler_api::SchedulerEventV1::RunChanged {
                deployment: stored.run.deployment,
                wave: stored.run.wave,
                run: stored.run.id,
                host: stored.run.host,
                status: stored.run.status,
                cause: stored.run.error.map(|error| error.code).unwrap_or_default(),
            },
        )
        .await?;
        tx.commit().await?;
        self.hint_events().await;
        Ok(())
    }
}
