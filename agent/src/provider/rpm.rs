//! What dnf and zypper share: the rpm database, staging, the state before a transaction, the way back, and the words of rpm.
//!
//! rpm has no half-configured state: a transaction that was cut off leaves packages in two versions. So nothing is
//! mended; the way back installs the kept files over whatever is there.

pub(crate) mod database;
pub(crate) mod diagnose;
mod rollback;
pub(crate) mod stage;
pub(crate) mod state;
mod verify;

use crate::command::{CommandLine, Runner};
use crate::provider::apt::lock;
use crate::provider::files::io_failure;
use crate::provider::{Inventory, Step};
use database::Database;
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::{Failure, FailureCause};
use std::path::Path;
use std::time::Duration;

/// Limit of a question to the database.
const READ_LIMIT: Duration = Duration::from_secs(180);
/// How often a working package manager is looked at.
pub(crate) const POLL: Duration = Duration::from_millis(500);
/// Where rpm keeps its database: of old, and of newer Fedora and SUSE.
pub(crate) const DATABASES: [&str; 2] = ["/var/lib/rpm", "/usr/lib/sysimage/rpm"];

/// The rpm of a host.
#[derive(Clone, Debug)]
pub(crate) struct Rpm {
    runner: Runner,
}

impl Rpm {
    /// Of a host reached through the runner.
    pub(crate) fn new(runner: Runner) -> Self {
        Self { runner }
    }

    /// Whether the host has a database of rpm.
    pub(crate) fn detect(&self) -> bool {
        let files = ["rpmdb.sqlite", "Packages", "Packages.db"];
        DATABASES.iter().any(|folder| {
            let folder = self.runner.outside(folder);
            files.iter().any(|file| folder.join(file).exists())
        })
    }

    /// What is installed.
    pub(crate) async fn database(&self) -> Result<Database, Failure> {
        let command = CommandLine::new("rpm", ["-qa", "--qf", database::FORMAT]);
        let output = self.runner.run(&command, READ_LIMIT).await?;
        // A damaged database ends with code 0, an error on the side and a part of the list, or none of it.
        let is_error = |line: &str| line.starts_with("error:") || line.starts_with("rpmdb:");
        if !output.ok() || output.stderr.lines().any(is_error) {
            return Err(diagnose::diagnose(&output.stderr, output.code));
        }
        let database = Database::parse(&output.stdout);
        if database.packages.is_empty() {
            let line = "the rpm database names no package: it is damaged or was emptied";
            return Err(Failure::new(FailureCause::Unknown(None), [line]));
        }
        Ok(database)
    }

    /// What is installed, as a provider answers.
    pub(crate) async fn inventory(&self) -> Result<Inventory, Failure> {
        let facts = crate::facts::read(self.runner.root());
        let database = self.database().await?;
        let unreadable = database.unreadable;
        Ok(Inventory {
            components: database.components(&facts.os_id, &facts.os_release),
            cut_short: (unreadable > 0)
                .then(|| format!("{unreadable} entries of the rpm database cannot be read")),
        })
    }

    /// The architecture in rpm's word, e.g. `x86_64`.
    pub(crate) async fn arch(&self) -> Result<String, Failure> {
        let command = CommandLine::new("rpm", ["--eval", "%{_arch}"]);
        let output = self.runner.run(&command, READ_LIMIT).await?;
        Ok(output.stdout.trim().to_owned())
    }

    /// The process that changes the database, if any.
    pub(crate) fn lock_holder(&self) -> Option<i32> {
        DATABASES
            .iter()
            .find_map(|folder| lock::holder_of(&self.runner.outside(folder).join(".rpm.lock")))
    }

    /// What became of a transaction.
    pub(crate) fn transaction(&self, folder: &Path, step: Step) -> Result<Transaction, Failure> {
        step.supervised(folder)
            .state(|| self.lock_holder().is_some())
            .map_err(|error| io_failure("look at", folder, &error))
    }

    /// Waits for whoever still works.
    pub(crate) async fn wait(&self) {
        while self.lock_holder().is_some() {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// The cause behind the log of a transaction that ended with an error.
pub(crate) fn diagnose_log(folder: &Path, step: Step, exit_code: i32) -> Failure {
    let log = std::fs::read(step.supervised(folder).log()).unwrap_or_default();
    diagnose::diagnose(&String::from_utf8_lossy(&log), Some(exit_code))
}
