//! Staging, for every package manager of the rpm world: each payload of the plan and each installed version, as files in the
//! run's folder.
//!
//! `staged/` holds what will be installed, `kept/` what goes back in a rollback. The package manager checks what it downloads
//! against its index, and signatures where they are asked for; afterwards the agent hashes what lies on the disk itself.

use super::database::{Database, FORMAT, file_name};
use super::diagnose::diagnose;
use super::{READ_LIMIT, Rpm};
use crate::command::CommandLine;
use crate::provider::files::{RESERVE_BYTES, check_file, io_failure, sync_folder};
use crate::provider::{PlanError, StageOutcome};
use async_trait::async_trait;
use netpatch_agent_core::plan::{Plan, PlanItem};
use netpatch_agent_core::{Failure, FailureCause, Refusal, Refused};
use netpatch_types::Sha256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How deep the host's own caches are looked through.
const CACHE_DEPTH: usize = 4;
/// Most files of a cache that are looked at.
const MAX_CACHED: usize = 100_000;

/// An exact package to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Wish {
    /// Binary package.
    pub(crate) name: String,
    /// `x86_64`, `noarch`.
    pub(crate) arch: String,
    /// Exactly this version.
    pub(crate) version: String,
    /// Only the file with this hash, where it is known.
    pub(crate) sha256: Option<Sha256>,
}

impl Wish {
    /// As people read it.
    pub(crate) fn shown(&self) -> String {
        format!("{}.{} {}", self.name, self.arch, self.version)
    }
}

/// What a download left undone.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Fetched {
    /// What no repository offers.
    pub(crate) missing: Vec<String>,
    /// Why something could not be fetched.
    pub(crate) problems: Vec<String>,
    /// What carries no signature that holds.
    pub(crate) unverified: Vec<String>,
}

/// A package manager that downloads.
#[async_trait]
pub(crate) trait Downloads: Sync {
    /// Where the host's own package manager keeps what it once downloaded.
    fn cache(&self) -> &'static str;

    /// Brings these packages into an empty folder, or one below it. What cannot be had is named, not an error.
    async fn download(
        &self,
        wishes: &[Wish],
        folder: &Path,
        proxy: Option<&str>,
    ) -> Result<Fetched, Failure>;
}

/// What happens to a package, without hash and size: name, architecture, version before and after.
pub(crate) type Outline = (String, String, Option<String>, Option<String>);

/// Refuses when the transaction of the staged files is not the planned one.
pub(crate) fn compare_simulation(plan: &Plan, found: &BTreeSet<Outline>) -> Result<(), PlanError> {
    let planned: BTreeSet<Outline> = plan
        .items
        .iter()
        .map(|item| {
            (
                item.name.clone(),
                item.arch.clone(),
                item.before.clone(),
                item.version.clone(),
            )
        })
        .collect();
    match found.symmetric_difference(&planned).next() {
        None => Ok(()),
        Some((name, arch, ..)) => {
            let detail =
                format!("the simulation from files differs from the plan in {name}.{arch}");
            Err(Refused::new(Refusal::PlanDiffers, detail).into())
        }
    }
}

impl Rpm {
    /// Fetches and checks everything that the plan needs, and the way back.
    pub(crate) async fn fetch_and_check(
        &self,
        downloads: &dyn Downloads,
        plan: &Plan,
        folder: &Path,
        proxy: Option<&str>,
    ) -> Result<StageOutcome, PlanError> {
        let (staged, kept) = (folder.join("staged"), folder.join("kept"));
        for place in [&staged, &kept] {
            fs::create_dir_all(place).map_err(|error| io_failure("create", place, &error))?;
        }
        self.fetch_new(downloads, plan, &staged, proxy).await?;
        let without_way_back = self.keep_installed(downloads, plan, &kept, proxy).await?;
        sync_folder(&staged)?;
        sync_folder(&kept)?;
        Ok(StageOutcome { without_way_back })
    }

    async fn fetch_new(
        &self,
        downloads: &dyn Downloads,
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
        let wishes: Vec<Wish> = missing
            .iter()
            .map(|item| Wish {
                name: item.name.clone(),
                arch: item.arch.clone(),
                version: item.version.clone().unwrap_or_default(),
                sha256: item.sha256,
            })
            .collect();
        let fetched = self.download(downloads, &wishes, staged, proxy).await?;
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
        downloads: &dyn Downloads,
        wishes: &[Wish],
        place: &Path,
        proxy: Option<&str>,
    ) -> Result<Fetched, Failure> {
        // What an interrupted download left would be taken for the file.
        let fresh = place.join("download");
        let _ = fs::remove_dir_all(&fresh);
        fs::create_dir_all(&fresh).map_err(|error| io_failure("create", &fresh, &error))?;
        let fetched = downloads.download(wishes, &fresh, proxy).await?;
        for file in rpms_below(&fresh) {
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
        let file = self.runner.inside(file).to_string_lossy().into_owned();
        let words = ["-qp", "--nosignature", "--qf", FORMAT, &file];
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
        downloads: &dyn Downloads,
        plan: &Plan,
        kept: &Path,
        proxy: Option<&str>,
    ) -> Result<Vec<String>, Failure> {
        let database = self.database().await?;
        let replaced: Vec<Wish> = plan
            .items
            .iter()
            .filter_map(|item| {
                Some(Wish {
                    name: item.name.clone(),
                    arch: item.arch.clone(),
                    version: item.before.clone()?,
                    sha256: None,
                })
            })
            .collect();
        let place = |one: &Wish| kept.join(file_name(&one.name, &one.version, &one.arch));
        let open: Vec<Wish> = replaced
            .iter()
            .filter(|one| !place(one).exists())
            .cloned()
            .collect();
        if !open.is_empty() {
            let fetched = self.download(downloads, &open, kept, proxy).await?;
            if !fetched.problems.is_empty() {
                tracing::warn!(problems = ?fetched.problems, "cannot fetch every installed version");
            }
            let cached = rpms_below(&self.runner.outside(downloads.cache()));
            keep_cached(&cached, &open, kept)?;
        }
        let mut without = Vec::new();
        for one in &replaced {
            let path = place(one);
            let installed = database
                .versions(&one.name, &one.arch)
                .into_iter()
                .find(|package| package.version == one.version)
                .map(|package| package.digest.clone());
            let found = if path.exists() {
                self.identity_of(&path).await?.map(|(_, digest)| digest)
            } else {
                None
            };
            // A vendor may have rebuilt the same version: only the very package that is installed is a way back.
            if found.is_none() || found != installed {
                let _ = fs::remove_file(&path);
                without.push(one.shown());
            }
        }
        Ok(without)
    }

    /// The staged files, as the host sees them.
    pub(crate) fn staged_files(&self, plan: &Plan, folder: &Path) -> Vec<String> {
        plan.items
            .iter()
            .filter(|item| item.version.is_some())
            .map(|item| {
                let file = folder.join("staged").join(&item.file_name);
                self.runner.inside(&file).to_string_lossy().into_owned()
            })
            .collect()
    }
}

/// From the host's own caches, where it keeps what it once installed.
fn keep_cached(cached: &[PathBuf], wishes: &[Wish], kept: &Path) -> Result<(), Failure> {
    for one in wishes {
        let here = kept.join(file_name(&one.name, &one.version, &one.arch));
        // The name of a package's file has no epoch.
        let plain = one
            .version
            .split_once(':')
            .map_or(&*one.version, |(_, rest)| rest);
        let plain = file_name(&one.name, plain, &one.arch);
        let there = cached.iter().find(|path| path.ends_with(&plain));
        if let Some(there) = there.filter(|_| !here.exists()) {
            fs::copy(there, &here).map_err(|error| io_failure("copy", there, &error))?;
        }
    }
    Ok(())
}

/// The packages in a folder and below, in any order.
fn rpms_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![(folder.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let path = entry.path();
            if kind.is_dir() && depth < CACHE_DEPTH {
                folders.push((path, depth + 1));
            } else if kind.is_file() && path.extension().is_some_and(|ext| ext == "rpm") {
                files.push(path);
            }
            if files.len() >= MAX_CACHED {
                return files;
            }
        }
    }
    files
}
