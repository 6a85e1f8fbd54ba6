//! Outboxes do not grow for ever: a row goes when every consumer has passed it and it is older than [`KEEP`].
//!
//! Invariants: [`CONSUMERS`] names everybody who reads; a row that one of them has not passed stays, however old, and so
//! do all rows while a consumer has no cursor in the present epoch. Nothing of this is silent: see [`tend`].

use super::Horizon;
use crate::consumer::cursor_in;
use crate::roles::identifier;
use crate::transaction::WorkerTx;
use crate::{Database, StorageResult, execute_all, worker_may};
use chrono::{DateTime, Utc};
use netpatch_types::{Cursor, SharedClock};
use sea_orm_migration::prelude::*;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A row is kept at least this long, so that a consumer that begins anew (a restored database) sees what is recent.
pub const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);
/// An event that waits longer than this for its consumer, or for the horizon, is worth a warning.
pub const LATE: Duration = Duration::from_secs(15 * 60);
/// How often outboxes are tended.
const EVERY: Duration = Duration::from_secs(60);
/// Rows of one transaction.
const BATCH: i64 = 10_000;

/// Somebody who reads an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The schema whose outbox is read.
    pub source: &'static str,
    /// The schema that keeps the cursor.
    pub schema: &'static str,
    /// The cursor's name in it.
    pub cursor: &'static str,
}

const fn reader(source: &'static str, schema: &'static str, cursor: &'static str) -> Reader {
    Reader {
        source,
        schema,
        cursor,
    }
}

/// Everybody who reads, platform-wide. A consumer that is not listed is told so in the log, for its events may be pruned
/// before it reads them.
pub const CONSUMERS: [Reader; 9] = [
    reader("identity", "identity", "ledger"),
    reader("identity", "identity", "sites"),
    reader("inventory", "policy", "inventory"),
    reader("inventory", "reporting", "inventory"),
    reader("policy", "reporting", "policy"),
    reader("policy", "scheduler", "policy"),
    reader("scheduler", "reporting", "scheduler"),
    reader("reporting", "policy", "reporting"),
    reader("reporting", "scheduler", "reporting"),
];

/// Lets background jobs delete from an outbox: the migration of each schema that has one. List it as
/// `tenant <schema>.outbox worker=select,delete`.
pub struct OutboxPrune(pub &'static str);

impl MigrationName for OutboxPrune {
    fn name(&self) -> &str {
        "outbox_prune"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for OutboxPrune {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(
            manager.get_connection(),
            worker_may(self.0, "outbox", "delete"),
        )
        .await
    }
}

/// Watches and prunes the outbox of a schema until `stop`. Gauges for alarms: `outbox_horizon_age_seconds{schema}`,
/// `outbox_unread_age_seconds{schema, consumer}` (how old the oldest row is that the consumer has not passed: a consumer
/// that was forgotten shows here, and keeps its rows) and the counter `outbox_pruned_rows_total{schema}`.
pub async fn tend(db: &Database, schema: &str, clock: SharedClock, stop: CancellationToken) {
    let readers = || CONSUMERS.iter().filter(|reader| reader.source == schema);
    while !stop.is_cancelled() {
        let readers: Vec<Reader> = readers().copied().collect();
        if let Err(error) = prune(db, schema, &readers, clock.now(), KEEP).await {
            tracing::warn!(schema, %error, "pruning the outbox failed, trying again");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Deletes what all `readers` have passed and what was written more than `keep` before `now`; how many rows.
pub async fn prune(
    db: &Database,
    schema: &str,
    readers: &[Reader],
    now: DateTime<Utc>,
    keep: Duration,
) -> StorageResult<u64> {
    let schema = identifier(schema)?;
    let tx = db.worker_tx().await?;
    let horizon = Horizon::read(&tx, schema).await?;
    if horizon.age_seconds > LATE.as_secs_f64() {
        tracing::warn!(
            schema,
            age_seconds = horizon.age_seconds,
            "a transaction holds the outbox back"
        );
    }
    let mut passed: Option<Cursor> = None;
    for reader in readers {
        let (cursor, oldest) = place(&tx, schema, horizon.epoch, reader).await?;
        let age = oldest.map_or(0.0, |oldest| (now - oldest).as_seconds_f64().max(0.0));
        let labels = [
            ("schema", schema.to_owned()),
            ("consumer", reader.schema.to_owned()),
        ];
        metrics::gauge!("outbox_unread_age_seconds", &labels).set(age);
        if age > LATE.as_secs_f64() {
            tracing::warn!(
                schema,
                consumer = reader.schema,
                age_seconds = age,
                "a consumer is behind: its events are kept"
            );
        }
        passed = Some(passed.map_or(cursor, |least| least.min(cursor)));
    }
    tx.rollback().await?;
    let keep = chrono::Duration::from_std(keep).ok();
    let before = keep.and_then(|keep| now.checked_sub_signed(keep));
    let (Some(passed), Some(before)) = (passed, before) else {
        return Ok(0);
    };
    let sql = format!(
        "delete from {schema}.outbox o using (select tenant_id, id from {schema}.outbox \
         where (xid, id) <= ($1::xid8, $2) and at < $3 order by xid, id limit $4) old \
         where o.tenant_id = old.tenant_id and o.id = old.id"
    );
    let mut pruned = 0;
    loop {
        let tx = db.worker_tx().await?;
        let values = [
            passed.xid.to_string().into(),
            passed.id.into(),
            before.into(),
            BATCH.into(),
        ];
        let rows = tx.execute(&sql, values).await?;
        tx.commit().await?;
        pruned += rows;
        metrics::counter!("outbox_pruned_rows_total", "schema" => schema.to_owned())
            .increment(rows);
        if rows < BATCH.unsigned_abs() {
            return Ok(pruned);
        }
    }
}

/// How far a reader has come in this epoch, and when the oldest row behind it was written.
async fn place(
    tx: &WorkerTx,
    schema: &str,
    epoch: i64,
    reader: &Reader,
) -> StorageResult<(Cursor, Option<DateTime<Utc>>)> {
    let kept = cursor_in(tx, reader.schema, reader.cursor).await?;
    let cursor = match kept {
        Some(cursor) if cursor.epoch == epoch => cursor,
        _ => Cursor {
            epoch,
            ..Cursor::default()
        },
    };
    let sql = format!(
        "select at from {schema}.outbox where (xid, id) > ($1::xid8, $2) order by xid, id limit 1"
    );
    let values = [cursor.xid.to_string().into(), cursor.id.into()];
    Ok((cursor, tx.value(&sql, values).await?))
}
