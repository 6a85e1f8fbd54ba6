//! Table `exceptions`; what people decided is read from `approvals`.

use super::{approval, decode, encode};
use crate::domain::exception::standing;
use chrono::{DateTime, Utc};
use netpatch_policy_api::{Exception, ExceptionSpec, Subject};
use netpatch_storage::{StorageError, StorageResult, TenantTx, WorkerTx};
use netpatch_types::{Actor, ExceptionId, TenantId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

const COLUMNS: &str = "tenant_id, id, spec, requested_by, requested_at, ended_at";

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    spec: serde_json::Value,
    requested_by: serde_json::Value,
    requested_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

async fn exception(tx: &TenantTx, row: Row, now: DateTime<Utc>) -> StorageResult<Exception> {
    let (id, tenant) = (ExceptionId(row.id), TenantId::from(row.tenant_id));
    let spec: ExceptionSpec = decode("an exception", row.spec)?;
    let stands = approval::newest(tx, tenant, Subject::Exception { exception: id }).await?;
    let approval = stands
        .ok_or_else(|| StorageError::Encoding {
            what: "an exception",
            reason: "without an approval".to_owned(),
        })?
        .standing
        .approval;
    Ok(Exception {
        id,
        tenant,
        status: standing(spec.until, row.ended_at, &approval, now),
        spec,
        requested_by: decode("a requester", row.requested_by)?,
        requested_at: row.requested_at,
        ended_at: row.ended_at,
        approval,
    })
}

/// A new one.
pub(crate) async fn insert(
    tx: &TenantTx,
    id: ExceptionId,
    spec: &ExceptionSpec,
    by: &Actor,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    tx.execute(
        "insert into policy.exceptions (tenant_id, id, spec, until, requested_by, requested_at) values ($1, $2, $3, $4, $5, $6)",
        [
            tx.tenant()?.0.into(),
            id.0.into(),
            encode("an exception", spec)?.into(),
            spec.until.into(),
            encode("a requester", by)?.into(),
            now.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Somebody ended it; whether it had not ended yet.
pub(crate) async fn end(tx: &TenantTx, id: ExceptionId, now: DateTime<Utc>) -> StorageResult<bool> {
    let sql = "update policy.exceptions set ended_at = $3 where tenant_id = $1 and id = $2 and ended_at is null";
    Ok(tx
        .execute(sql, [tx.tenant()?.0.into(), id.0.into(), now.into()])
        .await?
        == 1)
}

/// One of those that may be read.
pub(crate) async fn get(
    tx: &TenantTx,
    id: ExceptionId,
    now: DateTime<Utc>,
) -> StorageResult<Option<Exception>> {
    let sql = format!("select {COLUMNS} from policy.exceptions where id = $1");
    match tx.one::<Row>(&sql, [id.0.into()]).await? {
        Some(row) => exception(tx, row, now).await.map(Some),
        None => Ok(None),
    }
}

/// One of the organization that is written to.
pub(crate) async fn get_of(
    tx: &TenantTx,
    id: ExceptionId,
    now: DateTime<Utc>,
) -> StorageResult<Option<Exception>> {
    let sql = format!("select {COLUMNS} from policy.exceptions where tenant_id = $1 and id = $2");
    match tx
        .one::<Row>(&sql, [tx.tenant()?.0.into(), id.0.into()])
        .await?
    {
        Some(row) => exception(tx, row, now).await.map(Some),
        None => Ok(None),
    }
}

/// Newest first, behind an id.
pub(crate) async fn list(
    tx: &TenantTx,
    tenant: Option<TenantId>,
    after: Option<Uuid>,
    limit: u64,
    now: DateTime<Utc>,
) -> StorageResult<Vec<Exception>> {
    let sql = format!(
        "select {COLUMNS} from policy.exceptions where ($1::uuid is null or tenant_id = $1) and ($2::uuid is null or id < $2) \
         order by id desc limit $3"
    );
    let values = [
        tenant.map(|tenant| tenant.0).into(),
        after.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let rows: Vec<Row> = tx.all(&sql, values).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.push(exception(tx, row, now).await?);
    }
    Ok(all)
}

/// The next version of what is in force, and that. Changes of one organization wait for each other here.
pub(crate) async fn in_force(
    tx: &TenantTx,
    now: DateTime<Utc>,
) -> StorageResult<(u64, Vec<Exception>)> {
    let tenant = tx.tenant()?;
    let version: Option<i64> = tx
        .value(
            "insert into policy.exception_versions (tenant_id, version) values ($1, 1) \
             on conflict (tenant_id) do update set version = exception_versions.version + 1 returning version",
            [tenant.0.into()],
        )
        .await?;
    let sql = format!(
        "select {COLUMNS} from policy.exceptions e where tenant_id = $1 and ended_at is null and until > $2 and exists ( \
         select 1 from policy.approvals a where a.tenant_id = $1 and a.subject_kind = 'exception' and a.subject_id = e.id and a.standing \
         and a.status = 'approved' and a.logged_at is not null) order by id"
    );
    let rows: Vec<Row> = tx.all(&sql, [tenant.0.into(), now.into()]).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    tx.execute(
        "update policy.exceptions set told = (id = any($2)) where tenant_id = $1 and told <> (id = any($2))",
        [tenant.0.into(), ids.into()],
    )
    .await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.push(exception(tx, row, now).await?);
    }
    let version = version.and_then(|version| u64::try_from(version).ok());
    Ok((version.unwrap_or_default(), all))
}

#[derive(FromQueryResult)]
struct TenantRow {
    tenant_id: Uuid,
}

/// Organizations with an exception whose end has come, of which inventory believes that it is in force.
pub(crate) async fn due(tx: &WorkerTx, now: DateTime<Utc>) -> StorageResult<Vec<TenantId>> {
    let sql = "select distinct tenant_id from policy.exceptions where told and until <= $1 order by tenant_id limit 500";
    let rows: Vec<TenantRow> = tx.all(sql, [now.into()]).await?;
    Ok(rows.into_iter().map(|row| row.tenant_id.into()).collect())
}
