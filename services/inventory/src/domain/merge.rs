//! From the records of feeds to advisories.
//!
//! Most feeds have one record a vulnerability or notice. In the Debian feed the unit is the vulnerability: one advisory a
//! CVE, with the vendor's notices as references. A notice has several CVEs and a CVE touches many sources, and "DSA X-2" is
//! a regression fix, so notices would count twice. A notice or upload whose CVEs are not known one by one (or which has
//! none) stays an advisory of its own: it is ranked, never dropped.

use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::{Affected, Release};
use crate::domain::cve::is_cve;
use crate::domain::enrich::{Enrichment, base_score};
use crate::domain::osv::{OsvRecord, RecordKev};
use netpatch_types::version::compare;
use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

/// The advisory of a record that stands for itself.
#[must_use]
pub fn single(feed: &str, mut record: OsvRecord, enrichment: &Enrichment) -> AdvisoryRecord {
    let affected = std::mem::take(&mut record.affected);
    let mut advisory = enriched(feed, record.id.clone(), record, enrichment, affected);
    if !is_cve(&advisory.name) && !advisory.vendor_refs.contains(&advisory.name) {
        advisory.vendor_refs.insert(0, advisory.name.clone());
    }
    advisory
}

/// Makes the advisories of the Debian feed, record by record: first all CVEs, then notices, then uploads.
#[derive(Debug)]
pub struct Merger<'a> {
    feed: &'a str,
    enrichment: &'a Enrichment,
    all: BTreeMap<String, AdvisoryRecord>,
}

impl<'a> Merger<'a> {
    /// For a feed.
    #[must_use]
    pub fn new(feed: &'a str, enrichment: &'a Enrichment) -> Self {
        Self {
            feed,
            enrichment,
            all: BTreeMap::new(),
        }
    }

    /// Takes the record of one CVE.
    pub fn cve(&mut self, record: OsvRecord) {
        if record.withdrawn {
            return;
        }
        let fresh = of_cve(self.feed, record, self.enrichment);
        self.insert(fresh);
    }

    /// Takes a vendor's notice.
    pub fn notice(&mut self, mut record: OsvRecord) {
        if record.withdrawn {
            return;
        }
        let (known, unknown) = self.partition(&record);
        for cve in &known {
            if let Some(advisory) = self.all.get_mut(cve) {
                note(advisory, &record);
            }
        }
        record.vendor_refs.push(record.id.clone());
        self.rest(record, &known, unknown);
    }

    /// Takes an upload that no notice speaks of.
    pub fn upload(&mut self, record: OsvRecord) {
        if record.withdrawn {
            return;
        }
        let (known, unknown) = self.partition(&record);
        self.rest(record, &known, unknown);
    }

    /// The advisories, sorted by name.
    pub fn finish(self) -> impl Iterator<Item = AdvisoryRecord> {
        self.all.into_values()
    }

    /// The record's CVEs that are known for all of its packages, and the others.
    fn partition(&self, record: &OsvRecord) -> (Vec<String>, Vec<String>) {
        let covered = |cve: &String| {
            self.all.get(cve).is_some_and(|known| {
                record
                    .affected
                    .iter()
                    .all(|entry| known.affected.iter().any(|other| other.name == entry.name))
            })
        };
        record.cves.iter().cloned().partition(covered)
    }

    /// What no CVE covers is an advisory of its own.
    fn rest(&mut self, mut record: OsvRecord, known: &[String], unknown: Vec<String>) {
        if known.is_empty() || !unknown.is_empty() {
            record.cves = unknown;
            let name = record.id.clone();
            self.insert(named(self.feed, name, record, self.enrichment));
        }
    }

    fn insert(&mut self, fresh: AdvisoryRecord) {
        match self.all.get_mut(&fresh.name) {
            None => {
                self.all.insert(fresh.name.clone(), fresh);
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
}

/// The advisory of the record of one CVE, as long as no other record is of the same.
pub(crate) fn of_cve(feed: &str, record: OsvRecord, enrichment: &Enrichment) -> AdvisoryRecord {
    let name = record.cves.first().unwrap_or(&record.id).clone();
    named(feed, name, record, enrichment)
}

fn named(
    feed: &str,
    name: String,
    mut record: OsvRecord,
    enrichment: &Enrichment,
) -> AdvisoryRecord {
    let affected = first_fixes(std::mem::take(&mut record.affected));
    enriched(feed, name, record, enrichment, affected)
}

fn note(advisory: &mut AdvisoryRecord, notice: &OsvRecord) {
    if !advisory.vendor_refs.contains(&notice.id) {
        advisory.vendor_refs.push(notice.id.clone());
    }
    if advisory.summary.is_empty() {
        advisory.summary.clone_from(&notice.summary);
    }
}

/// One entry a package, with the first fixing version: that one closes the vulnerability, whatever a later notice says.
/// Entries that say more than "below the fix" stay as they are.
pub(crate) fn first_fixes(entries: Vec<Affected>) -> Vec<Affected> {
    if entries.len() < 2 {
        return entries;
    }
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

/// A name once in each feed: feeds have the same record twice, or one for each release. What is said is said together; for the rest
/// the first speaks.
pub(crate) fn unique(advisories: Vec<AdvisoryRecord>) -> Vec<AdvisoryRecord> {
    let mut places: HashMap<(String, String), usize> = HashMap::with_capacity(advisories.len());
    let mut all: Vec<AdvisoryRecord> = Vec::with_capacity(advisories.len());
    for next in advisories {
        match places.entry((next.feed.clone(), next.name.clone())) {
            Entry::Vacant(place) => {
                place.insert(all.len());
                all.push(next);
            }
            Entry::Occupied(place) => {
                if let Some(first) = all.get_mut(*place.get()) {
                    join(first, next);
                }
            }
        }
    }
    all
}

fn join(first: &mut AdvisoryRecord, next: AdvisoryRecord) {
    if next.withdrawn && !first.withdrawn {
        return;
    }
    if first.withdrawn && !next.withdrawn {
        *first = next;
        return;
    }
    let add = |to: &mut Vec<String>, from: Vec<String>| {
        for one in from {
            if !to.contains(&one) {
                to.push(one);
            }
        }
    };
    add(&mut first.cves, next.cves);
    add(&mut first.vendor_refs, next.vendor_refs);
    first.affected.extend(next.affected);
    first.affected.sort();
    first.affected.dedup();
    if next.cvss_score > first.cvss_score {
        first.cvss_score = next.cvss_score;
        first.cvss_vector = next.cvss_vector;
    }
    if next.epss > first.epss {
        first.epss = next.epss;
    }
    first.kev |= next.kev;
    first.ransomware |= next.ransomware;
    if next.informational.is_none() {
        first.informational = None;
    }
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
        .filter_map(|vector| Some((base_score(vector)?, vector.clone())))
        .chain(
            record
                .cves
                .iter()
                .filter_map(|cve| enrichment.cvss.get(cve))
                .map(|(score, vector)| (*score, vector.clone())),
        );
    let highest = |left: &(f64, String), right: &(f64, String)| left.0.total_cmp(&right.0);
    let of_last_resort = || {
        let cves = record.cves.iter();
        cves.filter_map(|cve| enrichment.last_resort_cvss.get(cve).cloned())
            .max_by(highest)
    };
    let best = scores.max_by(highest).or_else(of_last_resort);
    // A bare number that nobody can check counts only where there is no vector.
    let plain = own
        .and_then(|kev: &RecordKev| kev.cvss3_base)
        .filter(|score| (0.0..=10.0).contains(score));
    let (cvss_score, cvss_vector) = match best {
        Some((score, vector)) => (Some(score), Some(vector)),
        None => (plain, None),
    };
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
    let withdrawn = record.withdrawn || enrichment.all_rejected(&record.cves);
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
        withdrawn,
        informational: record.informational,
        affected,
    }
}

#[cfg(test)]
mod tests;
