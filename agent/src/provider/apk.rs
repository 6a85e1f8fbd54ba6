//! Alpine's apk (apk-tools 3; what it is asked is in 2.14 too).
//!
//! Reading: its own database for what is installed; a cache of the agent's own, filled by apk and verified by it against the signed
//! indices, for what could be. Changing: only from files that were hashed before, without the network; the outcome is judged by
//! the database, because apk's exit code counts every package that was ever broken. The host's repositories, keys, cache and
//! world are never written, but for world on the way back, which gets its own text again.

mod ahead;
mod ask;
mod database;
mod diagnose;
mod lock;
mod plan;
mod repositories;
mod stage;
mod transaction;

use super::{
    Installable, Installer, Inventory, Located, PlanError, Provider, StageOutcome, Step,
    Verification,
};
use crate::command::{CommandLine, Runner};
use crate::provider::files::io_failure;
use ask::READ_LIMIT;
use async_trait::async_trait;
use database::{DATABASES, Installed};
use netpatch_agent_core::Failure;
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::journal::ProcessRecord;
use netpatch_agent_core::plan::{ContentItem, Plan, Wanted};
use netpatch_types::{Ecosystem, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long apk waits for another that holds the lock.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a working apk is looked at.
const POLL: Duration = Duration::from_millis(500);

/// A host with apk.
#[derive(Clone, Debug)]
pub struct Apk {
    runner: Runner,
    /// The agent's own folder for indices and packages, as this process reaches it.
    work: PathBuf,
    patience: Duration,
}

impl Apk {
    /// A host reached through the runner; `work` is a folder under its root that belongs to the agent.
    #[must_use]
    pub fn new(runner: Runner, work: PathBuf) -> Self {
        Self {
            runner,
            work,
            patience: PATIENCE,
        }
    }

    /// The same with another time to wait for a lock, in whole seconds.
    #[must_use]
    pub fn waiting(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn installed(&self) -> Result<Installed, Failure> {
        Installed::read(self.runner.root())
    }

    /// apk's words for how long it waits for a lock.
    fn wait(&self) -> [String; 2] {
        ["--wait".to_owned(), self.patience.as_secs().to_string()]
    }

    fn inside(&self, path: &Path) -> String {
        self.runner.inside(path).to_string_lossy().into_owned()
    }
}

#[async_trait]
impl Provider for Apk {
    fn name(&self) -> &'static str {
        "apk"
    }

    async fn detect(&self) -> bool {
        DATABASES
            .iter()
            .any(|path| self.runner.outside(path).exists())
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        let facts = crate::facts::read(self.runner.root());
        let local = self.installed()?;
        Ok(Inventory {
            components: local.components(&facts.os_id, &facts.os_release),
            cut_short: local.gap(),
        })
    }

    fn databases(&self) -> &'static [&'static str] {
        &DATABASES
    }
}

#[async_trait]
impl Installer for Apk {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Apk
    }

    async fn arch(&self) -> Result<String, Failure> {
        let command = CommandLine::new("apk", ["--print-arch"]);
        let output = self.runner.run(&command, READ_LIMIT).await?;
        match output.ok() {
            true => Ok(output.stdout.trim().to_owned()),
            false => Err(diagnose::diagnose(&output.text(), output.code)),
        }
    }

    async fn repositories(&self) -> Result<Vec<String>, Failure> {
        let configured = self.configured();
        for line in configured.unknown() {
            tracing::warn!(line, "is no plain address: what lies there is not reached");
        }
        Ok(configured.web())
    }

    async fn refresh(&self, proxy: Option<&str>) -> Result<(), Failure> {
        if self.configured().is_empty() {
            return Ok(());
        }
        let output = self.fetch(proxy, ["update"]).await?;
        if !output.ok() {
            return Err(diagnose::diagnose(&output.text(), output.code));
        }
        self.fetch_ahead(proxy).await
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

    async fn snapshot(&self, plan: &Plan, folder: &Path) -> Result<Sha256, Failure> {
        self.write_snapshot(plan, folder).await
    }

    async fn start_install(&self, plan: &Plan, folder: &Path) -> Result<ProcessRecord, Failure> {
        self.begin_install(plan, folder)
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
        while lock::holder(self.runner.root()).is_some() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::ComponentKey;
    use std::fs;

    /// As Alpine 3.19 writes it, shortened.
    const TEXT: &str = "C:Q1qkD1bhsGSgkSTW3GD18f2CFvmWY=\nP:busybox-binsh\nV:1.36.1-r15\nA:x86_64\nS:1546\nI:8192\nT:busybox ash /bin/sh\nU:https://busybox.net/\nL:GPL-2.0-only\no:busybox\nm:Natanael Copa <ncopa@alpinelinux.org>\nt:1699277303\nc:ae2f3c9bd0\nD:busybox=1.36.1-r15\np:/bin/sh cmd:sh=1.36.1-r15\nr:busybox-initscripts\nF:bin\nR:sh\na:0:0:777\nZ:Q1pcfTfDNEbNKQc2s1tia7da05M8Q=\n\nC:Q1abc=\nP:libcrypto3\nV:3.1.4-r5\nA:x86_64\no:openssl\n\n";

    fn host(text: &[u8]) -> (tempfile::TempDir, Apk) {
        let root = tempfile::tempdir().expect("folder");
        for folder in ["etc", "lib/apk/db"] {
            fs::create_dir_all(root.path().join(folder)).expect("folder");
        }
        let os = "ID=alpine\nVERSION_ID=3.19.1\n";
        fs::write(root.path().join("etc/os-release"), os).expect("os-release");
        fs::write(root.path().join("lib/apk/db/installed"), text).expect("database");
        let runner = Runner::in_root(root.path().to_owned(), Vec::new());
        let apk = Apk::new(runner, root.path().join("work"));
        (root, apk)
    }

    #[tokio::test]
    async fn packages_come_with_their_origin() {
        let (_root, apk) = host(TEXT.as_bytes());
        assert!(apk.detect().await);
        let inventory = apk.inventory().await.expect("inventory");
        assert_eq!(inventory.cut_short, None);
        let purls: Vec<String> = inventory
            .components
            .iter()
            .map(ComponentKey::purl)
            .collect();
        assert_eq!(
            purls,
            [
                "pkg:apk/alpine/busybox-binsh@1.36.1-r15?arch=x86_64&distro=3.19",
                "pkg:apk/alpine/libcrypto3@3.1.4-r5?arch=x86_64&distro=3.19",
            ]
        );
        assert_eq!(inventory.components[1].source, "openssl");
    }

    #[tokio::test]
    async fn a_damaged_database_is_no_empty_host() {
        for text in [&b""[..], b"\n\n\n", b"\xff\xfe\x00", b"C:x\nA:y\n"] {
            let (_root, apk) = host(text);
            let failure = apk.inventory().await.expect_err("refused");
            assert!(failure.evidence[0].contains("damaged"), "{failure:?}");
        }
        let (_root, apk) = host(&TEXT.as_bytes()[..TEXT.len() - 40]);
        let inventory = apk.inventory().await.expect("what can be read");
        assert_eq!(inventory.components.len(), 1);
        assert!(inventory.cut_short.is_some());
    }
}
