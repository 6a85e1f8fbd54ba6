//! After a swap: every organization is told once that the advisories changed, and which feeds did.

use crate::service::Inventory;
use crate::store;
use crate::store::migrations::SCHEMA;
use netpatch_inventory_api::{InventoryEvent, InventoryEventV1};
use netpatch_storage::outbox;
use netpatch_types::{RequestContext, ServiceResult};

impl Inventory {
    /// Tells the organizations that were not told of the held epoch; how many there were.
    pub(crate) async fn announce(&self) -> ServiceResult<u64> {
        let mut told = 0;
        loop {
            let tx = self.db.worker_tx().await?;
            let epoch = store::feed::epoch(&tx).await?;
            if epoch == 0 {
                // Nobody has imported anything: there is nothing to tell, and nothing would say that it was told.
                return Ok(told);
            }
            let tenants = store::feed_told::behind(&tx, epoch).await?;
            tx.rollback().await?;
            if tenants.is_empty() {
                return Ok(told);
            }
            let before_these = told;
            for tenant in tenants {
                let ctx = RequestContext::system(tenant, "feed import", self.now());
                let tx = self.db.write(&ctx).await?;
                // Of two processes one tells: the row is the lock.
                if let Some(before) = store::feed_told::advance(&tx, epoch).await? {
                    let feeds = store::feed_told::changed_since(&tx, before).await?;
                    let epoch = u64::try_from(epoch).unwrap_or_default();
                    let event =
                        InventoryEvent::V1(InventoryEventV1::AdvisoriesChanged { epoch, feeds });
                    let aggregate = tenant.to_string();
                    outbox::append(&tx, SCHEMA, &aggregate, &event, &*self.clock).await?;
                    tx.commit().await?;
                    told += 1;
                }
            }
            if told == before_these {
                // Another process tells them.
                return Ok(told);
            }
            self.hint().await;
        }
    }
}
