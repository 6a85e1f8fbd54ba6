//! Advisories of the catalog.

use crate::domain::advisory::AdvisoryRecord;
use crate::store::{decoded, number};
use chrono::{DateTime, Utc};
use netpatch_storage::{StorageResult, Tx};
use netpatch_types::{AdvisoryId, Sha256};
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// An advisory as it is held.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeldAdvisory {
    /// Its dense number.
    pub(crate) number: u32,
    /// Its catalog id.
    pub(crate) id: AdvisoryId,
    /// What it says.
    pub(crate) record: AdvisoryRecord,
}

#[derive(FromQueryResult)]
struct Row {
    number: i32,
    id: Uuid,
    name: String,
    feed: String,
    vendor_refs: Vec<String>,
    cves: Vec<String>,
    summary: String,
    cvss_score: Option<f64>,
    cvss_vector: Option<String>,
    epss: Option<f64>,
    kev: bool,
    ransomware: bool,
    published_at: Option<DateTime<Utc>>,
    url: Option<String>,
    record: String,
    record_digest: Vec<u8>,
    affected: serde_json::Value,
    informational: Option<String>,
    withdrawn: bool,
}

/// All of them, also those that were withdrawn: closed findings still name them.
pub(crate) async fn all<S>(tx: &Tx<S>) -> StorageResult<Vec<HeldAdvisory>> {
    let rows: Vec<Row> = tx
        .all(
            "select number, id, name, feed, vendor_refs, cves, summary, cvss_score, cvss_vector, epss, kev, ransomware, published_at, \
             url, record, record_digest, affected, informational, withdrawn from inventory.advisories",
            [],
        )
        .await?;
    rows.into_iter().map(held).collect()
}

fn held(row: Row) -> StorageResult<HeldAdvisory> {
    Ok(HeldAdvisory {
        number: number(row.number),
        id: row.id.into(),
        record: AdvisoryRecord {
            feed: row.feed,
            name: row.name,
            vendor_refs: row.vendor_refs,
            cves: row.cves,
            summary: row.summary,
            cvss_score: row.cvss_score,
            cvss_vector: row.cvss_vector,
            epss: row.epss,
            kev: row.kev,
            ransomware: row.ransomware,
            published_at: row.published_at,
            url: row.url,
            record: row.record,
            record_digest: Sha256::from_slice(&row.record_digest).unwrap_or_default(),
            withdrawn: row.withdrawn,
            informational: row.informational,
            affected: decoded("what an advisory affects", row.affected)?,
        },
    })
}
