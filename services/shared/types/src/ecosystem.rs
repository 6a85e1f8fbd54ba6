//! Package worlds: the words for them, and nothing else. Their version orders are in [`crate::version`].

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which package world a component belongs to; decides the version order.
///
/// The word of each ([`as_str`](Self::as_str)) is its package URL type (ECMA-427, purl-types), except `windows`, which has
/// none. The same word is stored in the database and travels in manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ecosystem {
    /// Debian and its derivatives.
    Deb,
    /// RPM: Red Hat, AlmaLinux, SUSE and kin.
    Rpm,
    /// Alpine's apk.
    Apk,
    /// Arch Linux's pacman.
    Alpm,
    /// Python packages.
    Pypi,
    /// Node packages.
    Npm,
    /// Rust crates.
    Cargo,
    /// Go modules.
    Golang,
    /// Maven artifacts.
    Maven,
    /// .NET packages.
    Nuget,
    /// Ruby gems.
    Gem,
    /// PHP packages.
    Composer,
    /// Dart packages.
    Pub,
    /// Erlang and Elixir packages.
    Hex,
    /// R packages.
    Cran,
    /// Haskell packages.
    Hackage,
    /// Windows builds, `10.0.20348.2655`.
    Windows,
    /// Whatever follows Semantic Versioning loosely.
    Generic,
}

/// Not the word of an ecosystem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no ecosystem; known are {}", known())]
pub struct UnknownEcosystem {
    /// What was read, cut at 80 characters.
    pub word: String,
}

fn known() -> String {
    Ecosystem::ALL.map(Ecosystem::as_str).join(", ")
}

impl Ecosystem {
    /// Every one of them, in the order of declaration.
    pub const ALL: [Self; 18] = [
        Self::Deb,
        Self::Rpm,
        Self::Apk,
        Self::Alpm,
        Self::Pypi,
        Self::Npm,
        Self::Cargo,
        Self::Golang,
        Self::Maven,
        Self::Nuget,
        Self::Gem,
        Self::Composer,
        Self::Pub,
        Self::Hex,
        Self::Cran,
        Self::Hackage,
        Self::Windows,
        Self::Generic,
    ];

    /// The word stored in the database, and the purl type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Rpm => "rpm",
            Self::Apk => "apk",
            Self::Alpm => "alpm",
            Self::Pypi => "pypi",
            Self::Npm => "npm",
            Self::Cargo => "cargo",
            Self::Golang => "golang",
            Self::Maven => "maven",
            Self::Nuget => "nuget",
            Self::Gem => "gem",
            Self::Composer => "composer",
            Self::Pub => "pub",
            Self::Hex => "hex",
            Self::Cran => "cran",
            Self::Hackage => "hackage",
            Self::Windows => "windows",
            Self::Generic => "generic",
        }
    }

    /// The ecosystem of exactly this word, as stored and as in a purl; aliases are not taken.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|ecosystem| ecosystem.as_str() == word)
    }

    /// Whether packages of the ecosystem belong to a release of a distribution, not to a registry.
    #[must_use]
    pub const fn is_os(self) -> bool {
        matches!(
            self,
            Self::Deb | Self::Rpm | Self::Apk | Self::Alpm | Self::Windows
        )
    }

    /// Other names that people and feeds use, lower case.
    #[must_use]
    pub const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Deb => &["debian", "ubuntu", "dpkg"],
            Self::Rpm => &["redhat", "rhel", "almalinux", "rocky", "fedora", "suse"],
            Self::Apk => &["alpine"],
            Self::Alpm => &["pacman", "arch"],
            Self::Pypi => &["python", "pep440"],
            Self::Npm => &["node"],
            Self::Cargo => &["crates.io", "rust"],
            Self::Golang => &["go"],
            Self::Maven => &["java"],
            Self::Nuget => &["dotnet"],
            Self::Gem => &["rubygems", "ruby"],
            Self::Composer => &["packagist", "php"],
            Self::Pub => &["dart"],
            Self::Hex => &["erlang", "elixir"],
            Self::Cran => &["r"],
            Self::Hackage => &["haskell"],
            Self::Windows => &["microsoft"],
            Self::Generic => &["semver", "semantic"],
        }
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Reads what a person types: a word or an alias, in any case.
impl FromStr for Ecosystem {
    type Err = UnknownEcosystem;

    fn from_str(text: &str) -> Result<Self, UnknownEcosystem> {
        let is_named = |ecosystem: &Self| {
            std::iter::once(ecosystem.as_str())
                .chain(ecosystem.aliases().iter().copied())
                .any(|name| name.eq_ignore_ascii_case(text))
        };
        Self::ALL
            .into_iter()
            .find(is_named)
            .ok_or_else(|| UnknownEcosystem {
                word: text.chars().take(80).collect(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_means_one_ecosystem_and_serde_knows_the_same_word() {
        let mut seen = HashSet::new();
        for ecosystem in Ecosystem::ALL {
            let word = ecosystem.as_str();
            assert_eq!(Ecosystem::from_word(word), Some(ecosystem));
            assert_eq!(
                serde_json::to_value(ecosystem).expect("json"),
                serde_json::json!(word)
            );
            for name in ecosystem.aliases().iter().chain([&word]) {
                assert!(seen.insert(*name), "{name} twice");
                assert_eq!(name.to_uppercase().parse(), Ok(ecosystem));
            }
        }
        assert_eq!(Ecosystem::from_word("debian"), None);
        let error = "x".repeat(500).parse::<Ecosystem>().expect_err("unknown");
        assert!(error.to_string().contains("known are deb, rpm"), "{error}");
        assert_eq!(error.word.len(), 80);
    }
}
