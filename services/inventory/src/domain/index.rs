//! The index that matching runs on: per package the intervals of versions that advisories speak of, parsed and sorted by
//! their ends.
//!
//! A component is affected by every advisory of its package whose interval holds its version: one binary search leaves those
//! that end behind it. Distributions say "below the fix", so for them the rest is the answer; elsewhere each is asked whether
//! it has begun. What a vendor says is not affected or fixed is taken out last.

use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::{Affected, Release, Status};
use crate::domain::interval::Interval;
use crate::domain::subject::{Aliases, Rule, Subject};
use netpatch_types::{
    ComponentKey,
    version::{InvalidVersion, Version},
};
use std::collections::{HashMap, HashSet};

/// What advisories say of one package.
#[derive(Clone, Debug, Default)]
struct Package {
    /// Sorted by end.
    intervals: Vec<Interval>,
    /// What vendors take out.
    exempt: Vec<Interval>,
    /// Versions that cannot be ordered, by name.
    named: Vec<(String, Interval)>,
    /// Whether a version may be in two intervals of one advisory.
    repeats: bool,
}

/// What applies to a component.
#[derive(Clone, Debug)]
pub struct Hits<'a> {
    /// The intervals that hold its version, one an advisory, by fixing version.
    pub intervals: Vec<&'a Interval>,
    /// How they were found.
    pub rule: Rule,
}

/// Collects advisories one by one; none is kept.
#[derive(Clone, Debug, Default)]
pub struct IndexBuilder {
    releases: HashMap<Release, HashMap<String, Package>>,
}

impl IndexBuilder {
    /// Adds an advisory under a number. What is withdrawn or informational matches nothing; an entry with a version that cannot be
    /// read is left out (the feeds' readers refuse those).
    pub fn add(&mut self, number: u32, advisory: &AdvisoryRecord) {
        if advisory.withdrawn || advisory.informational.is_some() {
            return;
        }
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
            add(package, entries, number);
        }
    }

    /// Ready to match.
    #[must_use]
    pub fn finish(mut self, aliases: Aliases) -> MatchIndex {
        for package in self.releases.values_mut().flat_map(HashMap::values_mut) {
            package.intervals.sort_by(Interval::by_end);
        }
        MatchIndex {
            aliases,
            releases: self.releases,
        }
    }
}

fn add(package: &mut Package, entries: &[Affected], number: u32) {
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
    package.exempt.extend(exempt);
    let joined = Interval::join(said);
    package.repeats |= joined.len() > 1;
    package.intervals.extend(joined);
}

/// All advisories, ready to match.
#[derive(Clone, Debug)]
pub struct MatchIndex {
    aliases: Aliases,
    releases: HashMap<Release, HashMap<String, Package>>,
}

impl MatchIndex {
    /// Builds the index from (number, advisory) pairs.
    pub fn build<'a>(
        aliases: Aliases,
        advisories: impl IntoIterator<Item = (u32, &'a AdvisoryRecord)>,
    ) -> Self {
        let mut builder = IndexBuilder::default();
        for (number, advisory) in advisories {
            builder.add(number, advisory);
        }
        builder.finish(aliases)
    }

    /// What the advisories call the component.
    #[must_use]
    pub fn subject<'a>(&self, component: &'a ComponentKey) -> Subject<'a> {
        self.aliases.subject(component)
    }

    /// Signed sources.
    #[must_use]
    pub fn aliases(&self) -> &Aliases {
        &self.aliases
    }

    /// The advisories that apply to a component. An error when its version cannot be compared and no advisory names it.
    pub fn affected(&self, component: &ComponentKey) -> Result<Hits<'_>, InvalidVersion> {
        let subject = self.subject(component);
        let mut hits = Hits {
            intervals: Vec::new(),
            rule: subject.rule,
        };
        let release = Release::os(
            component.ecosystem,
            &component.distribution,
            &component.release,
        );
        let Some(package) = self
            .releases
            .get(&release)
            .and_then(|packages| packages.get(subject.source.as_ref()))
        else {
            return Ok(hits);
        };
        hits.intervals.extend(
            package
                .named
                .iter()
                .filter(|(version, _)| version == subject.version)
                .map(|(_, interval)| interval),
        );
        let version = match Version::parse(component.ecosystem, subject.version) {
            Ok(version) => version,
            Err(_) if !hits.intervals.is_empty() => return Ok(hits),
            Err(error) => return Err(error),
        };
        let first = package
            .intervals
            .partition_point(|interval| interval.ends_before(&version));
        hits.intervals.extend(
            package.intervals[first..]
                .iter()
                .filter(|interval| interval.has(&version)),
        );
        if !package.exempt.is_empty() {
            hits.intervals.retain(|hit| {
                !package.exempt.iter().any(|exempt| {
                    exempt.advisory == hit.advisory
                        && !exempt.ends_before(&version)
                        && exempt.has(&version)
                })
            });
        }
        if package.repeats {
            let mut seen = HashSet::new();
            hits.intervals.retain(|hit| seen.insert(hit.advisory));
        }
        Ok(hits)
    }

    /// How many packages have an advisory.
    #[must_use]
    pub fn package_count(&self) -> usize {
        self.releases.values().map(HashMap::len).sum()
    }

    /// The releases and registries that advisories speak of.
    pub fn releases(&self) -> impl Iterator<Item = &Release> {
        self.releases.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::affected::{End, Prereleases, Range};
    use netpatch_types::Ecosystem;

    fn advisory(name: &str, source: &str, fixed: &str) -> AdvisoryRecord {
        AdvisoryRecord {
            name: name.into(),
            affected: vec![Affected::below(bookworm(), source, fixed)],
            ..AdvisoryRecord::default()
        }
    }

    fn bookworm() -> Release {
        Release::os(Ecosystem::Deb, "debian", "bookworm")
    }

    fn component(name: &str, version: &str, source: &str, source_version: &str) -> ComponentKey {
        ComponentKey {
            ecosystem: Ecosystem::Deb,
            distribution: "debian".into(),
            release: "bookworm".into(),
            name: name.into(),
            version: version.into(),
            arch: "amd64".into(),
            source: source.into(),
            source_version: source_version.into(),
        }
    }

    fn index(advisories: &[AdvisoryRecord]) -> MatchIndex {
        let aliases =
            Aliases::parse("#signed\tsource\nshim-signed\tshim\trest\nlinux-signed-amd64\tlinux\n");
        MatchIndex::build(aliases, (0..).zip(advisories))
    }

    fn numbers(index: &MatchIndex, component: &ComponentKey) -> Vec<u32> {
        let mut numbers: Vec<u32> = index
            .affected(component)
            .expect("comparable")
            .intervals
            .iter()
            .map(|i| i.advisory)
            .collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn fixes_above_the_installed_version_apply() {
        let index = index(&[
            advisory("A", "curl", "7-2"),
            advisory("B", "curl", "7-10"),
            advisory("C", "zip", "1"),
        ]);
        assert_eq!(
            numbers(&index, &component("libcurl4", "7-2+b1", "curl", "7-2")),
            [1]
        );
        assert_eq!(
            numbers(&index, &component("libcurl4", "7-1", "curl", "7-1")),
            [0, 1]
        );
        assert!(numbers(&index, &component("libcurl4", "7-10", "curl", "7-10")).is_empty());
        assert!(
            index
                .affected(&component("libcurl4", "7", "curl", "a b"))
                .is_err()
        );
        let mut other = component("libcurl4", "7-1", "curl", "7-1");
        other.release = "trixie".into();
        assert!(numbers(&index, &other).is_empty());
    }

    #[test]
    fn a_signed_kernel_is_compared_by_its_binary_version() {
        let index = index(&[advisory("A", "linux", "6.1.170-3")]);
        let kernel = |version: &str, source_version: &str| {
            component(
                "linux-image-amd64",
                version,
                "linux-signed-amd64",
                source_version,
            )
        };
        assert_eq!(numbers(&index, &kernel("6.1.170-2", "6.1.170+2")), [0]);
        assert!(numbers(&index, &kernel("6.1.170-3", "6.1.170+3")).is_empty());
        let arm = component(
            "linux-image-arm64",
            "6.1.170-2",
            "linux-signed-arm64",
            "6.1.170+2",
        );
        assert_eq!(numbers(&index, &arm), [0]);
        assert_eq!(
            index.affected(&arm).expect("comparable").rule,
            Rule::DebianSignedBinary
        );
    }

    #[test]
    fn a_signed_loader_is_compared_by_what_was_signed() {
        let index = index(&[advisory("A", "shim", "15.8-1~deb12u1")]);
        let shim = |signed: &str| {
            component(
                "shim-signed",
                &format!("1.51~1+deb12u1+{signed}"),
                "shim-signed",
                "1.51~1+deb12u1",
            )
        };
        assert!(numbers(&index, &shim("16.1-2~deb12u1")).is_empty());
        assert_eq!(numbers(&index, &shim("15.7-1")), [0]);
    }

    fn entry(status: Status, introduced: Option<&str>, end: End) -> Affected {
        Affected {
            status,
            ranges: vec![Range {
                introduced: introduced.map(str::to_owned),
                end,
                prereleases: Prereleases::Ordered,
            }],
            ..Affected::below(bookworm(), "curl", "1")
        }
    }

    fn says(affected: Vec<Affected>) -> AdvisoryRecord {
        AdvisoryRecord {
            affected,
            ..advisory("A", "curl", "1")
        }
    }

    fn hit(advisory: AdvisoryRecord, version: &str) -> bool {
        !numbers(
            &index(&[advisory]),
            &component("curl", version, "curl", version),
        )
        .is_empty()
    }

    #[test]
    fn no_fix_yet_is_a_finding_without_a_fixing_version() {
        let index = index(&[says(vec![entry(Status::Affected, Some("7"), End::Open)])]);
        let hits = index
            .affected(&component("curl", "8", "curl", "8"))
            .expect("comparable");
        assert_eq!(hits.intervals.len(), 1);
        assert_eq!(hits.intervals[0].fixed_version(), None);
        assert!(numbers(&index, &component("curl", "6", "curl", "6")).is_empty());
    }

    #[test]
    fn what_the_vendor_clears_is_taken_out() {
        let cleared = |status, end: End| {
            says(vec![
                entry(Status::Affected, None, End::Open),
                entry(status, Some("5"), end),
            ])
        };
        for status in [Status::NotAffected, Status::Fixed] {
            assert!(hit(cleared(status, End::LastAffected("5".into())), "4"));
            assert!(!hit(cleared(status, End::LastAffected("5".into())), "5"));
            assert!(hit(cleared(status, End::LastAffected("5".into())), "6"));
            assert!(!hit(cleared(status, End::Open), "6"));
        }
    }

    #[test]
    fn versions_are_matched_by_order_or_by_name_and_only_once() {
        let mut named = entry(Status::Affected, None, End::Fixed("3".into()));
        named.versions = vec!["2".into(), "7.0".into(), "odd version".into()];
        let index = index(&[says(vec![
            named.clone(),
            Affected {
                ranges: Vec::new(),
                versions: vec!["2.5".into()],
                ..named
            },
        ])]);
        for (version, expected) in [
            ("2", 1),
            ("2.5", 1),
            ("7.0", 1),
            ("7.1", 0),
            ("odd version", 1),
        ] {
            assert_eq!(
                numbers(&index, &component("curl", version, "curl", version)).len(),
                expected,
                "{version}"
            );
        }
        assert!(
            index
                .affected(&component("curl", "other odd", "curl", "other odd"))
                .is_err()
        );
    }

    #[test]
    fn withdrawn_and_informational_records_match_nothing() {
        let mut withdrawn = advisory("A", "curl", "9");
        withdrawn.withdrawn = true;
        let mut informational = advisory("A", "curl", "9");
        informational.informational = Some("unmaintained".into());
        assert!(!hit(withdrawn, "1"));
        assert!(!hit(informational, "1"));
        assert!(hit(advisory("A", "curl", "9"), "1"));
    }
}
