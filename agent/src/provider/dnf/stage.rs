//! Staging: every payload of the plan and every installed version, as files in the run's folder.
//!
//! `staged/` holds what will be installed, `kept/` what goes back in a rollback. dnf checks each file against its index,
//! and its signature where the repository asks for it; afterwards the agent hashes what lies on the disk itself.

use super::Dnf;
use super::plan::{Item, Items};
use crate::command::CommandLine;
use crate::provider::files::{RESERVE_BYTES, check_file, io_failure, sync_folder};
use crate::provider::rpm::database::{Database, file_name};
use crate::provider::rpm::diagnose::diagnose;
use crate::provider::{PlanError, StageOutcome};
use netpatch_agent_core::plan::{Plan, PlanItem};
use netpatch_agent_core::{Failure, FailureCause, Refusal, Refused};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Limit of a look at a file.
const READ_LIMIT: Duration = Duration::from_secs(180);

#[derive(Deserialize)]
struct Fetched {
    missing: Vec<String>,
    problems: Vec<String>,
    unverified: Vec<String>,
}

impl Dnf {
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
        self.fetch_new(plan, &staged, proxy).await?;
        let without_way_back = self.keep_installed(plan, &kept, proxy).await?;
        self.simulate_from_files(plan, folder).await?;
        sync_folder(&staged)?;
        sync_folder(&kept)?;
        Ok(StageOutcome { without_way_back })
    }

    async fn fetch_new(
        &self,
        plan: &Plan,
        staged: &Path,
        proxy: Option<&str>,
    ) -> Result<(), PlanError> {
        let missing: Vec<&PlanItem> = plan
            .items
            .iter()
            .filter(|item| item.version.is_some() && check_file(item, staged).is_err())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let needed: u64 = missing.iter().map(|item| item.size_bytes).sum();
        let free = crate::facts::disk_free_bytes(staged);
        if free < needed + RESERVE_BYTES {
            let line = format!(
                "{} has {free} bytes free, {needed} and a reserve are needed",
                staged.display()
            );
            return Err(Failure::new(FailureCause::DiskFull, [line]).into());
        }
        let wanted: Vec<Value> = missing
            .iter()
            .map(|item| {
                json!({
                    "name": item.name,
                    "arch": item.arch,
                    "version": item.version,
                    "sha256": item.sha256,
                })
            })
            .collect();
        let fetched = self.download(wanted, staged, proxy).await?;
        if let Some(gone) = fetched.missing.first() {
            let detail = format!("no repository offers {gone} any more");
            return Err(Refused::new(Refusal::Superseded, detail).into());
        }
        if !fetched.problems.is_empty() {
            return Err(diagnose(&fetched.problems.join("\n"), None).into());
        }
        if !fetched.unverified.is_empty() {
            return Err(Failure::new(FailureCause::SignatureInvalid, fetched.unverified).into());
        }
        for item in &missing {
            check_file(item, staged)?;
        }
        Ok(())
    }

    /// Downloads, and gives each file the name that the run knows it by.
    async fn download(
        &self,
        wanted: Vec<Value>,
        place: &Path,
        proxy: Option<&str>,
    ) -> Result<Fetched, Failure> {
        // What an interrupted download left would be taken for the file.
        let fresh = place.join("download");
        let _ = fs::remove_dir_all(&fresh);
        fs::create_dir_all(&fresh).map_err(|error| io_failure("create", &fresh, &error))?;
        let job = json!({"wanted": wanted, "folder": self.inside(&fresh), "proxy": proxy});
        let fetched: Fetched = self.fetch_with("fetch", job).await?;
        for entry in fs::read_dir(&fresh)
            .map_err(|error| io_failure("read", &fresh, &error))?
            .flatten()
        {
            let file = entry.path();
            let Some((name, _)) = self.identity_of(&file).await? else {
                continue;
            };
            let there = place.join(name);
            fs::rename(&file, &there).map_err(|error| io_failure("rename", &file, &error))?;
        }
        let _ = fs::remove_dir_all(&fresh);
        Ok(fetched)
    }

    /// A file's name in the run, and its digest as the database has it; `None` for what rpm cannot read.
    async fn identity_of(&self, file: &Path) -> Result<Option<(String, String)>, Failure> {
        let words = [
            "-qp",
            "--nosignature",
            "--qf",
            crate::provider::rpm::database::FORMAT,
            &self.inside(file),
        ];
        let output = self
            .runner
            .run(&CommandLine::new("rpm", words), READ_LIMIT)
            .await?;
        let database = Database::parse(&output.stdout);
        Ok(database.packages.into_iter().next().map(|package| {
            (
                file_name(&package.name, &package.version, &package.arch),
                package.digest,
            )
        }))
    }

    /// Keeps the file of every installed version in the plan; names those that cannot be had.
    async fn keep_installed(
        &self,
        plan: &Plan,
        kept: &Path,
        proxy: Option<&str>,
    ) -> Result<Vec<String>, Failure> {
        let database = self.rpm.database().await?;
        let replaced: Vec<(&PlanItem, &str)> = plan
            .items
            .iter()
            .filter_map(|item| Some((item, item.before.as_deref()?)))
            .collect();
        let place = |(item, before): &(&PlanItem, &str)| {
            kept.join(file_name(&item.name, before, &item.arch))
        };
        let open: Vec<Value> = replaced
            .iter()
            .filter(|one| !place(one).exists())
            .map(|(item, before)| json!({"name": item.name, "arch": item.arch, "version": before}))
            .collect();
        if !open.is_empty() {
            let fetched = self.download(open, kept, proxy).await?;
            if !fetched.problems.is_empty() {
                tracing::warn!(problems = ?fetched.problems, "cannot fetch every installed version");
            }
            self.keep_from_caches(&replaced, kept).await?;
        }
        let mut without = Vec::new();
        for one in &replaced {
            let (item, before) = one;
            let path = place(one);
            let installed = database
                .packages
                .iter()
                .find(|package| {
                    (&package.name, &package.arch, package.version.as_str())
                        == (&item.name, &item.arch, *before)
                })
                .map(|package| package.digest.clone());
            let found = if path.exists() {
                self.identity_of(&path).await?.map(|(_, digest)| digest)
            } else {
                None
            };
            // A vendor may have rebuilt the same version: only the very package that is installed is a way back.
            if found.is_none() || found != installed {
                let _ = fs::remove_file(&path);
                without.push(format!("{}.{} {before}", item.name, item.arch));
            }
        }
        Ok(without)
    }

    /// From the host's own caches, where it keeps what it once installed.
    async fn keep_from_caches(
        &self,
        replaced: &[(&PlanItem, &str)],
        kept: &Path,
    ) -> Result<(), Failure> {
        let files = cached_files(&self.runner.outside("/var/cache/dnf"));
        for (item, before) in replaced {
            let name = file_name(&item.name, before, &item.arch);
            let plain = match before.split_once(':') {
                Some((_, rest)) => file_name(&item.name, rest, &item.arch),
                None => name.clone(),
            };
            let here = kept.join(&name);
            let cached = files.iter().find(|path| {
                path.file_name()
                    .is_some_and(|found| found == plain.as_str())
            });
            if let Some(cached) = cached.filter(|_| !here.exists()) {
                fs::copy(cached, &here).map_err(|error| io_failure("copy", cached, &error))?;
            }
        }
        Ok(())
    }

    /// The transaction as it will run, without running it.
    async fn simulate_from_files(&self, plan: &Plan, folder: &Path) -> Result<(), PlanError> {
        if plan.items.is_empty() {
            return Ok(());
        }
        let job = json!({"files": self.staged_files(plan, folder)});
        let answer: Items = self.ask_solver("from_files", job).await?;
        let found: BTreeSet<_> = answer.items.iter().map(Item::outline).collect();
        let planned: BTreeSet<_> = plan
            .items
            .iter()
            .map(|item| {
                let PlanItem {
                    name,
                    arch,
                    before,
                    version,
                    ..
                } = item.clone();
                (name, arch, before, version)
            })
            .collect();
        if let Some(item) = found.symmetric_difference(&planned).next() {
            let detail = format!(
                "the simulation from files differs from the plan in {}.{}",
                item.0, item.1
            );
            return Err(Refused::new(Refusal::PlanDiffers, detail).into());
        }
        Ok(())
    }

    /// The staged files, as the host sees them.
    pub(super) fn staged_files(&self, plan: &Plan, folder: &Path) -> Vec<String> {
        plan.items
            .iter()
            .filter(|item| item.version.is_some())
            .map(|item| self.inside(&folder.join("staged").join(&item.file_name)))
            .collect()
    }
}

/// `/var/cache/dnf/<repository>/packages/*.rpm`
fn cached_files(cache: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for repository in fs::read_dir(cache).into_iter().flatten().flatten() {
        for file in fs::read_dir(repository.path().join("packages"))
            .into_iter()
            .flatten()
            .flatten()
        {
            files.push(file.path());
        }
    }
    files
}
