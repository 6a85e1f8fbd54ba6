//! How an organization ranks findings and which clocks run: risk weights and followed baselines.
//!
//! Evaluations hold a shared lock until their end, a change waits for them. So when a change has committed, whatever was
//! written by older rules is committed too, and the job that marks its manifests sees it.

use crate::store::{decoded, encoded};
use netpatch_inventory_api::FollowedBaseline;
use netpatch_storage::{StorageResult, TenantTx, WorkerTx};
use netpatch_types::TenantId;
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// By what an organization's findings are ranked and dated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scoring {
    /// The clocks that run.
    pub(crate) baselines: Vec<FollowedBaseline>,
}

impl Default for Scoring {
    fn default() -> Self {
        Self {
            baselines: vec![FollowedBaseline::undecided()],
        }
    }
}

#[derive(FromQueryResult)]
struct Row {
    baselines: Option<serde_json::Value>,
}

fn scoring(row: Row) -> StorageResult<Scoring> {
    Ok(Scoring {
        baselines: match row.baselines {
            Some(baselines) => decoded("followed baselines", baselines)?,
            None => Scoring::default().baselines,
        },
    })
}

/// The key of an organization's lock: one class of locks for all, so two may share a key and only wait for each other.
fn lock_key(tenant: TenantId) -> i64 {
    let bytes = tenant.0.into_bytes();
    let mut key = [0; 8];
    key.copy_from_slice(&bytes[8..]);
    i64::from_be_bytes(key)
}

/// As it is now and stays until the end of the transaction.
pub(crate) async fn hold(tx: &TenantTx) -> StorageResult<Scoring> {
    let tenant = tx.tenant()?;
    // A statement of its own: the next one sees what was committed while this one waited.
    tx.execute(
        "select pg_advisory_xact_lock_shared($1)",
        [lock_key(tenant).into()],
    )
    .await?;
    let row: Option<Row> = tx
        .one(
            "select baselines from inventory.scoring where tenant_id = $1",
            [tenant.0.into()],
        )
        .await?;
    row.map_or_else(|| Ok(Scoring::default()), scoring)
}

/// Waits for the evaluations that run and keeps new ones from beginning.
async fn lock(tx: &TenantTx) -> StorageResult<()> {
    tx.execute(
        "select pg_advisory_xact_lock($1)",
        [lock_key(tx.tenant()?).into()],
    )
    .await?;
    Ok(())
}

/// Replaces the followed baselines unless newer ones are held; whether anything changed.
pub(crate) async fn set_baselines(
    tx: &TenantTx,
    version: i64,
    baselines: &[FollowedBaseline],
) -> StorageResult<bool> {
    lock(tx).await?;
    let changed = tx
        .execute(
            "insert into inventory.scoring (tenant_id, baselines, baselines_version, version, stale) values ($1, $2, $3, 1, true) \
             on conflict (tenant_id) do update set baselines = excluded.baselines, baselines_version = excluded.baselines_version, \
             version = scoring.version + 1, stale = true where scoring.baselines_version < excluded.baselines_version",
            [
                tx.tenant()?.0.into(),
                encoded("followed baselines", &baselines)?.into(),
                version.into(),
            ],
        )
        .await?;
    Ok(changed > 0)
}

#[derive(FromQueryResult)]
struct StaleRow {
    tenant_id: Uuid,
    version: i64,
}

/// Organizations with hosts that are ranked by an older version, and which version is the newest.
pub(crate) async fn stale(tx: &WorkerTx) -> StorageResult<Vec<(TenantId, i64)>> {
    let rows: Vec<StaleRow> = tx
        .all(
            "select tenant_id, version from inventory.scoring where stale order by tenant_id",
            [],
        )
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.tenant_id.into(), row.version))
        .collect())
}

/// Every manifest of the organization is to be matched again, whatever feed it was matched against.
pub(crate) async fn mark(tx: &TenantTx, version: i64) -> StorageResult<()> {
    let tenant = tx.tenant()?;
    tx.execute(
        "update inventory.manifests set evaluated_epoch = -1 where tenant_id = $1",
        [tenant.0.into()],
    )
    .await?;
    tx.execute(
        "update inventory.scoring set stale = false where tenant_id = $1 and version = $2",
        [tenant.0.into(), version.into()],
    )
    .await?;
    Ok(())
}
