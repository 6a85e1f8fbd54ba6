//! Staging: every payload of the plan, and every installed version that the host's cache still has, in the run's folder.
//!
//! pacman checks hash and signature while fetching; afterwards the agent hashes what lies on the disk itself. Arch offers
//! no old versions, so the way back is what pacman kept.

use super::plan::printed;
use super::{FETCH_LIMIT, Pacman, READ_LIMIT, diagnose};
use crate::command::CommandLine;
use crate::provider::files::{RESERVE_BYTES, check_file, io_failure, sync_folder};
use crate::provider::{PlanError, StageOutcome};
use netpatch_agent_core::plan::{Plan, PlanItem};
use netpatch_agent_core::{Failure, FailureCause, Refusal, Refused};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

impl Pacman {
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
        let without_way_back = self.keep_installed(plan, &kept).await?;
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
            .filter(|item| check_file(item, staged).is_err())
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
        for item in &missing {
            let _ = fs::remove_file(staged.join(&item.file_name));
        }
        // Without -d pacman would fetch dependencies too; the plan has them all.
        let mut words: Vec<String> = [
            "-Swdd",
            "--noprogressbar",
            "--cachedir",
            &self.inside(staged),
            "--",
        ]
        .map(str::to_owned)
        .to_vec();
        words.extend(missing.iter().map(|item| item.name.clone()));
        let output = self.ask(proxy, words, FETCH_LIMIT).await?;
        if !output.ok() {
            return Err(diagnose::diagnose(&output.text(), output.code).into());
        }
        for item in &missing {
            check_file(item, staged)?;
        }
        Ok(())
    }

    /// Keeps the file of every installed version in the plan; names those that nobody has.
    async fn keep_installed(&self, plan: &Plan, kept: &Path) -> Result<Vec<String>, Failure> {
        let local = self.local()?;
        let configuration = self.configuration().await?;
        let cache = self.runner.outside(configuration.option("CacheDir"));
        let mut without = Vec::new();
        for item in &plan.items {
            let Some(package) = local.get(&item.name).filter(|_| item.before.is_some()) else {
                continue;
            };
            let stem = format!(
                "{}-{}-{}.pkg.tar",
                package.name, package.version, package.arch
            );
            let mut found = find(kept, &stem);
            if found.is_none()
                && let Some(cached) = find(&cache, &stem)
            {
                let here = kept.join(cached.file_name().unwrap_or_default());
                fs::copy(&cached, &here).map_err(|error| io_failure("copy", &cached, &error))?;
                found = Some(here);
            }
            let built = match &found {
                Some(path) => self.built(path).await?,
                None => String::new(),
            };
            // The same version may have been built again: only the very package that is installed is a way back.
            if found.is_none() || built != package.built {
                if let Some(path) = found {
                    let _ = fs::remove_file(path);
                }
                without.push(format!("{} {}", package.name, package.version));
            }
        }
        Ok(without)
    }

    /// When a package's file was built, as its own description says.
    async fn built(&self, path: &Path) -> Result<String, Failure> {
        let words = ["-xOf", &self.inside(path), ".PKGINFO"];
        let output = self
            .runner
            .run(&CommandLine::new("tar", words), READ_LIMIT)
            .await?;
        let built = output
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("builddate = "));
        Ok(built.unwrap_or_default().trim().to_owned())
    }

    /// The transaction as it will run, without running it.
    async fn simulate_from_files(&self, plan: &Plan, folder: &Path) -> Result<(), PlanError> {
        if plan.items.is_empty() {
            return Ok(());
        }
        let mut words = self.words_for_files(plan, folder).await?;
        words.extend(["--print", "--print-format", "%n %v"].map(str::to_owned));
        let output = self
            .runner
            .run(&CommandLine::new("pacman", words), READ_LIMIT)
            .await?;
        if !output.ok() {
            return Err(diagnose::diagnose(&output.text(), output.code).into());
        }
        let found: BTreeSet<_> = printed(&output.stdout).into_iter().collect();
        let planned: BTreeSet<_> = plan
            .items
            .iter()
            .map(|item| (item.name.clone(), item.version.clone().unwrap_or_default()))
            .collect();
        if let Some((name, version)) = found.symmetric_difference(&planned).next() {
            let detail =
                format!("the simulation from files differs from the plan in {name} {version}");
            return Err(Refused::new(Refusal::PlanDiffers, detail).into());
        }
        Ok(())
    }

    /// pacman's words for the transaction: files only, no repository.
    pub(super) async fn words_for_files(
        &self,
        plan: &Plan,
        folder: &Path,
    ) -> Result<Vec<String>, Failure> {
        let mut words = self.over_the_host().await?;
        words.extend(["-U", "--noprogressbar"].map(str::to_owned));
        let files = plan
            .items
            .iter()
            .map(|item| self.inside(&folder.join("staged").join(&item.file_name)));
        words.extend(files);
        Ok(words)
    }

    /// pacman's words for the host's own database without any repository.
    pub(super) async fn over_the_host(&self) -> Result<Vec<String>, Failure> {
        let configuration = self.configuration().await?;
        let text = configuration.without_repositories("/var/lib/pacman");
        let place = self.write_configuration("files.conf", &text)?;
        let words = ["--config", &place, "--noconfirm"];
        Ok(words.map(str::to_owned).to_vec())
    }
}

/// A package's file in a folder, whatever packs it; not its signature.
pub(super) fn find(folder: &Path, stem: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(stem) && !name.ends_with(".sig") && !name.ends_with(".part")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_no_package() {
        let folder = tempfile::tempdir().expect("folder");
        for name in ["a-1-1-any.pkg.tar.zst.sig", "a-1-10-any.pkg.tar.zst"] {
            fs::write(folder.path().join(name), "").expect("a file");
        }
        assert_eq!(find(folder.path(), "a-1-1-any.pkg.tar"), None);
        fs::write(folder.path().join("a-1-1-any.pkg.tar.xz"), "").expect("a file");
        assert!(find(folder.path(), "a-1-1-any.pkg.tar").is_some());
    }
}
