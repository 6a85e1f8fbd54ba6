//! Building the index, advisory by advisory.

use super::{MatchIndex, cleared::Exempt};
use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::{Affected, Release, Status};
use crate::domain::cve::cve_key;
use crate::domain::interval::Interval;
use crate::domain::subject::Aliases;
use netpatch_types::version::Version;
use std::collections::{HashMap, HashSet};

/// The feed that counts only where no other speaks: the National Vulnerability Database knows neither packages nor backported fixes.
pub const LAST_RESORT: &str = "nvd";

/// What advisories say of one package.
#[derive(Clone, Debug, Default)]
pub(super) struct Package {
    /// Sorted by end.
    pub(super) intervals: Vec<Interval>,
    /// What vendors take out.
    pub(super) exempt: Vec<Exempt>,
    /// Versions that cannot be ordered, by name.
    pub(super) named: Vec<(String, Interval)>,
    /// Whether a version may be in two intervals of one advisory.
    pub(super) repeats: bool,
    /// CVEs that others than the feed of last resort speak of.
    spoken: HashSet<u64>,
}

impl Package {
    /// The advisories that say something of it.
    pub(super) fn advisories(&self) -> impl Iterator<Item = u32> {
        let said = self.intervals.iter().map(|one| one.advisory);
        let named = self.named.iter().map(|(_, one)| one.advisory);
        let exempt = self.exempt.iter().map(|one| one.interval.advisory);
        said.chain(named).chain(exempt)
    }
}

/// Collects advisories one by one; none is kept.
#[derive(Clone, Debug, Default)]
pub struct IndexBuilder {
    releases: HashMap<Release, HashMap<String, Package>>,
    cves: HashMap<u32, Box<[u64]>>,
    last_resort: HashSet<u32>,
}

impl IndexBuilder {
    /// Adds an advisory under a number. What is withdrawn or informational matches nothing; an entry with a version that cannot be
    /// read is left out (the feeds' readers refuse those).
    pub fn add(&mut self, number: u32, advisory: &AdvisoryRecord) {
        if advisory.withdrawn || advisory.informational.is_some() {
            return;
        }
        let is_last_resort = advisory.feed == LAST_RESORT;
        if is_last_resort {
            self.last_resort.insert(number);
        }
        let cves: Box<[u64]> = advisory
            .cves
            .iter()
            .filter_map(|cve| cve_key(cve))
            .collect();
        // All that the advisory says of one package belongs together.
        let mut rest = advisory.affected.as_slice();
        while let Some(first) = rest.first() {
            let same =
                |other: &&Affected| other.release == first.release && other.name == first.name;
            let length = rest.iter().take_while(same).count();
            let (entries, others) = rest.split_at(length);
            rest = others;
            let package = self
                .releases
                .entry(first.release.clone())
                .or_default()
                .entry(first.name.clone())
                .or_default();
            add(package, entries, number, &cves);
            if !is_last_resort {
                package.spoken.extend(cves.iter());
            }
        }
        // A CVE that has no key is one that no other advisory can speak of here.
        if !cves.is_empty() && cves.len() == advisory.cves.len() {
            self.cves.insert(number, cves);
        }
    }

    /// Ready to match.
    #[must_use]
    pub fn finish(mut self, aliases: Aliases) -> MatchIndex {
        let (cves, last_resort) = (&self.cves, &self.last_resort);
        let mut has_exempt = false;
        for package in self.releases.values_mut().flat_map(HashMap::values_mut) {
            if !last_resort.is_empty() {
                let spoken = &package.spoken;
                let is_spoken_of = |advisory: &u32| {
                    last_resort.contains(advisory)
                        && cves
                            .get(advisory)
                            .is_some_and(|all| all.iter().all(|cve| spoken.contains(cve)))
                };
                package.intervals.retain(|one| !is_spoken_of(&one.advisory));
                package
                    .named
                    .retain(|(_, one)| !is_spoken_of(&one.advisory));
            }
            package.spoken = HashSet::new();
            package.intervals.sort_by(Interval::by_end);
            has_exempt |= !package.exempt.is_empty();
        }
        MatchIndex {
            aliases,
            releases: self.releases,
            // Only to see whom an exemption of another feed means.
            cves: if has_exempt {
                self.cves
            } else {
                HashMap::new()
            },
        }
    }
}

fn add(package: &mut Package, entries: &[Affected], number: u32, cves: &[u64]) {
    let mut said = Vec::new();
    for entry in entries {
        let Ok(ranges) = Interval::of(entry, number) else {
            continue;
        };
        let exempts = matches!(entry.status, Status::NotAffected | Status::Fixed);
        for version in &entry.versions {
            let Ok(parsed) = Version::parse(entry.release.ecosystem, version) else {
                if !exempts {
                    package
                        .named
                        .push((version.clone(), Interval::unbounded(entry.status, number)));
                }
                continue;
            };
            // Most lists repeat what a range says.
            if !ranges
                .iter()
                .any(|range| !range.ends_before(&parsed) && range.has(&parsed))
            {
                said.push(Interval::exactly(parsed, entry.status, number));
            }
        }
        said.extend(ranges);
    }
    let (exempt, said): (Vec<_>, Vec<_>) = said
        .into_iter()
        .partition(|one| matches!(one.status, Status::NotAffected | Status::Fixed));
    let exempt = exempt.into_iter().map(|interval| Exempt {
        interval,
        cves: cves.into(),
    });
    package.exempt.extend(exempt);
    let joined = Interval::join(said);
    package.repeats |= joined.len() > 1;
    package.intervals.extend(joined);
}
