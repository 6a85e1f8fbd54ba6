//! The baselines that an organization follows, as policy hands them over.

use crate::service::Inventory;
use crate::store;
use netpatch_inventory_api::{BaselinesSet, Done};
use netpatch_types::{RequestContext, ServiceResult};

impl Inventory {
    /// Keeps them unless newer ones are held; the background job dates the findings anew.
    pub(super) async fn set_baselines(
        &self,
        ctx: &RequestContext,
        request: BaselinesSet,
    ) -> ServiceResult<Done> {
        let tx = self.db.write(ctx).await?;
        let version = i64::try_from(request.version).unwrap_or(i64::MAX);
        let changed = store::scoring::set_baselines(&tx, version, &request.followed).await?;
        tx.commit().await?;
        if changed {
            self.imported.notify_one();
        }
        Ok(Done {})
    }
}
