//! The state before, the install, the way back, and what differs afterwards.

use super::database::{Package, compare};
use super::{Pacman, diagnose, lock, stage};
use crate::command::CommandLine;
use crate::provider::files::io_failure;
use crate::provider::{Installer as _, Step, Verification, services};
use crate::supervisor::Script;
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::journal::{ProcessRecord, Purpose};
use netpatch_agent_core::plan::{Change, ContentItem, Plan, fixed_version};
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::Sha256;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Most differences, and most replaced files, that are named.
const MAX_LINES: usize = 50;
/// Packages of a kernel, which runs only after a restart.
const KERNELS: [&str; 4] = ["linux", "linux-lts", "linux-zen", "linux-hardened"];

/// What is kept of the state before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Before {
    packages: Vec<Package>,
    services: BTreeSet<String>,
    in_use: BTreeSet<String>,
}

impl Before {
    fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("before.json");
        let bytes = fs::read(&path).map_err(|error| io_failure("read", &path, &error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::new(FailureCause::SnapshotFailed, [error.to_string()]))
    }
}

impl Pacman {
    pub(super) async fn write_snapshot(&self, folder: &Path) -> Result<Sha256, Failure> {
        let place = self.runner.root().join(lock::FILE);
        if place.exists() {
            let line = match lock::holder(self.runner.root()) {
                Some(pid) => format!("pacman's lock is held by process {pid}"),
                None => {
                    "/var/lib/pacman/db.lck is there but nobody works: pacman was killed; remove it"
                        .to_owned()
                }
            };
            return Err(Failure::new(FailureCause::PackageManagerLocked, [line]));
        }
        let failed = |failure: Failure| Failure {
            cause: FailureCause::SnapshotFailed,
            ..failure
        };
        let local = self.local().map_err(failed)?;
        if local.unreadable > 0 {
            let line = format!(
                "{} entries of pacman's database cannot be read",
                local.unreadable
            );
            return Err(Failure::new(FailureCause::SnapshotFailed, [line]));
        }
        let before = Before {
            packages: local.packages,
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

    pub(super) async fn begin_install(
        &self,
        plan: &Plan,
        folder: &Path,
    ) -> Result<ProcessRecord, Failure> {
        let mut script = Script::default();
        if !plan.items.is_empty() {
            script.main(&CommandLine::new(
                "pacman",
                self.words_for_files(plan, folder).await?,
            ));
            let new = plan
                .items
                .iter()
                .filter(|item| item.change == Change::Install);
            self.mark(&mut script, "--asdeps", new.map(|item| item.name.clone()))
                .await?;
        }
        self.supervise(folder, Step::Install, &script, Purpose::Install)
    }

    /// The kept files over whatever is there, then out with what was not there before.
    pub(super) async fn begin_rollback(
        &self,
        folder: &Path,
        attempt: usize,
    ) -> Result<ProcessRecord, Failure> {
        let before = Before::read(folder)?;
        let now = self.local()?;
        let mut files = Vec::new();
        let mut automatic = Vec::new();
        for package in &before.packages {
            let stem = format!(
                "{}-{}-{}.pkg.tar",
                package.name, package.version, package.arch
            );
            if let Some(file) = stage::find(&folder.join("kept"), &stem) {
                files.push(self.inside(&file));
                automatic.extend(package.automatic.then(|| package.name.clone()));
            } else if !now.packages.contains(package) {
                let line = format!("the kept {stem} is gone");
                return Err(Failure::new(FailureCause::SnapshotFailed, [line]));
            }
        }
        let is_new =
            |package: &&Package| before.packages.iter().all(|old| old.name != package.name);
        let gone: Vec<String> = now
            .packages
            .iter()
            .filter(is_new)
            .map(|package| package.name.clone())
            .collect();
        let host = self.over_the_host().await?;
        let mut erase = host.clone();
        erase.push("-Rdd".to_owned());
        erase.extend(gone.iter().cloned());
        let mut script = Script::default();
        if files.is_empty() && !gone.is_empty() {
            script.main(&CommandLine::new("pacman", erase));
        } else if !files.is_empty() {
            // An interruption leaves files without an entry.
            let mut words = host;
            words.extend(["-U", "--noprogressbar", "--overwrite", "*"].map(str::to_owned));
            words.extend(files);
            script.main(&CommandLine::new("pacman", words));
            if !gone.is_empty() {
                script.also(&CommandLine::new("pacman", erase));
            }
        }
        self.mark(&mut script, "--asdeps", automatic.into_iter())
            .await?;
        self.supervise(folder, Step::Rollback(attempt), &script, Purpose::Rollback)
    }

    /// Marks packages as wanted only by others.
    async fn mark(
        &self,
        script: &mut Script,
        word: &str,
        names: impl Iterator<Item = String>,
    ) -> Result<(), Failure> {
        let names: Vec<String> = names.collect();
        if !names.is_empty() {
            let mut words = self.over_the_host().await?;
            words.extend(["-D".to_owned(), word.to_owned()]);
            words.extend(names);
            script.also(&CommandLine::new("pacman", words));
        }
        Ok(())
    }

    fn supervise(
        &self,
        folder: &Path,
        step: Step,
        script: &Script,
        purpose: Purpose,
    ) -> Result<ProcessRecord, Failure> {
        step.supervised(folder)
            .start(&self.runner, script, purpose)
            .map_err(|error| io_failure("start pacman in", folder, &error))
    }

    pub(super) async fn compare_with_plan(
        &self,
        plan: &Plan,
        content: &[ContentItem],
        folder: &Path,
    ) -> Result<Verification, Failure> {
        let (local, before) = (self.local()?, Before::read(folder)?);
        let mut wrong = Vec::new();
        for item in &plan.items {
            let fixed = fixed_version(item, content);
            match local.get(&item.name) {
                None => wrong.push(format!("{} should be installed but is not", item.name)),
                Some(package) if compare(&package.version, fixed) == Ordering::Less => {
                    let version = &package.version;
                    wrong.push(format!(
                        "{} is {version} but should be at least {fixed}",
                        item.name
                    ));
                }
                Some(_) => {}
            }
        }
        if local.unreadable > 0 {
            wrong.push(format!(
                "{} entries of pacman's database cannot be read",
                local.unreadable
            ));
        }
        if self.transaction(folder, Step::Install).await? == Transaction::Lost {
            wrong.push("pacman was cut off: a script may not have run to its end".to_owned());
        }
        let log = fs::read(Step::Install.supervised(folder).log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let stopped: Vec<String> = before
            .services
            .difference(&services::running(&self.runner).await)
            .cloned()
            .collect();
        // pacman counts a package whose script failed as installed and ends with 0.
        let failure = if let Some(failure) = diagnose::failed_script(&log) {
            Some(failure)
        } else if !wrong.is_empty() {
            let logged = diagnose::diagnose(&log, None);
            Some(match logged.cause {
                FailureCause::Unknown(_) => Failure::new(FailureCause::Unknown(None), wrong),
                cause => Failure::new(cause, wrong.into_iter().chain(logged.evidence)),
            })
        } else {
            let unhealthy = services::failed(&self.runner, &stopped).await;
            (!unhealthy.is_empty())
                .then(|| Failure::new(FailureCause::ServiceUnhealthyAfter, unhealthy))
        };
        let mut in_use: Vec<String> = services::files_in_use(self.runner.root())
            .difference(&before.in_use)
            .take(MAX_LINES)
            .cloned()
            .collect();
        if plan
            .items
            .iter()
            .any(|item| KERNELS.contains(&item.name.as_str()))
        {
            in_use.push("a new kernel is installed".to_owned());
        }
        Ok(Verification {
            failure,
            in_use,
            audit_clean: local.unreadable == 0,
            notes: Vec::new(),
        })
    }

    pub(super) fn compare_with_snapshot(&self, folder: &Path) -> Result<Vec<String>, Failure> {
        let (before, now) = (Before::read(folder)?, self.local()?);
        let only_in = |left: &[Package], right: &[Package], word: &str| -> Vec<String> {
            let differing = left.iter().filter(|package| !right.contains(package));
            differing
                .map(|package| format!("{} {}: {word}", package.name, package.version))
                .collect()
        };
        let mut lines = only_in(&before.packages, &now.packages, "installed before, not now");
        lines.extend(only_in(
            &now.packages,
            &before.packages,
            "installed now, not before",
        ));
        if now.unreadable > 0 {
            lines.push(format!(
                "{} entries of pacman's database cannot be read",
                now.unreadable
            ));
        }
        lines.truncate(MAX_LINES);
        Ok(lines)
    }
}
