//! Which versions of which packages an advisory speaks of, in any ecosystem (after OSV schema 1.7 and the four VEX states).

use netpatch_types::Ecosystem;
use serde::{Deserialize, Serialize};

/// Where packages of one name are the same thing: an OS release (`deb`, `debian`, `bookworm`) or a package registry
/// (`pypi`, with the other two empty).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Release {
    /// The package world; decides the version order.
    pub ecosystem: Ecosystem,
    /// `debian`, `almalinux`; empty for a registry.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub distribution: String,
    /// `bookworm`, `9`, `3.11`; empty for a registry.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub codename: String,
}

impl Release {
    /// A release of a distribution.
    #[must_use]
    pub fn os(ecosystem: Ecosystem, distribution: &str, codename: &str) -> Self {
        Self {
            ecosystem,
            distribution: distribution.to_owned(),
            codename: codename.to_owned(),
        }
    }

    /// A registry.
    #[must_use]
    pub fn registry(ecosystem: Ecosystem) -> Self {
        Self::os(ecosystem, "", "")
    }
}

/// What an advisory says of one package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Affected {
    /// Of which release or registry.
    pub release: Release,
    /// As the advisories of the ecosystem name packages: Debian and Alpine by source, rpm by binary; PEP 503 names, `@scope/name`,
    /// `group:artifact`.
    pub name: String,
    /// What is said of the versions below.
    #[serde(default, skip_serializing_if = "Status::is_affected")]
    pub status: Status,
    /// Ranges of versions, sorted. None and no `versions` speaks of nothing; [`Range::all`] speaks of every version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Range>,
    /// Versions by name, beside the ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// The vendor's word for why: the justification of "not affected" or the kind of remedy where there is no fix. May be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Affected {
    /// All versions below `fixed` are affected: what distributions say.
    #[must_use]
    pub fn below(release: Release, name: impl Into<String>, fixed: impl Into<String>) -> Self {
        Self {
            release,
            name: name.into(),
            status: Status::Affected,
            ranges: vec![Range {
                introduced: None,
                end: End::Fixed(fixed.into()),
                prereleases: Prereleases::default(),
            }],
            versions: Vec::new(),
            note: String::new(),
        }
    }

    /// The fixing version, when all that is said is "affected below it".
    #[must_use]
    pub fn only_fix(&self) -> Option<&str> {
        match self.ranges.as_slice() {
            [
                Range {
                    introduced: None,
                    end: End::Fixed(fixed),
                    ..
                },
            ] if self.status == Status::Affected && self.versions.is_empty() => Some(fixed),
            _ => None,
        }
    }
}

/// The states of VEX. What is not affected or fixed takes its versions out of what other entries of the same advisory say.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Affected; without a fixing version there is no fix yet.
    #[default]
    Affected,
    /// The vendor does not know yet. Matched apart: no finding is opened for it.
    UnderInvestigation,
    /// The vendor says that it is not.
    NotAffected,
    /// Carries the fix, whatever its version number says.
    Fixed,
}

impl Status {
    fn is_affected(&self) -> bool {
        *self == Self::Affected
    }
}

/// An interval of versions in the order of the ecosystem.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Range {
    /// The first version inside; none for the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced: Option<String>,
    /// Where it ends.
    pub end: End,
    /// Which pre-releases are inside.
    #[serde(default, skip_serializing_if = "Prereleases::is_ordered")]
    pub prereleases: Prereleases,
}

impl Range {
    /// Every version.
    #[must_use]
    pub fn all() -> Self {
        Self {
            introduced: None,
            end: End::Open,
            prereleases: Prereleases::default(),
        }
    }
}

/// Where a range ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Before this version, which has the fix.
    Fixed(String),
    /// With this version; which one has the fix is not said.
    LastAffected(String),
    /// Nowhere: no fix yet.
    Open,
}

/// Which pre-releases belong to a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prereleases {
    /// Those between the ends, as OSV and most ecosystems count.
    #[default]
    Ordered,
    /// Only those of a version that an end names with a pre-release itself: npm's `satisfies`.
    Named,
}

impl Prereleases {
    fn is_ordered(&self) -> bool {
        *self == Self::Ordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_short_and_comes_back() {
        let below = Affected::below(
            Release::os(Ecosystem::Deb, "debian", "bookworm"),
            "curl",
            "7-2",
        );
        let text = serde_json::to_string(&below).expect("json");
        assert_eq!(
            text,
            r#"{"release":{"ecosystem":"deb","distribution":"debian","codename":"bookworm"},"name":"curl","ranges":[{"end":{"fixed":"7-2"}}]}"#
        );
        assert_eq!(
            serde_json::from_str::<Affected>(&text).expect("ours"),
            below
        );
        assert_eq!(below.only_fix(), Some("7-2"));
        let open = Affected {
            status: Status::NotAffected,
            ranges: vec![Range::all()],
            ..below
        };
        let text = serde_json::to_string(&open).expect("json");
        assert_eq!(serde_json::from_str::<Affected>(&text).expect("ours"), open);
        assert_eq!(open.only_fix(), None);
    }
}
