//! Assets: one read, lists, and the removal. Writing is `asset/write.rs`, linking `asset/link.rs`, the machine of a document
//! `asset/machine.rs`.

mod draft;
mod keep;
mod link;
mod machine;
mod write;

pub(super) use machine::Machine;

use crate::domain::asset_csv;
use crate::service::Inventory;
use crate::store;
use netpatch_inventory_api::{
    Asset, AssetDelete, AssetFileImport, AssetGet, AssetImport, AssetImported, AssetList,
    AssetOrigin, AssetUpsert, AssetUpserted, Done, InventoryEvent, InventoryEventV1, MAX_ASSETS,
    MAX_FILE_BYTES, MAX_LISTED_ERRORS,
};
use netpatch_storage::{TenantTx, outbox};
use netpatch_types::{ErrorCode, Page, RequestContext, ServiceError, ServiceResult, Sha256};
use uuid::Uuid;

impl Inventory {
    pub(super) async fn asset(
        &self,
        ctx: &RequestContext,
        request: AssetGet,
    ) -> ServiceResult<Asset> {
        let tx = self.db.read(ctx).await?;
        store::asset::get(&tx, ctx, request.id)
            .await?
            .map(store::asset::StoredAsset::into_asset)
            .ok_or_else(|| ServiceError::not_found("asset"))
    }

    pub(super) async fn assets(
        &self,
        ctx: &RequestContext,
        request: AssetList,
    ) -> ServiceResult<Page<Asset>> {
        let after = super::host::name_cursor(request.page.after.as_deref())?;
        let limit = request.page.limit();
        let tx = self.db.read(ctx).await?;
        let (rows, total) = store::asset::list(&tx, ctx, &request.filter, after, limit).await?;
        let assets = rows
            .into_iter()
            .map(store::asset::StoredAsset::into_asset)
            .collect();
        let mut page = Page::from_rows(assets, limit, |asset: &Asset| {
            super::host::name_after(&asset.hostname, asset.id.0)
        });
        page.total = Some(total);
        Ok(page)
    }

    pub(super) async fn upsert_asset(
        &self,
        ctx: &RequestContext,
        request: AssetUpsert,
    ) -> ServiceResult<AssetUpserted> {
        self.write_asset(ctx, request.write, request.origin).await
    }

    pub(super) async fn import_assets(
        &self,
        ctx: &RequestContext,
        request: AssetImport,
    ) -> ServiceResult<AssetImported> {
        if request.rows.len() > MAX_ASSETS {
            return Err(ServiceError::new(
                ErrorCode::LimitExceeded,
                format!("more than {MAX_ASSETS} assets; import them in several parts"),
            ));
        }
        let bytes = serde_json::to_vec(&request.rows).map_err(|_| ServiceError::internal())?;
        self.write_assets(ctx, request, Sha256::of(&bytes)).await
    }

    pub(super) async fn import_asset_file(
        &self,
        ctx: &RequestContext,
        request: AssetFileImport,
    ) -> ServiceResult<AssetImported> {
        if request.text.len() > MAX_FILE_BYTES {
            return Err(ServiceError::new(
                ErrorCode::LimitExceeded,
                format!(
                    "the file has more than {MAX_FILE_BYTES} bytes; import it in several parts"
                ),
            ));
        }
        let sheet = asset_csv::read(&request.text, &request.mapping, &request.sites);
        let import = AssetImport {
            rows: sheet.rows,
            origin: AssetOrigin::Csv,
            // What is wrong with the other lines is said at once.
            dry_run: request.dry_run || sheet.error_count > 0,
        };
        let digest = Sha256::of(request.text.as_bytes());
        let mut done = self.write_assets(ctx, import, digest).await?;
        for error in &mut done.errors {
            if let Some(word) = sheet.words.get(error.column.as_str()) {
                error.column.clone_from(word);
            }
        }
        done.error_count += sheet.error_count;
        done.errors.extend(sheet.errors);
        done.errors.sort_by_key(|error| error.line);
        done.errors.truncate(MAX_LISTED_ERRORS);
        done.ignored_columns = sheet.ignored;
        Ok(done)
    }

    pub(super) async fn delete_asset(
        &self,
        ctx: &RequestContext,
        request: AssetDelete,
    ) -> ServiceResult<Done> {
        let tx = self.db.write(ctx).await?;
        store::asset::lock(&tx).await?;
        let asset = store::asset::get(&tx, ctx, request.id)
            .await?
            .filter(|asset| Some(asset.tenant) == ctx.write)
            .ok_or_else(|| ServiceError::not_found("asset"))?;
        ServiceError::unless_read(request.if_match.as_deref(), &asset.etag())?;
        store::asset::delete(&tx, asset.id).await?;
        let event = InventoryEventV1::AssetDeleted {
            asset: asset.id,
            host: asset.host(),
            by: ctx.actor.clone(),
        };
        self.tell_about(&tx, asset.id.0, event).await?;
        tx.commit().await?;
        self.hint().await;
        Ok(Done {})
    }

    /// Appends an event of an object.
    pub(in crate::service) async fn tell_about(
        &self,
        tx: &TenantTx,
        object: Uuid,
        event: InventoryEventV1,
    ) -> ServiceResult<()> {
        outbox::append(
            tx,
            store::migrations::SCHEMA,
            &object.to_string(),
            &InventoryEvent::V1(event),
            &*self.clock,
        )
        .await?;
        Ok(())
    }
}
