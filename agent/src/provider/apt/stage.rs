//! Staging: every payload of the plan and every installed version, as files in the run's folder.
//!
//! `staged/` holds what will be installed, `kept/` what goes back in a rollback. apt checks each file against its
//! verified index while fetching; afterwards the agent hashes what lies on the disk itself.

use super::{Apt, FETCH_LIMIT, apt_name, diagnose, policy};
use crate::command::CommandLine;
use crate::provider::files::{RESERVE_BYTES, check_file, io_failure, sync_folder};
use crate::provider::{PlanError, StageOutcome};
use netpatch_agent_core::plan::{Change, Plan, PlanItem};
use netpatch_agent_core::{Failure, FailureCause, Refusal, Refused};
use std::fs;
use std::path::Path;

impl Apt {
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
        let native = self.native_arch().await?;
        let proxy = self.proxy_options(proxy).await?;
        self.fetch_new(plan, &staged, &native, &proxy).await?;
        let without_way_back = self.keep_installed(plan, &kept, &native, &proxy).await?;
        self.simulate_from_files(plan, folder, &native).await?;
        sync_folder(&staged)?;
        sync_folder(&kept)?;
        Ok(StageOutcome { without_way_back })
    }

    async fn fetch_new(
        &self,
        plan: &Plan,
        staged: &Path,
        native: &str,
        proxy: &[String],
    ) -> Result<(), PlanError> {
        let missing: Vec<&PlanItem> = plan
            .items
            .iter()
            .filter(|item| item.version.is_some() && check_file(item, staged).is_err())
            .collect();
        let needed: u64 = missing.iter().map(|item| item.size_bytes).sum();
        let free = crate::facts::disk_free_bytes(staged);
        if !missing.is_empty() && free < needed + RESERVE_BYTES {
            let line = format!(
                "{} has {free} bytes free, {needed} and a reserve are needed",
                staged.display()
            );
            return Err(Failure::new(FailureCause::DiskFull, [line]).into());
        }
        for item in &missing {
            let _ = fs::remove_file(staged.join(&item.file_name));
        }
        let wanted = missing.iter().filter_map(|item| {
            Some(format!(
                "{}={}",
                apt_name(&item.name, &item.arch, native),
                item.version.as_deref()?
            ))
        });
        let wanted: Vec<String> = wanted.collect();
        if !wanted.is_empty() {
            let output = self.download(&wanted, staged, proxy).await?;
            if let Some(line) = output
                .stderr
                .lines()
                .find(|line| line.contains("was not found"))
            {
                return Err(Refused::new(Refusal::Superseded, line).into());
            }
            if !output.ok() {
                return Err(diagnose::diagnose(&output.text(), output.code).into());
            }
        }
        for item in &missing {
            check_file(item, staged)?;
        }
        Ok(())
    }

    /// Keeps the .deb of every installed version in the plan; names those that cannot be had.
    async fn keep_installed(
        &self,
        plan: &Plan,
        kept: &Path,
        native: &str,
        proxy: &[String],
    ) -> Result<Vec<String>, Failure> {
        let replaced: Vec<(&PlanItem, &str)> = plan
            .items
            .iter()
            .filter_map(|item| Some((item, item.before.as_deref()?)))
            .collect();
        let mut open: Vec<(&PlanItem, &str)> = Vec::new();
        for (item, before) in replaced {
            let file_name = deb_name(&item.name, before, &item.arch);
            let cached = self
                .runner
                .outside("/var/cache/apt/archives")
                .join(&file_name);
            let here = kept.join(&file_name);
            if !here.exists() && cached.exists() {
                fs::copy(&cached, &here).map_err(|error| io_failure("copy", &cached, &error))?;
            }
            if !here.exists() {
                open.push((item, before));
            }
        }
        self.download_installed(&open, kept, native, proxy).await?;
        open.retain(|(item, before)| !kept.join(deb_name(&item.name, before, &item.arch)).exists());
        self.repack_installed(&open, kept, native).await?;
        open.retain(|(item, before)| !kept.join(deb_name(&item.name, before, &item.arch)).exists());
        Ok(open
            .iter()
            .map(|(item, before)| format!("{}:{} {before}", item.name, item.arch))
            .collect())
    }

    /// From the indices, where they still offer the version.
    async fn download_installed(
        &self,
        open: &[(&PlanItem, &str)],
        kept: &Path,
        native: &str,
        proxy: &[String],
    ) -> Result<(), Failure> {
        if open.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = open
            .iter()
            .map(|(item, _)| apt_name(&item.name, &item.arch, native))
            .collect();
        let mut words = vec!["policy"];
        words.extend(names.iter().map(String::as_str));
        let policies = policy::policies(&self.read("apt-cache", &words).await?.stdout);
        let offered: Vec<String> = open
            .iter()
            .zip(&names)
            .filter(|((_, before), name)| {
                policies
                    .get(*name)
                    .is_some_and(|policy| policy.offered.contains_key(*before))
            })
            .map(|((_, before), name)| format!("{name}={before}"))
            .collect();
        if offered.is_empty() {
            return Ok(());
        }
        let output = self.download(&offered, kept, proxy).await?;
        if !output.ok() {
            tracing::warn!(output = %output.text(), "cannot fetch every installed version");
        }
        Ok(())
    }

    async fn download(
        &self,
        wanted: &[String],
        place: &Path,
        proxy: &[String],
    ) -> Result<crate::command::Output, Failure> {
        let mut arguments: Vec<String> =
            super::QUIET.iter().map(|word| (*word).to_owned()).collect();
        arguments.extend(["-o".to_owned(), "APT::Sandbox::User=root".to_owned()]);
        arguments.extend(proxy.iter().cloned());
        arguments.push("download".to_owned());
        arguments.extend(wanted.iter().cloned());
        let command = CommandLine::new("apt-get", arguments).in_folder(&self.runner.inside(place));
        self.runner.run(&command, FETCH_LIMIT).await
    }

    /// The transaction as it will run, without running it.
    async fn simulate_from_files(
        &self,
        plan: &Plan,
        folder: &Path,
        native: &str,
    ) -> Result<(), PlanError> {
        if plan.items.is_empty() {
            return Ok(());
        }
        let output = self
            .simulation_output(&self.file_arguments(plan, folder, native))
            .await?;
        if !output.ok() {
            return Err(diagnose::diagnose(&output.text(), output.code).into());
        }
        let simulation = super::simulate::parse(&output.stdout);
        for action in &simulation.actions {
            let listed = plan.items.iter().any(|item| {
                item.name == action.name
                    && (action.arch.is_empty() || item.arch == action.arch)
                    && item.version == action.after
            });
            if !listed {
                let detail = format!(
                    "the simulation from files also changes {}:{}",
                    action.name, action.arch
                );
                return Err(Refused::new(Refusal::PlanDiffers, detail).into());
            }
        }
        if let Some(item) = plan.items.iter().find(|item| {
            !simulation
                .actions
                .iter()
                .any(|action| item.name == action.name && item.version == action.after)
        }) {
            let detail = format!(
                "the simulation from files leaves {}:{} alone",
                item.name, item.arch
            );
            return Err(Refused::new(Refusal::PlanDiffers, detail).into());
        }
        Ok(())
    }

    /// `install` with files and removals, sources switched off.
    pub(super) fn file_arguments(&self, plan: &Plan, folder: &Path, native: &str) -> Vec<String> {
        let mut arguments = without_sources();
        if plan.items.iter().all(|item| item.change != Change::Remove) {
            arguments.push("--no-remove".to_owned());
        }
        arguments.push("install".to_owned());
        for item in &plan.items {
            arguments.push(match item.change {
                Change::Remove => format!("{}-", apt_name(&item.name, &item.arch, native)),
                _ => self.inside(&folder.join("staged").join(&item.file_name)),
            });
        }
        arguments
    }
}

/// With its sources visible apt prefers their copy of a file and waits for the network. Its cache is left alone: it is
/// judged by the status file's size and second, which a quick sequence of transactions may leave equal.
pub(super) fn without_sources() -> Vec<String> {
    [
        "Dir::Etc::SourceList=/dev/null",
        "Dir::Etc::SourceParts=/dev/null",
        "Dir::Cache::pkgcache=",
        "Dir::Cache::srcpkgcache=",
    ]
    .iter()
    .flat_map(|option| ["-o".to_owned(), (*option).to_owned()])
    .collect()
}

/// The name that apt gives a package's file.
pub(super) fn deb_name(name: &str, version: &str, arch: &str) -> String {
    format!("{name}_{}_{arch}.deb", version.replace(':', "%3a"))
}
