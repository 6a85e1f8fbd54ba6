//! Policies that may deploy by themselves.

use chrono::{DateTime, Utc};
use netpatch_storage::{StorageResult, TenantTx, WorkerTx};
use netpatch_types::{PolicyId, TenantId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// A policy changed: look at it again.
pub(crate) async fn note(tx: &TenantTx, policy: PolicyId) -> StorageResult<()> {
    let sql = "insert into scheduler.automatic (tenant_id, policy_id) values ($1, $2) on conflict (tenant_id, policy_id) do update set looked_at = null";
    tx.execute(sql, [tx.tenant()?.0.into(), policy.0.into()])
        .await?;
    Ok(())
}

/// It deploys nothing by itself.
pub(crate) async fn forget(tx: &TenantTx, policy: PolicyId) -> StorageResult<()> {
    let sql = "delete from scheduler.automatic where tenant_id = $1 and policy_id = $2";
    tx.execute(sql, [tx.tenant()?.0.into(), policy.0.into()])
        .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    policy_id: Uuid,
}

/// Policies at which nobody has looked since.
pub(crate) async fn due(
    tx: &WorkerTx,
    since: DateTime<Utc>,
) -> StorageResult<Vec<(TenantId, PolicyId)>> {
    let sql = "select tenant_id, policy_id from scheduler.automatic where looked_at is null or looked_at <= $1 order by tenant_id, policy_id limit 10000";
    let rows = tx.all::<Row>(sql, [since.into()]).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.tenant_id.into(), row.policy_id.into()))
        .collect())
}

/// Takes the look at a policy; false when somebody else has.
pub(crate) async fn take(
    tx: &TenantTx,
    policy: PolicyId,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StorageResult<bool> {
    let sql = "update scheduler.automatic set looked_at = $4 where tenant_id = $1 and policy_id = $2 and (looked_at is null or looked_at <= $3)";
    let values = [
        tx.tenant()?.0.into(),
        policy.0.into(),
        since.into(),
        now.into(),
    ];
    Ok(tx.execute(sql, values).await? == 1)
}
