//! How an organization ranks findings and which clocks run: risk weights and followed baselines.
//!
//! Evaluations hold a shared lock until their end, a change waits for them. So when a change has committed, whatever was
//! written by older rules is committed too, and the job that lets its hosts wait sees it.

use crate::store::{decoded, encoded};
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{
    Exception, FollowedBaseline, HardwareRule, HardwareRulesHeld, RiskWeights, RiskWeightsHeld,
};
use netpatch_storage::{StorageResult, TenantTx, WorkerTx};
use netpatch_types::TenantId;
use sea_orm::FromQueryResult;
use std::collections::HashMap;
use uuid::Uuid;

/// By what an organization's findings are ranked and dated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scoring {
    /// What counts how much.
    pub(crate) weights: RiskWeights,
    /// Their version.
    pub(crate) weights_version: u64,
    /// The clocks that run.
    pub(crate) baselines: Vec<FollowedBaseline>,
    /// What may be late.
    pub(crate) exceptions: Vec<Exception>,
    /// Which updates are not for which hardware.
    pub(crate) hardware: Vec<HardwareRule>,
}

impl Default for Scoring {
    fn default() -> Self {
        Self {
            weights: RiskWeights::default(),
            weights_version: 0,
            baselines: vec![FollowedBaseline::undecided()],
            exceptions: Vec::new(),
            hardware: Vec::new(),
        }
    }
}

#[derive(FromQueryResult)]
struct Row {
    weights: Option<serde_json::Value>,
    weights_version: i64,
    baselines: Option<serde_json::Value>,
    exceptions: Option<serde_json::Value>,
    hardware: Option<serde_json::Value>,
}

fn scoring(row: Row) -> StorageResult<Scoring> {
    let weights = row
        .weights
        .map(|weights| decoded("risk weights", weights))
        .transpose()?;
    Ok(Scoring {
        weights: weights.unwrap_or_default(),
        weights_version: version(row.weights_version),
        baselines: match row.baselines {
            Some(baselines) => decoded("followed baselines", baselines)?,
            None => Scoring::default().baselines,
        },
        exceptions: match row.exceptions {
            Some(exceptions) => decoded("exceptions", exceptions)?,
            None => Vec::new(),
        },
        hardware: match row.hardware {
            Some(rules) => decoded("hardware rules", rules)?,
            None => Vec::new(),
        },
    })
}

struct OwnedRow {
    tenant_id: Uuid,
    row: Row,
}

impl FromQueryResult for OwnedRow {
    fn from_query_result(row: &sea_orm::QueryResult, prefix: &str) -> Result<Self, sea_orm::DbErr> {
        Ok(Self {
            tenant_id: row.try_get(prefix, "tenant_id")?,
            row: Row::from_query_result(row, prefix)?,
        })
    }
}

#[derive(FromQueryResult)]
struct HeldRow {
    version: i64,
    weights: serde_json::Value,
    changed_at: DateTime<Utc>,
    changed_by: serde_json::Value,
}

fn held(tenant: TenantId, row: HeldRow) -> StorageResult<RiskWeightsHeld> {
    Ok(RiskWeightsHeld {
        tenant,
        version: version(row.version),
        weights: decoded("risk weights", row.weights)?,
        changed_at: Some(row.changed_at),
        changed_by: decoded("an actor", row.changed_by)?,
    })
}

fn version(column: i64) -> u64 {
    u64::try_from(column).unwrap_or_default()
}

fn column_of(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
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
            "select weights, weights_version, baselines, exceptions, hardware from inventory.scoring where tenant_id = $1",
            [tenant.0.into()],
        )
        .await?;
    row.map_or_else(|| Ok(Scoring::default()), scoring)
}

/// Of every organization that the request may read; one without a row has the defaults.
pub(crate) async fn readable(tx: &TenantTx) -> StorageResult<HashMap<TenantId, Scoring>> {
    let rows: Vec<OwnedRow> = tx
        .all(
            "select tenant_id, weights, weights_version, baselines, exceptions, hardware from inventory.scoring",
            [],
        )
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.tenant_id.into(), scoring(row.row)?)))
        .collect()
}

/// The newest weights of an organization.
pub(crate) async fn weights(tx: &TenantTx, tenant: TenantId) -> StorageResult<RiskWeightsHeld> {
    let newest: Option<HeldRow> = tx
        .one(
            "select version, weights, changed_at, changed_by from inventory.risk_weights where tenant_id = $1 \
             order by version desc limit 1",
            [tenant.0.into()],
        )
        .await?;
    newest.map_or_else(|| Ok(first_weights(tenant)), |row| held(tenant, row))
}

/// The weights of an organization at a version; 0 are the defaults.
pub(crate) async fn weights_at(
    tx: &TenantTx,
    tenant: TenantId,
    version: u64,
) -> StorageResult<Option<RiskWeightsHeld>> {
    if version == 0 {
        return Ok(Some(first_weights(tenant)));
    }
    let row: Option<HeldRow> = tx
        .one(
            "select version, weights, changed_at, changed_by from inventory.risk_weights where tenant_id = $1 and version = $2",
            [tenant.0.into(), column_of(version).into()],
        )
        .await?;
    row.map(|row| held(tenant, row)).transpose()
}

fn first_weights(tenant: TenantId) -> RiskWeightsHeld {
    RiskWeightsHeld {
        tenant,
        version: 0,
        weights: RiskWeights::default(),
        changed_at: None,
        changed_by: None,
    }
}

/// Holds new weights, under the lock.
pub(crate) async fn set_weights(tx: &TenantTx, held: &RiskWeightsHeld) -> StorageResult<()> {
    let weights = encoded("risk weights", &held.weights)?;
    let tenant = tx.tenant()?;
    tx.execute(
        "insert into inventory.risk_weights (tenant_id, version, weights, changed_at, changed_by) values ($1, $2, $3, $4, $5)",
        [
            tenant.0.into(),
            column_of(held.version).into(),
            weights.clone().into(),
            held.changed_at.into(),
            encoded("an actor", &held.changed_by)?.into(),
        ],
    )
    .await?;
    tx.execute(
        "insert into inventory.scoring (tenant_id, weights, weights_version, version, stale) values ($1, $2, $3, 1, true) \
         on conflict (tenant_id) do update set weights = excluded.weights, weights_version = excluded.weights_version, \
         version = scoring.version + 1, stale = true",
        [tenant.0.into(), weights.into(), column_of(held.version).into()],
    )
    .await?;
    Ok(())
}

/// Waits for the evaluations that run and keeps new ones from beginning.
pub(crate) async fn lock(tx: &TenantTx) -> StorageResult<()> {
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
    let baselines = encoded("followed baselines", &baselines)?;
    set_newer(tx, "baselines", version, baselines).await
}

/// Replaces the exceptions in force unless newer ones are held; whether anything changed.
pub(crate) async fn set_exceptions(
    tx: &TenantTx,
    version: i64,
    exceptions: &[Exception],
) -> StorageResult<bool> {
    let exceptions = encoded("exceptions", &exceptions)?;
    set_newer(tx, "exceptions", version, exceptions).await
}

/// Replaces what policy tells in a column, which has a column of versions beside it, unless something newer is held.
async fn set_newer(
    tx: &TenantTx,
    column: &'static str,
    version: i64,
    told: serde_json::Value,
) -> StorageResult<bool> {
    lock(tx).await?;
    let sql = format!(
        "insert into inventory.scoring (tenant_id, {column}, {column}_version, version, stale) values ($1, $2, $3, 1, true) \
         on conflict (tenant_id) do update set {column} = excluded.{column}, {column}_version = excluded.{column}_version, \
         version = scoring.version + 1, stale = true where scoring.{column}_version < excluded.{column}_version"
    );
    let changed = tx
        .execute(&sql, [tx.tenant()?.0.into(), told.into(), version.into()])
        .await?;
    Ok(changed > 0)
}

#[derive(FromQueryResult)]
struct HardwareRow {
    hardware: Option<serde_json::Value>,
    hardware_version: i64,
    hardware_changed_at: Option<DateTime<Utc>>,
    hardware_changed_by: Option<serde_json::Value>,
}

/// The hardware rules of an organization.
pub(crate) async fn hardware(tx: &TenantTx, tenant: TenantId) -> StorageResult<HardwareRulesHeld> {
    let row: Option<HardwareRow> = tx
        .one(
            "select hardware, hardware_version, hardware_changed_at, hardware_changed_by from inventory.scoring where tenant_id = $1",
            [tenant.0.into()],
        )
        .await?;
    let none = HardwareRulesHeld {
        tenant,
        version: 0,
        rules: Vec::new(),
        changed_at: None,
        changed_by: None,
    };
    let Some(row) = row else { return Ok(none) };
    let rules = row.hardware.map(|rules| decoded("hardware rules", rules));
    let by = row.hardware_changed_by.map(|by| decoded("an actor", by));
    Ok(HardwareRulesHeld {
        version: version(row.hardware_version),
        rules: rules.transpose()?.unwrap_or_default(),
        changed_at: row.hardware_changed_at,
        changed_by: by.transpose()?,
        ..none
    })
}

/// Holds new hardware rules, under the lock.
pub(crate) async fn set_hardware(tx: &TenantTx, held: &HardwareRulesHeld) -> StorageResult<()> {
    tx.execute(
        "insert into inventory.scoring (tenant_id, hardware, hardware_version, hardware_changed_at, hardware_changed_by, version, stale) \
         values ($1, $2, $3, $4, $5, 1, true) on conflict (tenant_id) do update set hardware = excluded.hardware, \
         hardware_version = excluded.hardware_version, hardware_changed_at = excluded.hardware_changed_at, \
         hardware_changed_by = excluded.hardware_changed_by, version = scoring.version + 1, stale = true",
        [
            tx.tenant()?.0.into(),
            encoded("hardware rules", &held.rules)?.into(),
            column_of(held.version).into(),
            held.changed_at.into(),
            encoded("an actor", &held.changed_by)?.into(),
        ],
    )
    .await?;
    Ok(())
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

/// Every host of the organization is to be evaluated again.
pub(crate) async fn mark(tx: &TenantTx, version: i64) -> StorageResult<()> {
    let tenant = tx.tenant()?;
    super::evaluation::alone(tx).await?;
    super::evaluation::ask(tx, None).await?;
    tx.execute(
        "update inventory.scoring set stale = false where tenant_id = $1 and version = $2",
        [tenant.0.into(), version.into()],
    )
    .await?;
    Ok(())
}
