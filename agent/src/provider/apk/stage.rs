//! Staging: every payload of the plan, the indices that vouch for them, and every installed version that a cache still has, in the
//! run's folder.
//!
//! apk checks each file against the signed index while fetching and again while installing; the agent hashes what lies on the disk
//! itself. Alpine offers no old versions, so the way back is what the host's cache has, or the agent's from the last update.

use super::Apk;
use super::ask::{READ_LIMIT, Target, indices, simulated};
use super::database::Package;
use crate::command::CommandLine;
use crate::provider::files::{RESERVE_BYTES, check_file, io_failure, sync_folder};
use crate::provider::{PlanError, StageOutcome};
use netpatch_agent_core::plan::{Change, Plan, PlanItem};
use netpatch_agent_core::{Failure, FailureCause, Refusal, Refused};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a host keeps packages, as it sees it: a link or a folder of a person's, and apk 3's own.
const HOST_CACHES: [&str; 2] = ["/etc/apk/cache", "/var/cache/apk"];
/// The list of repositories in a run's folder: the indices are named after its addresses.
const REPOSITORIES: &str = "repositories";

impl Apk {
    pub(super) async fn fetch_and_check(
        &self,
        plan: &Plan,
        folder: &Path,
        proxy: Option<&str>,
    ) -> Result<StageOutcome, PlanError> {
        let (staged, kept) = (folder.join("staged"), folder.join("kept"));
        for place in [&staged, &kept] {
            fs::create_dir_all(place).map_err(|error| io_failure("create", place, &error))?;
        }
        self.stage_files(plan, &staged, proxy).await?;
        for path in indices(&self.cache()) {
            copy(&path, &staged)?;
        }
        copy(&self.work.join(REPOSITORIES), folder)?;
        let without_way_back = self.keep_installed(plan, &kept).await?;
        self.simulate_from_files(plan, folder).await?;
        for place in [&staged, &kept, &folder.to_owned()] {
            sync_folder(place)?;
        }
        Ok(StageOutcome { without_way_back })
    }

    async fn stage_files(
        &self,
        plan: &Plan,
        staged: &Path,
        proxy: Option<&str>,
    ) -> Result<(), PlanError> {
        let mut items: Vec<&PlanItem> = plan.items.iter().collect();
        items.retain(|item| item.version.is_some() && check_file(item, staged).is_err());
        let needed: u64 = items.iter().map(|item| item.size_bytes).sum();
        let free = crate::facts::disk_free_bytes(staged);
        if !items.is_empty() && free < needed + RESERVE_BYTES {
            let line = format!(
                "{} has {free} bytes free, {needed} and a reserve are needed",
                staged.display()
            );
            return Err(Failure::new(FailureCause::DiskFull, [line]).into());
        }
        let offered = self.offered().await?;
        let mut missing: Vec<&Package> = Vec::new();
        for item in &items {
            if check_file(item, &self.cache()).is_ok() {
                continue;
            }
            self.forget(&item.file_name);
            let key = (item.name.clone(), item.version.clone().unwrap_or_default());
            let found = offered.get(&key);
            missing.push(found.ok_or_else(|| {
                let detail = format!("{} {} is not offered any more", key.0, key.1);
                Refused::new(Refusal::Superseded, detail)
            })?);
        }
        self.fetch_files(&missing, proxy).await?;
        for item in &items {
            copy(&self.cache().join(&item.file_name), staged)?;
            check_file(item, staged)?;
        }
        Ok(())
    }

    /// Keeps the file of every installed version in the plan; names those that nobody has.
    async fn keep_installed(&self, plan: &Plan, kept: &Path) -> Result<Vec<String>, Failure> {
        let local = self.installed()?;
        let mut without = Vec::new();
        for item in &plan.items {
            let Some(package) = local.get(&item.name).filter(|_| item.before.is_some()) else {
                continue;
            };
            if !self.keep(package, kept).await? {
                without.push(format!("{} {}", package.name, package.version));
            }
        }
        Ok(without)
    }

    /// Finds the very file that a package was installed from. The name has its identity; whether it is whole and signed apk says.
    async fn keep(&self, package: &Package, kept: &Path) -> Result<bool, Failure> {
        let Some(name) = package.file_name() else {
            return Ok(false);
        };
        let here = kept.join(&name);
        let mut caches: Vec<PathBuf> = HOST_CACHES.iter().map(|one| self.resolved(one)).collect();
        caches.push(self.cache());
        for cache in std::iter::once(kept.to_owned()).chain(caches) {
            let found = cache.join(&name);
            if !found.is_file() {
                continue;
            }
            if found != here {
                copy(&found, kept)?;
            }
            let words = ["verify", "--", &self.inside(&here)];
            let command = CommandLine::new("apk", words);
            if self.runner.run(&command, READ_LIMIT).await?.ok() {
                return Ok(true);
            }
            fs::remove_file(&here).map_err(|error| io_failure("remove", &here, &error))?;
        }
        Ok(false)
    }

    /// A folder of the host that may be a link, which leads from the host's root and not from the agent's.
    fn resolved(&self, place: &str) -> PathBuf {
        let path = self.runner.outside(place);
        match fs::read_link(&path) {
            Ok(target) if target.is_absolute() => self.runner.outside(&target.to_string_lossy()),
            _ => path,
        }
    }

    /// The transaction as it will run, without running it.
    async fn simulate_from_files(&self, plan: &Plan, folder: &Path) -> Result<(), PlanError> {
        if plan.items.is_empty() {
            return Ok(());
        }
        let command = self.upgrade_from_files(plan, folder, &["--simulate"]);
        let output = self.runner.run(&command, READ_LIMIT).await?;
        let found: BTreeSet<Target> = simulated(&output)?.into_iter().collect();
        let planned: BTreeSet<Target> = plan
            .items
            .iter()
            .map(|item| Target {
                name: item.name.clone(),
                version: item.version.clone(),
            })
            .collect();
        if let Some(target) = found.symmetric_difference(&planned).next() {
            let detail = format!(
                "the simulation from files differs from the plan in {} {}",
                target.name,
                target.version.as_deref().unwrap_or("(removed)")
            );
            return Err(Refused::new(Refusal::PlanDiffers, detail).into());
        }
        Ok(())
    }

    /// apk's words for the transaction: staged files only, no network. What is new or goes follows from the others.
    pub(super) fn upgrade_from_files(
        &self,
        plan: &Plan,
        folder: &Path,
        more: &[&str],
    ) -> CommandLine {
        let mut words = ["upgrade", "--no-self-upgrade"].map(str::to_owned).to_vec();
        words.extend(self.wait());
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.push("--".to_owned());
        let upgraded = plan.items.iter();
        let upgraded = upgraded.filter(|item| item.change == Change::Upgrade);
        words.extend(upgraded.map(|item| item.name.clone()));
        self.over(&folder.join("staged"), &folder.join(REPOSITORIES), words)
    }
}

fn copy(file: &Path, folder: &Path) -> Result<(), Failure> {
    let here = folder.join(file.file_name().unwrap_or_default());
    fs::copy(file, &here).map_err(|error| io_failure("copy", file, &error))?;
    Ok(())
}
