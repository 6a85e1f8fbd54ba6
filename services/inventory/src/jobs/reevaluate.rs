//! After an import: matches every manifest that is held against the new advisories, and opens and closes the exposures of
//! its hosts. A manifest remembers the feed epoch that it was matched against, so the job goes on where it was
//! interrupted, and two processes that run it do no harm.

use crate::service::{Catalog, Inventory};
use crate::store;
use crate::store::migrations::SCHEMA;
use netpatch_inventory_api::InventoryEventV1;
use netpatch_storage::outbox;
use netpatch_types::{RequestContext, ServiceResult, Sha256, TenantId};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Looks this often without a hint: another process may have imported.
const POLL: Duration = Duration::from_secs(5);
/// Manifests that are looked up at once.
const PORTION: i64 = 200;

impl Inventory {
    /// Runs the background jobs until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let tending = outbox::tend(&self.db, SCHEMA, self.clock.clone(), stop.clone());
        tokio::join!(
            self.keep_matching(stop.clone()),
            self.keep_fetching(stop),
            tending
        );
    }

    async fn keep_matching(&self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.reevaluate().await {
                tracing::warn!(%error, "matching manifests against new advisories failed, trying again");
            }
            if let Err(error) = self.announce().await {
                tracing::warn!(%error, "telling organizations of new advisories failed, trying again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.imported.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Matches every stale manifest; how many there were.
    pub async fn reevaluate(&self) -> ServiceResult<u64> {
        self.mark_rescored().await?;
        let mut done = 0;
        loop {
            let catalog = self.catalog().await?;
            let tx = self.db.worker_tx().await?;
            let stale = store::manifest::stale(&tx, catalog.epoch, PORTION).await?;
            tx.rollback().await?;
            if stale.is_empty() {
                return Ok(done);
            }
            for (tenant, hash) in stale {
                self.reevaluate_manifest(&catalog, tenant, hash).await?;
                done += 1;
            }
            self.hint().await;
        }
    }

    async fn reevaluate_manifest(
        &self,
        catalog: &Catalog,
        tenant: TenantId,
        hash: Sha256,
    ) -> ServiceResult<()> {
        let now = self.now();
        let ctx = RequestContext::system(tenant, "feed import", now);
        let tx = self.db.write(&ctx).await?;
        let Some(numbers) = store::manifest::lock_stale(&tx, hash, catalog.epoch).await? else {
            return Ok(());
        };
        let hosts = store::host::by_manifest(&tx, hash).await?;
        if !hosts.is_empty() {
            let components = store::component::by_number(&tx, &numbers).await?;
            for stored in hosts {
                let host = stored.host;
                let updates = store::update::of_host(&tx, host.id).await?;
                let done = self
                    .evaluate(&tx, catalog, &host, &components, &updates, now)
                    .await?;
                if done.opened + done.closed > 0 {
                    let event = InventoryEventV1::HostReported {
                        host: host.id,
                        manifest: hash,
                        opened: done.opened,
                        closed: done.closed,
                    };
                    self.tell(&tx, &host, event).await?;
                }
            }
        }
        store::manifest::set_evaluated(&tx, hash, catalog.epoch).await?;
        tx.commit().await?;
        Ok(())
    }
}
