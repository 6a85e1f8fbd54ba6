//! Table `baselines`.

use super::{decode, encode};
use chrono::{DateTime, Utc};
use netpatch_policy_api::{Baseline, BaselineSpec};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{BaselineId, TenantId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

const COLUMNS: &str = "tenant_id, id, spec, version, archived_at";

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    spec: serde_json::Value,
    version: i64,
    archived_at: Option<DateTime<Utc>>,
}

impl Row {
    fn baseline(self) -> StorageResult<Baseline> {
        Ok(Baseline {
            id: BaselineId(self.id),
            tenant: TenantId::from(self.tenant_id),
            spec: decode("a baseline", self.spec)?,
            etag: self.version.to_string(),
            archived_at: self.archived_at,
        })
    }
}

/// A new row.
pub(crate) async fn insert(
    tx: &TenantTx,
    id: BaselineId,
    spec: &BaselineSpec,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    let sql = "insert into policy.baselines (tenant_id, id, name, spec, followed, version, changed_at) values ($1, $2, $3, $4, $5, 1, $6)";
    let values = [
        tx.tenant()?.0.into(),
        id.0.into(),
        spec.name.clone().into(),
        encode("a baseline", spec)?.into(),
        spec.followed.into(),
        now.into(),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// Changes a row if its version is still the one that was read and it is not archived; `archived` ends it.
pub(crate) async fn update(
    tx: &TenantTx,
    id: BaselineId,
    version: &str,
    spec: &BaselineSpec,
    archived: bool,
    now: DateTime<Utc>,
) -> StorageResult<bool> {
    let sql = "update policy.baselines set name = $4, spec = $5, followed = $6, version = version + 1, changed_at = $7, \
               archived_at = case when $8 then $7 end where tenant_id = $1 and id = $2 and version::text = $3 and archived_at is null";
    let values = [
        tx.tenant()?.0.into(),
        id.0.into(),
        version.into(),
        spec.name.clone().into(),
        encode("a baseline", spec)?.into(),
        (spec.followed && !archived).into(),
        now.into(),
        archived.into(),
    ];
    Ok(tx.execute(sql, values).await? == 1)
}

/// One row of those that may be read.
pub(crate) async fn get(tx: &TenantTx, id: BaselineId) -> StorageResult<Option<Baseline>> {
    let sql = format!("select {COLUMNS} from policy.baselines where id = $1");
    let row: Option<Row> = tx.one(&sql, [id.0.into()]).await?;
    row.map(Row::baseline).transpose()
}

/// One row of an organization.
pub(crate) async fn get_of(
    tx: &TenantTx,
    tenant: TenantId,
    id: BaselineId,
) -> StorageResult<Option<Baseline>> {
    let sql = format!("select {COLUMNS} from policy.baselines where tenant_id = $1 and id = $2");
    let row: Option<Row> = tx.one(&sql, [tenant.0.into(), id.0.into()]).await?;
    row.map(Row::baseline).transpose()
}

/// Rows behind (name, id), in that order.
pub(crate) async fn list(
    tx: &TenantTx,
    followed: Option<bool>,
    archived: bool,
    after: Option<(String, Uuid)>,
    limit: u64,
) -> StorageResult<Vec<Baseline>> {
    let (name, id) = after.unwrap_or_default();
    let sql = format!(
        "select {COLUMNS} from policy.baselines where (name, id) > ($1, $2) and ($3::boolean is null or followed = $3) \
         and ($4 or archived_at is null) order by name, id limit $5"
    );
    let values = [
        name.into(),
        id.into(),
        followed.into(),
        archived.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let rows: Vec<Row> = tx.all(&sql, values).await?;
    rows.into_iter().map(Row::baseline).collect()
}

/// What an organization follows changed: the next version. Changes of one organization wait for each other here.
pub(crate) async fn grow(tx: &TenantTx) -> StorageResult<()> {
    tx.execute(
        "insert into policy.baseline_versions (tenant_id, version) values ($1, 1) \
         on conflict (tenant_id) do update set version = baseline_versions.version + 1",
        [tx.tenant()?.0.into()],
    )
    .await?;
    Ok(())
}

/// What an organization follows, and its version. The version is read first: a change in between comes again with a newer one.
pub(crate) async fn followed(
    tx: &TenantTx,
    tenant: TenantId,
) -> StorageResult<(u64, Vec<Baseline>)> {
    let version: Option<i64> = tx
        .value(
            "select version from policy.baseline_versions where tenant_id = $1",
            [tenant.0.into()],
        )
        .await?;
    let sql = format!(
        "select {COLUMNS} from policy.baselines where tenant_id = $1 and followed and archived_at is null order by name, id"
    );
    let rows: Vec<Row> = tx.all(&sql, [tenant.0.into()]).await?;
    let baselines = rows
        .into_iter()
        .map(Row::baseline)
        .collect::<StorageResult<_>>()?;
    let version = version.and_then(|version| u64::try_from(version).ok());
    Ok((version.unwrap_or_default(), baselines))
}
