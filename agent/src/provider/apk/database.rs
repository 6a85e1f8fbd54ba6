//! apk's database of what is installed, and the index of a repository: stanzas of `P:name`, `V:version`, …, separated by empty
//! lines (apk_package(5)).

use crate::provider::files::io_failure;
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::{ComponentKey, Ecosystem, version};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Where apk keeps it: of old, and since apk 3.
pub(super) const DATABASES: [&str; 2] = ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];
/// Largest database: a desktop of 3,000 packages has 10 MiB.
const MAX_BYTES: u64 = 128 << 20;

/// One package, installed or offered.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// `x86_64`, `noarch`.
    pub(super) arch: String,
    /// What it was built from.
    pub(super) origin: String,
    /// What tells rebuilds of a version apart: hash of the control segment, `Q1` and base64.
    pub(super) identity: String,
    /// Of the package's file, bytes.
    pub(super) size_bytes: u64,
    /// What is not whole: `s` for a script that failed, `f` for files; empty when nothing is.
    pub(super) broken: String,
}

impl Package {
    fn parse(stanza: &str) -> Option<Self> {
        let field = |letter: &str| {
            stanza
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| *key == letter)
                .map(|(_, value)| value.trim_end())
                .filter(|value| !value.is_empty())
        };
        let text = |letter| field(letter).unwrap_or_default().to_owned();
        let (name, version) = (field("P")?, field("V")?);
        Some(Self {
            name: name.to_owned(),
            version: version.to_owned(),
            arch: field("A").unwrap_or("noarch").to_owned(),
            origin: field("o").unwrap_or(name).to_owned(),
            identity: text("C"),
            size_bytes: field("S").and_then(|size| size.parse().ok()).unwrap_or(0),
            broken: text("f"),
        })
    }

    /// The name of its file in a cache of apk: with the first four bytes of its identity. `None` when it has none, or
    /// when a name would lead out of the folder.
    pub(super) fn file_name(&self) -> Option<String> {
        let hash = self
            .identity
            .strip_prefix("Q1")
            .or_else(|| self.identity.strip_prefix("Q2"))?;
        let mut bits = 0u64;
        for letter in hash.bytes().take(6) {
            bits = bits << 6 | u64::from(six_bits(letter)?);
        }
        let fits =
            |text: &str| !text.is_empty() && !text.starts_with('.') && !text.contains(['/', '\\']);
        let is_whole = hash.len() >= 6 && fits(&self.name) && fits(&self.version);
        // Of 36 bits the first 32.
        is_whole.then(|| format!("{}-{}.{:08x}.apk", self.name, self.version, bits >> 4))
    }
}

/// Base64's letter.
fn six_bits(letter: u8) -> Option<u8> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// What is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Installed {
    /// Sorted by name.
    pub(super) packages: Vec<Package>,
    /// Entries without name or version.
    pub(super) unreadable: usize,
}

impl Installed {
    /// Reads the database below a root.
    pub(super) fn read(root: &Path) -> Result<Self, Failure> {
        let found = DATABASES.map(|path| root.join(path.trim_start_matches('/')));
        let path = found.iter().find(|path| path.exists()).unwrap_or(&found[0]);
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| io_failure("read", path, &error))?;
        let odd = |what: &str| {
            let line = format!("apk's database {} {what}", path.display());
            Failure::new(FailureCause::Unknown(None), [line])
        };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(odd("is larger than 128 MiB"));
        }
        let (mut packages, unreadable) = parse(&String::from_utf8_lossy(&bytes));
        if packages.is_empty() {
            return Err(odd("names no package: it is damaged or was emptied"));
        }
        packages.sort();
        Ok(Self {
            packages,
            unreadable,
        })
    }

    /// A package by name.
    pub(super) fn get(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// What apk's database lacks, in words; `None` when it can be read as a whole.
    pub(super) fn gap(&self) -> Option<String> {
        (self.unreadable > 0).then(|| {
            format!(
                "{} entries of apk's database cannot be read",
                self.unreadable
            )
        })
    }

    /// The components of a manifest. A package's version is its origin's too.
    pub(super) fn components(&self, distribution: &str, release: &str) -> Vec<ComponentKey> {
        let key = |package: &Package| ComponentKey {
            ecosystem: Ecosystem::Apk,
            distribution: distribution.to_owned(),
            release: release.to_owned(),
            name: package.name.clone(),
            version: package.version.clone(),
            arch: package.arch.clone(),
            source: package.origin.clone(),
            source_version: package.version.clone(),
        };
        self.packages.iter().map(key).collect()
    }
}

/// The packages of a text, and how many entries have no name or version.
pub(super) fn parse(text: &str) -> (Vec<Package>, usize) {
    let (mut packages, mut unreadable) = (Vec::new(), 0);
    for stanza in text.split("\n\n") {
        match Package::parse(stanza) {
            Some(package) => packages.push(package),
            None => unreadable += usize::from(!stanza.trim().is_empty()),
        }
    }
    (packages, unreadable)
}

/// apk's order; what it cannot read is equal.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    version::compare(Ecosystem::Apk, left, right).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_cache_has_a_name_from_its_identity() {
        let package = |identity: &str, name: &str| Package {
            name: name.into(),
            version: "1.0-r0".into(),
            identity: identity.into(),
            ..Package::default()
        };
        // As apk 3.0.8 named it.
        assert_eq!(
            package("Q1nF6B23rA8NwrvW3UmoWaps5CraQ=", "np-held-up").file_name(),
            Some("np-held-up-1.0-r0.9c5e81db.apk".into())
        );
        for (identity, name) in [
            ("Q1nF6B23rA8NwrvW3UmoWaps5CraQ=", "../np"),
            ("Q1nF6B23rA8NwrvW3UmoWaps5CraQ=", ".np"),
            ("Q1nF6", "np"),
            ("Q1n\u{e9}\u{e9}6B2", "np"),
            ("", "np"),
        ] {
            assert_eq!(
                package(identity, name).file_name(),
                None,
                "{identity} {name}"
            );
        }
    }
}
