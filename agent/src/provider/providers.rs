//! Everybody on one host who knows what is installed: the package manager of the operating system, which also carries
//! out runs, and all others.
//!
//! Each is asked at every scan whether the host has it, so a package manager that was added later is heard too.

use super::apk::Apk;
use super::apt::Apt;
use super::binary::Binaries;
use super::cargo::Cargo;
use super::dnf::Dnf;
use super::flatpak::Flatpak;
use super::image::Images;
use super::macos::MacOs;
use super::npm::Npm;
use super::pacman::Pacman;
use super::pip::Pip;
use super::survey::Survey;
use super::windows::Windows;
use super::zypper::Zypper;
use super::{Installer, Inventory, Provider};
use crate::command::Runner;
use crate::facts::Family;
use netpatch_agent_core::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// What one provider answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who.
    pub name: &'static str,
    /// What is installed, or why nobody can tell.
    pub inventory: Result<Inventory, Failure>,
}

/// The providers of a host.
#[derive(Clone)]
pub struct Providers {
    installer: Arc<dyn Installer>,
    others: Vec<Arc<dyn Provider>>,
}

impl Providers {
    /// An installer and everybody else, in order of importance: what does not fit into a manifest is left out from the
    /// end.
    #[must_use]
    pub fn new(installer: Arc<dyn Installer>, others: Vec<Arc<dyn Provider>>) -> Self {
        Self { installer, others }
    }

    /// The providers that this version knows, for a host reached through the runner. `work` is a folder under its root
    /// that belongs to the agent.
    pub async fn of_host(runner: &Runner, work: &Path) -> Self {
        let apt = Arc::new(Apt::new(runner.clone(), work.join("apt")));
        let dnf = Arc::new(Dnf::new(runner.clone(), work.join("dnf")));
        let zypper = Arc::new(Zypper::new(runner.clone(), work.join("zypper")));
        let pacman = Arc::new(Pacman::new(runner.clone(), work.join("pacman")));
        let apk = Arc::new(Apk::new(runner.clone(), work.join("apk")));
        let systems: Vec<(Family, Arc<dyn Installer>)> = vec![
            (Family::Debian, apt),
            (Family::RedHat, dnf),
            (Family::Suse, zypper),
            (Family::Arch, pacman),
            (Family::Alpine, apk),
        ];
        let family = crate::facts::read(runner.root()).family;
        let installer = chosen(&systems, family).await;
        let survey = Survey::new(runner.root());
        let mut others: Vec<Arc<dyn Provider>> = Vec::new();
        for (_, system) in &systems {
            if system.name() != installer.name() {
                others.push(Arc::clone(system) as Arc<dyn Provider>);
            }
        }
        others.push(Arc::new(Pip::new(survey.clone())));
        others.push(Arc::new(Npm::new(survey.clone())));
        others.push(Arc::new(Cargo::new(survey.clone())));
        others.push(Arc::new(Flatpak::new(runner.root())));
        others.push(Arc::new(Binaries::new(survey, Arc::clone(&installer))));
        others.push(Arc::new(Images::new(runner.root())));
        others.push(Arc::new(Windows::new(runner.clone())));
        others.push(Arc::new(MacOs::new(runner.clone())));
        Self { installer, others }
    }

    /// The one that carries out runs.
    #[must_use]
    pub fn installer(&self) -> &Arc<dyn Installer> {
        &self.installer
    }

    /// Asks everybody whom the host has, the installer first. The installer answers in any case.
    pub async fn ask(&self) -> Vec<Answer> {
        let mut answers = vec![Answer {
            name: self.installer.name(),
            inventory: self.installer.inventory().await,
        }];
        for other in &self.others {
            if other.detect().await {
                answers.push(Answer {
                    name: other.name(),
                    inventory: other.inventory().await,
                });
            }
        }
        answers
    }

    /// The same, but only of the provider of this name, if one is given.
    pub async fn ask_some(&self, name: Option<&str>) -> Vec<Answer> {
        let Some(name) = name else {
            return self.ask().await;
        };
        if self.installer.name() == name {
            let inventory = self.installer.inventory().await;
            return vec![Answer {
                name: self.installer.name(),
                inventory,
            }];
        }
        let mut answers = Vec::new();
        for other in self.others.iter().filter(|other| other.name() == name) {
            answers.push(Answer {
                name: other.name(),
                inventory: other.inventory().await,
            });
        }
        answers
    }

    /// The packages that these files belong to, by file; the installer knows best.
    pub async fn owners(&self, files: &BTreeSet<String>) -> BTreeMap<String, String> {
        let mut owners = self.installer.owners(files).await;
        for other in &self.others {
            for (file, package) in other.owners(files).await {
                owners.entry(file).or_insert(package);
            }
        }
        owners
    }

    /// Files and folders, as the host sees them, whose change means that something was installed or removed.
    #[must_use]
    pub fn watched(&self) -> BTreeSet<String> {
        let others = self.others.iter().flat_map(|other| other.watched());
        self.installer.watched().into_iter().chain(others).collect()
    }
}

/// The package manager of the operating system's family if the host has it, else the first that it has, else the first.
async fn chosen(systems: &[(Family, Arc<dyn Installer>)], family: Family) -> Arc<dyn Installer> {
    let of_family = systems.iter().filter(|(of, _)| *of == family);
    for (_, system) in of_family.chain(systems) {
        if system.detect().await {
            return Arc::clone(system);
        }
    }
    Arc::clone(&systems[0].1)
}
