//! Importing a pack.

use crate::pack::{self, PackError};
use crate::service::Inventory;
use crate::store;
use netpatch_inventory_api::{FeedImport, FeedStatus};
use netpatch_types::{ServiceError, ServiceResult};
use std::collections::HashMap;
use std::path::PathBuf;

impl Inventory {
    pub(super) async fn import(&self, request: FeedImport) -> ServiceResult<Vec<FeedStatus>> {
        let tx = self.db.directory_tx().await?;
        let held: HashMap<String, u64> = store::feed::list(&tx)
            .await?
            .into_iter()
            .map(|feed| (feed.name, feed.records))
            .collect();
        tx.rollback().await?;
        let dir = PathBuf::from(&request.pack_dir);
        let read = tokio::task::spawn_blocking(move || pack::read(&dir, &held))
            .await
            .map_err(|error| {
                tracing::error!(%error, "reading the pack died");
                ServiceError::internal()
            })?;
        let pack = match read {
            Ok(pack) => pack,
            Err(error) => return Err(self.refuse(&error).await?),
        };
        let tx = self.db.catalog_tx().await?;
        let changed = store::feed::replace(&tx, &pack, self.clock.now()).await?;
        let feeds = store::feed::list(&tx).await?;
        tx.commit().await?;
        tracing::info!(advisories = pack.advisories.len(), changed, "pack imported");
        if changed {
            self.catalog().await?;
            self.imported.notify_one();
        }
        Ok(feeds)
    }

    /// Remembers the refusal in the freshness view; what is held stays.
    async fn refuse(&self, error: &PackError) -> ServiceResult<ServiceError> {
        tracing::warn!(%error, "pack refused");
        let tx = self.db.catalog_tx().await?;
        store::feed::refused(&tx, error.feed(), &error.to_string()).await?;
        tx.commit().await?;
        Ok(ServiceError::invalid("packDir", error.to_string()))
    }
}
