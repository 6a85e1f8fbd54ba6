//! Who put software on the host, behind two traits: a [`Provider`] says what is installed, an [`Installer`] is one that
//! also says what could be and takes the steps of a run.
//!
//! Invariants: nothing but the two `start_` methods and `mend` changes the host's packages; each works from files
//! in the run's folder, so a later agent process can go on where an earlier one ended. Sources, keys and settings
//! of the host are never written. A host has any number of providers and one installer.

pub mod apk;
pub mod apt;
mod binary;
mod cargo;
mod diagnosis;
pub mod dnf;
pub mod fake;
pub mod files;
mod flatpak;
mod image;
mod macos;
mod npm;
pub mod pacman;
mod pip;
pub mod providers;
pub(crate) mod rpm;
pub(crate) mod services;
mod survey;
mod tree;
pub mod union;
mod windows;
pub mod zypper;

pub use providers::Providers;

use crate::supervisor::Supervised;
use async_trait::async_trait;
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::journal::ProcessRecord;
use netpatch_agent_core::plan::{ContentItem, Plan, PlanItem, Wanted};
use netpatch_agent_core::{Failure, FailureCause, Refused};
use netpatch_types::{ComponentKey, Ecosystem, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// In any order.
    pub components: Vec<ComponentKey>,
    /// Why there may be more than these; `None` when there are not.
    pub cut_short: Option<String>,
}

impl Inventory {
    /// Everything there is.
    #[must_use]
    pub fn whole(components: Vec<ComponentKey>) -> Self {
        Self {
            components,
            cut_short: None,
        }
    }
}

/// Why an update would or would not be installed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateState {
    /// It would.
    Installable,
    /// A person holds the package.
    Held,
    /// The vendor hands it out in phases and this host's turn has not come.
    Phased,
    /// Its dependencies do not allow it now.
    KeptBack,
}

/// A newer version of an installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installable {
    /// Binary package.
    pub name: String,
    /// `amd64`, `x86_64`, `all`, `noarch`.
    pub arch: String,
    /// What is installed.
    pub installed_version: String,
    /// What could be.
    pub candidate_version: String,
    /// Source package of the candidate.
    pub source: String,
    /// Source version of the candidate.
    pub source_version: String,
    /// Of the package's file, from the verified index.
    pub sha256: Sha256,
    /// Of the package's file.
    pub size_bytes: u64,
    /// Release file: Origin; rpm: the repository's id.
    pub origin: String,
    /// Release file: Codename, else Suite.
    pub suite: String,
    /// Release file: Label; rpm: the repository's name.
    pub label: String,
    /// What the vendor calls what it fixes, e.g. `ALSA-2024:1129`; empty where the vendor names no errata.
    pub errata: Vec<String>,
    /// Whether one of these is a security fix.
    pub security: bool,
    /// Whether it would be installed.
    pub state: UpdateState,
    /// 0–100 when phased.
    pub phased_percent: u32,
    /// Archive section; rpm: group.
    pub section: String,
    /// New packages and removals that it brings.
    pub requires: Vec<PlanItem>,
}

/// A plan or a stage that does not come about.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The order cannot be obeyed as it stands.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Something broke.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// What staging found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageOutcome {
    /// Packages whose installed version could not be kept.
    pub without_way_back: Vec<String>,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Why the host is not as ordered.
    pub failure: Option<Failure>,
    /// Programs that still use replaced files, and other reasons for a restart.
    pub in_use: Vec<String>,
    /// Whether the package manager's own audit is clean.
    pub audit_clean: bool,
    /// What a person may want to do afterwards, e.g. look at a new configuration.
    pub notes: Vec<String>,
}

/// Which supervised transaction of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The ordered one.
    Install,
    /// The n-th way back, from 1.
    Rollback(usize),
}

impl Step {
    /// Its place in the run's folder.
    pub(crate) fn supervised(self, folder: &Path) -> Supervised {
        match self {
            Self::Install => Supervised::new(folder, "install"),
            Self::Rollback(attempt) => Supervised::new(folder, &format!("rollback-{attempt}")),
        }
    }
}

/// Who knows what was put on the host in one way.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The word for people and logs, e.g. `apt`.
    fn name(&self) -> &'static str;

    /// Whether the host has it.
    async fn detect(&self) -> bool;

    /// What is installed.
    async fn inventory(&self) -> Result<Inventory, Failure>;

    /// Files and folders, as the host sees them, whose change means that something was installed or removed.
    fn databases(&self) -> &'static [&'static str] {
        &[]
    }

    /// The same, where they are known only when the host has been looked at.
    fn watched(&self) -> Vec<String> {
        self.databases()
            .iter()
            .map(|path| (*path).to_owned())
            .collect()
    }

    /// The packages that these files of the host belong to, by file; a file that nobody installed is left out.
    async fn owners(&self, _files: &BTreeSet<String>) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// Looks at the disk on a thread of its own, so that the session goes on meanwhile.
async fn apart<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(look).await.map_err(|error| {
        Failure::new(
            FailureCause::Unknown(None),
            [format!("cannot look at the disk: {error}")],
        )
    })
}

/// A package of a registry, if the platform takes it.
fn one_version(ecosystem: Ecosystem, name: &str, version: &str) -> Option<ComponentKey> {
    let key = ComponentKey::of_registry(ecosystem, name, version);
    key.check().is_ok().then_some(key)
}

/// Places of a survey as the host sees them.
fn watched<'a>(places: impl Iterator<Item = &'a PathBuf>) -> Vec<String> {
    places.map(|path| format!("/{}", path.display())).collect()
}

/// Why there is more, in one text that is not longer than a line; `None` without any reason.
fn problems(reasons: &[String]) -> Option<String> {
    let (first, others) = reasons.split_first()?;
    let first: String = first.chars().take(150).collect();
    Some(match others.len() {
        0 => first,
        more => format!("{first}, and {more} more"),
    })
}

/// Where a payload lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Located {
    /// From the verified index.
    pub sha256: Sha256,
    /// As the package manager would fetch it.
    pub url: String,
}

/// A package manager that carries out runs.
#[async_trait]
pub trait Installer: Provider {
    /// The package world: decides the version order.
    fn ecosystem(&self) -> Ecosystem;

    /// The host's architecture in the package manager's word, e.g. `amd64`.
    async fn arch(&self) -> Result<String, Failure>;

    /// Base URLs of the host's sources, as its configuration says.
    async fn repositories(&self) -> Result<Vec<String>, Failure>;

    /// Fetches the indices through the proxy, if one is given.
    async fn refresh(&self, proxy: Option<&str>) -> Result<(), Failure>;

    /// Newer versions of what is installed.
    async fn installable(&self) -> Result<Vec<Installable>, Failure>;

    /// Where the payloads of what could be installed lie, with what it brings along: for whoever fetches them ahead. Nothing is
    /// known of a package manager that does not say.
    async fn sources(&self) -> Vec<Located> {
        Vec::new()
    }

    /// Everything that installing exactly these versions would do.
    async fn plan(&self, wanted: &[Wanted]) -> Result<Plan, PlanError>;

    /// Fetches and checks the plan's payloads and keeps the installed versions, all in the folder; then simulates the
    /// transaction from these files and compares. May be repeated.
    async fn stage(
        &self,
        plan: &Plan,
        folder: &Path,
        proxy: Option<&str>,
    ) -> Result<StageOutcome, PlanError>;

    /// Writes the state before into the folder. May be repeated until the install begins.
    async fn snapshot(&self, plan: &Plan, folder: &Path) -> Result<Sha256, Failure>;

    /// Starts the transaction from the staged files.
    async fn start_install(&self, plan: &Plan, folder: &Path) -> Result<ProcessRecord, Failure>;

    /// Starts the n-th way back to the snapshot.
    async fn start_rollback(&self, folder: &Path, attempt: usize)
    -> Result<ProcessRecord, Failure>;

    /// What became of a transaction.
    async fn transaction(&self, folder: &Path, step: Step) -> Result<Transaction, Failure>;

    /// Finishes what an interruption left half done; waits for a package manager that still works.
    async fn mend(&self, folder: &Path) -> Result<(), Failure>;

    /// Compares the host with the plan and the fixed versions.
    async fn verify(
        &self,
        plan: &Plan,
        content: &[ContentItem],
        folder: &Path,
    ) -> Result<Verification, Failure>;

    /// What differs from the snapshot; empty when nothing does.
    async fn compare(&self, folder: &Path) -> Result<Vec<String>, Failure>;

    /// The cause behind a transaction that ended with an error.
    async fn diagnose(&self, folder: &Path, step: Step, exit_code: i32) -> Failure;
}
