//! An interval of versions, parsed once: what matching compares with.

use crate::domain::affected::{Affected, End, Prereleases, Range, Status};
use netpatch_types::Ecosystem;
use netpatch_types::version::{InvalidVersion, Version};
use std::cmp::Ordering;
use std::sync::Arc;

/// Where an interval ends.
#[derive(Clone, Debug, PartialEq)]
enum Upper {
    /// Before the fixing version, kept as the record says it too.
    Fixed(Version, Arc<str>),
    /// With this version.
    Last(Version),
    /// Nowhere.
    Open,
}

/// Versions of one package that an advisory speaks of.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    lower: Option<Version>,
    upper: Upper,
    prereleases: Prereleases,
    /// What is said of them: affected, or under investigation.
    pub status: Status,
    /// The advisory's number.
    pub advisory: u32,
}

impl Interval {
    /// The intervals of one entry; a range with an unreadable end is an error.
    pub(crate) fn of(affected: &Affected, advisory: u32) -> Result<Vec<Self>, InvalidVersion> {
        let ecosystem = affected.release.ecosystem;
        affected
            .ranges
            .iter()
            .map(|range| Self::of_range(ecosystem, range, affected.status, advisory))
            .collect()
    }

    fn of_range(
        ecosystem: Ecosystem,
        range: &Range,
        status: Status,
        advisory: u32,
    ) -> Result<Self, InvalidVersion> {
        let parse = |text: &String| Version::parse(ecosystem, text);
        Ok(Self {
            lower: range.introduced.as_ref().map(parse).transpose()?,
            upper: match &range.end {
                End::Fixed(fixed) => Upper::Fixed(parse(fixed)?, fixed.as_str().into()),
                End::LastAffected(last) => Upper::Last(parse(last)?),
                End::Open => Upper::Open,
            },
            prereleases: range.prereleases,
            status,
            advisory,
        })
    }

    /// One version.
    pub(crate) fn exactly(version: Version, status: Status, advisory: u32) -> Self {
        Self {
            lower: Some(version.clone()),
            upper: Upper::Last(version),
            prereleases: Prereleases::Ordered,
            status,
            advisory,
        }
    }

    /// A version that is known by its name only, or everything.
    pub(crate) fn unbounded(status: Status, advisory: u32) -> Self {
        Self {
            lower: None,
            upper: Upper::Open,
            prereleases: Prereleases::Ordered,
            status,
            advisory,
        }
    }

    /// The fixing version, parsed; none when there is no fix yet or it is not said.
    #[must_use]
    pub fn fixed(&self) -> Option<&Version> {
        match &self.upper {
            Upper::Fixed(version, _) => Some(version),
            Upper::Last(_) | Upper::Open => None,
        }
    }

    /// The fixing version as the record says it.
    #[must_use]
    pub fn fixed_version(&self) -> Option<&str> {
        match &self.upper {
            Upper::Fixed(_, text) => Some(text),
            Upper::Last(_) | Upper::Open => None,
        }
    }

    /// Whether it ends nowhere: no version is said to have the fix.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.upper == Upper::Open
    }

    /// As [`Self::fixed_version`], shared.
    #[must_use]
    pub(crate) fn fixed_text(&self) -> Option<Arc<str>> {
        match &self.upper {
            Upper::Fixed(_, text) => Some(Arc::clone(text)),
            Upper::Last(_) | Upper::Open => None,
        }
    }

    /// Whether the version lies behind the interval's end. Monotone over intervals in the order of [`Self::by_end`].
    pub(crate) fn ends_before(&self, version: &Version) -> bool {
        match &self.upper {
            Upper::Fixed(fixed, _) => fixed <= version,
            Upper::Last(last) => last < version,
            Upper::Open => false,
        }
    }

    /// Whether a version that does not lie behind its end lies inside.
    pub(crate) fn has(&self, version: &Version) -> bool {
        self.lower.as_ref().is_none_or(|lower| lower <= version)
            && (self.prereleases == Prereleases::Ordered || self.names_prerelease(version))
    }

    /// npm: a pre-release is inside only if an end is a pre-release of the same version.
    fn names_prerelease(&self, version: &Version) -> bool {
        let Some(release) = version.prerelease_of() else {
            return true;
        };
        let upper = match &self.upper {
            Upper::Fixed(version, _) | Upper::Last(version) => Some(version),
            Upper::Open => None,
        };
        [self.lower.as_ref(), upper]
            .into_iter()
            .flatten()
            .any(|end| end.prerelease_of() == Some(release))
    }

    /// The order of ends, then of advisories.
    pub(crate) fn by_end(&self, other: &Self) -> Ordering {
        compare_ends(&self.upper, &other.upper).then(self.advisory.cmp(&other.advisory))
    }

    /// Joins intervals of one advisory that touch, so that no version is in two of them.
    pub(crate) fn join(mut all: Vec<Self>) -> Vec<Self> {
        if all.len() < 2 || all.iter().any(|one| one.prereleases == Prereleases::Named) {
            return all;
        }
        // No lower end sorts first.
        all.sort_by(|left, right| {
            let lower = match (&left.lower, &right.lower) {
                (Some(left), Some(right)) => order(left, right),
                (left, right) => left.is_some().cmp(&right.is_some()),
            };
            left.status.cmp(&right.status).then(lower)
        });
        let mut joined: Vec<Self> = Vec::with_capacity(all.len());
        for next in all {
            match joined.last_mut() {
                Some(last)
                    if last.status == next.status
                        && next.lower.as_ref().is_none_or(|lower| last.reaches(lower)) =>
                {
                    if compare_ends(&last.upper, &next.upper) == Ordering::Less {
                        last.upper = next.upper;
                    }
                }
                _ => joined.push(next),
            }
        }
        joined
    }

    fn reaches(&self, version: &Version) -> bool {
        match &self.upper {
            Upper::Fixed(end, _) | Upper::Last(end) => version <= end,
            Upper::Open => true,
        }
    }
}

/// Versions of one package are of one ecosystem, so they always have an order.
fn order(left: &Version, right: &Version) -> Ordering {
    left.partial_cmp(right).unwrap_or(Ordering::Equal)
}

/// A fixing version ends before itself, a last affected one behind itself.
fn compare_ends(left: &Upper, right: &Upper) -> Ordering {
    match (left, right) {
        (Upper::Open, Upper::Open) => Ordering::Equal,
        (Upper::Open, _) => Ordering::Greater,
        (_, Upper::Open) => Ordering::Less,
        (Upper::Fixed(left, _), Upper::Fixed(right, _))
        | (Upper::Last(left), Upper::Last(right)) => order(left, right),
        (Upper::Fixed(left, _), Upper::Last(right)) => order(left, right).then(Ordering::Less),
        (Upper::Last(left), Upper::Fixed(right, _)) => order(left, right).then(Ordering::Greater),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::affected::Release;

    fn range(introduced: Option<&str>, end: End) -> Range {
        Range {
            introduced: introduced.map(str::to_owned),
            end,
            prereleases: Prereleases::Ordered,
        }
    }

    fn intervals(ranges: Vec<Range>) -> Vec<Interval> {
        let affected = Affected {
            ranges,
            ..Affected::below(Release::os(Ecosystem::Deb, "debian", "bookworm"), "a", "1")
        };
        Interval::of(&affected, 0).expect("versions")
    }

    fn inside(intervals: &[Interval], version: &str) -> bool {
        let version = Version::parse(Ecosystem::Deb, version).expect("a version");
        intervals
            .iter()
            .any(|one| !one.ends_before(&version) && one.has(&version))
    }

    #[test]
    fn both_ends_are_what_the_record_says() {
        let all = intervals(vec![
            range(Some("2"), End::Fixed("3".into())),
            range(Some("5"), End::LastAffected("6".into())),
            range(Some("9"), End::Open),
        ]);
        for (version, expected) in [
            ("1", false),
            ("2", true),
            ("2.9", true),
            ("3", false),
            ("6", true),
            ("6.1", false),
            ("99", true),
        ] {
            assert_eq!(inside(&all, version), expected, "{version}");
        }
        assert_eq!(all[0].fixed_version(), Some("3"));
        assert_eq!(all[1].fixed_version(), None);
        assert_eq!(all[2].fixed_version(), None);
    }

    #[test]
    fn touching_intervals_become_one() {
        let joined = Interval::join(intervals(vec![
            range(Some("5"), End::Fixed("8".into())),
            range(None, End::Fixed("3".into())),
            range(Some("2"), End::LastAffected("5".into())),
        ]));
        assert_eq!(joined.len(), 1);
        assert_eq!(joined[0].fixed_version(), Some("8"));
        let apart = Interval::join(intervals(vec![
            range(Some("5"), End::Open),
            range(None, End::Fixed("3".into())),
        ]));
        assert_eq!(apart.len(), 2);
    }

    #[test]
    fn ends_are_ordered_so_that_one_search_finds_the_first_open_one() {
        let mut all = intervals(vec![
            range(None, End::Open),
            range(None, End::LastAffected("3".into())),
            range(None, End::Fixed("3".into())),
            range(None, End::Fixed("1".into())),
        ]);
        all.sort_by(Interval::by_end);
        let version = Version::parse(Ecosystem::Deb, "3").expect("a version");
        let ended: Vec<bool> = all.iter().map(|one| one.ends_before(&version)).collect();
        assert_eq!(ended, [true, true, false, false]);
    }
}
