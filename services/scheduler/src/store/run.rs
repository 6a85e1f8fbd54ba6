//! Runs and their events in the database.

use chrono::{DateTime, Utc};
use netpatch_scheduler_api::{Run, RunEvent, RunList, RunStatus};
use netpatch_storage::{StorageError, StorageResult, TenantTx};
use netpatch_types::{DeploymentId, HostId, RunId, Sha256, WaveId};
use sea_orm::FromQueryResult;
use std::collections::HashSet;
use uuid::Uuid;

/// A run with what only the scheduler needs.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) run: Run,
    pub(crate) order: Sha256,
    /// All events up to this step are stored.
    pub(crate) step: u64,
    /// Encoded envelope.
    pub(crate) result: Option<Vec<u8>>,
    /// The host's manifest after the run, as its result says.
    pub(crate) manifest: Option<Sha256>,
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    deployment_id: Uuid,
    wave_id: Uuid,
    host_id: Uuid,
    sequence: i64,
    attempt: i32,
    order_digest: Vec<u8>,
    status: String,
    confirmed: Option<bool>,
    error: Option<serde_json::Value>,
    step: i64,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    last_event_at: DateTime<Utc>,
    bytes_from_relay: i64,
    bytes_from_origin: i64,
    result: Option<Vec<u8>>,
    manifest: Option<Vec<u8>>,
}

const COLUMNS: &str = "tenant_id, id, deployment_id, wave_id, host_id, sequence, attempt, order_digest, status, confirmed, error, step, started_at, ended_at, last_event_at, bytes_from_relay, bytes_from_origin, result, manifest";

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Row {
    fn read(self) -> StorageResult<Stored> {
        let bad = |reason: String| StorageError::Encoding {
            what: "a run",
            reason,
        };
        let status = RunStatus::from_word(&self.status).ok_or_else(|| bad(self.status.clone()))?;
        let error = self
            .error
            .map(serde_json::from_value)
            .transpose()
            .map_err(|error| bad(error.to_string()))?;
        Ok(Stored {
            run: Run {
                id: self.id.into(),
                tenant: self.tenant_id.into(),
                deployment: self.deployment_id.into(),
                wave: self.wave_id.into(),
                host: self.host_id.into(),
                sequence: unsigned(self.sequence),
                attempt: u32::try_from(self.attempt).unwrap_or(1),
                status,
                silent: false,
                confirmed: self.confirmed,
                error,
                started_at: Some(self.started_at),
                ended_at: self.ended_at,
                last_event_at: Some(self.last_event_at),
                bytes_from_relay: unsigned(self.bytes_from_relay),
                bytes_from_origin: unsigned(self.bytes_from_origin),
                events: Vec::new(),
            },
            order: Sha256::from_slice(&self.order_digest).unwrap_or_default(),
            step: unsigned(self.step),
            result: self.result,
            manifest: self.manifest.as_deref().and_then(Sha256::from_slice),
        })
    }
}

async fn read(
    tx: &TenantTx,
    sql: &str,
    values: impl IntoIterator<Item = sea_orm::Value>,
) -> StorageResult<Vec<Stored>> {
    tx.all::<Row>(sql, values)
        .await?
        .into_iter()
        .map(Row::read)
        .collect()
}

/// Which attempt a report is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) deployment: DeploymentId,
    pub(crate) host: HostId,
    pub(crate) sequence: u64,
    pub(crate) attempt: u32,
}

/// The run of a key, locked.
pub(crate) async fn lock(tx: &TenantTx, key: Key) -> StorageResult<Option<Stored>> {
    let sql = format!(
        "select {COLUMNS} from scheduler.runs where tenant_id = $1 and deployment_id = $2 and host_id = $3 and sequence = $4 and attempt = $5 for update"
    );
    let values = [
        tx.tenant()?.0.into(),
        key.deployment.0.into(),
        key.host.0.into(),
        signed(key.sequence).into(),
        i32::try_from(key.attempt).unwrap_or(1).into(),
    ];
    tx.one::<Row>(&sql, values)
        .await?
        .map(Row::read)
        .transpose()
}

/// Inserts a run; a second one of the same key is dropped.
pub(crate) async fn insert(tx: &TenantTx, stored: &Stored) -> StorageResult<()> {
    let run = &stored.run;
    let at = run.last_event_at.unwrap_or(DateTime::UNIX_EPOCH);
    tx.execute(
        "insert into scheduler.runs (tenant_id, id, deployment_id, wave_id, host_id, sequence, attempt, order_digest, status, started_at, last_event_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing",
        [
            run.tenant.0.into(),
            run.id.0.into(),
            run.deployment.0.into(),
            run.wave.0.into(),
            run.host.0.into(),
            signed(run.sequence).into(),
            i32::try_from(run.attempt).unwrap_or(1).into(),
            stored.order.0.to_vec().into(),
            run.status.as_str().into(),
            run.started_at.unwrap_or(at).into(),
            at.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn save(tx: &TenantTx, stored: &Stored) -> StorageResult<()> {
    let run = &stored.run;
    tx.execute(
        "update scheduler.runs set status = $3, confirmed = $4, error = $5, step = $6, ended_at = $7, last_event_at = $8, bytes_from_relay = $9, bytes_from_origin = $10, result = $11, manifest = $12 where tenant_id = $1 and id = $2",
        [
            run.tenant.0.into(),
            run.id.0.into(),
            run.status.as_str().into(),
            run.confirmed.into(),
            run.error.as_ref().map(|error| serde_json::json!(error)).into(),
            signed(stored.step).into(),
            run.ended_at.into(),
            run.last_event_at.unwrap_or(DateTime::UNIX_EPOCH).into(),
            signed(run.bytes_from_relay).into(),
            signed(run.bytes_from_origin).into(),
            stored.result.clone().into(),
            stored.manifest.map(|manifest| manifest.0.to_vec()).into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn append(tx: &TenantTx, run: RunId, event: &RunEvent) -> StorageResult<()> {
    tx.execute(
        "insert into scheduler.run_events (tenant_id, run_id, step, status, at, message, cause, evidence) values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
        [
            tx.tenant()?.0.into(),
            run.0.into(),
            signed(event.step).into(),
            event.status.as_str().into(),
            event.at.into(),
            event.message.clone().into(),
            event.cause.clone().into(),
            serde_json::json!(event.evidence).into(),
        ],
    )
    .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct EventRow {
    step: i64,
    status: String,
    at: DateTime<Utc>,
    message: String,
    cause: String,
    evidence: serde_json::Value,
}

pub(crate) async fn events(tx: &TenantTx, run: RunId) -> StorageResult<Vec<RunEvent>> {
    let sql = "select step, status, at, message, cause, evidence from scheduler.run_events where run_id = $1 order by step";
    let rows = tx.all::<EventRow>(sql, [run.0.into()]).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(RunEvent {
                step: unsigned(row.step),
                status: RunStatus::from_word(&row.status)?,
                at: row.at,
                message: row.message,
                cause: row.cause,
                evidence: serde_json::from_value(row.evidence).unwrap_or_default(),
            })
        })
        .collect())
}

/// The newest attempt of each host of a wave.
pub(crate) async fn newest_of_wave(tx: &TenantTx, wave: WaveId) -> StorageResult<Vec<Stored>> {
    let sql = format!(
        "select distinct on (host_id) {COLUMNS} from scheduler.runs where wave_id = $1 order by host_id, sequence desc, attempt desc"
    );
    read(tx, &sql, [wave.0.into()]).await
}

pub(crate) async fn of_deployment(
    tx: &TenantTx,
    deployment: DeploymentId,
) -> StorageResult<Vec<Stored>> {
    let sql = format!(
        "select {COLUMNS} from scheduler.runs where deployment_id = $1 order by id limit 100000"
    );
    read(tx, &sql, [deployment.0.into()]).await
}

/// Those of these (host, order) that have a run which has ended.
pub(crate) async fn ended_of(
    tx: &TenantTx,
    pairs: impl Iterator<Item = (HostId, Sha256)>,
) -> StorageResult<HashSet<(HostId, Sha256)>> {
    #[derive(FromQueryResult)]
    struct EndedRow {
        host_id: Uuid,
        order_digest: Vec<u8>,
    }
    let (hosts, orders): (Vec<Uuid>, Vec<Vec<u8>>) = pairs
        .map(|(host, order)| (host.0, order.0.to_vec()))
        .unzip();
    let sql = "select r.host_id, r.order_digest from scheduler.runs r \
               join unnest($1::uuid[], $2::bytea[]) w(host_id, order_digest) on r.host_id = w.host_id and r.order_digest = w.order_digest \
               where r.ended_at is not null";
    let rows: Vec<EndedRow> = tx.all(sql, [hosts.into(), orders.into()]).await?;
    let pair = |row: EndedRow| {
        let order = Sha256::from_slice(&row.order_digest).unwrap_or_default();
        (row.host_id.into(), order)
    };
    Ok(rows.into_iter().map(pair).collect())
}

pub(crate) async fn get(tx: &TenantTx, id: RunId) -> StorageResult<Option<Stored>> {
    let sql = format!("select {COLUMNS} from scheduler.runs where id = $1");
    tx.one::<Row>(&sql, [id.0.into()])
        .await?
        .map(Row::read)
        .transpose()
}

/// Newest first. Only the conditions that are asked for are written, so that each has its index.
pub(crate) async fn list(tx: &TenantTx, request: &RunList) -> StorageResult<Vec<Stored>> {
    let statuses: Vec<String> = request
        .statuses
        .iter()
        .map(|status| status.as_str().to_owned())
        .collect();
    let after = request
        .page
        .after
        .as_deref()
        .and_then(|after| after.parse::<Uuid>().ok());
    let mut values: Vec<sea_orm::Value> = vec![signed(request.page.limit() + 1).into()];
    let mut conditions = Vec::new();
    let mut only = |condition: &str, value: sea_orm::Value| {
        values.push(value);
        conditions.push(condition.replace("$?", &format!("${}", values.len())));
    };
    if let Some(id) = request.deployment {
        only("deployment_id = $?", id.0.into());
    }
    if let Some(id) = request.wave {
        only("wave_id = $?", id.0.into());
    }
    if let Some(id) = request.host {
        only("host_id = $?", id.0.into());
    }
    if !statuses.is_empty() {
        only("status = any($?)", statuses.into());
    }
    if let Some(after) = after {
        only("id < $?", after.into());
    }
    let condition = if conditions.is_empty() {
        "true".to_owned()
    } else {
        conditions.join(" and ")
    };
    let sql =
        format!("select {COLUMNS} from scheduler.runs where {condition} order by id desc limit $1");
    read(tx, &sql, values).await
}

/// Runs of a deployment that have not ended.
pub(crate) async fn open(tx: &TenantTx, deployment: DeploymentId) -> StorageResult<Vec<Stored>> {
    let sql = format!(
        "select {COLUMNS} from scheduler.runs where deployment_id = $1 and ended_at is null order by id limit 100000"
    );
    read(tx, &sql, [deployment.0.into()]).await
}

/// Runs of a deployment that say succeeded and that no scan has confirmed or denied.
pub(crate) async fn unconfirmed(
    tx: &TenantTx,
    deployment: DeploymentId,
) -> StorageResult<Vec<Stored>> {
    let sql = format!(
        "select {COLUMNS} from scheduler.runs where deployment_id = $1 and status = 'succeeded' and confirmed is null order by id limit 1000"
    );
    read(tx, &sql, [deployment.0.into()]).await
}
