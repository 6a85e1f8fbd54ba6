//! Table `policies`.

use super::{decode, encode};
use chrono::{DateTime, Utc};
use netpatch_policy_api::{Policy, PolicySpec};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{PolicyId, TenantId};
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
    fn policy(self) -> StorageResult<Policy> {
        Ok(Policy {
            id: PolicyId(self.id),
            tenant: TenantId::from(self.tenant_id),
            spec: decode("a policy", self.spec)?,
            etag: self.version.to_string(),
        })
    }
}

/// A new row.
pub(crate) async fn insert(
    tx: &TenantTx,
    id: PolicyId,
    spec: &PolicySpec,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    let sql = "insert into policy.policies (tenant_id, id, name, spec, version, changed_at) values ($1, $2, $3, $4, 1, $5)";
    let spec_json = encode("a policy", spec)?;
    tx.execute(
        sql,
        [
            tx.tenant()?.0.into(),
            id.0.into(),
            spec.name.clone().into(),
            spec_json.into(),
            now.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Changes a row if its version is still the one that was read.
pub(crate) async fn update(
    tx: &TenantTx,
    id: PolicyId,
    version: &str,
    spec: &PolicySpec,
    now: DateTime<Utc>,
) -> StorageResult<bool> {
    let sql = "update policy.policies set name = $4, spec = $5, version = version + 1, changed_at = $6 \
               where tenant_id = $1 and id = $2 and version::text = $3";
    let spec_json = encode("a policy", spec)?;
    let values = [
        tx.tenant()?.0.into(),
        id.0.into(),
        version.into(),
        spec.name.clone().into(),
        spec_json.into(),
        now.into(),
    ];
    Ok(tx.execute(sql, values).await? == 1)
}

/// One row of those that may be read.
pub(crate) async fn get(tx: &TenantTx, id: PolicyId) -> StorageResult<Option<Policy>> {
    let row: Option<Row> = tx
        .one(
            &format!("select {COLUMNS} from policy.policies where id = $1"),
            [id.0.into()],
        )
        .await?;
    row.map(Row::policy).transpose()
}

/// One row of an organization.
pub(crate) async fn get_of(
    tx: &TenantTx,
    tenant: TenantId,
    id: PolicyId,
) -> StorageResult<Option<Policy>> {
    let sql = format!("select {COLUMNS} from policy.policies where tenant_id = $1 and id = $2");
    let row: Option<Row> = tx.one(&sql, [tenant.0.into(), id.0.into()]).await?;
    row.map(Row::policy).transpose()
}

/// Rows behind (name, id), in that order.
pub(crate) async fn list(
    tx: &TenantTx,
    after: Option<(String, Uuid)>,
    limit: u64,
) -> StorageResult<Vec<Policy>> {
    let (name, id) = after.unwrap_or_default();
    let sql = format!(
        "select {COLUMNS} from policy.policies where (name, id) > ($1, $2) order by name, id limit $3"
    );
    let rows: Vec<Row> = tx
        .all(
            &sql,
            [
                name.into(),
                id.into(),
                i64::try_from(limit).unwrap_or(i64::MAX).into(),
            ],
        )
        .await?;
    rows.into_iter().map(Row::policy).collect()
}

/// Every policy of an organization.
pub(crate) async fn all_of(tx: &TenantTx, tenant: TenantId) -> StorageResult<Vec<Policy>> {
    let rows: Vec<Row> = tx
        .all(
            &format!("select {COLUMNS} from policy.policies where tenant_id = $1 order by name"),
            [tenant.0.into()],
        )
        .await?;
    rows.into_iter().map(Row::policy).collect()
}
