//! Fetching ahead: an index of apk names no SHA-256 of a package's file, and a plan needs one. So a refresh fetches what could be
//! installed into the agent's cache, where apk checks it against the signed index, and the agent hashes it once.
//!
//! Invariants: a file is in the cache under apk's own name only after apk has verified it; its hash lies beside it. What could be
//! installed and what is installed stays (the latter is the next update's way back), the rest goes; both are bounded.

use super::ask::{Offered, Target};
use super::database::{Installed, Package};
use super::{Apk, diagnose};
use crate::provider::Located;
use crate::provider::files::{RESERVE_BYTES, hash_file, io_failure};
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Most bytes of what could be installed: a release of a desktop.
const MAX_AHEAD_BYTES: u64 = 2 << 30;
/// Most bytes of what is installed and kept as a way back.
const MAX_KEPT_BYTES: u64 = 1 << 30;

impl Apk {
    /// Names and versions that apk itself calls newer. World's constraints do not count, so that what a person holds is among them.
    pub(super) async fn newer(
        &self,
        local: &Installed,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let by_text: BTreeMap<String, &Package> = local
            .packages
            .iter()
            .map(|package| (format!("{}-{}", package.name, package.version), package))
            .collect();
        let output = self.ask(["version", "-l", "<"]).await?;
        let mut newer = BTreeMap::new();
        for line in output.stdout.lines() {
            let mut words = line.split_whitespace();
            let (Some(text), Some("<"), Some(version)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            if let Some(package) = by_text.get(text) {
                newer.insert(package.name.clone(), version.to_owned());
            }
        }
        // Of repositories with a tag `version` does not tell.
        if let Ok(targets) = self.targets(&[]).await? {
            for target in targets {
                if let (Some(_), Some(version)) = (local.get(&target.name), target.version) {
                    newer.insert(target.name, version);
                }
            }
        }
        Ok(newer)
    }

    /// Fetches what could be installed and is not here yet.
    pub(super) async fn fetch_ahead(&self, proxy: Option<&str>) -> Result<(), Failure> {
        let (local, offered) = (self.installed()?, self.offered().await?);
        let newer = self.newer(&local).await?;
        let mut wanted: BTreeMap<String, &Package> = BTreeMap::new();
        let mut want = |name: &str, version: &str| {
            let key = (name.to_owned(), version.to_owned());
            if let Some(package) = offered.get(&key)
                && let Some(file) = package.file_name()
            {
                wanted.insert(file, package);
            }
        };
        for (name, version) in &newer {
            want(name, version);
        }
        for target in self.brought(&local, &offered, &newer).await? {
            if let Some(version) = &target.version {
                want(&target.name, version);
            }
        }
        self.prune(&local, &wanted)?;
        let here = |file: &str| self.known_hash(file).is_some();
        let missing: Vec<&Package> = wanted
            .iter()
            .filter(|(file, _)| !here(file))
            .map(|(_, package)| *package)
            .collect();
        let had: u64 = wanted
            .iter()
            .filter(|(file, _)| here(file))
            .map(|(_, package)| package.size_bytes)
            .sum();
        let free = crate::facts::disk_free_bytes(&self.cache()).saturating_sub(RESERVE_BYTES);
        let (fitting, left) = fitting(&missing, MAX_AHEAD_BYTES.saturating_sub(had).min(free));
        self.fetch_files(&fitting, proxy).await?;
        if left > 0 {
            let line = format!(
                "{left} packages that could be installed are not fetched ahead, so nobody knows their hash: more than 2 GiB, or than the disk has"
            );
            return Err(Failure::new(FailureCause::DiskFull, [line]));
        }
        Ok(())
    }

    /// Where what a refresh fetched ahead lies: apk says from which address it would fetch each.
    pub(super) async fn find_sources(&self) -> Result<Vec<Located>, Failure> {
        let (local, offered) = (self.installed()?, self.offered().await?);
        let newer = self.newer(&local).await?;
        if newer.is_empty() {
            return Ok(Vec::new());
        }
        let brought = self.brought(&local, &offered, &newer).await?;
        let brought = brought
            .into_iter()
            .filter_map(|target| Some((target.name, target.version?)));
        let wanted: BTreeMap<String, String> = newer.into_iter().chain(brought).collect();
        // By the name of the file as a repository has it.
        let mut hashes = BTreeMap::new();
        for (name, version) in &wanted {
            let package = offered.get(&(name.clone(), version.clone()));
            let file = package.and_then(Package::file_name);
            if let Some(sha256) = file.and_then(|file| self.known_hash(&file)) {
                hashes.insert(format!("{name}-{version}.apk"), sha256);
            }
        }
        let words = ["fetch", "--simulate", "--url", "--"].map(str::to_owned);
        let words = words.into_iter().chain(wanted.into_keys());
        let said = self.ask(words).await?.stdout;
        let configured = self.configured();
        let located = said.lines().filter_map(|line| {
            let url = line.split_whitespace().find(|word| word.contains("://"))?;
            let (_, file) = url.rsplit_once('/')?;
            Some(Located {
                sha256: *hashes.get(file)?,
                url: configured.file_as_configured(url)?,
            })
        });
        Ok(located.collect())
    }

    /// What the newer packages bring: of all together, else of each source alone.
    async fn brought(
        &self,
        local: &Installed,
        offered: &Offered,
        newer: &BTreeMap<String, String>,
    ) -> Result<Vec<Target>, Failure> {
        if let Ok(targets) = self.targets(&[]).await? {
            return Ok(targets);
        }
        let mut brought = Vec::new();
        for names in by_source(local, offered, newer) {
            brought.extend(self.targets(&names).await?.unwrap_or_default());
        }
        Ok(brought)
    }

    /// Fetches files into the cache; apk verifies each against the index. Fails if any could not be had; the others stay.
    pub(super) async fn fetch_files(
        &self,
        packages: &[&Package],
        proxy: Option<&str>,
    ) -> Result<(), Failure> {
        if packages.is_empty() {
            return Ok(());
        }
        let new = self.work.join("new");
        let _ = fs::remove_dir_all(&new);
        fs::create_dir_all(&new).map_err(|error| io_failure("create", &new, &error))?;
        let names: Vec<String> = packages.iter().map(|one| one.name.clone()).collect();
        let mut text = self.fetch_into(&new, &names, proxy).await?;
        if self.take(&new, packages)?.len() == packages.len() {
            // One name that cannot be had stops all.
            for name in &names {
                text += &self
                    .fetch_into(&new, std::slice::from_ref(name), proxy)
                    .await?;
            }
        }
        let missing = self.take(&new, packages)?;
        let _ = fs::remove_dir_all(&new);
        match missing.first() {
            None => Ok(()),
            Some(first) => {
                let failure = diagnose::diagnose(&text, None);
                let line = format!(
                    "{} packages were not fetched, {} {} among them",
                    missing.len(),
                    first.name,
                    first.version
                );
                let lines = std::iter::once(line).chain(failure.evidence);
                Err(Failure::new(failure.cause, lines))
            }
        }
    }

    async fn fetch_into(
        &self,
        new: &Path,
        names: &[String],
        proxy: Option<&str>,
    ) -> Result<String, Failure> {
        let words = ["fetch", "-o", &self.inside(new), "--"].map(str::to_owned);
        let words = words.into_iter().chain(names.iter().cloned());
        Ok(self.fetch(proxy, words).await?.text())
    }

    /// Moves what arrived into the cache, with its hash; says what did not.
    fn take<'a>(&self, new: &Path, packages: &[&'a Package]) -> Result<Vec<&'a Package>, Failure> {
        let cache = self.cache();
        let mut missing = Vec::new();
        for package in packages {
            let Some(file) = package.file_name() else {
                missing.push(*package);
                continue;
            };
            if self.known_hash(&file).is_some() {
                continue;
            }
            let from = new.join(format!("{}-{}.apk", package.name, package.version));
            let size = fs::metadata(&from).map(|about| about.len()).ok();
            if size != Some(package.size_bytes) {
                missing.push(*package);
                continue;
            }
            let to = cache.join(&file);
            let failed = |error| io_failure("keep", &to, &error);
            let sha256 = hash_file(&from).map_err(failed)?;
            fs::rename(&from, &to).map_err(failed)?;
            crate::state::write_durably(&beside(&to), sha256.to_string().as_bytes())
                .map_err(failed)?;
        }
        Ok(missing)
    }

    /// The hash that a file of the cache had when apk had verified it.
    pub(super) fn known_hash(&self, file: &str) -> Option<Sha256> {
        let path = self.cache().join(file);
        let text = fs::read_to_string(beside(&path)).ok()?;
        path.exists().then(|| text.trim().parse().ok()).flatten()
    }

    /// Forgets a file of the cache that is not what it was.
    pub(super) fn forget(&self, file: &str) {
        let path = self.cache().join(file);
        let _ = fs::remove_file(beside(&path));
        let _ = fs::remove_file(path);
    }

    /// Away with what can neither be installed nor is.
    fn prune(&self, local: &Installed, wanted: &BTreeMap<String, &Package>) -> Result<(), Failure> {
        let cache = self.cache();
        let installed: BTreeSet<String> = local
            .packages
            .iter()
            .filter_map(Package::file_name)
            .collect();
        let mut kept_bytes = 0;
        let entries = fs::read_dir(&cache).map_err(|error| io_failure("read", &cache, &error))?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.ends_with(".apk") || wanted.contains_key(&name) {
                continue;
            }
            kept_bytes += entry.metadata().map(|about| about.len()).unwrap_or(0);
            if !installed.contains(&name) || kept_bytes > MAX_KEPT_BYTES {
                self.forget(&name);
            }
        }
        Ok(())
    }
}

/// The names of the newer packages that are offered, by what they were built from.
pub(super) fn by_source(
    local: &Installed,
    offered: &Offered,
    newer: &BTreeMap<String, String>,
) -> Vec<Vec<String>> {
    let mut sources: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, version) in newer {
        let found = offered.get(&(name.clone(), version.clone()));
        if let Some(found) = found.filter(|_| local.get(name).is_some()) {
            sources.entry(&found.origin).or_default().push(name.clone());
        }
    }
    sources.into_values().collect()
}

/// As many as there is room for, and how many are left.
fn fitting<'a>(packages: &[&'a Package], mut room: u64) -> (Vec<&'a Package>, usize) {
    let mut fitting = Vec::new();
    for package in packages {
        if package.size_bytes <= room {
            room -= package.size_bytes;
            fitting.push(*package);
        }
    }
    let left = packages.len() - fitting.len();
    (fitting, left)
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("apk.sha256")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_left() {
        let package = |size_bytes| Package {
            size_bytes,
            ..Package::default()
        };
        let all = [package(5), package(50), package(5)];
        let all: Vec<&Package> = all.iter().collect();
        let (some, left) = fitting(&all, 10);
        assert_eq!((some.len(), left), (2, 1));
        assert_eq!(fitting(&all, 4).1, 3);
        assert_eq!(
            fitting(&[package(u64::MAX)].iter().collect::<Vec<_>>(), 1 << 40).1,
            1
        );
    }
}
