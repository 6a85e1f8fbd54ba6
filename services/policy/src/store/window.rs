//! Table `windows`.

use super::{decode, encode};
use chrono::{DateTime, Utc};
use netpatch_policy_api::{MaintenanceWindow, WindowSpec};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{TenantId, WindowId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

const COLUMNS: &str = "tenant_id, id, spec, version";

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    spec: serde_json::Value,
    version: i64,
}

impl Row {
    fn window(self) -> StorageResult<MaintenanceWindow> {
        Ok(MaintenanceWindow {
            id: WindowId(self.id),
            tenant: TenantId::from(self.tenant_id),
            spec: decode("a window", self.spec)?,
            etag: self.version.to_string(),
        })
    }
}

/// A new row.
pub(crate) async fn insert(
    tx: &TenantTx,
    id: WindowId,
    spec: &WindowSpec,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    let sql = "insert into policy.windows (tenant_id, id, name, spec, blackout, version, changed_at) values ($1, $2, $3, $4, $5, 1, $6)";
    let spec_json = encode("a window", spec)?;
    tx.execute(
        sql,
        [
            tx.tenant()?.0.into(),
            id.0.into(),
            spec.name.clone().into(),
            spec_json.into(),
            spec.blackout.into(),
            now.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Changes a row if its version is still the one that was read.
pub(crate) async fn update(
    tx: &TenantTx,
    id: WindowId,
    version: &str,
    spec: &WindowSpec,
    now: DateTime<Utc>,
) -> StorageResult<bool> {
    let sql = "update policy.windows set name = $4, spec = $5, blackout = $6, version = version + 1, changed_at = $7 \
               where tenant_id = $1 and id = $2 and version::text = $3";
    let spec_json = encode("a window", spec)?;
    let values = [
        tx.tenant()?.0.into(),
        id.0.into(),
        version.into(),
        spec.name.clone().into(),
        spec_json.into(),
        spec.blackout.into(),
        now.into(),
    ];
    Ok(tx.execute(sql, values).await? == 1)
}

/// One row of those that may be read.
pub(crate) async fn get(tx: &TenantTx, id: WindowId) -> StorageResult<Option<MaintenanceWindow>> {
    let row: Option<Row> = tx
        .one(
            &format!("select {COLUMNS} from policy.windows where id = $1"),
            [id.0.into()],
        )
        .await?;
    row.map(Row::window).transpose()
}

/// One row of an organization.
pub(crate) async fn get_of(
    tx: &TenantTx,
    tenant: TenantId,
    id: WindowId,
) -> StorageResult<Option<MaintenanceWindow>> {
    let sql = format!("select {COLUMNS} from policy.windows where tenant_id = $1 and id = $2");
    let row: Option<Row> = tx.one(&sql, [tenant.0.into(), id.0.into()]).await?;
    row.map(Row::window).transpose()
}

/// Rows behind (name, id), in that order; only (not) blackouts if asked.
pub(crate) async fn list(
    tx: &TenantTx,
    after: Option<(String, Uuid)>,
    blackout: Option<bool>,
    limit: u64,
) -> StorageResult<Vec<MaintenanceWindow>> {
    let (name, id) = after.unwrap_or_default();
    let sql = format!(
        "select {COLUMNS} from policy.windows where (name, id) > ($1, $2) and ($4::boolean is null or blackout = $4) order by name, id limit $3"
    );
    let rows: Vec<Row> = tx
        .all(
            &sql,
            [
                name.into(),
                id.into(),
                i64::try_from(limit).unwrap_or(i64::MAX).into(),
                blackout.into(),
            ],
        )
        .await?;
    rows.into_iter().map(Row::window).collect()
}
