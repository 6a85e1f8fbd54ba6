//! The baselines that an organization follows and the exceptions in force, as policy hands them over.

use crate::service::Inventory;
use crate::store;
use netpatch_inventory_api::{BaselinesSet, Done, ExceptionsSet};
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

    /// The same for exceptions.
    pub(super) async fn set_exceptions(
        &self,
        ctx: &RequestContext,
        request: ExceptionsSet,
    ) -> ServiceResult<Done> {
        let tx = self.db.write(ctx).await?;
        let version = i64::try_from(request.version).unwrap_or(i64::MAX);
        let changed = store::scoring::set_exceptions(&tx, version, &request.exceptions).await?;
        tx.commit().await?;
        if changed {
            self.imported.notify_one();
        }
        Ok(Done {})
    }
}
