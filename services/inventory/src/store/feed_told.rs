//! Which epoch of the advisories each organization was told of.

use netpatch_storage::{StorageResult, TenantTx, Tx, WorkerTx};
use netpatch_types::TenantId;
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// Organizations that are told at once.
const PORTION: i64 = 200;

#[derive(FromQueryResult)]
struct Tenant {
    tenant_id: Uuid,
}

/// Some organizations with manifests that were told of an older epoch, or of none.
pub(crate) async fn behind(tx: &WorkerTx, epoch: i64) -> StorageResult<Vec<TenantId>> {
    let rows: Vec<Tenant> = tx
        .all(
            "select distinct m.tenant_id from inventory.manifests m \
             where not exists (select from inventory.feed_told t where t.tenant_id = m.tenant_id and t.epoch >= $1) \
             order by m.tenant_id limit $2",
            [epoch.into(), PORTION.into()],
        )
        .await?;
    Ok(rows.into_iter().map(|row| row.tenant_id.into()).collect())
}

/// The organization is told of an epoch: of which it was before, 0 for none; `None` when it was of this one already.
pub(crate) async fn advance(tx: &TenantTx, epoch: i64) -> StorageResult<Option<i64>> {
    let tenant = tx.tenant()?.0;
    tx.execute(
        "insert into inventory.feed_told (tenant_id, epoch) values ($1, 0) on conflict (tenant_id) do nothing",
        [tenant.into()],
    )
    .await?;
    let before: Option<i64> = tx
        .value(
            "select epoch from inventory.feed_told where tenant_id = $1 and epoch < $2 for update",
            [tenant.into(), epoch.into()],
        )
        .await?;
    if before.is_some() {
        tx.execute(
            "update inventory.feed_told set epoch = $2 where tenant_id = $1",
            [tenant.into(), epoch.into()],
        )
        .await?;
    }
    Ok(before)
}

#[derive(FromQueryResult)]
struct Feed {
    name: String,
}

/// The feeds that changed with a later epoch than this.
pub(crate) async fn changed_since<S>(tx: &Tx<S>, epoch: i64) -> StorageResult<Vec<String>> {
    let rows: Vec<Feed> = tx
        .all(
            "select name from inventory.feeds where epoch > $1 order by name",
            [epoch.into()],
        )
        .await?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}
