//! dnf and rpm (dnf 4: Red Hat Enterprise Linux 8 to 10 and its relatives, Fedora up to 40).
//!
//! Reading: rpm for what is installed; dnf's own solver, through a small program in Python, for what could be. Changing:
//! only from files that were hashed before, without any repository; the way back by rpm alone. dnf 5 is told from dnf 4 by
//! its missing Python module, and then only the inventory is read.

mod driver;
mod installable;
mod plan;
mod stage;

use super::rpm::Rpm;
use super::rpm::diagnose::diagnose;
use super::rpm::state::Before;
use super::{
    Installable, Installer, Inventory, Located, PlanError, Provider, StageOutcome, Step,
    Verification,
};
use crate::command::Runner;
use crate::facts::Family;
use crate::provider::files::io_failure;
use crate::supervisor::Script;
use async_trait::async_trait;
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::journal::{ProcessRecord, Purpose};
use netpatch_agent_core::plan::{Change, ContentItem, Plan, Wanted};
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::{Ecosystem, Sha256};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A host with dnf.
#[derive(Clone, Debug)]
pub struct Dnf {
    runner: Runner,
    /// The agent's own folder for the program and for indices, as this process reaches it.
    work: PathBuf,
    rpm: Rpm,
}

#[derive(Deserialize)]
struct Repositories {
    urls: Vec<String>,
    without: Vec<String>,
}

#[derive(Deserialize)]
struct Refreshed {
    problems: Vec<String>,
}

#[derive(Deserialize)]
struct Marks {
    user: BTreeSet<String>,
}

impl Dnf {
    /// A host reached through the runner; `work` is a folder under its root that belongs to the agent.
    #[must_use]
    pub fn new(runner: Runner, work: PathBuf) -> Self {
        let rpm = Rpm::new(runner.clone());
        Self { runner, work, rpm }
    }

    /// The process that changes rpm's database, if any.
    #[must_use]
    pub fn lock_holder(&self) -> Option<i32> {
        self.rpm.lock_holder()
    }

    /// `name.arch` of the packages that a person wanted.
    async fn wanted_by_a_person(&self) -> Result<BTreeSet<String>, Failure> {
        let marks: Marks = self.ask("marks", serde_json::json!({})).await?;
        Ok(marks.user)
    }

    fn inside(&self, path: &Path) -> String {
        self.runner.inside(path).to_string_lossy().into_owned()
    }
}

#[async_trait]
impl Provider for Dnf {
    fn name(&self) -> &'static str {
        "dnf"
    }

    /// On SUSE, where dnf may stand beside zypper, it is zypper that answers for their common database.
    async fn detect(&self) -> bool {
        self.rpm.detect()
            && self.runner.outside("/usr/bin/dnf").exists()
            && !(self.runner.outside("/usr/bin/zypper").exists()
                && crate::facts::read(self.runner.root()).family == Family::Suse)
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        self.rpm.inventory().await
    }

    fn databases(&self) -> &'static [&'static str] {
        &super::rpm::DATABASES
    }
}

#[async_trait]
impl Installer for Dnf {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Rpm
    }

    async fn arch(&self) -> Result<String, Failure> {
        self.rpm.arch().await
    }

    async fn repositories(&self) -> Result<Vec<String>, Failure> {
        let found: Repositories = self.ask("repositories", serde_json::json!({})).await?;
        if !found.without.is_empty() {
            tracing::warn!(repositories = ?found.without, "only a mirror list, and none was fetched yet");
        }
        Ok(found.urls)
    }

    async fn refresh(&self, proxy: Option<&str>) -> Result<(), Failure> {
        let job = serde_json::json!({"refresh": true, "proxy": proxy});
        let done: Refreshed = self.fetch_with("refresh", job).await?;
        if done.problems.is_empty() {
            Ok(())
        } else {
            Err(diagnose(&done.problems.join("\n"), None))
        }
    }

    async fn installable(&self) -> Result<Vec<Installable>, Failure> {
        self.find_installable().await
    }

    async fn sources(&self) -> Vec<Located> {
        self.find_sources().await
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
        let failed = |failure| Failure {
            cause: FailureCause::SnapshotFailed,
            ..failure
        };
        let wanted = self.wanted_by_a_person().await.map_err(failed)?;
        self.rpm.write_snapshot(folder, wanted).await
    }

    async fn start_install(&self, plan: &Plan, folder: &Path) -> Result<ProcessRecord, Failure> {
        let before = Before::read(folder)?;
        let mut script = Script::default();
        if !plan.items.is_empty() {
            // What a person did not ask for by name is a dependency from then on, as with dnf itself.
            let automatic = plan.items.iter().filter(|item| {
                item.change == Change::Install && before.versions(&item.name, &item.arch) == 0
            });
            let automatic: Vec<_> = automatic
                .map(|item| serde_json::json!({"name": item.name, "arch": item.arch}))
                .collect();
            let job = serde_json::json!({
                "files": self.rpm.staged_files(plan, folder),
                "automatic": automatic,
            });
            script.main(&self.program("install", job)?);
        }
        Step::Install
            .supervised(folder)
            .start(&self.runner, &script, Purpose::Install)
            .map_err(|error| io_failure("start dnf in", folder, &error))
    }

    async fn start_rollback(
        &self,
        folder: &Path,
        attempt: usize,
    ) -> Result<ProcessRecord, Failure> {
        self.rpm.start_rollback(folder, attempt, &[]).await
    }

    async fn transaction(&self, folder: &Path, step: Step) -> Result<Transaction, Failure> {
        self.rpm.transaction(folder, step)
    }

    async fn mend(&self, _folder: &Path) -> Result<(), Failure> {
        self.rpm.wait().await;
        Ok(())
    }

    async fn verify(
        &self,
        plan: &Plan,
        content: &[ContentItem],
        folder: &Path,
    ) -> Result<Verification, Failure> {
        self.rpm.verify(plan, content, folder).await
    }

    async fn compare(&self, folder: &Path) -> Result<Vec<String>, Failure> {
        let wanted = self.wanted_by_a_person().await?;
        self.rpm.compare(folder, &wanted).await
    }

    async fn diagnose(&self, folder: &Path, step: Step, exit_code: i32) -> Failure {
        super::rpm::diagnose_log(folder, step, exit_code)
    }
}
