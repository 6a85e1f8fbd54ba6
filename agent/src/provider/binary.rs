//! Programs that nobody's package manager knows, but that say themselves what they are made of: Go's build information and the
//! list that cargo-auditable leaves in Rust programs.
//!
//! Only candidates of the survey are opened, and those that the system's package manager owns are left out: its advisories speak
//! of them already.

mod elf;
mod golang;
mod rust;

use super::survey::Survey;
use super::tree::Tree;
use super::{Installer, Inventory, Provider, apart, problems};
use async_trait::async_trait;
use elf::Elf;
use netpatch_agent_core::Failure;
use netpatch_types::ComponentKey;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most packages of a host.
const MAX_PACKAGES: usize = 20_000;
/// All programs are looked at within this.
const MAX_TIME: Duration = Duration::from_secs(20);

/// A host's programs with build information.
#[derive(Clone)]
pub(crate) struct Binaries {
    survey: Survey,
    system: Arc<dyn Installer>,
}

/// What each program is made of, and why there may be more.
type Found = (BTreeMap<PathBuf, Vec<ComponentKey>>, Vec<String>);

impl Binaries {
    pub(crate) fn new(survey: Survey, system: Arc<dyn Installer>) -> Self {
        Self { survey, system }
    }

    fn find(survey: &Survey) -> Found {
        let places = survey.places();
        let mut reasons: Vec<String> = places.cut_short.iter().cloned().collect();
        let mut found = BTreeMap::new();
        let began = Instant::now();
        for path in &places.programs {
            if began.elapsed() > MAX_TIME {
                reasons.push(format!("programs took more than {} s", MAX_TIME.as_secs()));
                break;
            }
            let packages = packages(survey.tree(), path);
            if !packages.is_empty() {
                found.insert(path.clone(), packages);
            }
        }
        (found, reasons)
    }
}

/// What a file says it is made of; nothing when it says nothing, or nothing that can be read.
fn packages(tree: &Tree, path: &Path) -> Vec<ComponentKey> {
    let Some(elf) = tree.open(path).ok().and_then(Elf::read) else {
        return Vec::new();
    };
    let mut all = golang::packages(&elf);
    all.extend(rust::packages(&elf));
    all
}

#[async_trait]
impl Provider for Binaries {
    fn name(&self) -> &'static str {
        "binary"
    }

    async fn detect(&self) -> bool {
        let survey = self.survey.clone();
        apart(move || !survey.places().programs.is_empty())
            .await
            .unwrap_or(false)
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        let survey = self.survey.clone();
        let (found, mut reasons) = apart(move || Self::find(&survey)).await?;
        let names = |path: &PathBuf| format!("/{}", path.display());
        let files: BTreeSet<String> = found.keys().map(names).collect();
        let owned = if files.is_empty() {
            BTreeMap::new()
        } else {
            self.system.owners(&files).await
        };
        let components: BTreeSet<ComponentKey> = found
            .into_iter()
            .filter(|(path, _)| !owned.contains_key(&names(path)))
            .flat_map(|(_, packages)| packages)
            .collect();
        if components.len() > MAX_PACKAGES {
            reasons.push(format!("more than {MAX_PACKAGES} packages"));
        }
        Ok(Inventory {
            components: components.into_iter().take(MAX_PACKAGES).collect(),
            cut_short: problems(&reasons),
        })
    }
}
