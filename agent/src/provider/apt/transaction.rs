//! The three things that change a host: the install, the way back, and the mending of an interruption. Each is a
//! supervised script; nothing here waits for the first two.

use super::stage::{deb_name, without_sources};
use super::status::Status;
use super::{Apt, QUIET, apt_name, lock};
use crate::command::CommandLine;
use crate::provider::files::io_failure;
use crate::provider::{Step, services};
use crate::supervisor::{Script, Supervised};
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::journal::{ProcessRecord, Purpose};
use netpatch_agent_core::plan::{Change, Plan};
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::Sha256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// dpkg keeps a changed conffile and asks nobody.
const KEEP_CONFFILES: [&str; 4] = [
    "-o",
    "Dpkg::Options::=--force-confdef",
    "-o",
    "Dpkg::Options::=--force-confold",
];
/// apt waits this long for another program's lock, seconds.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=60";
/// How often a working package manager is looked at.
const POLL: Duration = Duration::from_millis(500);

/// What is kept of the state before, besides dpkg's status file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    /// `apt-mark showauto`.
    pub(super) automatic: BTreeSet<String>,
    /// Services that run; empty without systemd.
    pub(super) services: BTreeSet<String>,
    /// Replaced files in use already, as lines of [`services::files_in_use`].
    pub(super) in_use: BTreeSet<String>,
}

impl Apt {
    pub(super) async fn write_snapshot(&self, folder: &Path) -> Result<Sha256, Failure> {
        let failed = |failure: Failure| Failure {
            cause: FailureCause::SnapshotFailed,
            ..failure
        };
        if let Some(pid) = lock::holder(self.runner.root()) {
            let line = format!("dpkg's lock is held by process {pid}");
            return Err(Failure::new(FailureCause::PackageManagerLocked, [line]));
        }
        let audit = self.read("dpkg", &["--audit"]).await.map_err(failed)?;
        if !audit.text().trim().is_empty() {
            return Err(Failure::new(
                FailureCause::SnapshotFailed,
                audit.text().lines(),
            ));
        }
        let status = self.runner.outside(super::status::STATUS);
        let bytes =
            fs::read(&status).map_err(|error| failed(io_failure("read", &status, &error)))?;
        let before = Before {
            automatic: self.automatic().await.map_err(failed)?,
            services: services::running(&self.runner).await,
            in_use: services::files_in_use(self.runner.root()),
        };
        let json = serde_json::to_vec(&before)
            .map_err(|error| Failure::new(FailureCause::SnapshotFailed, [error.to_string()]))?;
        for (name, bytes) in [("before.status", &bytes), ("before.json", &json)] {
            let path = folder.join(name);
            crate::state::write_durably(&path, bytes)
                .map_err(|error| failed(io_failure("write", &path, &error)))?;
        }
        Ok(Sha256::of(&[bytes, json].concat()))
    }

    pub(super) fn before(&self, folder: &Path) -> Result<(Status, Before), Failure> {
        let path = folder.join("before.json");
        let bytes = fs::read(&path).map_err(|error| io_failure("read", &path, &error))?;
        let before = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::new(FailureCause::SnapshotFailed, [error.to_string()]))?;
        Ok((Status::read(&folder.join("before.status"))?, before))
    }

    pub(super) async fn begin_install(
        &self,
        plan: &Plan,
        folder: &Path,
    ) -> Result<ProcessRecord, Failure> {
        let native = self.native_arch().await?;
        let (status, before) = self.before(folder)?;
        let mut script = Script::default();
        if !plan.items.is_empty() {
            let mut arguments = changing_options();
            arguments.extend(self.file_arguments(plan, folder, &native));
            script.main(&CommandLine::new("apt-get", arguments));
            // A package that is installed from a file counts as wanted by a person from then on.
            let automatic = plan.items.iter().filter(|item| match item.change {
                Change::Install => status.version(&item.name, &item.arch).is_none(),
                Change::Upgrade => before
                    .automatic
                    .contains(&apt_name(&item.name, &item.arch, &native)),
                Change::Remove => false,
            });
            let names: Vec<String> = automatic
                .map(|item| apt_name(&item.name, &item.arch, &native))
                .collect();
            mark_automatic(&mut script, &names);
        }
        self.supervise(folder, Step::Install, &script, Purpose::Install)
    }

    pub(super) async fn begin_rollback(
        &self,
        folder: &Path,
        attempt: usize,
    ) -> Result<ProcessRecord, Failure> {
        let native = self.native_arch().await?;
        let (before, kept) = self.before(folder)?;
        let now = self.status()?;
        let mut targets = Vec::new();
        let mut automatic = Vec::new();
        for package in before.present() {
            let same = now
                .get(&package.name, &package.arch)
                .is_some_and(|other| other.version == package.version && other.is_configured());
            if same {
                continue;
            }
            let file =
                folder
                    .join("kept")
                    .join(deb_name(&package.name, &package.version, &package.arch));
            if !file.exists() {
                let line = format!("the kept {} is gone", file.display());
                return Err(Failure::new(FailureCause::SnapshotFailed, [line]));
            }
            targets.push(self.inside(&file));
            let name = apt_name(&package.name, &package.arch, &native);
            if kept.automatic.contains(&name) {
                automatic.push(name);
            }
        }
        for package in now.present() {
            if before.version(&package.name, &package.arch).is_none() {
                targets.push(format!(
                    "{}-",
                    apt_name(&package.name, &package.arch, &native)
                ));
            }
        }
        let mut script = Script::default();
        script.also(&configure_all());
        if !targets.is_empty() {
            let mut arguments = changing_options();
            arguments.extend(without_sources());
            arguments.extend(
                [
                    "--allow-downgrades",
                    "--allow-change-held-packages",
                    "--purge",
                    "install",
                ]
                .map(str::to_owned),
            );
            arguments.extend(targets);
            script.main(&CommandLine::new("apt-get", arguments));
        }
        mark_automatic(&mut script, &automatic);
        self.supervise(folder, Step::Rollback(attempt), &script, Purpose::Rollback)
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
            .map_err(|error| io_failure("start the package manager in", folder, &error))
    }

    pub(super) fn transaction_state(
        &self,
        folder: &Path,
        step: Step,
    ) -> Result<Transaction, Failure> {
        step.supervised(folder)
            .state(|| lock::holder(self.runner.root()).is_some())
            .map_err(|error| io_failure("look at", folder, &error))
    }

    /// Waits for whoever works, then configures what is half done. Ends in good order or not: the caller verifies.
    pub(super) async fn finish_half_done(&self, folder: &Path) -> Result<(), Failure> {
        let mending = Supervised::new(folder, "mend");
        let state = |mending: &Supervised| {
            mending
                .state(|| lock::holder(self.runner.root()).is_some())
                .map_err(|error| io_failure("look at", folder, &error))
        };
        while state(&mending)? == Transaction::Running || lock::holder(self.runner.root()).is_some()
        {
            tokio::time::sleep(POLL).await;
        }
        if self
            .read("dpkg", &["--audit"])
            .await?
            .text()
            .trim()
            .is_empty()
            && !self.is_interrupted()
        {
            return Ok(());
        }
        let mut script = Script::default();
        script.main(&configure_all());
        mending
            .start(&self.runner, &script, Purpose::Install)
            .map_err(|error| io_failure("mend in", folder, &error))?;
        while matches!(
            state(&mending)?,
            Transaction::Running | Transaction::NotStarted
        ) {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// dpkg keeps a journal of its own in `updates`; a file there means that it did not end.
    fn is_interrupted(&self) -> bool {
        fs::read_dir(self.runner.outside("/var/lib/dpkg/updates")).is_ok_and(|entries| {
            entries.flatten().any(|entry| {
                entry
                    .file_name()
                    .to_string_lossy()
                    .bytes()
                    .all(|byte| byte.is_ascii_digit())
            })
        })
    }

    /// Packages that were installed only because others need them.
    pub(super) async fn automatic(&self) -> Result<BTreeSet<String>, Failure> {
        let output = self.read("apt-mark", &["showauto"]).await?;
        Ok(output
            .stdout
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect())
    }
}

fn changing_options() -> Vec<String> {
    let mut options: Vec<String> = QUIET
        .iter()
        .chain(&KEEP_CONFFILES)
        .map(|word| (*word).to_owned())
        .collect();
    options.extend(["-o".to_owned(), LOCK_TIMEOUT.to_owned()]);
    options
}

fn configure_all() -> CommandLine {
    CommandLine::new(
        "dpkg",
        ["--force-confdef", "--force-confold", "--configure", "-a"],
    )
}

fn mark_automatic(script: &mut Script, names: &[String]) {
    if !names.is_empty() {
        let words = ["auto", "-qq"]
            .map(str::to_owned)
            .into_iter()
            .chain(names.iter().cloned());
        script.also(&CommandLine::new("apt-mark", words));
    }
}
