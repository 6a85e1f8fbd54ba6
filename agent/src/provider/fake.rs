//! A package manager in memory, for tests of everything around it. It counts what it changed and can be told to fail.

use super::{
    Installable, Installer, Inventory, PlanError, Provider, StageOutcome, Step, UpdateState,
    Verification,
};
use async_trait::async_trait;
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::journal::{ProcessRecord, Purpose};
use netpatch_agent_core::plan::{Change, ContentItem, Plan, PlanItem, Wanted};
use netpatch_agent_core::{Failure, FailureCause, Refusal, Refused};
use netpatch_types::{ComponentKey, Ecosystem, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The host behind the fake: it outlives any agent.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Installed versions.
    pub installed: BTreeMap<String, String>,
    /// Versions that could be installed.
    pub available: BTreeMap<String, String>,
    /// The install ends with this code and leaves its packages broken.
    pub install_code: i32,
    /// The next install or rollback is lost instead of ending.
    pub lose_next: bool,
    /// Staging fails so.
    pub stage_failure: Option<Failure>,
    /// Whether installed versions can be kept.
    pub without_way_back: bool,
    /// How many installs were started.
    pub installs: usize,
    /// How many rollbacks were started.
    pub rollbacks: usize,
    before: BTreeMap<String, String>,
    /// By the run's folder.
    install: BTreeMap<PathBuf, Transaction>,
    rollback: Option<Transaction>,
}

/// A package manager in memory.
#[derive(Clone, Debug, Default)]
pub struct Fake {
    world: Arc<Mutex<World>>,
}

impl Fake {
    /// A host with one package `app`, installed at 1 and available at 2.
    #[must_use]
    pub fn with_one_update() -> Self {
        let fake = Self::default();
        fake.world().installed.insert("app".into(), "1".into());
        fake.world().available.insert("app".into(), "2".into());
        fake
    }

    /// The host.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hash and size of a version's payload.
#[must_use]
pub fn payload(name: &str, version: &str) -> (Sha256, u64) {
    (Sha256::of(format!("{name} {version}").as_bytes()), 100)
}

fn process(purpose: Purpose) -> ProcessRecord {
    ProcessRecord {
        purpose,
        pid: 1,
        start_ticks: 1,
        boot_id: "boot".into(),
    }
}

#[async_trait]
impl Provider for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    async fn detect(&self) -> bool {
        true
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        let world = self.world();
        let components = world.installed.iter().map(|(name, version)| ComponentKey {
            ecosystem: Ecosystem::Deb,
            distribution: "debian".into(),
            release: "bookworm".into(),
            name: name.clone(),
            version: version.clone(),
            arch: "all".into(),
            source: name.clone(),
            source_version: version.clone(),
        });
        Ok(Inventory::whole(components.collect()))
    }
}

#[async_trait]
impl Installer for Fake {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Deb
    }

    async fn arch(&self) -> Result<String, Failure> {
        Ok("amd64".into())
    }

    async fn repositories(&self) -> Result<Vec<String>, Failure> {
        Ok(vec!["http://fake.invalid/debian".into()])
    }

    async fn refresh(&self, _proxy: Option<&str>) -> Result<(), Failure> {
        Ok(())
    }

    async fn installable(&self) -> Result<Vec<Installable>, Failure> {
        let world = self.world();
        let newer = world
            .available
            .iter()
            .filter(|(name, version)| world.installed.get(*name) != Some(version));
        Ok(newer
            .map(|(name, version)| Installable {
                name: name.clone(),
                arch: "all".into(),
                installed_version: world.installed.get(name).cloned().unwrap_or_default(),
                candidate_version: version.clone(),
                source: name.clone(),
                source_version: version.clone(),
                sha256: payload(name, version).0,
                size_bytes: payload(name, version).1,
                origin: "Fake".into(),
                suite: "bookworm-security".into(),
                label: "Fake-Security".into(),
                errata: Vec::new(),
                security: false,
                state: UpdateState::Installable,
                phased_percent: 0,
                section: "misc".into(),
                requires: Vec::new(),
            })
            .collect())
    }

    async fn plan(&self, wanted: &[Wanted]) -> Result<Plan, PlanError> {
        let world = self.world();
        let mut items = Vec::new();
        for item in wanted {
            if world.available.get(&item.name) != Some(&item.version) {
                return Err(Refused::new(Refusal::Superseded, item.name.clone()).into());
            }
            let (sha256, size_bytes) = payload(&item.name, &item.version);
            items.push(PlanItem {
                name: item.name.clone(),
                arch: item.arch.clone(),
                change: Change::Upgrade,
                before: world.installed.get(&item.name).cloned(),
                version: Some(item.version.clone()),
                sha256: Some(sha256),
                size_bytes,
                file_name: format!("{}_{}.deb", item.name, item.version),
            });
        }
        Ok(Plan::new(items))
    }

    async fn stage(
        &self,
        plan: &Plan,
        _folder: &Path,
        _proxy: Option<&str>,
    ) -> Result<StageOutcome, PlanError> {
        let world = self.world();
        if let Some(failure) = &world.stage_failure {
            return Err(failure.clone().into());
        }
        let names = plan.items.iter().map(|item| item.name.clone());
        Ok(StageOutcome {
            without_way_back: if world.without_way_back {
                names.collect()
            } else {
                Vec::new()
            },
        })
    }

    async fn snapshot(&self, _plan: &Plan, _folder: &Path) -> Result<Sha256, Failure> {
        let mut world = self.world();
        world.before = world.installed.clone();
        Ok(Sha256::of(format!("{:?}", world.before).as_bytes()))
    }

    async fn start_install(&self, plan: &Plan, folder: &Path) -> Result<ProcessRecord, Failure> {
        let mut world = self.world();
        world.installs += 1;
        let good = world.install_code == 0;
        for item in &plan.items {
            let version = item
                .version
                .clone()
                .filter(|_| good)
                .unwrap_or_else(|| "broken".into());
            world.installed.insert(item.name.clone(), version);
        }
        let outcome = if world.lose_next {
            Transaction::Lost
        } else {
            Transaction::Ended(world.install_code)
        };
        world.install.insert(folder.to_owned(), outcome);
        world.lose_next = false;
        Ok(process(Purpose::Install))
    }

    async fn start_rollback(
        &self,
        _folder: &Path,
        _attempt: usize,
    ) -> Result<ProcessRecord, Failure> {
        let mut world = self.world();
        world.rollbacks += 1;
        world.rollback = Some(if world.lose_next {
            Transaction::Lost
        } else {
            Transaction::Ended(0)
        });
        if !world.lose_next {
            world.installed = world.before.clone();
        }
        world.lose_next = false;
        Ok(process(Purpose::Rollback))
    }

    async fn transaction(&self, folder: &Path, step: Step) -> Result<Transaction, Failure> {
        let world = self.world();
        let state = match step {
            Step::Install => world.install.get(folder).copied(),
            Step::Rollback(attempt) if attempt == world.rollbacks => world.rollback,
            Step::Rollback(_) => None,
        };
        Ok(state.unwrap_or(Transaction::NotStarted))
    }

    async fn mend(&self, _folder: &Path) -> Result<(), Failure> {
        Ok(())
    }

    async fn verify(
        &self,
        plan: &Plan,
        _content: &[ContentItem],
        _folder: &Path,
    ) -> Result<Verification, Failure> {
        let world = self.world();
        let wrong: Vec<String> = plan
            .items
            .iter()
            .filter(|item| world.installed.get(&item.name) != item.version.as_ref())
            .map(|item| format!("{} is not {:?}", item.name, item.version))
            .collect();
        let failure = (!wrong.is_empty()).then(|| Failure::new(FailureCause::Unknown(None), wrong));
        Ok(Verification {
            failure,
            in_use: Vec::new(),
            audit_clean: true,
            notes: Vec::new(),
        })
    }

    async fn compare(&self, _folder: &Path) -> Result<Vec<String>, Failure> {
        let world = self.world();
        Ok(if world.installed == world.before {
            Vec::new()
        } else {
            vec!["packages differ".into()]
        })
    }

    async fn diagnose(&self, _folder: &Path, _step: Step, exit_code: i32) -> Failure {
        Failure::new(
            FailureCause::MaintainerScriptFailed,
            [format!("exit code {exit_code}")],
        )
    }
}
