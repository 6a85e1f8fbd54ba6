//! Manifests: sets of component numbers, named by the hash of what they stand for.

use crate::domain::manifest::{decode, encode};
use chrono::{DateTime, Utc};
use netpatch_storage::{StorageResult, TenantTx, WorkerTx};
use netpatch_types::{Sha256, TenantId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// The component numbers of a manifest of an organization, if it is held.
pub(crate) async fn get(
    tx: &TenantTx,
    tenant: TenantId,
    hash: Sha256,
) -> StorageResult<Option<Vec<u32>>> {
    let bytes: Option<Vec<u8>> = tx
        .value(
            "select components from inventory.manifests where tenant_id = $1 and hash = $2",
            [tenant.0.into(), hash.0.to_vec().into()],
        )
        .await?;
    Ok(bytes.map(|bytes| decode(&bytes)))
}

/// Holds a manifest and locks it, before its host: a host is matched against `epoch` in this transaction. When all the others
/// were matched against a newer epoch, the manifest becomes stale again.
pub(crate) async fn hold(
    tx: &TenantTx,
    hash: Sha256,
    numbers: &[u32],
    epoch: i64,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    tx.execute(
        "insert into inventory.manifests (tenant_id, hash, components, evaluated_epoch, created_at) values ($1, $2, $3, $4, $5) \
         on conflict (tenant_id, hash) do update set evaluated_epoch = least(manifests.evaluated_epoch, excluded.evaluated_epoch)",
        [tx.tenant()?.0.into(), hash.0.to_vec().into(), encode(numbers).into(), epoch.into(), now.into()],
    )
    .await?;
    Ok(())
}

/// The locked component numbers of a manifest that was matched against an older epoch.
pub(crate) async fn lock_stale(
    tx: &TenantTx,
    hash: Sha256,
    epoch: i64,
) -> StorageResult<Option<Vec<u32>>> {
    let bytes: Option<Vec<u8>> = tx
        .value(
            "select components from inventory.manifests where tenant_id = $1 and hash = $2 and evaluated_epoch < $3 for update",
            [tx.tenant()?.0.into(), hash.0.to_vec().into(), epoch.into()],
        )
        .await?;
    Ok(bytes.map(|bytes| decode(&bytes)))
}

/// The hosts of a manifest were matched against a feed epoch.
pub(crate) async fn set_evaluated(tx: &TenantTx, hash: Sha256, epoch: i64) -> StorageResult<()> {
    tx.execute(
        "update inventory.manifests set evaluated_epoch = $3 where tenant_id = $1 and hash = $2 and evaluated_epoch < $3",
        [tx.tenant()?.0.into(), hash.0.to_vec().into(), epoch.into()],
    )
    .await?;
    Ok(())
}

/// The component numbers of some manifests of any organization.
pub(crate) async fn sample(tx: &WorkerTx, limit: i64) -> StorageResult<Vec<Vec<u32>>> {
    #[derive(FromQueryResult)]
    struct Row {
        components: Vec<u8>,
    }
    let rows: Vec<Row> = tx
        .all(
            "select components from inventory.manifests order by hash limit $1",
            [limit.into()],
        )
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| decode(&row.components))
        .collect())
}

#[derive(FromQueryResult)]
struct StaleRow {
    tenant_id: Uuid,
    hash: Vec<u8>,
}

/// Some manifests, of any organization, that were matched against an older epoch.
pub(crate) async fn stale(
    tx: &WorkerTx,
    epoch: i64,
    limit: i64,
) -> StorageResult<Vec<(TenantId, Sha256)>> {
    let rows: Vec<StaleRow> = tx
        .all(
            "select tenant_id, hash from inventory.manifests where evaluated_epoch < $1 order by tenant_id, hash limit $2",
            [epoch.into(), limit.into()],
        )
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((row.tenant_id.into(), Sha256::from_slice(&row.hash)?)))
        .collect())
}
