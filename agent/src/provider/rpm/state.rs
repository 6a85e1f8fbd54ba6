//! The state before a transaction, and what differs from it afterwards.

use super::Rpm;
use super::database::{Database, Package};
use crate::provider::files::io_failure;
use crate::provider::services;
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::Sha256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Most differences that are named.
const MAX_LINES: usize = 50;

/// What is kept of the state before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Before {
    /// Every package.
    pub(crate) packages: Vec<Package>,
    /// `name.arch` of what a person wanted; empty where the package manager does not tell.
    pub(crate) wanted: BTreeSet<String>,
    /// Services that ran.
    pub(crate) services: BTreeSet<String>,
    /// Replaced files in use already.
    pub(crate) in_use: BTreeSet<String>,
}

impl Before {
    /// Reads the snapshot of a run.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("before.json");
        let bytes = fs::read(&path).map_err(|error| io_failure("read", &path, &error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::new(FailureCause::SnapshotFailed, [error.to_string()]))
    }

    /// The versions of a package before.
    pub(crate) fn versions(&self, name: &str, arch: &str) -> usize {
        self.packages
            .iter()
            .filter(|package| package.name == name && package.arch == arch)
            .count()
    }
}

impl Rpm {
    /// Writes the state before.
    pub(crate) async fn write_snapshot(
        &self,
        folder: &Path,
        wanted: BTreeSet<String>,
    ) -> Result<Sha256, Failure> {
        if let Some(pid) = self.lock_holder() {
            let line = format!("rpm's lock is held by process {pid}");
            return Err(Failure::new(FailureCause::PackageManagerLocked, [line]));
        }
        let failed = |failure: Failure| match failure.cause {
            FailureCause::PackageManagerLocked => failure,
            _ => Failure {
                cause: FailureCause::SnapshotFailed,
                ..failure
            },
        };
        let before = Before {
            packages: self.database().await.map_err(failed)?.packages,
            wanted,
            services: services::running(&self.runner).await,
            in_use: services::files_in_use(self.runner.root()),
        };
        let json = serde_json::to_vec(&before)
            .map_err(|error| Failure::new(FailureCause::SnapshotFailed, [error.to_string()]))?;
        let path = folder.join("before.json");
        crate::state::write_durably(&path, &json)
            .map_err(|error| failed(io_failure("write", &path, &error)))?;
        Ok(Sha256::of(&json))
    }

    /// What differs from the snapshot, one line each.
    pub(crate) async fn compare(
        &self,
        folder: &Path,
        wanted: &BTreeSet<String>,
    ) -> Result<Vec<String>, Failure> {
        let before = Before::read(folder)?;
        let now = self.database().await?;
        let mut lines = differences(&before.packages, &now);
        lines.extend(
            before
                .wanted
                .symmetric_difference(wanted)
                .map(|name| format!("{name}: the mark of a person's wish differs")),
        );
        lines.truncate(MAX_LINES);
        Ok(lines)
    }
}

fn differences(before: &[Package], now: &Database) -> Vec<String> {
    let only_in = |left: &[Package], right: &[Package], word: &str| -> Vec<String> {
        left.iter()
            .filter(|package| !right.contains(package))
            .map(|package| format!("{}: {word}", package.nevra()))
            .collect()
    };
    let mut lines = only_in(before, &now.packages, "installed before, not now");
    lines.extend(only_in(&now.packages, before, "installed now, not before"));
    let count =
        |packages: &[Package], one: &Package| packages.iter().filter(|it| *it == one).count();
    for package in before {
        let (then, now) = (count(before, package), count(&now.packages, package));
        if now > then {
            lines.push(format!(
                "{}: installed {now} times now, {then} before",
                package.nevra()
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rebuilt_package_of_the_same_version_differs() {
        let line = |digest: &str| format!("a\t0\t1\t1\tnoarch\ta-1-1.src.rpm\t{digest}\n");
        let before = Database::parse(&line("x"));
        assert_eq!(differences(&before.packages, &before), Vec::<String>::new());
        assert_eq!(
            differences(&before.packages, &Database::parse(&line("y"))).len(),
            2
        );
        let twice = Database::parse(&line("x").repeat(2));
        assert_eq!(
            differences(&before.packages, &twice),
            ["a-1-1.noarch: installed 2 times now, 1 before"]
        );
    }
}
