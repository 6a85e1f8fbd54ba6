//! How fresh feeds are, and what became of their last import.

use crate::pack::{FeedFacts, about};
use crate::store::{decoded, encoded};
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{CanaryReport, FeedStatus};
use netpatch_storage::{CatalogTx, StorageResult, Tx};
use sea_orm::FromQueryResult;

/// The epoch of the advisories.
pub(crate) async fn epoch<S>(tx: &Tx<S>) -> StorageResult<i64> {
    Ok(tx
        .value("select epoch from inventory.feed_state", [])
        .await?
        .unwrap_or_default())
}

/// Grows with the held files.
pub(crate) async fn revision<S>(tx: &Tx<S>) -> StorageResult<i64> {
    Ok(tx
        .value("select revision from inventory.feed_state", [])
        .await?
        .unwrap_or_default())
}

/// The revision, locked until the end of the transaction: imports wait for each other.
pub(crate) async fn lock(tx: &CatalogTx) -> StorageResult<i64> {
    Ok(tx
        .value("select revision from inventory.feed_state for update", [])
        .await?
        .unwrap_or_default())
}

/// Other files are held now.
pub(crate) async fn next_revision(tx: &CatalogTx) -> StorageResult<()> {
    tx.execute(
        "update inventory.feed_state set revision = revision + 1",
        [],
    )
    .await?;
    Ok(())
}

/// The advisories are others now: the swap. The new epoch.
pub(crate) async fn next_epoch(tx: &CatalogTx) -> StorageResult<i64> {
    Ok(tx
        .value(
            "update inventory.feed_state set epoch = epoch + 1 returning epoch",
            [],
        )
        .await?
        .unwrap_or_default())
}

#[derive(FromQueryResult)]
struct FeedRow {
    name: String,
    records: i64,
    skipped: i64,
    problem: Option<String>,
    data_as_of: Option<DateTime<Utc>>,
    imported_at: Option<DateTime<Utc>>,
    licence: String,
    limits: String,
    epoch: i64,
    source: Option<String>,
    fetched_at: Option<DateTime<Utc>>,
    etag: Option<String>,
    last_modified: Option<String>,
    waiting_for: Option<String>,
    waiting_since: Option<DateTime<Utc>>,
    waiting_records: Option<i64>,
    canary: Option<serde_json::Value>,
}

/// All feeds, by name.
pub(crate) async fn list<S>(tx: &Tx<S>) -> StorageResult<Vec<FeedStatus>> {
    let rows: Vec<FeedRow> = tx
        .all(
            "select name, records, skipped, problem, data_as_of, imported_at, licence, limits, epoch, source, fetched_at, etag, \
             last_modified, waiting_for, waiting_since, waiting_records, canary from inventory.feeds order by name",
            [],
        )
        .await?;
    let count = |value: i64| u64::try_from(value).unwrap_or_default();
    rows.into_iter()
        .map(|row| {
            let canary = row
                .canary
                .map(|canary| decoded("a canary's report", canary));
            Ok(FeedStatus {
                name: row.name,
                records: count(row.records),
                skipped: count(row.skipped),
                problem: row.problem,
                data_as_of: row.data_as_of,
                imported_at: row.imported_at,
                licence: row.licence,
                limits: row.limits,
                epoch: count(row.epoch),
                source: row.source,
                fetched_at: row.fetched_at,
                etag: row.etag,
                last_modified: row.last_modified,
                waiting_for: row.waiting_for,
                waiting_since: row.waiting_since,
                waiting_records: row.waiting_records.map(count),
                canary: canary.transpose()?,
            })
        })
        .collect()
}

/// Makes sure that there is a row to write to: a feed may fail before it was ever held.
async fn known(tx: &CatalogTx, feed: &str) -> StorageResult<()> {
    let (licence, limits) = about(feed);
    tx.execute(
        "insert into inventory.feeds (name, records, skipped, licence, limits) values ($1, 0, 0, $2, $3) on conflict (name) do nothing",
        [feed.into(), licence.into(), limits.into()],
    )
    .await?;
    Ok(())
}

/// Remembers why an import was refused; the feed stays as it is.
pub(crate) async fn refused(tx: &CatalogTx, feed: Option<&str>, reason: &str) -> StorageResult<()> {
    if let Some(feed) = feed {
        known(tx, feed).await?;
    }
    tx.execute(
        "update inventory.feeds set problem = $2 where $1::text is null or name = $1",
        [
            feed.map(str::to_owned).into(),
            format!("import refused: {reason}").into(),
        ],
    )
    .await?;
    Ok(())
}

/// What a source answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// Its address.
    pub(crate) source: String,
    /// What it calls this content.
    pub(crate) etag: Option<String>,
    /// When it changed it, in its own words.
    pub(crate) last_modified: Option<String>,
}

/// The source was asked with success, whether it had anything new or not.
pub(crate) async fn fetched(
    tx: &CatalogTx,
    feed: &str,
    fetched: &Fetched,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    known(tx, feed).await?;
    tx.execute(
        "update inventory.feeds set source = $2, etag = $3, last_modified = $4, fetched_at = $5, \
         problem = case when problem like 'import refused: %' and waiting_for is null then null else problem end where name = $1",
        [
            feed.into(),
            fetched.source.clone().into(),
            fetched.etag.clone().into(),
            fetched.last_modified.clone().into(),
            now.into(),
        ],
    )
    .await?;
    Ok(())
}

/// A feed's records are held now; what waited for a person does not any more.
pub(crate) async fn imported(
    tx: &CatalogTx,
    facts: &FeedFacts,
    canary: Option<&CanaryReport>,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let canary = canary
        .map(|canary| encoded("a canary's report", canary))
        .transpose()?;
    tx.execute(
        "insert into inventory.feeds (name, records, skipped, problem, data_as_of, imported_at, licence, limits, canary) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (name) do update set records = excluded.records, \
         skipped = excluded.skipped, problem = excluded.problem, data_as_of = excluded.data_as_of, \
         imported_at = excluded.imported_at, licence = excluded.licence, limits = excluded.limits, canary = excluded.canary, \
         waiting_for = null, waiting_since = null, waiting_records = null",
        [
            facts.name.clone().into(),
            count(facts.records).into(),
            count(facts.skipped).into(),
            facts.problem.clone().into(),
            facts.data_as_of.into(),
            now.into(),
            facts.licence.into(),
            facts.limits.into(),
            canary.into(),
        ],
    )
    .await?;
    Ok(())
}

/// These feeds changed with an epoch.
pub(crate) async fn changed(tx: &CatalogTx, feeds: &[String], epoch: i64) -> StorageResult<()> {
    tx.execute(
        "update inventory.feeds set epoch = $2 where name = any($1)",
        [feeds.to_vec().into(), epoch.into()],
    )
    .await?;
    Ok(())
}

/// Newer files of a feed wait for a person.
pub(crate) async fn waits(
    tx: &CatalogTx,
    feed: &str,
    reason: &str,
    records: Option<u64>,
    canary: Option<&CanaryReport>,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    known(tx, feed).await?;
    let canary = canary
        .map(|canary| encoded("a canary's report", canary))
        .transpose()?;
    let records = records.map(|records| i64::try_from(records).unwrap_or(i64::MAX));
    tx.execute(
        "update inventory.feeds set waiting_for = $2, waiting_since = coalesce(waiting_since, $3), waiting_records = $4, \
         canary = coalesce($5, canary) where name = $1",
        [
            feed.into(),
            reason.into(),
            now.into(),
            records.into(),
            canary.into(),
        ],
    )
    .await?;
    Ok(())
}
