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
    /// What tells rebuilds of a version apart: hash of the control segment, `Q1` and base64; in an index of apk 3, hex.
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
        let first = first_bytes(&self.identity)?;
        let fits =
            |text: &str| !text.is_empty() && !text.starts_with('.') && !text.contains(['/', '\\']);
        (fits(&self.name) && fits(&self.version))
            .then(|| format!("{}-{}.{first:08x}.apk", self.name, self.version))
    }
}

/// The first four bytes of an identity.
fn first_bytes(identity: &str) -> Option<u32> {
    let coded = ["Q1", "Q2"]
        .iter()
        .find_map(|kind| identity.strip_prefix(kind));
    let Some(coded) = coded else {
        let is_hex = identity.len() >= 40 && identity.bytes().all(|byte| byte.is_ascii_hexdigit());
        return is_hex.then(|| u32::from_str_radix(&identity[..8], 16).ok())?;
    };
    let mut bits = 0u64;
    for at in 0..6 {
        bits = bits << 6 | u64::from(six_bits(*coded.as_bytes().get(at)?)?);
    }
    // Of 36 bits the first 32.
    u32::try_from(bits >> 4).ok()
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

/// The packages of an index in apk 3's format, as `apk adbdump` prints it: a package begins with `  - name:`, its own fields have four
/// spaces before them.
pub(super) fn parse_dump(text: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("  - name: ") {
            packages.push(Package {
                name: name.to_owned(),
                origin: name.to_owned(),
                arch: "noarch".to_owned(),
                ..Package::default()
            });
        }
        let field = line
            .strip_prefix("    ")
            .and_then(|rest| rest.split_once(": "));
        let (Some(package), Some((key, value))) = (packages.last_mut(), field) else {
            continue;
        };
        match key {
            "version" => package.version = value.to_owned(),
            "hashes" => package.identity = value.to_owned(),
            "arch" => package.arch = value.to_owned(),
            "origin" => package.origin = value.to_owned(),
            "file-size" => package.size_bytes = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    packages.retain(|package| !package.version.is_empty());
    packages
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

    #[test]
    fn an_index_of_apk_3_is_read_as_apk_prints_it() {
        // As apk 3.0.8 printed it.
        let text = "#%SCHEMA: 78646E69\n# ADB block, size: 1204, compat: 0, ver: 0\npackages: # 2 items\n  - name: np-good\n    version: 2.0-r0\n    hashes: 8a7aef2df718f7fb05901fb041a2bd4defedf599\n    description: test\n    arch: x86_64\n    origin: np\n    file-size: 975\n    depends: # 1 items\n      - name: x\n  - name: np-odd\n    hashes: \u{e9}\n";
        let found = parse_dump(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].origin.as_str(), found[0].size_bytes), ("np", 975));
        assert_eq!(
            found[0].file_name(),
            Some("np-good-2.0-r0.8a7aef2d.apk".into())
        );
        assert_eq!(parse_dump("    version: 1\n\u{0}\n  - name: \n"), []);
    }
}
