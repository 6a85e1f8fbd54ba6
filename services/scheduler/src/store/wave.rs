//! Waves in the database.

use crate::domain::status::{wave_from_word, wave_word};
use chrono::{DateTime, Utc};
use netpatch_scheduler_api::WaveStatus;
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{DeploymentId, TenantId, WaveId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// A wave without its counts.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) tenant: TenantId,
    pub(crate) id: WaveId,
    pub(crate) deployment: DeploymentId,
    pub(crate) ordinal: u32,
    pub(crate) status: WaveStatus,
    pub(crate) reason: String,
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) total: u64,
    pub(crate) opened_at: Option<DateTime<Utc>>,
    pub(crate) closing_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    deployment_id: Uuid,
    ordinal: i32,
    status: String,
    reason: String,
    low: Vec<u8>,
    high: Vec<u8>,
    total: i64,
    opened_at: Option<DateTime<Utc>>,
    closing_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "tenant_id, id, deployment_id, ordinal, status, reason, low, high, total, opened_at, closing_at, ended_at";

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        let number = |bytes: Vec<u8>| <[u8; 8]>::try_from(bytes).map_or(0, u64::from_be_bytes);
        Self {
            tenant: row.tenant_id.into(),
            id: row.id.into(),
            deployment: row.deployment_id.into(),
            ordinal: u32::try_from(row.ordinal).unwrap_or(0),
            status: wave_from_word(&row.status),
            reason: row.reason,
            low: number(row.low),
            high: number(row.high),
            total: u64::try_from(row.total).unwrap_or(0),
            opened_at: row.opened_at,
            closing_at: row.closing_at,
            ended_at: row.ended_at,
        }
    }
}

pub(crate) async fn insert(tx: &TenantTx, wave: &Stored) -> StorageResult<()> {
    tx.execute(
        "insert into scheduler.waves (tenant_id, id, deployment_id, ordinal, status, low, high, total) values ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            wave.tenant.0.into(),
            wave.id.0.into(),
            wave.deployment.0.into(),
            i32::try_from(wave.ordinal).unwrap_or(i32::MAX).into(),
            wave_word(wave.status).into(),
            wave.low.to_be_bytes().to_vec().into(),
            wave.high.to_be_bytes().to_vec().into(),
            i64::try_from(wave.total).unwrap_or(i64::MAX).into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn save(tx: &TenantTx, wave: &Stored) -> StorageResult<()> {
    tx.execute(
        "update scheduler.waves set status = $3, reason = $4, opened_at = $5, closing_at = $6, ended_at = $7 where tenant_id = $1 and id = $2",
        [
            wave.tenant.0.into(),
            wave.id.0.into(),
            wave_word(wave.status).into(),
            wave.reason.clone().into(),
            wave.opened_at.into(),
            wave.closing_at.into(),
            wave.ended_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// In order.
pub(crate) async fn of_deployment(
    tx: &TenantTx,
    deployment: DeploymentId,
) -> StorageResult<Vec<Stored>> {
    let sql =
        format!("select {COLUMNS} from scheduler.waves where deployment_id = $1 order by ordinal");
    Ok(tx
        .all::<Row>(&sql, [deployment.0.into()])
        .await?
        .into_iter()
        .map(Stored::from)
        .collect())
}

pub(crate) async fn get(tx: &TenantTx, id: WaveId) -> StorageResult<Option<Stored>> {
    let sql = format!("select {COLUMNS} from scheduler.waves where id = $1");
    Ok(tx.one::<Row>(&sql, [id.0.into()]).await?.map(Stored::from))
}
