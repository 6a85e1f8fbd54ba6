//! pacman's databases: `%FIELD%` and its values, one a line, until an empty line.

use crate::provider::files::io_failure;
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::{ComponentKey, Ecosystem, version};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

/// The local database, as the host sees it.
pub(super) const LOCAL: &str = "/var/lib/pacman/local";
/// Largest description of a package.
const MAX_BYTES: u64 = 1 << 20;

/// One description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Description(BTreeMap<String, String>);

impl Description {
    /// Reads one; of a field only its first value counts.
    pub(super) fn parse(text: &str) -> Self {
        let mut fields = BTreeMap::new();
        let mut name = None;
        for line in text.lines() {
            let field = line
                .strip_prefix('%')
                .and_then(|rest| rest.strip_suffix('%'));
            if let Some(field) = field {
                name = Some(field.to_owned());
            } else if let Some(name) = name.take().filter(|_| !line.is_empty()) {
                fields.insert(name, line.to_owned());
            }
        }
        Self(fields)
    }

    /// The descriptions of a repository, one after the other: each begins with the file's name.
    pub(super) fn parse_all(text: &str) -> Vec<Self> {
        let mut all = Vec::new();
        let mut from = 0;
        let starts = text.match_indices("%FILENAME%\n").map(|(at, _)| at);
        for at in starts.skip(1).chain([text.len()]) {
            all.push(Self::parse(&text[from..at]));
            from = at;
        }
        all.retain(|one| !one.get("NAME").is_empty());
        all
    }

    /// A field's first value; `""` when absent.
    pub(super) fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }
}

/// One installed package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    /// `[epoch:]version-release`.
    pub(super) version: String,
    /// `x86_64`, `any`.
    pub(super) arch: String,
    /// What it was built from.
    pub(super) base: String,
    /// When it was built, seconds since 1970: tells rebuilds of a version apart.
    pub(super) built: String,
    /// Installed only because others need it.
    pub(super) automatic: bool,
}

/// What is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Local {
    /// Sorted by name.
    pub(super) packages: Vec<Package>,
    /// Entries without a readable description: pacman was interrupted, or the disk is damaged.
    pub(super) unreadable: usize,
}

impl Local {
    /// Reads the database's folder.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let failed = |error| io_failure("read", folder, &error);
        let mut local = Self::default();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if !path.is_dir() {
                continue;
            }
            match package(&path.join("desc")) {
                Some(package) => local.packages.push(package),
                None => local.unreadable += 1,
            }
        }
        local.packages.sort();
        if local.packages.is_empty() {
            let line = format!(
                "{} names no package: it is damaged or was emptied",
                folder.display()
            );
            return Err(Failure::new(FailureCause::Unknown(None), [line]));
        }
        Ok(local)
    }

    /// A package by name.
    pub(super) fn get(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// The components of a manifest.
    pub(super) fn components(&self, distribution: &str, release: &str) -> Vec<ComponentKey> {
        let key = |package: &Package| ComponentKey {
            ecosystem: Ecosystem::Alpm,
            distribution: distribution.to_owned(),
            release: release.to_owned(),
            name: package.name.clone(),
            version: package.version.clone(),
            arch: package.arch.clone(),
            source: package.base.clone(),
            source_version: package.version.clone(),
        };
        self.packages.iter().map(key).collect()
    }
}

fn package(path: &Path) -> Option<Package> {
    let mut bytes = Vec::new();
    File::open(path)
        .ok()?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .ok()?;
    if bytes.len() as u64 > MAX_BYTES {
        return None;
    }
    let found = Description::parse(&String::from_utf8_lossy(&bytes));
    let field = |name: &str| Some(found.get(name).to_owned()).filter(|text| !text.is_empty());
    let name = field("NAME")?;
    Some(Package {
        version: field("VERSION")?,
        arch: field("ARCH")?,
        base: field("BASE").unwrap_or_else(|| name.clone()),
        built: found.get("BUILDDATE").to_owned(),
        automatic: found.get("REASON") == "1",
        name,
    })
}

/// pacman's order; what it cannot read is equal.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    version::compare(Ecosystem::Alpm, left, right).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_of_a_repository_are_told_apart() {
        let text = "%FILENAME%\na-1-1-any.pkg.tar.zst\n\n%NAME%\na\n\n%DEPENDS%\nx\ny\n\n%FILENAME%\nb-1-1-any.pkg.tar.zst\n\n%NAME%\nb\n\n%VERSION%\n1:2-1\n";
        let all = Description::parse_all(text);
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].get("NAME"), all[0].get("DEPENDS")), ("a", "x"));
        assert_eq!(all[1].get("VERSION"), "1:2-1");
        assert_eq!(Description::parse_all("").len(), 0);
        assert_eq!(Description::parse_all("%%\n%NAME%\n\n\u{0}").len(), 0);
    }
}
