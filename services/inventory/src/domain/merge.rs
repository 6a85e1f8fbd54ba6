//! From the records of the Debian feed to advisories.
//!
//! The unit is the vulnerability: one advisory a CVE, with the vendor's notices as references. A notice has several
//! CVEs and a CVE touches many sources, and "DSA X-2" is a regression fix, so notices would count twice. A notice or
//! upload whose CVEs are not known one by one (or which has none) stays an advisory of its own: it is ranked, never dropped.

use crate::domain::advisory::{AdvisoryRecord, Fix};
use crate::domain::enrich::{Enrichment, base_score};
use crate::domain::osv::{OsvRecord, RecordKev};
use netpatch_types::{Ecosystem, version::compare};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

/// The advisories of one feed, sorted by name.
#[must_use]
pub fn merge(
    notices: Vec<OsvRecord>,
    cves: Vec<OsvRecord>,
    uploads: Vec<OsvRecord>,
    enrichment: &Enrichment,
) -> Vec<AdvisoryRecord> {
    let mut all: BTreeMap<String, AdvisoryRecord> = BTreeMap::new();
    for record in cves {
        let name = record
            .cves
            .first()
            .cloned()
            .unwrap_or_else(|| record.id.clone());
        add(&mut all, name, record, enrichment);
    }
    let vendor: Vec<bool> = notices
        .iter()
        .map(|_| true)
        .chain(uploads.iter().map(|_| false))
        .collect();
    for (mut record, is_notice) in notices.into_iter().chain(uploads).zip(vendor) {
        let covered = |cve: &String| {
            all.get(cve).is_some_and(|known| {
                record
                    .fixes
                    .iter()
                    .all(|fix| known.fixes.iter().any(|other| other.source == fix.source))
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
            add(&mut all, record.id.clone(), record, enrichment);
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
    name: String,
    record: OsvRecord,
    enrichment: &Enrichment,
) {
    let fixes = first_fixes(record.fixes.clone());
    let fresh = enriched(name.clone(), record, enrichment, fixes);
    match all.get_mut(&name) {
        None => {
            all.insert(name, fresh);
        }
        // A second record of the same name adds its packages; the first one stays the evidence.
        Some(known) => {
            let mut fixes = std::mem::take(&mut known.fixes);
            fixes.extend(fresh.fixes);
            known.fixes = first_fixes(fixes);
            for reference in fresh.vendor_refs {
                if !known.vendor_refs.contains(&reference) {
                    known.vendor_refs.push(reference);
                }
            }
        }
    }
}

/// One line a source, with the first fixing version: that one closes the vulnerability, whatever a later notice says.
fn first_fixes(fixes: Vec<Fix>) -> Vec<Fix> {
    let mut first: HashMap<String, String> = HashMap::new();
    for fix in fixes {
        match first.get(&fix.source) {
            Some(known) if compare(Ecosystem::Deb, known, &fix.fixed) != Ok(Ordering::Greater) => {}
            _ => {
                first.insert(fix.source, fix.fixed);
            }
        }
    }
    let mut fixes: Vec<Fix> = first
        .into_iter()
        .map(|(source, fixed)| Fix { source, fixed })
        .collect();
    fixes.sort();
    fixes
}

fn enriched(
    name: String,
    record: OsvRecord,
    enrichment: &Enrichment,
    fixes: Vec<Fix>,
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
        fixes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::Sha256;

    fn record(id: &str, cves: &[&str], source: &str, fixed: &str) -> OsvRecord {
        OsvRecord {
            id: id.into(),
            digest: Sha256::of(id.as_bytes()),
            published_at: None,
            cves: cves.iter().map(|cve| (*cve).to_owned()).collect(),
            summary: format!("{source} - security update"),
            cvss_vectors: Vec::new(),
            fixes: vec![Fix {
                source: source.into(),
                fixed: fixed.into(),
            }],
            url: None,
            vendor_refs: Vec::new(),
            epss: None,
            kev: None,
        }
    }

    #[test]
    fn a_notice_becomes_a_reference_and_its_regression_fix_does_not_move_the_fix() {
        let merged = merge(
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
        assert_eq!(
            merged[0].fixes,
            [Fix {
                source: "curl".into(),
                fixed: "1-1".into()
            }]
        );
    }

    #[test]
    fn an_update_without_a_known_cve_is_an_advisory_of_its_own() {
        let merged = merge(
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
        let merged = merge(Vec::new(), vec![one], Vec::new(), &enrichment);
        assert_eq!(merged[0].cvss_score, Some(9.8));
        assert_eq!(merged[0].epss, Some(0.4));
        assert!(merged[0].kev && merged[0].ransomware);
    }
}
