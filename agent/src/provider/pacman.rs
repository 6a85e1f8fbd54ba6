//! Arch Linux's pacman (6 and newer).
//!
//! Reading: pacman's local database for what is installed; databases of the agent's own, with the host's local one linked
//! in, for what could be. Changing: only from files that were hashed before, without any repository. The host's
//! configuration is read as `pacman-conf` resolves it and never written.

mod configuration;
mod database;
mod diagnose;
mod lock;
mod plan;
mod stage;
mod transaction;

use super::{
    Installable, Installer, Inventory, Located, PlanError, Provider, StageOutcome, Step,
    Verification,
};
use crate::command::{CommandLine, Output, Runner};
use crate::provider::files::io_failure;
use async_trait::async_trait;
use configuration::Configuration;
use database::{LOCAL, Local};
use netpatch_agent_core::Failure;
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::journal::ProcessRecord;
use netpatch_agent_core::plan::{ContentItem, Plan, Wanted};
use netpatch_types::{Ecosystem, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Limit of a question that needs no network.
const READ_LIMIT: Duration = Duration::from_secs(180);
/// Limit of one that fetches.
const FETCH_LIMIT: Duration = Duration::from_secs(3600);

/// A host with pacman.
#[derive(Clone, Debug)]
pub struct Pacman {
    runner: Runner,
    /// The agent's own folder for configuration and databases, as this process reaches it.
    work: PathBuf,
}

impl Pacman {
    /// A host reached through the runner; `work` is a folder under its root that belongs to the agent.
    #[must_use]
    pub fn new(runner: Runner, work: PathBuf) -> Self {
        Self { runner, work }
    }

    fn local(&self) -> Result<Local, Failure> {
        Local::read(&self.runner.outside(LOCAL))
    }

    async fn configuration(&self) -> Result<Configuration, Failure> {
        let command = CommandLine::new("pacman-conf", [""; 0]);
        let output = self.runner.run(&command, READ_LIMIT).await?;
        if output.ok() {
            Ok(Configuration::parse(&output.stdout))
        } else {
            Err(diagnose::diagnose(&output.text(), output.code))
        }
    }

    /// pacman over the agent's own databases; an exit code other than 0 is an answer, not an error.
    async fn ask<I>(
        &self,
        proxy: Option<&str>,
        words: I,
        limit: Duration,
    ) -> Result<Output, Failure>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let configuration = self.configuration().await?;
        let place = self.write_configuration(
            "own.conf",
            &configuration.own(&self.inside(&self.databases_folder()?)),
        )?;
        let mut arguments: Vec<String> = Vec::new();
        arguments.extend(proxy.map(|proxy| format!("http_proxy={proxy}")));
        arguments.extend(["pacman".to_owned(), "--config".into(), place]);
        arguments.push("--noconfirm".to_owned());
        arguments.extend(words.into_iter().map(Into::into));
        self.runner
            .run(&CommandLine::new("env", arguments), limit)
            .await
    }

    /// Databases of the agent's own: what was fetched, and a link to the host's local one.
    fn databases_folder(&self) -> Result<PathBuf, Failure> {
        let folder = self.work.join("db");
        let create = |error| io_failure("create", &folder, &error);
        std::fs::create_dir_all(folder.join("sync")).map_err(create)?;
        let link = folder.join("local");
        match std::os::unix::fs::symlink(LOCAL, &link) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(create(error)),
            _ => Ok(folder),
        }
    }

    /// Writes a configuration beside the host's and says where, as the host sees it.
    fn write_configuration(&self, name: &str, text: &str) -> Result<String, Failure> {
        std::fs::create_dir_all(&self.work)
            .map_err(|error| io_failure("create", &self.work, &error))?;
        let place = self.work.join(name);
        crate::state::write_durably(&place, text.as_bytes())
            .map_err(|error| io_failure("write", &place, &error))?;
        Ok(self.inside(&place))
    }

    fn inside(&self, path: &Path) -> String {
        self.runner.inside(path).to_string_lossy().into_owned()
    }
}

#[async_trait]
impl Provider for Pacman {
    fn name(&self) -> &'static str {
        "pacman"
    }

    async fn detect(&self) -> bool {
        self.runner.outside(LOCAL).join("ALPM_DB_VERSION").exists()
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        let facts = crate::facts::read(self.runner.root());
        let local = self.local()?;
        Ok(Inventory {
            components: local.components(&facts.os_id, &facts.os_release),
            cut_short: (local.unreadable > 0).then(|| {
                format!(
                    "{} entries of pacman's database cannot be read",
                    local.unreadable
                )
            }),
        })
    }

    fn databases(&self) -> &'static [&'static str] {
        &[LOCAL]
    }
}

#[async_trait]
impl Installer for Pacman {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Alpm
    }

    async fn arch(&self) -> Result<String, Failure> {
        Ok(self
            .configuration()
            .await?
            .option("Architecture")
            .to_owned())
    }

    async fn repositories(&self) -> Result<Vec<String>, Failure> {
        Ok(self.configuration().await?.servers())
    }

    async fn refresh(&self, proxy: Option<&str>) -> Result<(), Failure> {
        let output = self.ask(proxy, ["-Sy"], FETCH_LIMIT).await?;
        if output.ok() {
            Ok(())
        } else {
            Err(diagnose::diagnose(&output.text(), output.code))
        }
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
        self.fetch_and_check(plan, folder, proxy).await
    }

    async fn snapshot(&self, _plan: &Plan, folder: &Path) -> Result<Sha256, Failure> {
        self.write_snapshot(folder).await
    }

    async fn start_install(&self, plan: &Plan, folder: &Path) -> Result<ProcessRecord, Failure> {
        self.begin_install(plan, folder).await
    }

    async fn start_rollback(
        &self,
        folder: &Path,
        attempt: usize,
    ) -> Result<ProcessRecord, Failure> {
        self.begin_rollback(folder, attempt).await
    }

    async fn transaction(&self, folder: &Path, step: Step) -> Result<Transaction, Failure> {
        step.supervised(folder)
            .state(|| lock::holder(self.runner.root()).is_some())
            .map_err(|error| io_failure("look at", folder, &error))
    }

    async fn mend(&self, _folder: &Path) -> Result<(), Failure> {
        lock::wait_and_clear(self.runner.root()).await
    }

    async fn verify(
        &self,
        plan: &Plan,
        content: &[ContentItem],
        folder: &Path,
    ) -> Result<Verification, Failure> {
        self.compare_with_plan(plan, content, folder).await
    }

    async fn compare(&self, folder: &Path) -> Result<Vec<String>, Failure> {
        self.compare_with_snapshot(folder)
    }

    async fn diagnose(&self, folder: &Path, step: Step, exit_code: i32) -> Failure {
        let log = std::fs::read(step.supervised(folder).log()).unwrap_or_default();
        diagnose::diagnose(&String::from_utf8_lossy(&log), Some(exit_code))
    }
}
