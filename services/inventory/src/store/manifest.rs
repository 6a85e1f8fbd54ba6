//! Manifests: sets of component numbers, named by the hash of what they stand for.

use crate::domain::manifest::decode;
use chrono::{DateTime, Utc};
use netpatch_storage::{StorageResult, TenantTx, WorkerTx};
use netpatch_types::{Sha256, TenantId};
use sea_orm::FromQueryResult;
use std::collections::BTreeMap;

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

#[derive(FromQueryResult)]
struct Row {
    hash: Vec<u8>,
    components: Vec<u8>,
}

/// The component numbers of those of these manifests that are held.
pub(crate) async fn some(
    tx: &TenantTx,
    tenant: TenantId,
    hashes: &[Sha256],
) -> StorageResult<Vec<(Sha256, Vec<u32>)>> {
    let hashes: Vec<Vec<u8>> = hashes.iter().map(|hash| hash.0.to_vec()).collect();
    let rows: Vec<Row> = tx
        .all(
            "select hash, components from inventory.manifests where tenant_id = $1 and hash = any($2)",
            [tenant.0.into(), hashes.into()],
        )
        .await?;
    let read = |row: Row| Some((Sha256::from_slice(&row.hash)?, decode(&row.components)));
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Holds manifests, given in their stored form. In order of their names, so that two batches do not wait for each other in a
/// circle.
pub(crate) async fn hold(
    tx: &TenantTx,
    manifests: &BTreeMap<Sha256, &[u8]>,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    let hashes: Vec<Vec<u8>> = manifests.keys().map(|hash| hash.0.to_vec()).collect();
    let components: Vec<Vec<u8>> = manifests.values().map(|bytes| bytes.to_vec()).collect();
    tx.execute(
        "insert into inventory.manifests (tenant_id, hash, components, created_at) \
         select $1, hash, components, $4 from unnest($2::bytea[], $3::bytea[]) r(hash, components) order by hash \
         on conflict (tenant_id, hash) do nothing",
        [tx.tenant()?.0.into(), hashes.into(), components.into(), now.into()],
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
