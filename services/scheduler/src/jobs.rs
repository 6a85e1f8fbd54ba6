//! Background work: deployments move, the ledger's word releases orders, scans confirm runs.

mod advance;
mod confirm;
mod ledger_events;
mod sign;

use crate::SchedulerService;
use crate::service::OUTBOX_TOPIC;
use crate::store;
use futures::StreamExt as _;
use netpatch_reporting_api::ReportingApi;
use netpatch_types::ServiceResult;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Without a hint, look this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl SchedulerService {
    /// Does the background work until `stop`.
    pub async fn run(&self, reporting: Arc<dyn ReportingApi>, stop: CancellationToken) {
        tokio::join!(
            self.follow_ledger(&*reporting, stop.clone()),
            self.keep_moving(stop)
        );
    }

    /// Does what there is to do now, once. For tests and for tools.
    pub async fn run_once(&self, reporting: &dyn ReportingApi) -> ServiceResult<()> {
        self.drain_ledger(reporting).await?;
        self.move_all().await
    }

    async fn keep_moving(&self, stop: CancellationToken) {
        let mut hints = self.bus.subscribe(OUTBOX_TOPIC).await;
        loop {
            if let Err(error) = self.move_all().await {
                tracing::warn!(%error, "moving deployments failed; trying again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = hints.next() => {
                    // Many hints at once are one look.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Moves every deployment that may move. One that fails does not hold up the others.
    pub(crate) async fn move_all(&self) -> ServiceResult<()> {
        let tx = self.database.worker_tx().await?;
        let live = store::deployment::live(&tx).await?;
        drop(tx);
        for (tenant, deployment) in live {
            let ctx = self.system(tenant);
            let moved = async {
                self.confirm(&ctx, deployment).await?;
                self.advance(&ctx, deployment).await
            };
            if let Err(error) = moved.await {
                tracing::warn!(%error, tenant.id = %tenant, deployment.id = %deployment, "a deployment could not move; trying again");
            }
        }
        Ok(())
    }
}
