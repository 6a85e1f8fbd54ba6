//! The advisories of an epoch, what is known of their CVEs, and signed sources: written in one transaction, which is the swap.

use crate::domain::advisory::AdvisoryRecord;
use crate::domain::subject::Aliases;
use crate::pack::Pack;
use crate::store::decoded;
use netpatch_inventory_api::CveFacts;
use netpatch_storage::{CatalogTx, StorageResult, Tx};
use netpatch_types::{AdvisoryId, Sha256};
use sea_orm::FromQueryResult;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// Replaces what is held of the pack's feeds; whether anything that is matched or shown changed.
pub(crate) async fn replace(tx: &CatalogTx, pack: &Pack) -> StorageResult<bool> {
    let mut changed = write_aliases(tx, &pack.aliases).await?;
    changed += write_cves(tx, &pack.cves).await?;
    for facts in &pack.feeds {
        // Feeds without advisories (EPSS, KEV, CVSS, SSVC) only enrich those of others.
        let of_feed = |advisory: &&AdvisoryRecord| advisory.feed == facts.name;
        let advisories: Vec<_> = pack.advisories.iter().filter(of_feed).collect();
        changed += write_advisories(tx, &advisories, &facts.name).await?;
    }
    Ok(changed > 0)
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
