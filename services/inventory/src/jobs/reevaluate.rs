//! Evaluation behind reports and imports: hosts that wait are evaluated in portions, an organization at a time.
//!
//! What waits stands in the database, so the job goes on where it was interrupted, and two processes that run it share the
//! work. After an import an organization's hosts wait first, then its epoch advances, both in one transaction.

use super::stored::Deployments;
use crate::service::{Catalog, Inventory};
use crate::store;
use crate::store::migrations::SCHEMA;
use netpatch_scheduler_api::SchedulerApi;
use netpatch_storage::outbox;
use netpatch_types::{RequestContext, ServiceResult, TenantId};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Looks this often without a hint: another process may have imported or written.
const POLL: Duration = Duration::from_secs(5);

impl Inventory {
    /// Runs the background jobs until `stop`. The scheduler says which of the payloads that are kept are needed; without one, as where
    /// none are kept, none is.
    pub async fn run(&self, scheduler: Option<Arc<dyn SchedulerApi>>, stop: CancellationToken) {
        let needs = Deployments {
            scheduler,
            clock: self.clock.clone(),
        };
        let tending = outbox::tend(&self.db, SCHEMA, self.clock.clone(), stop.clone());
        tokio::join!(
            self.keep_evaluating(stop.clone()),
            self.keep_fetching(stop.clone()),
            self.keep_making_deltas(&needs, stop.clone()),
            self.keep_storing_payloads(&needs, stop),
            tending
        );
    }

    async fn keep_evaluating(&self, stop: CancellationToken) {
        loop {
            let work = async {
                if let Err(error) = self.reevaluate().await {
                    tracing::warn!(%error, "evaluating hosts failed, trying again");
                }
            };
            // What is cut off is rolled back and waits still.
            tokio::select! {
                () = stop.cancelled() => return,
                () = work => {}
            }
            if let Err(error) = self.announce().await {
                tracing::warn!(%error, "telling organizations of new advisories failed, trying again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.imported.notified() => {}
                () = self.reported.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Evaluates every host that waits, after the newest import too; how many there were.
    pub async fn reevaluate(&self) -> ServiceResult<u64> {
        self.mark_rescored().await?;
        self.forget_stale_probes().await?;
        let catalog = self.catalog().await?;
        let tx = self.db.worker_tx().await?;
        let behind = store::evaluation::behind(&tx, catalog.epoch).await?;
        tx.rollback().await?;
        for tenant in behind {
            self.advance(tenant, &catalog).await?;
        }
        self.forget_previous_catalog();
        self.drain().await
    }

    /// The hosts of an organization wait for the newest advisories: those on which something changes when it is known what changed,
    /// else all of them.
    async fn advance(&self, tenant: TenantId, catalog: &Catalog) -> ServiceResult<()> {
        let ctx = RequestContext::system(tenant, "feed import", self.now());
        let tx = self.db.write(&ctx).await?;
        let Some(epoch) = store::evaluation::advance(&tx, catalog.epoch).await? else {
            return Ok(());
        };
        let before = self.previous_catalog().filter(|before| {
            before.epoch == epoch && before.index.aliases() == catalog.index.aliases()
        });
        let hosts = match before {
            None => None,
            Some(before) => {
                let changed = catalog.changed_since(&before);
                let hosts = self.ask_fleet(tenant, catalog.index.aliases(), |fleet| {
                    let is_changed = |advisory| changed.contains(&advisory);
                    let touched = fleet.touched(is_changed, &before.index, &catalog.index);
                    fleet.ids(&touched).collect::<Vec<_>>()
                });
                Some(hosts.await?)
            }
        };
        store::evaluation::ask(&tx, hosts.as_deref()).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn drain(&self) -> ServiceResult<u64> {
        let mut done = 0;
        loop {
            let tx = self.db.worker_tx().await?;
            let organizations = store::evaluation::organizations(&tx).await?;
            tx.rollback().await?;
            let before = done;
            for tenant in organizations {
                let evaluated = self.evaluate_waiting(tenant, None).await?;
                done += u64::try_from(evaluated.len()).unwrap_or(u64::MAX);
            }
            // Nothing waits, or somebody else is at it.
            if done == before {
                return Ok(done);
            }
            self.hint().await;
        }
    }
}
