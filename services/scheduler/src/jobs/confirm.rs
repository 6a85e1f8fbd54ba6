//! A run counts as succeeded when the host, scanned after it, no longer needs what the run installed.

use crate::SchedulerService;
use crate::domain::cause::explain;
use crate::store;
use chrono::Duration;
use netpatch_inventory_api::{HostGet, PatchPending};
use netpatch_scheduler_api::{RunList, RunStatus};
use netpatch_types::{DeploymentId, PageRequest, RequestContext, ServiceResult};

/// A scan so long after the end that still shows the findings is the last word.
const PATIENCE_SECONDS: i64 = 120;

impl SchedulerService {
    pub(super) async fn confirm(
        &self,
        ctx: &RequestContext,
        deployment: DeploymentId,
    ) -> ServiceResult<()> {
        let request = RunList {
            page: PageRequest::largest(),
            deployment: Some(deployment),
            statuses: vec![RunStatus::Succeeded],
            ..RunList::default()
        };
        let tx = self.database.read(ctx).await?;
        let runs = store::run::list(&tx, &request).await?;
        let patches = store::deployment::get(&tx, deployment)
            .await?
            .map(|stored| stored.deployment.patches)
            .unwrap_or_default();
        drop(tx);
        for stored in runs
            .into_iter()
            .filter(|stored| stored.run.confirmed.is_none())
        {
            let host = self
                .inventory
                .host_get(
                    ctx,
                    HostGet {
                        id: stored.run.host,
                    },
                )
                .await?;
            let ended = stored.run.ended_at.unwrap_or_default();
            let same = stored.manifest.is_some() && host.manifest == stored.manifest;
            let scanned = same || host.last_scan_at.is_some_and(|scan| scan >= ended);
            if !scanned {
                continue;
            }
            let pending = self
                .inventory
                .patch_pending(
                    ctx,
                    PatchPending {
                        host: host.id,
                        patches: patches.clone(),
                    },
                )
                .await?;
            let late = host
                .last_scan_at
                .is_some_and(|scan| scan >= ended + Duration::seconds(PATIENCE_SECONDS));
            if pending.is_empty() || late {
                self.record(ctx, stored, pending.is_empty(), pending.len())
                    .await?;
            }
        }
        Ok(())
    }

    async fn record(
        &self,
        ctx: &RequestContext,
        seen: store::run::Stored,
        confirmed: bool,
        left: usize,
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
        stored.run.confirmed = Some(confirmed);
        if !confirmed {
            let evidence = vec![format!(
                "{left} of the deployment's patches are still needed by the host's newest scan"
            )];
            stored.run.error = Some(explain("not_confirmed", "", evidence));
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
        self.hint(ctx.tenant()?).await;
        Ok(())
    }
}
