//! Feeds and what was imported from them.

use crate::domain::advisory::AdvisoryRecord;
use crate::domain::subject::Aliases;
use crate::pack::{FeedFacts, Pack};
use crate::store::decoded;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{CveFacts, FeedStatus};
use netpatch_storage::{CatalogTx, StorageResult, Tx};
use netpatch_types::{AdvisoryId, Sha256};
use sea_orm::FromQueryResult;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// The epoch of the advisories.
pub(crate) async fn epoch<S>(tx: &Tx<S>) -> StorageResult<i64> {
    Ok(tx
        .value("select epoch from inventory.feed_state", [])
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
}

/// All feeds, by name.
pub(crate) async fn list<S>(tx: &Tx<S>) -> StorageResult<Vec<FeedStatus>> {
    let rows: Vec<FeedRow> = tx
        .all("select name, records, skipped, problem, data_as_of, imported_at, licence, limits from inventory.feeds order by name", [])
        .await?;
    let count = |value: i64| u64::try_from(value).unwrap_or_default();
    Ok(rows
        .into_iter()
        .map(|row| FeedStatus {
            name: row.name,
            records: count(row.records),
            skipped: count(row.skipped),
            problem: row.problem,
            data_as_of: row.data_as_of,
            imported_at: row.imported_at,
            licence: row.licence,
            limits: row.limits,
        })
        .collect())
}

/// Remembers why an import was refused; the feed stays as it is.
pub(crate) async fn refused(tx: &CatalogTx, feed: Option<&str>, reason: &str) -> StorageResult<()> {
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

/// Replaces what is held with a pack. Imports wait for each other. Whether the advisories changed (then the epoch grew).
pub(crate) async fn replace(
    tx: &CatalogTx,
    pack: &Pack,
    now: DateTime<Utc>,
) -> StorageResult<bool> {
    tx.execute("select epoch from inventory.feed_state for update", [])
        .await?;
    for facts in &pack.feeds {
        upsert_feed(tx, facts, now).await?;
    }
    let mut changed = write_aliases(tx, &pack.aliases).await?;
    changed += write_cves(tx, &pack.cves).await?;
    for facts in &pack.feeds {
        // Feeds without advisories (EPSS, KEV, CVSS) only enrich those of others.
        let of_feed = |advisory: &&AdvisoryRecord| advisory.feed == facts.name;
        let advisories: Vec<_> = pack.advisories.iter().filter(of_feed).collect();
        changed += write_advisories(tx, &advisories, facts.name).await?;
    }
    if changed > 0 {
        tx.execute("update inventory.feed_state set epoch = epoch + 1", [])
            .await?;
    }
    Ok(changed > 0)
}

async fn upsert_feed(tx: &CatalogTx, facts: &FeedFacts, now: DateTime<Utc>) -> StorageResult<()> {
    let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    tx.execute(
        "insert into inventory.feeds (name, records, skipped, problem, data_as_of, imported_at, licence, limits) \
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (name) do update set records = excluded.records, \
         skipped = excluded.skipped, problem = excluded.problem, data_as_of = excluded.data_as_of, \
         imported_at = excluded.imported_at, licence = excluded.licence, limits = excluded.limits",
        [
            facts.name.into(),
            count(facts.records).into(),
            count(facts.skipped).into(),
            facts.problem.clone().into(),
            facts.data_as_of.into(),
            now.into(),
            facts.licence.into(),
            facts.limits.into(),
        ],
    )
    .await?;
    Ok(())
}

/// The catalog id of an advisory.
#[must_use]
pub(crate) fn advisory_id(feed: &str, name: &str) -> AdvisoryId {
    AdvisoryId::of(feed, name)
}

async fn write_advisories(
    tx: &CatalogTx,
    advisories: &[&AdvisoryRecord],
    feed: &str,
) -> StorageResult<u64> {
    let mut changed = 0;
    // In portions, so that no parameter grows without bound.
    for portion in advisories.chunks(5_000) {
        let rows: Vec<_> = portion.iter().map(|advisory| row(advisory)).collect();
        changed += tx
            .execute(
                "insert into inventory.advisories (id, name, feed, vendor_refs, cves, summary, cvss_score, cvss_vector, epss, kev, \
                 ransomware, published_at, url, record, record_digest, affected, informational, withdrawn, content_digest) \
                 select id, name, $2, vendor_refs, cves, summary, cvss_score, cvss_vector, epss, kev, ransomware, published_at, url, \
                 record, decode(record_digest, 'hex'), affected, informational, withdrawn, decode(content_digest, 'hex') \
                 from jsonb_to_recordset($1) as r(id uuid, name text, vendor_refs text[], cves text[], summary text, \
                 cvss_score double precision, cvss_vector text, epss double precision, kev boolean, ransomware boolean, \
                 published_at timestamptz, url text, record text, record_digest text, affected jsonb, informational text, \
                 withdrawn boolean, content_digest text) order by name \
                 on conflict (id) do update set vendor_refs = excluded.vendor_refs, cves = excluded.cves, summary = excluded.summary, \
                 cvss_score = excluded.cvss_score, cvss_vector = excluded.cvss_vector, epss = excluded.epss, kev = excluded.kev, \
                 ransomware = excluded.ransomware, published_at = excluded.published_at, url = excluded.url, record = excluded.record, \
                 record_digest = excluded.record_digest, affected = excluded.affected, informational = excluded.informational, \
                 content_digest = excluded.content_digest, withdrawn = excluded.withdrawn \
                 where advisories.content_digest <> excluded.content_digest or advisories.withdrawn <> excluded.withdrawn",
                [serde_json::Value::Array(rows).into(), feed.into()],
            )
            .await?;
    }
    let ids: Vec<Uuid> = advisories
        .iter()
        .map(|advisory| advisory_id(feed, &advisory.name).0)
        .collect();
    changed += tx
        .execute(
            "update inventory.advisories a set withdrawn = true where a.feed = $2 and not a.withdrawn \
             and not exists (select from unnest($1::uuid[]) kept(id) where kept.id = a.id)",
            [ids.into(), feed.into()],
        )
        .await?;
    Ok(changed)
}

fn row(advisory: &AdvisoryRecord) -> serde_json::Value {
    let mut row = json!({
        "id": advisory_id(&advisory.feed, &advisory.name),
        "name": advisory.name,
        "vendor_refs": advisory.vendor_refs,
        "cves": advisory.cves,
        "summary": advisory.summary,
        "cvss_score": advisory.cvss_score,
        "cvss_vector": advisory.cvss_vector,
        "epss": advisory.epss,
        "kev": advisory.kev,
        "ransomware": advisory.ransomware,
        "published_at": advisory.published_at,
        "url": advisory.url,
        "record": advisory.record,
        "record_digest": advisory.record_digest,
        "affected": advisory.affected,
        "informational": advisory.informational,
        "withdrawn": advisory.withdrawn,
    });
    let digest = Sha256::of(row.to_string().as_bytes());
    row["content_digest"] = json!(digest);
    row
}

#[derive(FromQueryResult)]
struct CveRow {
    cve: String,
    facts: serde_json::Value,
}

/// What is known of the CVEs that advisories name.
pub(crate) async fn cves<S>(tx: &Tx<S>) -> StorageResult<HashMap<String, CveFacts>> {
    let rows: Vec<CveRow> = tx.all("select cve, facts from inventory.cves", []).await?;
    rows.into_iter()
        .map(|row| Ok((row.cve, decoded("what is known of a CVE", row.facts)?)))
        .collect()
}

async fn write_cves(tx: &CatalogTx, wanted: &BTreeMap<String, CveFacts>) -> StorageResult<u64> {
    let all: Vec<_> = wanted.iter().collect();
    let mut changed = 0;
    for portion in all.chunks(10_000) {
        let rows: Vec<_> = portion
            .iter()
            .map(|(cve, facts)| json!({"cve": cve, "facts": facts}))
            .collect();
        changed += tx
            .execute(
                "insert into inventory.cves (cve, facts) select cve, facts \
                 from jsonb_to_recordset($1) as r(cve text, facts jsonb) order by cve \
                 on conflict (cve) do update set facts = excluded.facts where cves.facts <> excluded.facts",
                [serde_json::Value::Array(rows).into()],
            )
            .await?;
    }
    let kept: Vec<String> = wanted.keys().cloned().collect();
    changed += tx
        .execute(
            "delete from inventory.cves c where not exists (select from unnest($1::text[]) kept(cve) where kept.cve = c.cve)",
            [kept.into()],
        )
        .await?;
    Ok(changed)
}

#[derive(FromQueryResult)]
struct AliasRow {
    signed_source: String,
    source: String,
}

/// Signed sources and the sources that advisories name.
pub(crate) async fn aliases<S>(tx: &Tx<S>) -> StorageResult<Aliases> {
    let rows: Vec<AliasRow> = tx
        .all(
            "select signed_source, source from inventory.source_aliases",
            [],
        )
        .await?;
    Ok(Aliases(
        rows.into_iter()
            .map(|row| (row.signed_source, row.source))
            .collect::<HashMap<_, _>>(),
    ))
}

async fn write_aliases(tx: &CatalogTx, wanted: &Aliases) -> StorageResult<u64> {
    let (signed, sources): (Vec<String>, Vec<String>) = wanted
        .0
        .iter()
        .map(|(signed, source)| (signed.clone(), source.clone()))
        .unzip();
    let gone = tx
        .execute(
            "delete from inventory.source_aliases where signed_source <> all($1)",
            [signed.clone().into()],
        )
        .await?;
    let came = tx
        .execute(
            "insert into inventory.source_aliases (signed_source, source) select * from unnest($1::text[], $2::text[]) \
             on conflict (signed_source) do update set source = excluded.source where source_aliases.source <> excluded.source",
            [signed.into(), sources.into()],
        )
        .await?;
    Ok(gone + came)
}
