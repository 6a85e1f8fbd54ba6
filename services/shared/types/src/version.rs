//! Version order of each ecosystem, as its own tool has it.
//!
//! A text is read once ([`Version::parse`]) and compared often. Two versions of different ecosystems have no order:
//! [`Version::compare`] says so, and `<`, `>`, `==` are all false.
//!
//! Where a crate implements an ecosystem rightly it is used (`rpm-version`, `pep440_rs`, `semver`); the rest is here, a file per
//! family, checked against the vectors in `tests/data/versions`.

mod alpm;
mod apk;
mod composer;
mod deb;
mod dotted;
mod gem;
mod generic;
mod golang;
mod maven;
mod npm;
mod nuget;
mod number;
mod rpm;

use crate::Ecosystem;
use semver::Version as Semver;
use std::cmp::Ordering;

/// Longer texts are refused: no published version comes near it, and hostile ones cost time.
pub const MAX_VERSION_BYTES: usize = 256;

/// Not a version of its ecosystem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {ecosystem} version")]
pub struct InvalidVersion {
    /// The ecosystem's word.
    pub ecosystem: &'static str,
    /// What was read, cut at 80 characters.
    pub text: String,
}

/// Two versions that nothing orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {left} version and a {right} version have no order")]
pub struct DifferentEcosystems {
    /// Of the left version.
    pub left: Ecosystem,
    /// Of the right version.
    pub right: Ecosystem,
}

/// A parsed version; parse once, compare often.
///
/// Equality is that of the order: `1.0` and `0:1.0` are equal Debian versions. Within an ecosystem `partial_cmp` is a total
/// order, so a list of one ecosystem's versions can be sorted by it.
#[derive(Clone, Debug)]
pub struct Version {
    ecosystem: Ecosystem,
    order: Order,
}

/// What is compared; which variant holds which ecosystem is decided in [`Order::parse`] alone.
#[derive(Clone, Debug)]
enum Order {
    Deb(deb::Deb),
    Rpm(rpm::Rpm),
    Apk(apk::Apk),
    Alpm(alpm::Alpm),
    Pypi(pep440_rs::Version),
    /// Precedence of Semantic Versioning 2.0.0, §11: build metadata does not count.
    Semver(Semver),
    /// The same, and build metadata counts: the Dart rule.
    Built(Semver),
    Generic(generic::Generic),
    Maven(maven::Maven),
    Gem(gem::Gem),
    Composer(composer::Composer),
    /// `1.0` before `1.0.0`.
    Dotted(dotted::Dotted),
    /// `1.0` equal to `1.0.0`.
    Padded(dotted::Padded),
}

impl Version {
    /// Parses a version; a text longer than [`MAX_VERSION_BYTES`] is refused.
    pub fn parse(ecosystem: Ecosystem, text: &str) -> Result<Self, InvalidVersion> {
        Some(text)
            .filter(|text| text.len() <= MAX_VERSION_BYTES)
            .and_then(|text| Order::parse(ecosystem, text))
            .map(|order| Self { ecosystem, order })
            .ok_or_else(|| InvalidVersion {
                ecosystem: ecosystem.as_str(),
                text: text.chars().take(80).collect(),
            })
    }

    /// Whose version it is.
    #[must_use]
    pub fn ecosystem(&self) -> Ecosystem {
        self.ecosystem
    }

    /// Major, minor and patch of a pre-release of Semantic Versioning; `None` for a release and where others count.
    #[must_use]
    pub fn prerelease_of(&self) -> Option<(u64, u64, u64)> {
        match &self.order {
            Order::Semver(version) if !version.pre.is_empty() => {
                Some((version.major, version.minor, version.patch))
            }
            _ => None,
        }
    }

    /// The answer of the ecosystem's own tool.
    ///
    /// It is the order of `partial_cmp` but for one thing: pacman's `vercmp` takes `1.5` as equal to `1.5-1` and to `1.5-2`. That
    /// is no order to sort by, so `partial_cmp` has `1.5` first.
    pub fn compare(&self, other: &Self) -> Result<Ordering, DifferentEcosystems> {
        match (&self.order, &other.order) {
            (Order::Alpm(left), Order::Alpm(right)) => Ok(left.vercmp(right)),
            _ => self.partial_cmp(other).ok_or(DifferentEcosystems {
                left: self.ecosystem,
                right: other.ecosystem,
            }),
        }
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

/// `None` for versions of different ecosystems.
impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        if self.ecosystem == other.ecosystem {
            self.order.compare(&other.order)
        } else {
            None
        }
    }
}

impl Order {
    fn parse(ecosystem: Ecosystem, text: &str) -> Option<Self> {
        match ecosystem {
            Ecosystem::Deb => deb::Deb::parse(text).map(Self::Deb),
            Ecosystem::Rpm => rpm::Rpm::parse(text).map(Self::Rpm),
            Ecosystem::Apk => apk::Apk::parse(text).map(Self::Apk),
            Ecosystem::Alpm => alpm::Alpm::parse(text).map(Self::Alpm),
            Ecosystem::Pypi => text.trim().parse().ok().map(Self::Pypi),
            Ecosystem::Npm => npm::parse(text).map(Self::Semver),
            Ecosystem::Cargo | Ecosystem::Hex => Semver::parse(text).ok().map(Self::Semver),
            Ecosystem::Golang => golang::parse(text).map(Self::Semver),
            Ecosystem::Pub => Semver::parse(text.strip_prefix('v').unwrap_or(text))
                .ok()
                .map(Self::Built),
            Ecosystem::Maven => maven::Maven::parse(text).map(Self::Maven),
            Ecosystem::Nuget => nuget::parse(text).map(Self::Generic),
            Ecosystem::Gem => gem::Gem::parse(text).map(Self::Gem),
            Ecosystem::Composer => composer::Composer::parse(text).map(Self::Composer),
            Ecosystem::Cran => dotted::Dotted::parse(text, &['.', '-']).map(Self::Dotted),
            Ecosystem::Hackage => dotted::Dotted::parse(text, &['.']).map(Self::Dotted),
            Ecosystem::Windows => dotted::Padded::parse(text).map(Self::Padded),
            Ecosystem::Generic => generic::Generic::parse(text).map(Self::Generic),
        }
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        Some(match (self, other) {
            (Self::Deb(left), Self::Deb(right)) => left.cmp(right),
            (Self::Rpm(left), Self::Rpm(right)) => left.cmp(right),
            (Self::Apk(left), Self::Apk(right)) => left.cmp(right),
            (Self::Alpm(left), Self::Alpm(right)) => left.cmp(right),
            (Self::Pypi(left), Self::Pypi(right)) => left.cmp(right),
            (Self::Semver(left), Self::Semver(right)) => left.cmp_precedence(right),
            (Self::Built(left), Self::Built(right)) => left.cmp(right),
            (Self::Generic(left), Self::Generic(right)) => left.cmp(right),
            (Self::Maven(left), Self::Maven(right)) => left.cmp(right),
            (Self::Gem(left), Self::Gem(right)) => left.cmp(right),
            (Self::Composer(left), Self::Composer(right)) => left.cmp(right),
            (Self::Dotted(left), Self::Dotted(right)) => left.cmp(right),
            (Self::Padded(left), Self::Padded(right)) => left.cmp(right),
            _ => return None,
        })
    }
}

/// Compares two versions of an ecosystem, as [`Version::compare`] does.
pub fn compare(ecosystem: Ecosystem, left: &str, right: &str) -> Result<Ordering, InvalidVersion> {
    let (left, right) = (
        Version::parse(ecosystem, left)?,
        Version::parse(ecosystem, right)?,
    );
    match left.compare(&right) {
        Ok(order) => Ok(order),
        Err(DifferentEcosystems { .. }) => unreachable!("both were parsed as {ecosystem}"),
    }
}
