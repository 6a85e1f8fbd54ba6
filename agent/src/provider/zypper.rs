//! SUSE's zypper (1.14 and newer).
//!
//! Reading: rpm for what is installed; zypper's own solver, asked for XML, for what could be; the indices that it verified for hashes
//! and errata. Changing: only from files that were hashed before, as the only repository; the way back by rpm alone. Repositories
//! and caches are the agent's own copies, and the host's are never written.

mod ask;
mod index;
mod installable;
mod lock;
mod marks;
mod plan;
mod repositories;
mod stage;
mod xml;

use super::rpm::{DATABASES, POLL, Rpm, diagnose_log};
use super::{
    Installable, Installer, Inventory, Located, PlanError, Provider, StageOutcome, Step,
    Verification,
};
use crate::command::{CommandLine, Runner};
use crate::facts::Family;
use crate::provider::files::io_failure;
use crate::supervisor::Script;
use async_trait::async_trait;
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::journal::{ProcessRecord, Purpose};
use netpatch_agent_core::plan::{ContentItem, Plan, Wanted};
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::{Ecosystem, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long zypper waits for another that holds the lock.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where libzypp notes that the host wants a restart.
const RESTART: &str = "/run/reboot-needed";
/// Runs zypper and says how it ended. 102 (the host wants a restart) and 103 (zypper itself was updated) are successes; the last
/// line is what [`Rpm::verify`] looks for.
const RUN: &str = r#""$@"
c=$?
case $c in 102|103) echo "zypper ended with $c"; c=0;; esac
echo "{\"code\": $c}"
exit $c"#;
/// What [`RUN`] says when the host wants a restart.
const WANTS_RESTART: &str = "zypper ended with 102";

/// A host with zypper.
#[derive(Clone, Debug)]
pub struct Zypper {
    runner: Runner,
    /// The agent's own folder for repositories and indices, as this process reaches it.
    work: PathBuf,
    rpm: Rpm,
    patience: Duration,
}

impl Zypper {
    /// A host reached through the runner; `work` is a folder under its root that belongs to the agent.
    #[must_use]
    pub fn new(runner: Runner, work: PathBuf) -> Self {
        let rpm = Rpm::new(runner.clone());
        Self {
            runner,
            work,
            rpm,
            patience: PATIENCE,
        }
    }

    /// The same with another time to wait for a lock, in whole seconds.
    #[must_use]
    pub fn waiting(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The process that works on packages, if any: libzypp's lock is held between two packages, rpm's during one.
    #[must_use]
    pub fn lock_holder(&self) -> Option<i32> {
        lock::holder(self.runner.root()).or_else(|| self.rpm.lock_holder())
    }

    fn inside(&self, path: &Path) -> String {
        self.runner.inside(path).to_string_lossy().into_owned()
    }

    /// Whether libzypp has asked for a restart since the run's snapshot.
    fn wants_restart(&self, folder: &Path) -> bool {
        let log = fs::read(Step::Install.supervised(folder).log()).unwrap_or_default();
        if String::from_utf8_lossy(&log).contains(WANTS_RESTART) {
            return true;
        }
        let modified = |path: &Path| fs::metadata(path).and_then(|about| about.modified()).ok();
        let asked = modified(&self.runner.outside(RESTART));
        asked.is_some() && asked >= modified(&folder.join("before.json"))
    }
}

#[async_trait]
impl Provider for Zypper {
    fn name(&self) -> &'static str {
        "zypper"
    }

    /// A host with dnf and zypper has one rpm database: only one of them answers for it.
    async fn detect(&self) -> bool {
        self.rpm.detect()
            && self.runner.outside("/usr/bin/zypper").exists()
            && (!self.runner.outside("/usr/bin/dnf").exists()
                || crate::facts::read(self.runner.root()).family == Family::Suse)
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        self.rpm.inventory().await
    }

    fn databases(&self) -> &'static [&'static str] {
        &DATABASES
    }
}

#[async_trait]
impl Installer for Zypper {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Rpm
    }

    async fn arch(&self) -> Result<String, Failure> {
        self.rpm.arch().await
    }

    async fn repositories(&self) -> Result<Vec<String>, Failure> {
        let found = self.resolved().await?;
        let without: Vec<&str> = found
            .iter()
            .filter(|repository| repository.web().next().is_none())
            .map(|repository| repository.alias.as_str())
            .collect();
        if !without.is_empty() {
            tracing::warn!(repositories = ?without, "have no plain address on the web: zypper reaches them itself");
        }
        let mut urls: Vec<String> = found
            .iter()
            .flat_map(|repository| repository.web().map(str::to_owned))
            .collect();
        urls.sort();
        urls.dedup();
        Ok(urls)
    }

    async fn refresh(&self, proxy: Option<&str>) -> Result<(), Failure> {
        if self.resolved().await?.is_empty() {
            return Ok(());
        }
        self.fetch(proxy, ["refresh"]).await?.good()?;
        Ok(())
    }

    async fn installable(&self) -> Result<Vec<Installable>, Failure> {
        self.find_installable().await
    }

    async fn sources(&self) -> Vec<Located> {
        self.find_sources().await.unwrap_or_else(|failure| {
            tracing::warn!(%failure, "cannot say where payloads lie");
            Vec::new()
        })
    }

    async fn plan(&self, wanted: &[Wanted]) -> Result<Plan, PlanError> {
        self.make_plan(wanted).await
    }

    async fn stage(
        &self,
        plan: &Plan,
        folder: &Path,
        proxy: Option<&str>,
    ) -> Result<StageOutcome, PlanError> {
        let staged = self.rpm.fetch_and_check(self, plan, folder, proxy).await?;
        self.simulate_from_files(plan, folder).await?;
        Ok(staged)
    }

    async fn snapshot(&self, _plan: &Plan, folder: &Path) -> Result<Sha256, Failure> {
        if let Some(pid) = lock::holder(self.runner.root()) {
            let line = format!("zypper's lock is held by process {pid}");
            return Err(Failure::new(FailureCause::PackageManagerLocked, [line]));
        }
        let failed = |failure| Failure {
            cause: FailureCause::SnapshotFailed,
            ..failure
        };
        let wanted = self.wanted_by_a_person().await.map_err(failed)?;
        self.keep_marks(folder).map_err(failed)?;
        self.rpm.write_snapshot(folder, wanted).await
    }

    async fn start_install(&self, plan: &Plan, folder: &Path) -> Result<ProcessRecord, Failure> {
        let mut script = Script::default();
        if !plan.items.is_empty() {
            let (repositories, caches) = Self::staged_places(folder);
            let mut words = vec!["--no-refresh".to_owned(), "install".into()];
            words.extend(
                [
                    "--no-recommends",
                    "--no-force-resolution",
                    "--auto-agree-with-licenses",
                ]
                .map(str::to_owned),
            );
            words.extend(self.named(plan).await?);
            let command = self.command(&repositories, &caches, words);
            let run = ["-c", RUN, "sh", &command.program];
            let run = run.map(str::to_owned).into_iter().chain(command.arguments);
            script.main(&CommandLine::new("sh", run));
            script.also(&self.marks_of_after(plan, folder).await?);
        }
        Step::Install
            .supervised(folder)
            .start(&self.runner, &script, Purpose::Install)
            .map_err(|error| io_failure("start zypper in", folder, &error))
    }

    async fn start_rollback(
        &self,
        folder: &Path,
        attempt: usize,
    ) -> Result<ProcessRecord, Failure> {
        let marks = self.marks_of_before(folder);
        self.rpm.start_rollback(folder, attempt, &[marks]).await
    }

    async fn transaction(&self, folder: &Path, step: Step) -> Result<Transaction, Failure> {
        step.supervised(folder)
            .state(|| self.lock_holder().is_some())
            .map_err(|error| io_failure("look at", folder, &error))
    }

    async fn mend(&self, _folder: &Path) -> Result<(), Failure> {
        while self.lock_holder().is_some() {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    async fn verify(
        &self,
        plan: &Plan,
        content: &[ContentItem],
        folder: &Path,
    ) -> Result<Verification, Failure> {
        let mut verification = self.rpm.verify(plan, content, folder).await?;
        if self.wants_restart(folder) {
            verification
                .in_use
                .push("zypper asks for a restart of the host".to_owned());
        }
        Ok(verification)
    }

    async fn compare(&self, folder: &Path) -> Result<Vec<String>, Failure> {
        let wanted = self.wanted_by_a_person().await?;
        self.rpm.compare(folder, &wanted).await
    }

    async fn diagnose(&self, folder: &Path, step: Step, exit_code: i32) -> Failure {
        diagnose_log(folder, step, exit_code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn zyppers_successes_count_as_such() {
        for (code, expected, word) in [
            (0, 0, ""),
            (102, 0, WANTS_RESTART),
            (103, 0, "zypper ended with 103"),
            (8, 8, ""),
            (106, 106, ""),
            (107, 107, ""),
        ] {
            let zypper = format!("exit {code}");
            let output = Command::new("sh")
                .args(["-c", RUN, "sh", "sh", "-c", &zypper])
                .output()
                .expect("sh");
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(expected), "{code}: {said}");
            assert!(said.contains(word), "{code}: {said}");
            assert!(
                said.ends_with(&format!("{{\"code\": {expected}}}\n")),
                "{said}"
            );
        }
    }
}
