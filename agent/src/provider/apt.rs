//! apt and dpkg (Debian 12: apt 2.6, dpkg 1.21).
//!
//! Reading: dpkg's status file for what is installed, apt's own resolver and verified indices for what could be.
//! Changing: only from files that were hashed before, with the host's sources switched off, so that apt installs
//! exactly these and asks nobody.

pub(crate) mod control;
mod diagnose;
mod installable;
pub(crate) mod lock;
mod owner;
mod plan;
mod policy;
mod repack;
mod simulate;
mod sources;
mod stage;
mod status;
mod transaction;
mod verify;

use super::{
    Installable, Installer, Inventory, Located, PlanError, Provider, StageOutcome, Step,
    Verification,
};
use crate::command::{CommandLine, Output, Runner};
use async_trait::async_trait;
use netpatch_agent_core::Failure;
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::journal::ProcessRecord;
use netpatch_agent_core::plan::{ContentItem, Plan, Wanted};
use netpatch_types::{Ecosystem, Sha256};
use status::Status;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Limit of a program that only reads what is on the disk.
const READ_LIMIT: Duration = Duration::from_secs(180);
/// Limit of a program that fetches.
const FETCH_LIMIT: Duration = Duration::from_secs(3600);

/// Options of every call of apt-get.
const QUIET: [&str; 8] = [
    "-y",
    "-q",
    "-o",
    "APT::Color=0",
    "-o",
    "Dpkg::Use-Pty=0",
    "-o",
    "APT::Install-Recommends=false",
];

/// A host with apt.
#[derive(Clone, Debug)]
pub struct Apt {
    runner: Runner,
    /// The agent's own folder for rewritten sources, as this process reaches it.
    work: PathBuf,
}

impl Apt {
    /// A host reached through the runner; `work` is a folder under its root that belongs to the agent.
    #[must_use]
    pub fn new(runner: Runner, work: PathBuf) -> Self {
        Self { runner, work }
    }

    /// The process that holds dpkg's locks, if any.
    #[must_use]
    pub fn lock_holder(&self) -> Option<i32> {
        lock::holder(self.runner.root())
    }

    /// What dpkg's audit complains about, line by line. Its exit code says nothing.
    pub async fn audit(&self) -> Result<Vec<String>, Failure> {
        let output = self.read("dpkg", &["--audit"]).await?;
        Ok(output
            .stdout
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(str::to_owned)
            .collect())
    }

    fn status(&self) -> Result<Status, Failure> {
        Status::read(&self.runner.outside(status::STATUS))
    }

    async fn read(&self, program: &str, arguments: &[&str]) -> Result<Output, Failure> {
        self.runner
            .run(
                &CommandLine::new(program, arguments.iter().copied()),
                READ_LIMIT,
            )
            .await
    }

    /// apt-get with the usual options; an exit code other than 0 is an answer, not an error.
    async fn apt_get<I>(&self, arguments: I, limit: Duration) -> Result<Output, Failure>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let all = QUIET
            .iter()
            .map(|word| (*word).to_owned())
            .chain(arguments.into_iter().map(Into::into));
        self.runner
            .run(&CommandLine::new("apt-get", all), limit)
            .await
    }

    /// The architecture that packages without one in their name have.
    async fn native_arch(&self) -> Result<String, Failure> {
        let output = self.read("dpkg", &["--print-architecture"]).await?;
        Ok(output.stdout.trim().to_owned())
    }

    fn inside(&self, path: &Path) -> String {
        self.runner.inside(path).to_string_lossy().into_owned()
    }
}

/// `name` for native packages and those for all, `name:arch` for others: as apt names them.
fn apt_name(name: &str, arch: &str, native: &str) -> String {
    if arch == native || arch == "all" {
        name.to_owned()
    } else {
        format!("{name}:{arch}")
    }
}

#[async_trait]
impl Provider for Apt {
    fn name(&self) -> &'static str {
        "apt"
    }

    async fn detect(&self) -> bool {
        self.runner.outside("/usr/bin/apt-get").exists()
            || self.runner.outside(status::STATUS).exists()
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        let facts = crate::facts::read(self.runner.root());
        let status = self.status()?;
        Ok(Inventory::whole(
            status.components(&facts.os_id, &facts.os_release),
        ))
    }

    fn databases(&self) -> &'static [&'static str] {
        &[status::STATUS]
    }

    async fn owners(&self, files: &BTreeSet<String>) -> BTreeMap<String, String> {
        owner::owners(self.runner.root(), files)
    }
}

#[async_trait]
impl Installer for Apt {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Deb
    }

    async fn arch(&self) -> Result<String, Failure> {
        self.native_arch().await
    }

    async fn repositories(&self) -> Result<Vec<String>, Failure> {
        self.source_urls().await
    }

    async fn refresh(&self, proxy: Option<&str>) -> Result<(), Failure> {
        let mut arguments = vec!["--error-on=any".to_owned(), "update".to_owned()];
        arguments.extend(self.proxy_options(proxy).await?);
        let output = self.apt_get(arguments, FETCH_LIMIT).await?;
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
        let payloads = self.payloads_of(&["dist-upgrade".to_owned()]).await;
        let located = |payload: simulate::Payload| Located {
            sha256: payload.sha256,
            url: payload.url,
        };
        payloads
            .unwrap_or_default()
            .into_iter()
            .map(located)
            .collect()
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
        self.transaction_state(folder, step)
    }

    async fn mend(&self, folder: &Path) -> Result<(), Failure> {
        self.finish_half_done(folder).await
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
        self.compare_with_snapshot(folder).await
    }

    async fn diagnose(&self, folder: &Path, step: Step, exit_code: i32) -> Failure {
        let log = step.supervised(folder).log();
        let text = std::fs::read(&log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        diagnose::diagnose(&text, Some(exit_code))
    }
}
