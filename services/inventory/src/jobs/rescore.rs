//! After a change of an organization's weights or baselines: lets its hosts wait, so that the evaluation ranks and dates
//! every host anew. Interrupted, it does it again; done twice it only costs a second look.

use crate::service::Inventory;
use crate::store;
use netpatch_types::{RequestContext, ServiceResult};

impl Inventory {
    /// Marks what changes made stale.
    pub(super) async fn mark_rescored(&self) -> ServiceResult<()> {
        let tx = self.db.worker_tx().await?;
        let stale = store::scoring::stale(&tx).await?;
        tx.rollback().await?;
        for (tenant, version) in stale {
            let ctx = RequestContext::system(tenant, "re-scoring", self.now());
            let tx = self.db.write(&ctx).await?;
            store::scoring::mark(&tx, version).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
