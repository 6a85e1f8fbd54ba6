//! The index that matching runs on: per source package the fixing versions, parsed and sorted.
//!
//! A component is affected by every advisory of its source whose fixing version is greater than its own: one binary
//! search, then a suffix. Debian is matched by **source** name and source version (a binNMU's `+b1` is not in it). The
//! exception are signed packages (`linux-signed-amd64`): their source is not in the advisories and numbers differently,
//! so the binary's version is compared with the unsigned source's.

use crate::domain::advisory::AdvisoryRecord;
use netpatch_types::{
    ComponentKey,
    version::{InvalidVersion, Version},
};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

/// How a component was matched; the word stands in the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Source name and source version.
    DebianSource,
    /// Unsigned source's name and binary version.
    DebianSignedBinary,
}

impl Rule {
    /// The word of the evidence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DebianSource => "debian-source",
            Self::DebianSignedBinary => "debian-signed-binary",
        }
    }

    /// Reads the word of [`Self::as_str`]; anything else is the usual rule.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        if word == Self::DebianSignedBinary.as_str() {
            Self::DebianSignedBinary
        } else {
            Self::DebianSource
        }
    }
}

/// Where the advisories name what a component was built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The source package of the advisories.
    pub source: Cow<'a, str>,
    /// The version to compare.
    pub version: &'a str,
    /// Why these two.
    pub rule: Rule,
}

/// A version below which a source is affected by an advisory.
#[derive(Clone, Debug)]
pub struct Interval {
    fixed: Version,
    /// The fixing version as the record says it.
    pub fixed_version: Arc<str>,
    /// The advisory's number.
    pub advisory: u32,
}

impl Interval {
    /// The fixing version, parsed.
    #[must_use]
    pub fn fixed(&self) -> &Version {
        &self.fixed
    }
}

/// Signed sources and the unsigned ones that advisories name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases(pub HashMap<String, String>);

impl Aliases {
    /// Reads the first two columns of the pack's table.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let row = |line: &str| {
            let mut columns = line.split('\t');
            Some((
                columns.next()?.trim().to_owned(),
                columns.next()?.trim().to_owned(),
            ))
        };
        Self(
            text.lines()
                .filter(|line| !line.starts_with('#'))
                .filter_map(row)
                .filter(|(signed, source)| !signed.is_empty() && !source.is_empty())
                .collect(),
        )
    }

    /// What the advisories call the component, and its version there.
    #[must_use]
    pub fn subject<'a>(&self, component: &'a ComponentKey) -> Subject<'a> {
        let unsigned = match self.0.get(&component.source) {
            Some(source) => Some(source.clone()),
            None => unsigned_kernel(&component.source),
        };
        match unsigned {
            Some(source) => Subject {
                source: source.into(),
                version: signed_version(component),
                rule: Rule::DebianSignedBinary,
            },
            None => Subject {
                source: component.source.as_str().into(),
                version: &component.source_version,
                rule: Rule::DebianSource,
            },
        }
    }
}

/// `linux-signed-6.12-arm64` → `linux-6.12`, for architectures that the table does not list.
fn unsigned_kernel(source: &str) -> Option<String> {
    let rest = source.strip_prefix("linux-signed-")?;
    Some(match rest.rsplit_once('-') {
        Some((version, _arch)) => format!("linux-{version}"),
        None => "linux".to_owned(),
    })
}

/// The version of what was signed. `shim-signed 1.51~1+deb12u1` builds the binary `1.51~1+deb12u1+16.1-2`: the signed
/// version stands behind its own. Kernels have the unsigned binary's version as it is.
fn signed_version(component: &ComponentKey) -> &str {
    component
        .version
        .strip_prefix(component.source_version.as_str())
        .and_then(|rest| rest.strip_prefix('+'))
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or(&component.version)
}

/// One OS release that a feed speaks about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Release {
    /// `debian`.
    pub distribution: String,
    /// `bookworm`.
    pub codename: String,
}

/// All advisories of a release, ready to match.
#[derive(Clone, Debug)]
pub struct MatchIndex {
    release: Release,
    aliases: Aliases,
    sources: HashMap<String, Vec<Interval>>,
}

impl MatchIndex {
    /// Builds the index from (number, advisory) pairs; a fix with an unreadable version is left out (the feed's reader refuses those).
    pub fn build<'a>(
        release: Release,
        aliases: Aliases,
        advisories: impl IntoIterator<Item = (u32, &'a AdvisoryRecord)>,
    ) -> Self {
        let mut sources: HashMap<String, Vec<Interval>> = HashMap::new();
        for (number, advisory) in advisories {
            for fix in &advisory.fixes {
                let Ok(fixed) = Version::parse(netpatch_types::Ecosystem::Deb, &fix.fixed) else {
                    continue;
                };
                sources
                    .entry(fix.source.clone())
                    .or_default()
                    .push(Interval {
                        fixed,
                        fixed_version: fix.fixed.as_str().into(),
                        advisory: number,
                    });
            }
        }
        for intervals in sources.values_mut() {
            intervals.sort_by(|left, right| {
                let order = left.fixed.partial_cmp(&right.fixed);
                // All are of the release's ecosystem.
                order
                    .unwrap_or(Ordering::Equal)
                    .then(left.advisory.cmp(&right.advisory))
            });
        }
        Self {
            release,
            aliases,
            sources,
        }
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

    /// The advisories that apply to a component. An error when its version cannot be compared.
    pub fn affected(
        &self,
        component: &ComponentKey,
    ) -> Result<(&[Interval], Rule), InvalidVersion> {
        let subject = self.subject(component);
        let rule = subject.rule;
        if component.distribution != self.release.distribution
            || component.release != self.release.codename
        {
            return Ok((&[], rule));
        }
        let Some(intervals) = self.sources.get(subject.source.as_ref()) else {
            return Ok((&[], rule));
        };
        let version = Version::parse(component.ecosystem, subject.version)?;
        let first = intervals.partition_point(|interval| interval.fixed <= version);
        Ok((&intervals[first..], rule))
    }

    /// How many source packages have an advisory.
    #[must_use]
    pub fn source_count(&self) -> usize {
        self.sources.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::advisory::Fix;
    use netpatch_types::{Ecosystem, Sha256};

    fn advisory(name: &str, source: &str, fixed: &str) -> AdvisoryRecord {
        AdvisoryRecord {
            name: name.into(),
            vendor_refs: Vec::new(),
            cves: vec![name.into()],
            summary: String::new(),
            cvss_score: None,
            cvss_vector: None,
            epss: None,
            kev: false,
            ransomware: false,
            published_at: None,
            url: None,
            record: name.into(),
            record_digest: Sha256::default(),
            fixes: vec![Fix {
                source: source.into(),
                fixed: fixed.into(),
            }],
        }
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
        let release = Release {
            distribution: "debian".into(),
            codename: "bookworm".into(),
        };
        let aliases =
            Aliases::parse("#signed\tsource\nshim-signed\tshim\trest\nlinux-signed-amd64\tlinux\n");
        MatchIndex::build(release, aliases, (0..).zip(advisories))
    }

    fn numbers(index: &MatchIndex, component: &ComponentKey) -> Vec<u32> {
        let mut numbers: Vec<u32> = index
            .affected(component)
            .expect("comparable")
            .0
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
            index.affected(&arm).expect("comparable").1,
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
}
