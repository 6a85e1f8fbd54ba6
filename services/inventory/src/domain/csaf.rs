//! CSAF 2.0 and 2.1 documents (OASIS): advisories and VEX of Red Hat, SUSE and others, one document a line.
//!
//! The unit is the CVE, as in the Debian feed. A VEX document of a CVE says all that its vendor has to say of it; where there is one, the
//! security advisories of the same CVE are references. What a document calls not affected or fixed takes findings away, other feeds' too
//! (see [`crate::domain::index`]), so a document whose product tree cannot be trusted is refused as a whole.

mod platform;
mod status;
mod target;
mod tree;

pub(crate) use platform::{release_of_cpe, release_of_suse};
pub use tree::TreeRefused;

use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::Affected;
use crate::domain::cve::is_cve;
use crate::domain::enrich::Enrichment;
use crate::domain::merge::{enriched, first_fixes};
use crate::domain::osv::{OsvRecord, cut};
use crate::domain::ssvc::time;
use chrono::{DateTime, Utc};
use netpatch_types::Sha256;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use tree::{Tree, list, text};

/// Longest document, bytes. The largest real ones have some 30 MiB.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024 * 1024;
/// Most vulnerabilities of one document.
const MAX_VULNERABILITIES: usize = 10_000;

/// What a document says.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// A VEX document.
    is_vex: bool,
    /// Its last change.
    pub updated_at: Option<DateTime<Utc>>,
    /// A record a vulnerability; the name is the CVE, else the document's id.
    records: Vec<(String, OsvRecord)>,
    /// Why the first vulnerability that could not be read could not.
    pub problem: Option<String>,
}

/// Reads one document (a line). What is said of one vulnerability and cannot be read is left out and told; a tree that cannot be trusted
/// refuses the document.
pub fn read_document(line: &str) -> Result<Document, String> {
    let document: Value =
        serde_json::from_str(line).map_err(|error| format!("not a CSAF document: {error}"))?;
    let head = &document["document"];
    let id = text(&head["tracking"]["id"]);
    if id.is_empty() || id.chars().any(char::is_control) || !head["csaf_version"].is_string() {
        return Err("not a CSAF document: no csaf_version or no tracking id".to_owned());
    }
    let tree = Tree::read(&document).map_err(|refused| format!("{id}: {refused}"))?;
    let category = text(&head["category"]);
    let withdrawn = matches!(&*category, "csaf_withdrawn" | "csaf_superseded");
    let mut read = Document {
        is_vex: category == "csaf_vex",
        updated_at: time(&text(&head["tracking"]["current_release_date"])),
        records: Vec::new(),
        problem: None,
    };
    let base = OsvRecord {
        digest: Sha256::of(line.as_bytes()),
        published_at: time(&text(&head["tracking"]["initial_release_date"])),
        summary: text(&head["title"]),
        url: list(&head["references"])
            .filter(|one| one["category"] == "self")
            .map(|one| text(&one["url"]))
            .find(|url| url.starts_with("https://")),
        withdrawn,
        ..OsvRecord::new(id.clone())
    };
    if withdrawn {
        read.records.push((id.clone(), base.clone()));
    }
    let vulnerabilities = list(&document["vulnerabilities"]);
    for (number, vulnerability) in vulnerabilities.take(MAX_VULNERABILITIES).enumerate() {
        match of_vulnerability(vulnerability, &tree, &base, read.is_vex) {
            Ok(Some(record)) => read.records.push(record),
            Ok(None) => {}
            Err(reason) => {
                let number = number + 1;
                let told = format!("{id}: vulnerability {number}: {reason}");
                read.problem.get_or_insert(cut(&told));
            }
        }
    }
    Ok(read)
}

/// The record of one vulnerability; `None` when it speaks of no package that a host here could have.
fn of_vulnerability(
    vulnerability: &Value,
    tree: &Tree,
    base: &OsvRecord,
    is_vex: bool,
) -> Result<Option<(String, OsvRecord)>, String> {
    let affected = status::affected(vulnerability, tree)?;
    if affected.is_empty() {
        return Ok(None);
    }
    let cve = Some(text(&vulnerability["cve"])).filter(|cve| is_cve(cve));
    let metrics = |from: &Value| {
        ["cvss_v4", "cvss_v3", "cvss_v2"]
            .map(|kind| text(&from[kind]["vectorString"]))
            .into_iter()
            .filter(|vector| !vector.is_empty())
            .collect::<Vec<_>>()
    };
    let scores = list(&vulnerability["scores"]).flat_map(metrics);
    let contents = list(&vulnerability["metrics"]).flat_map(|one| metrics(&one["content"]));
    let mut cvss_vectors: Vec<String> = scores.chain(contents).collect();
    cvss_vectors.sort();
    cvss_vectors.dedup();
    let mut vendor_refs: Vec<String> = list(&vulnerability["remediations"])
        .filter(|one| one["category"] == "vendor_fix")
        .filter_map(|one| Some(text(&one["url"]).rsplit_once('/')?.1.to_owned()))
        .filter(|name| is_notice(name))
        .collect();
    if !is_vex {
        vendor_refs.push(base.id.clone());
    }
    vendor_refs.sort();
    vendor_refs.dedup();
    vendor_refs.truncate(100);
    let title = text(&vulnerability["title"]);
    let record = OsvRecord {
        cves: cve.iter().cloned().collect(),
        summary: if title.is_empty() {
            base.summary.clone()
        } else {
            title
        },
        published_at: time(&text(&vulnerability["release_date"])).or(base.published_at),
        cvss_vectors,
        vendor_refs,
        affected,
        ..base.clone()
    };
    Ok(Some((cve.unwrap_or_else(|| base.id.clone()), record)))
}

/// `RHSA-2024:1234`, `SUSE-SU-2024:0001-1`.
fn is_notice(name: &str) -> bool {
    let is_head = |head: &str| head.len() >= 3 && head.bytes().all(|b| b.is_ascii_uppercase());
    name.len() <= 60
        && name.split_once('-').is_some_and(|(head, _)| is_head(head))
        && name.bytes().any(|byte| byte.is_ascii_digit())
}

/// One advisory a CVE, sorted by name. The newest document is the evidence.
#[must_use]
pub fn gather(
    feed: &str,
    documents: Vec<Document>,
    enrichment: &Enrichment,
) -> Vec<AdvisoryRecord> {
    type Told = (bool, Option<DateTime<Utc>>, OsvRecord);
    let mut all: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    for document in documents {
        for (name, record) in document.records {
            let told = (document.is_vex, document.updated_at, record);
            all.entry(name).or_default().push(told);
        }
    }
    let one = |(name, mut told): (String, Vec<Told>)| {
        // VEX first, the newest first.
        told.sort_by_key(|(is_vex, updated_at, _)| Reverse((*is_vex, *updated_at)));
        let has_vex = told.first().is_some_and(|(is_vex, ..)| *is_vex);
        let mut told = told.into_iter();
        let (.., mut record) = told.next()?;
        let mut seen = HashSet::from([record.id.clone()]);
        let mut affected: Vec<Affected> = std::mem::take(&mut record.affected);
        for (is_vex, _, other) in told {
            // An older state of the same document.
            if !seen.insert(other.id.clone()) {
                continue;
            }
            if is_vex == has_vex && !other.withdrawn {
                affected.extend(other.affected);
            }
            record.cvss_vectors.extend(other.cvss_vectors);
            for reference in other.vendor_refs {
                if !record.vendor_refs.contains(&reference) {
                    record.vendor_refs.push(reference);
                }
            }
        }
        let affected = first_fixes(affected);
        Some(enriched(feed, name, record, enrichment, affected))
    };
    all.into_iter().filter_map(one).collect()
}
