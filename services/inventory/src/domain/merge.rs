//! From the records of feeds to advisories.
//!
//! Most feeds have one record a vulnerability or notice. In the Debian feed the unit is the vulnerability: one advisory a CVE, with the vendor's notices as references. A notice has several
//! CVEs and a CVE touches many sources, and "DSA X-2" is a regression fix, so notices would count twice. A notice or
//! upload whose CVEs are not known one by one (or which has none) stays an advisory of its own: it is ranked, never dropped.

use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::{Affected, Release};
use crate::domain::cve::is_cve;
use crate::domain::enrich::{Enrichment, base_score};
use crate::domain::osv::{OsvRecord, RecordKev};
use netpatch_types::version::compare;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

/// The advisory of a record that stands for itself.
#[must_use]
pub fn single(feed: &str, record: OsvRecord, enrichment: &Enrichment) -> AdvisoryRecord {
    let affected = record.affected.clone();
    let mut advisory = enriched(feed, record.id.clone(), record, enrichment, affected);
    if !is_cve(&advisory.name) && !advisory.vendor_refs.contains(&advisory.name) {
        advisory.vendor_refs.insert(0, advisory.name.clone());
    }
    advisory
}

/// The advisories of the Debian feed, sorted by name.
#[must_use]
pub fn merge(
    feed: &str,
    notices: Vec<OsvRecord>,
    cves: Vec<OsvRecord>,
    uploads: Vec<OsvRecord>,
    enrichment: &Enrichment,
) -> Vec<AdvisoryRecord> {
    let mut all: BTreeMap<String, AdvisoryRecord> = BTreeMap::new();
    let valid = |records: Vec<OsvRecord>| records.into_iter().filter(|record| !record.withdrawn);
    for record in valid(cves) {
        let name = record
            .cves
            .first()
            .cloned()
            .unwrap_or_else(|| record.id.clone());
        add(&mut all, feed, name, record, enrichment);
    }
    let notices = valid(notices).map(|record| (record, true));
    let uploads = valid(uploads).map(|record| (record, false));
    for (mut record, is_notice) in notices.chain(uploads) {
        let covered = |cve: &String| {
            all.get(cve).is_some_and(|known| {
                record
                    .affected
                    .iter()
                    .all(|entry| known.affected.iter().any(|other| other.name == entry.name))
            })
        };
        let (known, unknown): (Vec<String>, Vec<String>) =
            record.cves.iter().cloned().partition(covered);
        if is_notice {
            for cve in &known {
                if let Some(advisory) = all.get_mut(cve) {
                    note(advisory, &record);
                }
            }
        }
        if known.is_empty() || !unknown.is_empty() {
            record.cves = unknown;
            if is_notice {
                record.vendor_refs.push(record.id.clone());
            }
            add(&mut all, feed, record.id.clone(), record, enrichment);
        }
    }
    all.into_values().collect()
}

fn note(advisory: &mut AdvisoryRecord, notice: &OsvRecord) {
    if !advisory.vendor_refs.contains(&notice.id) {
        advisory.vendor_refs.push(notice.id.clone());
    }
    if advisory.summary.is_empty() {
        advisory.summary.clone_from(&notice.summary);
    }
}

fn add(
    all: &mut BTreeMap<String, AdvisoryRecord>,
    feed: &str,
    name: String,
    record: OsvRecord,
    enrichment: &Enrichment,
) {
    let affected = first_fixes(record.affected.clone());
    let fresh = enriched(feed, name.clone(), record, enrichment, affected);
    match all.get_mut(&name) {
        None => {
            all.insert(name, fresh);
        }
        // A second record of the same name adds its packages; the first one stays the evidence.
        Some(known) => {
            let mut affected = std::mem::take(&mut known.affected);
            affected.extend(fresh.affected);
            known.affected = first_fixes(affected);
            for reference in fresh.vendor_refs {
                if !known.vendor_refs.contains(&reference) {
                    known.vendor_refs.push(reference);
                }
            }
        }
    }
}

/// One entry a package, with the first fixing version: that one closes the vulnerability, whatever a later notice says.
/// Entries that say more than "below the fix" stay as they are.
pub(crate) fn first_fixes(entries: Vec<Affected>) -> Vec<Affected> {
    let mut first: HashMap<(Release, String), Affected> = HashMap::new();
    let mut all = Vec::new();
    for entry in entries {
        let Some(fixed) = entry.only_fix() else {
            all.push(entry);
            continue;
        };
        let key = (entry.release.clone(), entry.name.clone());
        match first.get(&key).and_then(Affected::only_fix) {
            Some(known)
                if compare(entry.release.ecosystem, known, fixed) != Ok(Ordering::Greater) => {}
            _ => {
                first.insert(key, entry);
            }
        }
    }
    all.extend(first.into_values());
    all.sort();
    all
}

/// An advisory of a record, with what other feeds say of its CVEs.
pub(crate) fn enriched(
    feed: &str,
    name: String,
    record: OsvRecord,
    enrichment: &Enrichment,
    affected: Vec<Affected>,
) -> AdvisoryRecord {
    let kev: Vec<_> = record
        .cves
        .iter()
        .filter_map(|cve| enrichment.kev.get(cve))
        .collect();
    let own = record.kev.as_ref();
    let scores = record
        .cvss_vectors
        .iter()
        .filter_map(|vector| Some((base_score(vector)?, Some(vector.clone()))))
        .chain(
            record
                .cves
                .iter()
                .filter_map(|cve| enrichment.cvss.get(cve))
                .map(|(score, vector)| (*score, Some(vector.clone()))),
        )
        .chain(
            own.and_then(|kev: &RecordKev| kev.cvss3_base)
                .filter(|score| (0.0..=10.0).contains(score))
                .map(|score| (score, None)),
        );
    let (cvss_score, cvss_vector) = scores
        .max_by(|left, right| {
            left.0
                .total_cmp(&right.0)
                .then(left.1.is_some().cmp(&right.1.is_some()))
        })
        .map_or((None, None), |(score, vector)| (Some(score), vector));
    let epss = record
        .cves
        .iter()
        .filter_map(|cve| enrichment.epss.get(cve).copied())
        .max_by(f64::total_cmp)
        .or(record.epss);
    let title = kev
        .first()
        .map(|kev| kev.title.clone())
        .filter(|title| !title.is_empty());
    AdvisoryRecord {
        feed: feed.to_owned(),
        vendor_refs: record.vendor_refs,
        summary: title.unwrap_or(record.summary),
        cvss_score,
        cvss_vector,
        epss,
        kev: own.is_some() || !kev.is_empty(),
        ransomware: kev.iter().any(|kev| kev.ransomware)
            || own.is_some_and(|kev| kev.ransomware == "Known"),
        published_at: record.published_at,
        url: record.url,
        record: record.id,
        record_digest: record.digest,
        cves: record.cves,
        name,
        withdrawn: record.withdrawn,
        informational: record.informational,
        affected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::{Ecosystem, Sha256};

    fn below(source: &str, fixed: &str) -> Affected {
        Affected::below(
            Release::os(Ecosystem::Deb, "debian", "bookworm"),
            source,
            fixed,
        )
    }

    fn record(id: &str, cves: &[&str], source: &str, fixed: &str) -> OsvRecord {
        OsvRecord {
            id: id.into(),
            digest: Sha256::of(id.as_bytes()),
            published_at: None,
            cves: cves.iter().map(|cve| (*cve).to_owned()).collect(),
            summary: format!("{source} - security update"),
            cvss_vectors: Vec::new(),
            withdrawn: false,
            informational: None,
            affected: vec![below(source, fixed)],
            url: None,
            vendor_refs: Vec::new(),
            epss: None,
            kev: None,
        }
    }

    #[test]
    fn a_notice_becomes_a_reference_and_its_regression_fix_does_not_move_the_fix() {
        let merged = merge(
            "debian",
            vec![
                record("DSA-1-1", &["CVE-2026-1001"], "curl", "1-1"),
                record("DSA-1-2", &["CVE-2026-1001"], "curl", "1-2"),
            ],
            vec![record("x-1", &["CVE-2026-1001"], "curl", "1-1")],
            vec![record("upload-curl-1-1", &["CVE-2026-1001"], "curl", "1-1")],
            &Enrichment::default(),
        );
        assert_eq!(merged.len(), 1);
        assert_eq!(merged[0].vendor_refs, ["DSA-1-1", "DSA-1-2"]);
        assert_eq!(merged[0].affected, [below("curl", "1-1")]);
    }

    #[test]
    fn an_update_without_a_known_cve_is_an_advisory_of_its_own() {
        let merged = merge(
            "debian",
            vec![record("DSA-2-1", &[], "tor", "2-1")],
            Vec::new(),
            vec![record("upload-less", &["CVE-2026-1002"], "less", "590")],
            &Enrichment::default(),
        );
        assert_eq!(
            merged.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(),
            ["DSA-2-1", "upload-less"]
        );
        assert_eq!(merged[0].vendor_refs, ["DSA-2-1"]);
        assert_eq!(merged[1].cves, ["CVE-2026-1002"]);
    }

    #[test]
    fn enrichment_takes_the_worst() {
        let mut enrichment = Enrichment::default();
        enrichment.epss.insert("CVE-2026-1001".into(), 0.4);
        enrichment
            .cvss
            .insert("CVE-2026-1001".into(), (5.0, "v".into()));
        let mut one = record("x-1", &["CVE-2026-1001"], "curl", "1-1");
        one.kev = Some(RecordKev {
            cvss3_base: Some(9.8),
            ransomware: "Known".into(),
        });
        let merged = merge("debian", Vec::new(), vec![one], Vec::new(), &enrichment);
        assert_eq!(merged[0].cvss_score, Some(9.8));
        assert_eq!(merged[0].epss, Some(0.4));
        assert!(merged[0].kev && merged[0].ransomware);
    }
}
