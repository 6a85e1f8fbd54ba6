//! Signed orders and halts in the database.

use chrono::{DateTime, Utc};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{DeploymentId, Sha256, WaveId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// A signed document.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// SHA-256 of the payload bytes.
    pub(crate) digest: Sha256,
    pub(crate) deployment: DeploymentId,
    pub(crate) wave: Option<WaveId>,
    /// `order` or `halt`.
    pub(crate) kind: String,
    pub(crate) sequence: u64,
    pub(crate) envelope: Vec<u8>,
    pub(crate) not_after: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Row {
    digest: Vec<u8>,
    deployment_id: Uuid,
    wave_id: Option<Uuid>,
    kind: String,
    sequence: i64,
    envelope: Vec<u8>,
    not_after: DateTime<Utc>,
}

const COLUMNS: &str = "digest, deployment_id, wave_id, kind, sequence, envelope, not_after";

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        Self {
            digest: Sha256::from_slice(&row.digest).unwrap_or_default(),
            deployment: row.deployment_id.into(),
            wave: row.wave_id.map(Into::into),
            kind: row.kind,
            sequence: u64::try_from(row.sequence).unwrap_or(0),
            envelope: row.envelope,
            not_after: row.not_after,
        }
    }
}

pub(crate) async fn insert(
    tx: &TenantTx,
    document: &Stored,
    released: bool,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    tx.execute(
        "insert into scheduler.documents (tenant_id, digest, deployment_id, wave_id, kind, sequence, envelope, released, not_after, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing",
        [
            tx.tenant()?.0.into(),
            document.digest.0.to_vec().into(),
            document.deployment.0.into(),
            document.wave.map(|wave| wave.0).into(),
            document.kind.clone().into(),
            i64::try_from(document.sequence).unwrap_or(i64::MAX).into(),
            document.envelope.clone().into(),
            released.into(),
            document.not_after.into(),
            now.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Lets hosts have an order. False when it was already, or is not known.
pub(crate) async fn release(tx: &TenantTx, digest: Sha256) -> StorageResult<bool> {
    let sql = "update scheduler.documents set released = true where tenant_id = $1 and digest = $2 and not released";
    Ok(tx
        .execute(sql, [tx.tenant()?.0.into(), digest.0.to_vec().into()])
        .await?
        == 1)
}

/// Released documents that still matter: of deployments that are not over, or halts, until their end.
pub(crate) async fn deliverable(tx: &TenantTx, now: DateTime<Utc>) -> StorageResult<Vec<Stored>> {
    let sql = format!(
        "select {} from scheduler.documents d join scheduler.deployments p on p.tenant_id = d.tenant_id and p.id = d.deployment_id \
         where d.released and d.not_after > $1 and d.tenant_id = any((select current_setting('app.tenants')::uuid[])::uuid[]) \
         and (d.kind = 'halt' or (p.status in ('running', 'paused') and d.sequence >= p.floor)) order by d.created_at limit 1000",
        COLUMNS
            .split(", ")
            .map(|column| format!("d.{column}"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    Ok(tx
        .all::<Row>(&sql, [now.into()])
        .await?
        .into_iter()
        .map(Stored::from)
        .collect())
}

pub(crate) async fn of_deployment(
    tx: &TenantTx,
    deployment: DeploymentId,
) -> StorageResult<Vec<Stored>> {
    let sql = format!(
        "select {COLUMNS} from scheduler.documents where deployment_id = $1 order by created_at, digest"
    );
    Ok(tx
        .all::<Row>(&sql, [deployment.0.into()])
        .await?
        .into_iter()
        .map(Stored::from)
        .collect())
}

pub(crate) async fn by_digest(tx: &TenantTx, digest: Sha256) -> StorageResult<Option<Stored>> {
    let sql = format!("select {COLUMNS} from scheduler.documents where digest = $1");
    Ok(tx
        .one::<Row>(&sql, [digest.0.to_vec().into()])
        .await?
        .map(Stored::from))
}
