//! Background work: deployments move, the ledger's word releases orders, policy's word stops them, scans confirm runs,
//! silence ends them, policies deploy by themselves.

mod advance;
mod automatic;
mod confirm;
mod lapse;
mod ledger_events;
mod policy_events;
mod sign;

use crate::SchedulerService;
use crate::service::OUTBOX_TOPIC;
use crate::store;
use crate::store::SCHEMA;
use futures::StreamExt as _;
use netpatch_reporting_api::ReportingApi;
use netpatch_storage::{Until, outbox};
use netpatch_types::{DeploymentId, RequestContext, ServiceResult, TenantId};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Without a hint, look this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Look this often after runs of deployments that stand still, and for policies that deploy by themselves.
const SWEEP_EVERY: Duration = Duration::from_secs(20);

impl SchedulerService {
    /// Does the background work until `stop`.
    pub async fn run(&self, reporting: Arc<dyn ReportingApi>, stop: CancellationToken) {
        let until = Until::Stopped(stop.clone());
        let _ = tokio::join!(
            self.follow_ledger(&*reporting, until.clone()),
            self.follow_policy(until),
            self.keep_sweeping(stop.clone()),
            self.keep_moving(stop.clone()),
            outbox::tend(&self.database, SCHEMA, self.clock.clone(), stop)
        );
    }

    /// Does what there is to do now, once. For tests and for tools.
    pub async fn run_once(&self, reporting: &dyn ReportingApi) -> ServiceResult<()> {
        self.follow_policy(Until::Empty).await?;
        self.follow_ledger(reporting, Until::Empty).await?;
        self.sweep().await?;
        self.move_all().await
    }

    /// The context for reading events of all organizations.
    fn for_events(&self) -> RequestContext {
        self.system(TenantId::from(Uuid::nil()))
    }

    async fn keep_sweeping(&self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.sweep().await {
                tracing::warn!(%error, "looking after deployments failed; trying again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
        }
    }

    async fn sweep(&self) -> ServiceResult<()> {
        let tx = self.database.worker_tx().await?;
        let still = store::deployment::still(&tx, self.clock.now()).await?;
        tx.rollback().await?;
        for (tenant, deployment) in still {
            let ctx = self.system(tenant);
            self.tend(&ctx, deployment).await;
        }
        self.deploy_automatically().await
    }

    /// The runs of a deployment, whatever its state. What fails is tried again at the next look.
    async fn tend(&self, ctx: &RequestContext, deployment: DeploymentId) {
        let tended = async {
            self.confirm(ctx, deployment).await?;
            self.lapse(ctx, deployment).await
        };
        if let Err(error) = tended.await {
            tracing::warn!(%error, deployment.id = %deployment, "the runs of a deployment could not be looked after; trying again");
        }
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
        tx.rollback().await?;
        for (tenant, deployment) in live {
            let ctx = self.system(tenant);
            self.tend(&ctx, deployment).await;
            if let Err(error) = self.advance(&ctx, deployment).await {
                tracing::warn!(%error, tenant.id = %tenant, deployment.id = %deployment, "a deployment could not move; trying again");
            }
        }
        Ok(())
    }
}
