//! Events of a service: rows written in the transaction of the change, read in commit order up to the snapshot horizon.
//!
//! Invariant: a page holds only rows of transactions below `pg_snapshot_xmin(pg_current_snapshot())`; all of those are decided, so no
//! row can appear behind a cursor. "id > last" would lose the rows of slow transactions.
//! Rows that everybody has passed are pruned after a while ([`tend`]).
//! A restored database gets a new epoch ([`restored`]); a cursor of an older epoch starts again from the beginning.

use crate::roles::{connect_one, identifier};
use crate::transaction::{TenantTx, WorkerTx};
use crate::{Database, StorageError, StorageResult, execute_all, policies};
use chrono::{DateTime, Utc};
use netpatch_types::{Clock, Cursor, EventEnvelope, EventPage, TenantId, id::uuid_v7};
use sea_orm::{FromQueryResult, TransactionTrait};
use serde::Serialize;
use uuid::Uuid;

mod prune;
pub use prune::{CONSUMERS, KEEP, LATE, OutboxPrune, Reader, prune, tend};

/// The largest page of events.
pub const MAX_PAGE: u32 = 1000;

/// The tables `<schema>.outbox` and `<schema>.outbox_epoch`. List them as `tenant <schema>.outbox worker=select` and
/// `other <schema>.outbox_epoch worker=select`.
#[must_use]
pub fn outbox_table_sql(schema: &str) -> Vec<String> {
    let mut sql = vec![
        format!(
            "create table {schema}.outbox (tenant_id uuid not null, id bigint generated always as identity, \
             xid xid8 not null default pg_current_xact_id(), event_id uuid not null, aggregate text not null, \
             at timestamptz not null, written timestamptz not null default clock_timestamp(), payload jsonb not null, \
             primary key (tenant_id, id))"
        ),
        format!("create index outbox_order_worker on {schema}.outbox (xid, id)"),
        format!("create table {schema}.outbox_epoch (epoch bigint not null)"),
        format!("insert into {schema}.outbox_epoch values (1)"),
    ];
    sql.extend(policies::protect_tenant_table(schema, "outbox"));
    sql.extend(policies::worker_may(schema, "outbox", "select"));
    sql.extend(policies::protect_other_table(schema, "outbox_epoch"));
    sql.extend(policies::worker_may(schema, "outbox_epoch", "select"));
    sql
}

/// Appends an event to the transaction of the change; its id. `payload` is a versioned enum of the service's api crate.
/// Order holds per `aggregate` only. Publish the hint after the commit.
pub async fn append(
    tx: &TenantTx,
    schema: &str,
    aggregate: &str,
    payload: &impl Serialize,
    clock: &dyn Clock,
) -> StorageResult<Uuid> {
    let schema = identifier(schema)?;
    let payload = serde_json::to_value(payload).map_err(|error| StorageError::Encoding {
        what: "an event",
        reason: error.to_string(),
    })?;
    let now = clock.now();
    let id = uuid_v7(now);
    let sql = format!(
        "insert into {schema}.outbox (tenant_id, event_id, aggregate, at, payload) values ($1, $2, $3, $4, $5)"
    );
    tx.execute(
        &sql,
        [
            tx.tenant()?.0.into(),
            id.into(),
            aggregate.into(),
            now.into(),
            payload.into(),
        ],
    )
    .await?;
    Ok(id)
}

/// As [`append`], many events in one statement; each with its aggregate.
pub async fn append_all<P: Serialize>(
    tx: &TenantTx,
    schema: &str,
    events: &[(String, P)],
    clock: &dyn Clock,
) -> StorageResult<()> {
    let schema = identifier(schema)?;
    let now = clock.now();
    let sql = format!(
        "insert into {schema}.outbox (tenant_id, event_id, aggregate, at, payload) \
         select $1, event_id, aggregate, $2, payload::jsonb from unnest($3::uuid[], $4::text[], $5::text[]) r(event_id, aggregate, payload)"
    );
    for portion in events.chunks(1_000) {
        let (mut ids, mut aggregates, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
        for (aggregate, payload) in portion {
            ids.push(uuid_v7(now));
            aggregates.push(aggregate.clone());
            payloads.push(serde_json::to_string(payload).map_err(|error| {
                StorageError::Encoding {
                    what: "an event",
                    reason: error.to_string(),
                }
            })?);
        }
        tx.execute(
            &sql,
            [
                tx.tenant()?.0.into(),
                now.into(),
                ids.into(),
                aggregates.into(),
                payloads.into(),
            ],
        )
        .await?;
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct Horizon {
    epoch: i64,
    xmin: String,
    age_seconds: f64,
}

impl Horizon {
    /// Where it is, and sets the gauge.
    async fn read(tx: &WorkerTx, schema: &str) -> StorageResult<Self> {
        let sql = format!(
            "select e.epoch, h.xmin::text as xmin, coalesce((select extract(epoch from clock_timestamp() - min(o.written)) \
             from {schema}.outbox o where o.xid >= h.xmin), 0)::float8 as age_seconds \
             from {schema}.outbox_epoch e, (select pg_snapshot_xmin(pg_current_snapshot()) as xmin) h"
        );
        let horizon: Self = tx
            .one(&sql, [])
            .await?
            .ok_or_else(|| StorageError::Setting(format!("{schema}.outbox_epoch is empty")))?;
        metrics::gauge!("outbox_horizon_age_seconds", "schema" => schema.to_owned())
            .set(horizon.age_seconds);
        Ok(horizon)
    }
}

#[derive(FromQueryResult)]
struct Row {
    xid: String,
    id: i64,
    event_id: Uuid,
    tenant_id: Uuid,
    aggregate: String,
    at: DateTime<Utc>,
    payload: serde_json::Value,
}

/// The events behind a cursor, of all organizations, in commit order; at most `limit` (up to [`MAX_PAGE`]). Sets the gauge
/// `outbox_horizon_age_seconds` to how long the oldest row has been waiting for a slow transaction.
pub async fn read(
    db: &Database,
    schema: &str,
    after: Cursor,
    limit: u32,
) -> StorageResult<EventPage> {
    let schema = identifier(schema)?;
    let tx = db.worker_tx().await?;
    let horizon = Horizon::read(&tx, schema).await?;
    // Another epoch means another numbering of transactions: everything is delivered again.
    let after = if after.epoch == horizon.epoch {
        after
    } else {
        Cursor {
            epoch: horizon.epoch,
            xid: 0,
            id: 0,
        }
    };
    // `order by xid` alone would mean the text that is selected: 1000 before 999.
    let sql = format!(
        "select o.xid::text as xid, o.id, o.event_id, o.tenant_id, o.aggregate, o.at, o.payload from {schema}.outbox o \
         where (o.xid, o.id) > ($1::xid8, $2) and o.xid < $3::xid8 order by o.xid, o.id limit $4"
    );
    let limit = i64::from(limit.clamp(1, MAX_PAGE));
    let rows: Vec<Row> = tx
        .all(
            &sql,
            [
                after.xid.to_string().into(),
                after.id.into(),
                horizon.xmin.into(),
                limit.into(),
            ],
        )
        .await?;
    tx.rollback().await?;
    let events = rows
        .into_iter()
        .map(|row| envelope(row, horizon.epoch))
        .collect::<StorageResult<Vec<_>>>()?;
    let next = events.last().map_or(after, |event| event.cursor);
    Ok(EventPage { events, next })
}

fn envelope(row: Row, epoch: i64) -> StorageResult<EventEnvelope> {
    let xid = row.xid.parse().map_err(|_| StorageError::Encoding {
        what: "a transaction number",
        reason: row.xid,
    })?;
    Ok(EventEnvelope {
        cursor: Cursor {
            epoch,
            xid,
            id: row.id,
        },
        id: row.event_id,
        tenant: TenantId::from(row.tenant_id),
        aggregate: row.aggregate,
        at: row.at,
        payload: row.payload,
    })
}

/// After a restore from a backup: starts a new epoch and renumbers the rows, whose transaction numbers may lie in the new
/// database's future. Consumers then get every row again.
pub async fn restored(owner_url: &str, schema: &str) -> StorageResult<()> {
    let schema = identifier(schema)?;
    let owner = connect_one(owner_url).await?;
    let tx = owner.begin().await?;
    let done = execute_all(
        &tx,
        [
            format!("alter table {schema}.outbox no force row level security"),
            format!("update {schema}.outbox set xid = pg_current_xact_id()"),
            format!("alter table {schema}.outbox force row level security"),
            format!("update {schema}.outbox_epoch set epoch = epoch + 1"),
        ],
    )
    .await;
    if done.is_ok() {
        tx.commit().await?;
    }
    let _ = owner.close().await;
    Ok(done?)
}
