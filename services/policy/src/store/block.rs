//! Table `block_entries`.

use chrono::{DateTime, Utc};
use netpatch_policy_api::BlockEntry;
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::TenantId;
use sea_orm::FromQueryResult;

#[derive(FromQueryResult)]
struct Row {
    package: String,
    reason: String,
}

/// The lines of an organization in order of package.
pub(crate) async fn list(tx: &TenantTx, tenant: TenantId) -> StorageResult<Vec<BlockEntry>> {
    let rows: Vec<Row> = tx.all("select package, reason from policy.block_entries where tenant_id = $1 order by package", [tenant.0.into()]).await?;
    Ok(rows
        .into_iter()
        .map(|row| BlockEntry {
            package: row.package,
            reason: row.reason,
        })
        .collect())
}

/// Adds a line or changes its reason; whether anything changed.
pub(crate) async fn put(
    tx: &TenantTx,
    entry: &BlockEntry,
    now: DateTime<Utc>,
) -> StorageResult<bool> {
    let sql = "insert into policy.block_entries (tenant_id, package, reason, changed_at) values ($1, $2, $3, $4) \
               on conflict (tenant_id, package) do update set reason = excluded.reason, changed_at = excluded.changed_at \
               where block_entries.reason <> excluded.reason";
    let values = [
        tx.tenant()?.0.into(),
        entry.package.clone().into(),
        entry.reason.clone().into(),
        now.into(),
    ];
    Ok(tx.execute(sql, values).await? == 1)
}

/// Removes a line; whether it was there.
pub(crate) async fn remove(tx: &TenantTx, package: &str) -> StorageResult<bool> {
    let sql = "delete from policy.block_entries where tenant_id = $1 and package = $2";
    Ok(tx
        .execute(sql, [tx.tenant()?.0.into(), package.into()])
        .await?
        == 1)
}
