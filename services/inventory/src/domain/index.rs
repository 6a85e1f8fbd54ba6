//! The index that matching runs on: per package the intervals of versions that advisories speak of, parsed and sorted by
//! their ends.
//!
//! A component is affected by every advisory of its package whose interval holds its version: one binary search leaves those
//! that end behind it. Distributions say "below the fix", so for them the rest is the answer; elsewhere each is asked whether
//! it has begun. What a vendor says is not affected or fixed is taken out last, whichever feed said that it is affected; what only the
//! feed of last resort says counts where no other speaks.

mod build;
mod cleared;

pub use build::{IndexBuilder, LAST_RESORT};
pub use cleared::Cleared;

use build::Package;

use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::Release;
use crate::domain::interval::Interval;
use crate::domain::subject::{Aliases, Rule, Subject};
use netpatch_types::{
    ComponentKey, Ecosystem, distribution_name,
    version::{InvalidVersion, Version},
};
use std::collections::{HashMap, HashSet};

/// What applies to a component.
#[derive(Clone, Debug)]
pub struct Hits<'a> {
    /// The intervals that hold its version, one an advisory, by fixing version.
    pub intervals: Vec<&'a Interval>,
    /// How they were found.
    pub rule: Rule,
    /// What a vendor took out, and who.
    pub cleared: Vec<Cleared>,
}

/// In front of a source package's name where advisories name binary and source packages (rpm).
pub const SOURCE: &str = "src:";

/// Where advisories speak of a component.
fn release_of(component: &ComponentKey) -> Release {
    Release::os(
        component.ecosystem,
        distribution_name(&component.distribution),
        &component.release,
    )
}

/// The release and the packages under whose names advisories speak of a component.
#[must_use]
pub fn packages_of(aliases: &Aliases, component: &ComponentKey) -> (Release, Vec<String>) {
    let mut names = vec![aliases.subject(component).source.into_owned()];
    if component.ecosystem == Ecosystem::Rpm && !component.source.is_empty() {
        names.push(format!("{SOURCE}{}", component.source));
    }
    (release_of(component), names)
}

/// All advisories, ready to match.
#[derive(Clone, Debug)]
pub struct MatchIndex {
    aliases: Aliases,
    releases: HashMap<Release, HashMap<String, Package>>,
    /// The CVEs of advisories, when a vendor exempts anything.
    cves: HashMap<u32, Box<[u64]>>,
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
            cleared: Vec::new(),
        };
        let Some(packages) = self.releases.get(&release_of(component)) else {
            return Ok(hits);
        };
        let own = packages.get(subject.source.as_ref());
        // Vendors of rpm packages say "not affected" of the source.
        let source = (component.ecosystem == Ecosystem::Rpm && !component.source.is_empty())
            .then(|| packages.get(&format!("{SOURCE}{}", component.source)))
            .flatten();
        if own.is_none() && source.is_none() {
            return Ok(hits);
        }
        if let Some(package) = own {
            let named = package.named.iter();
            hits.intervals.extend(
                named
                    .filter(|(version, _)| version == subject.version)
                    .map(|(_, interval)| interval),
            );
        }
        let version = match Version::parse(component.ecosystem, subject.version) {
            Ok(version) => version,
            Err(_) if !hits.intervals.is_empty() => return Ok(hits),
            Err(error) => return Err(error),
        };
        for package in [own, source].into_iter().flatten() {
            let first = package
                .intervals
                .partition_point(|interval| interval.ends_before(&version));
            hits.intervals.extend(
                package.intervals[first..]
                    .iter()
                    .filter(|interval| interval.has(&version)),
            );
        }
        let exempt = || {
            [own, source]
                .into_iter()
                .flatten()
                .flat_map(|package| &package.exempt)
        };
        if exempt().next().is_some() {
            cleared::take_out(&mut hits, exempt, &self.cves, &version);
        }
        if source.is_some() || own.is_some_and(|package| package.repeats) {
            let mut seen = HashSet::new();
            hits.intervals.retain(|hit| seen.insert(hit.advisory));
        }
        Ok(hits)
    }

    /// The packages that these advisories speak of, whatever they say.
    pub fn packages(&self, is_asked: impl Fn(u32) -> bool) -> Vec<(&Release, &str)> {
        let mut found = Vec::new();
        for (release, packages) in &self.releases {
            for (name, package) in packages {
                let mut advisories = package.advisories();
                if advisories.any(&is_asked) {
                    found.push((release, name.as_str()));
                }
            }
        }
        found
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
mod tests;
