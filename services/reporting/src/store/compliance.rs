//! Compliance snapshots, and which organizations changed since their last.

use super::{column, from_json, to_json};
use chrono::{DateTime, Utc};
use netpatch_inventory_api::ComplianceCell;
use netpatch_reporting_api::{ComplianceHistory, ComplianceSnapshot};
use netpatch_storage::{StorageResult, TenantTx, WorkerTx};
use netpatch_types::{ComplianceSnapshotId, DeploymentId, Page, TenantId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

#[derive(FromQueryResult)]
struct SnapshotRow {
    tenant_id: Uuid,
    id: Uuid,
    as_of: DateTime<Utc>,
    label: String,
    deployment_id: Option<Uuid>,
    cells: serde_json::Value,
}

impl SnapshotRow {
    fn snapshot(self) -> StorageResult<ComplianceSnapshot> {
        Ok(ComplianceSnapshot {
            id: self.id.into(),
            tenant: self.tenant_id.into(),
            as_of: self.as_of,
            provisional: false,
            label: self.label,
            deployment: self.deployment_id.map(DeploymentId::from),
            cells: from_json("compliance cells", self.cells)?,
        })
    }
}

const SNAPSHOT: &str =
    "select tenant_id, id, as_of, label, deployment_id, cells from reporting.compliance_snapshots";

/// What a snapshot is.
pub(crate) struct NewSnapshot<'a> {
    pub(crate) label: &'a str,
    pub(crate) deployment: Option<DeploymentId>,
    pub(crate) cells: &'a [ComplianceCell],
}

/// Keeps a snapshot. Of a deployment the first `before` and the last `after` count.
pub(crate) async fn insert(
    tx: &TenantTx,
    new: &NewSnapshot<'_>,
    now: DateTime<Utc>,
) -> StorageResult<ComplianceSnapshot> {
    let tenant = tx.tenant()?;
    tx.execute(
        "insert into reporting.compliance_snapshots (tenant_id, id, as_of, label, deployment_id, cells) values ($1, $2, $3, $4, $5, $6) \
         on conflict (tenant_id, deployment_id, label) where deployment_id is not null \
         do update set id = excluded.id, as_of = excluded.as_of, cells = excluded.cells \
         where compliance_snapshots.label <> 'before'",
        [
            tenant.0.into(),
            ComplianceSnapshotId::new(now).0.into(),
            now.into(),
            new.label.into(),
            new.deployment.map(|deployment| deployment.0).into(),
            to_json("compliance cells", &new.cells)?.into(),
        ],
    )
    .await?;
    tx.execute(
        "insert into reporting.compliance_state (tenant_id, taken_at) values ($1, $2) \
         on conflict (tenant_id) do update set taken_at = excluded.taken_at, \
         changed_at = case when compliance_state.changed_at <= excluded.taken_at then null else compliance_state.changed_at end",
        [tenant.0.into(), now.into()],
    )
    .await?;
    let found = match new.deployment {
        Some(deployment) => of_deployment(tx, tenant, deployment, new.label).await?,
        None => newest(tx, tenant, Some(now)).await?,
    };
    found.ok_or(netpatch_storage::StorageError::NoTenant)
}

/// The newest snapshot at or before a time.
pub(crate) async fn newest(
    tx: &TenantTx,
    tenant: TenantId,
    as_of: Option<DateTime<Utc>>,
) -> StorageResult<Option<ComplianceSnapshot>> {
    let sql = format!(
        "{SNAPSHOT} where tenant_id = $1 and ($2::timestamptz is null or as_of <= $2) order by as_of desc, id desc limit 1"
    );
    let row: Option<SnapshotRow> = tx.one(&sql, [tenant.0.into(), as_of.into()]).await?;
    row.map(SnapshotRow::snapshot).transpose()
}

/// The snapshot before or after a deployment.
pub(crate) async fn of_deployment(
    tx: &TenantTx,
    tenant: TenantId,
    deployment: DeploymentId,
    label: &str,
) -> StorageResult<Option<ComplianceSnapshot>> {
    let sql = format!("{SNAPSHOT} where tenant_id = $1 and deployment_id = $2 and label = $3");
    let row: Option<SnapshotRow> = tx
        .one(&sql, [tenant.0.into(), deployment.0.into(), label.into()])
        .await?;
    row.map(SnapshotRow::snapshot).transpose()
}

/// Snapshots, newest first. The cursor is `<microseconds>:<id>`.
pub(crate) async fn history(
    tx: &TenantTx,
    request: &ComplianceHistory,
) -> StorageResult<Page<ComplianceSnapshot>> {
    let after = request.page.after.as_deref().and_then(|after| {
        let (micros, id) = after.split_once(':')?;
        Some((
            DateTime::from_timestamp_micros(micros.parse().ok()?)?,
            id.parse::<Uuid>().ok()?,
        ))
    });
    let (as_of, id) = after.unwrap_or((DateTime::<Utc>::MAX_UTC.min(far()), Uuid::max()));
    let sql = format!(
        "{SNAPSHOT} where tenant_id = $1 and ($2::uuid is null or deployment_id = $2) and (as_of, id) < ($3, $4) \
         order by as_of desc, id desc limit $5"
    );
    let limit = request.page.limit();
    let deployment = request.deployment.map(|deployment| deployment.0);
    let rows: Vec<SnapshotRow> = tx
        .all(
            &sql,
            [
                request.tenant.0.into(),
                deployment.into(),
                as_of.into(),
                id.into(),
                (column(limit)? + 1).into(),
            ],
        )
        .await?;
    let snapshots = rows
        .into_iter()
        .map(SnapshotRow::snapshot)
        .collect::<StorageResult<Vec<_>>>()?;
    Ok(Page::from_rows(snapshots, limit, |snapshot| {
        format!("{}:{}", snapshot.as_of.timestamp_micros(), snapshot.id)
    }))
}

/// Later than every row, and within PostgreSQL's range.
fn far() -> DateTime<Utc> {
    DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Something changed: the next snapshot is due.
pub(crate) async fn mark_changed(tx: &TenantTx, at: DateTime<Utc>) -> StorageResult<()> {
    let tenant = tx.tenant()?;
    tx.execute(
        "insert into reporting.compliance_state (tenant_id, changed_at) values ($1, $2) \
         on conflict (tenant_id) do update set changed_at = coalesce(compliance_state.changed_at, excluded.changed_at)",
        [tenant.0.into(), at.into()],
    )
    .await?;
    Ok(())
}

/// Organizations whose counters changed before `changed`, or whose last snapshot was before `taken`.
pub(crate) async fn due(
    tx: &WorkerTx,
    changed: DateTime<Utc>,
    taken: DateTime<Utc>,
) -> StorageResult<Vec<TenantId>> {
    #[derive(FromQueryResult)]
    struct Row {
        tenant_id: Uuid,
    }
    let sql = "select tenant_id from reporting.compliance_state where changed_at <= $1 or taken_at is null or taken_at <= $2";
    let rows: Vec<Row> = tx.all(sql, [changed.into(), taken.into()]).await?;
    Ok(rows.into_iter().map(|row| row.tenant_id.into()).collect())
}
