//! dpkg's status file: what is installed, in which state, from which source.

use super::control::{self, Stanza};
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::{ComponentKey, Ecosystem};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where dpkg keeps its status, as the host sees it.
pub(crate) const STATUS: &str = "/var/lib/dpkg/status";

/// One package of the status file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Binary package.
    pub(crate) name: String,
    /// `amd64`, `all`.
    pub(crate) arch: String,
    /// Version; empty for a package that only left its name.
    pub(crate) version: String,
    /// Source package.
    pub(crate) source: String,
    /// Source version.
    pub(crate) source_version: String,
    /// First word of Status: `install`, `hold`, `deinstall`.
    pub(crate) want: String,
    /// Last word of Status: `installed`, `half-configured`, `config-files`, …
    pub(crate) state: String,
    /// Every field, for comparison.
    pub(crate) stanza: Stanza,
}

impl Package {
    /// Whether its files are on the disk.
    pub(crate) fn is_present(&self) -> bool {
        !matches!(self.state.as_str(), "not-installed" | "config-files" | "")
    }

    /// Whether it is configured: `installed`, or waiting only for triggers.
    pub(crate) fn is_configured(&self) -> bool {
        matches!(
            self.state.as_str(),
            "installed" | "triggers-pending" | "triggers-awaited"
        )
    }

    /// Whether a person holds it.
    pub(crate) fn is_held(&self) -> bool {
        self.want == "hold"
    }
}

/// The packages of a status file, by (name, arch).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) BTreeMap<(String, String), Package>);

impl Status {
    /// Reads a status file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = std::fs::read(path).map_err(|error| {
            Failure::new(
                FailureCause::Unknown(None),
                [format!("cannot read {}: {error}", path.display())],
            )
        })?;
        Ok(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    /// Parses a status file's text.
    pub(crate) fn parse(text: &str) -> Self {
        let packages = control::parse(text).into_iter().map(|stanza| {
            let (source, source_version) = stanza.source();
            let words: Vec<&str> = stanza.get("status").split_whitespace().collect();
            let word = |index: usize| words.get(index).copied().unwrap_or_default().to_owned();
            let package = Package {
                name: stanza.get("package").to_owned(),
                arch: stanza.get("architecture").to_owned(),
                version: stanza.get("version").to_owned(),
                source,
                source_version,
                want: word(0),
                state: word(2),
                stanza,
            };
            ((package.name.clone(), package.arch.clone()), package)
        });
        Self(packages.collect())
    }

    /// Packages whose files are on the disk.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Package> {
        self.0.values().filter(|package| package.is_present())
    }

    /// The installed version of a package.
    pub(crate) fn version(&self, name: &str, arch: &str) -> Option<&str> {
        self.get(name, arch)
            .filter(|package| package.is_present())
            .map(|package| package.version.as_str())
    }

    /// A package by name and arch.
    pub(crate) fn get(&self, name: &str, arch: &str) -> Option<&Package> {
        self.0.get(&(name.to_owned(), arch.to_owned()))
    }

    /// The components of a manifest.
    pub(crate) fn components(&self, distribution: &str, release: &str) -> Vec<ComponentKey> {
        let set: BTreeSet<ComponentKey> = self
            .present()
            .map(|package| ComponentKey {
                ecosystem: Ecosystem::Deb,
                distribution: distribution.to_owned(),
                release: release.to_owned(),
                name: package.name.clone(),
                version: package.version.clone(),
                arch: package.arch.clone(),
                source: package.source.clone(),
                source_version: package.source_version.clone(),
            })
            .collect();
        set.into_iter().collect()
    }

    /// What differs, one line each, up to 50: versions, states and every other field.
    pub(crate) fn differences(&self, after: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let names: BTreeSet<_> = self.0.keys().chain(after.0.keys()).collect();
        for key in names {
            let place = format!("{}:{}", key.0, key.1);
            match (self.0.get(key), after.0.get(key)) {
                (Some(left), Some(right)) if left.stanza != right.stanza => {
                    let what = if (&left.version, &left.state) == (&right.version, &right.state) {
                        let fields: Vec<_> = changed_fields(&left.stanza, &right.stanza);
                        format!("{place}: {} differ", fields.join(", "))
                    } else {
                        format!(
                            "{place}: {} {} before, {} {} now",
                            left.version, left.state, right.version, right.state
                        )
                    };
                    lines.push(what);
                }
                (Some(left), None) => {
                    lines.push(format!("{place}: {} before, gone now", left.version))
                }
                (None, Some(right)) => lines.push(format!(
                    "{place}: absent before, {} {} now",
                    right.version, right.state
                )),
                _ => {}
            }
        }
        lines.truncate(50);
        lines
    }
}

fn changed_fields(left: &Stanza, right: &Stanza) -> Vec<String> {
    let names: BTreeSet<&str> = left
        .fields()
        .chain(right.fields())
        .map(|(name, _)| name)
        .collect();
    names
        .into_iter()
        .filter(|name| left.get(name) != right.get(name))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: libc6\nStatus: hold ok installed\nArchitecture: amd64\nVersion: 2.36-9+b1\nSource: glibc (2.36-9)\n\nPackage: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 2.36-9\nSource: glibc\n\nPackage: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n";

    #[test]
    fn states_holds_and_foreign_architectures() {
        let status = Status::parse(TEXT);
        assert_eq!(status.version("libc6", "i386"), Some("2.36-9"));
        assert_eq!(status.version("gone", "all"), None);
        assert!(status.get("libc6", "amd64").expect("there").is_held());
        let components = status.components("debian", "bookworm");
        assert_eq!(components.len(), 2);
        assert_eq!(components[0].source_version, "2.36-9");
    }

    #[test]
    fn differences_name_package_and_reason() {
        let before = Status::parse(TEXT);
        assert!(before.differences(&before).is_empty());
        let after = Status::parse(
            &TEXT
                .replace("Version: 1\n", "Version: 2\n")
                .replace("hold ok", "install ok"),
        );
        let lines = before.differences(&after);
        assert_eq!(
            lines,
            [
                "gone:all: 1 config-files before, 2 config-files now",
                "libc6:amd64: status differ"
            ]
        );
    }
}
