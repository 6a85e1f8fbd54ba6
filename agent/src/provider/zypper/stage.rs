//! What zypper downloads, and the transaction of the staged files.
//!
//! The staged files are a repository of their own, the only one that the simulation and the install know: neither can reach a
//! network, nor take any other file.

use super::Zypper;
use super::ask::READ_LIMIT;
use super::index::Offer;
use super::plan::{Changed, exactly, resolved, trial};
use crate::command::CommandLine;
use crate::provider::PlanError;
use crate::provider::files::io_failure;
use crate::provider::rpm::stage::{Downloads, Fetched, Wish, compare_simulation};
use async_trait::async_trait;
use netpatch_agent_core::plan::Plan;
use netpatch_agent_core::{Failure, Refused};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[async_trait]
impl Downloads for Zypper {
    fn cache(&self) -> &'static str {
        "/var/cache/zypp/packages"
    }

    async fn download(
        &self,
        wishes: &[Wish],
        folder: &Path,
        proxy: Option<&str>,
    ) -> Result<Fetched, Failure> {
        let repositories = self.resolved().await?;
        let names = wishes.iter().map(|wish| wish.name.clone()).collect();
        let index = self.index(&repositories, names).await?;
        let mut fetched = Fetched::default();
        let mut offers: BTreeMap<&str, Vec<&Offer>> = BTreeMap::new();
        for wish in wishes {
            let mut fitting = index
                .offers(&wish.name, &wish.arch, &wish.version)
                .filter(|offer| wish.sha256.is_none_or(|sha256| sha256 == offer.sha256));
            match fitting.next() {
                Some(offer) => offers.entry(&offer.repository).or_default().push(offer),
                None => fetched.missing.push(wish.shown()),
            }
        }
        for (alias, offers) in offers {
            let mut words = vec![
                "--pkg-cache-dir".to_owned(),
                self.inside(folder),
                "--no-refresh".into(),
                "download".into(),
                "--all-matches".into(),
                "--repo".into(),
                alias.to_owned(),
            ];
            words.extend(
                offers
                    .iter()
                    .map(|offer| exactly(&offer.name, &offer.arch, &offer.version)),
            );
            let answer = self.fetch(proxy, words).await?;
            fetched.problems.extend(answer.complaints());
            let is_index_signed = repositories
                .iter()
                .any(|repository| repository.alias == alias && repository.is_index_signed);
            let files = answer.stream.all("localfile").into_iter();
            let files = files
                .map(|file| file.attribute("path").to_owned())
                .collect();
            fetched
                .unverified
                .extend(self.unverified(files, is_index_signed).await?);
        }
        Ok(fetched)
    }
}

impl Zypper {
    /// Files without a signature that holds. A package without any is good where a signed index vouches for its hash.
    async fn unverified(
        &self,
        files: Vec<String>,
        is_index_signed: bool,
    ) -> Result<Vec<String>, Failure> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let words = std::iter::once("--checksig".to_owned()).chain(files.iter().cloned());
        let command = CommandLine::new("rpmkeys", words);
        let output = self.runner.run(&command, READ_LIMIT).await?;
        let is_good = |file: &&String| {
            let said = output
                .stdout
                .lines()
                .find_map(|line| line.strip_prefix(file.as_str())?.strip_prefix(": "));
            match said {
                // "digests signatures OK", "digests SIGNATURES NOT OK", "digests OK"
                Some(said) if said.contains("NOT OK") => false,
                Some(said) => {
                    said.ends_with("OK") && (is_index_signed || said.contains("signatures"))
                }
                None => false,
            }
        };
        Ok(files
            .iter()
            .filter(|file| !is_good(file))
            .map(|file| format!("the signature of {file} does not hold, or cannot be checked"))
            .collect())
    }

    /// The repository of the staged files and its caches.
    pub(super) fn staged_places(folder: &Path) -> (PathBuf, PathBuf) {
        (folder.join("repositories"), folder.join("zypper"))
    }

    /// What zypper is told to install: everything but what only others need, so that it knows whom a person wanted.
    pub(super) async fn named(&self, plan: &Plan) -> Result<Vec<String>, Failure> {
        let database = self.rpm.database().await?;
        let named = plan.items.iter().filter_map(|item| {
            let version = item.version.as_deref()?;
            let is_known = !database.versions(&item.name, &item.arch).is_empty();
            is_known.then(|| exactly(&item.name, &item.arch, version))
        });
        Ok(named.collect())
    }

    /// The transaction as it will run, without running it.
    pub(super) async fn simulate_from_files(
        &self,
        plan: &Plan,
        folder: &Path,
    ) -> Result<(), PlanError> {
        if plan.items.is_empty() {
            return Ok(());
        }
        let (repositories, caches) = Self::staged_places(folder);
        std::fs::create_dir_all(&repositories)
            .map_err(|error| io_failure("create", &repositories, &error))?;
        // The agent has checked hash and signature of each file itself.
        let text = format!(
            "[netpatch]\nname=staged by NetPatch\nenabled=1\nautorefresh=0\nkeeppackages=0\ntype=plaindir\nbaseurl=dir://{}\ngpgcheck=0\n",
            self.inside(&folder.join("staged"))
        );
        let place = repositories.join("netpatch.repo");
        crate::state::write_durably(&place, text.as_bytes())
            .map_err(|error| io_failure("write", &place, &error))?;
        let read = ["refresh".to_owned(), "--force".to_owned()];
        self.said(&repositories, &caches, &read, READ_LIMIT)
            .await?
            .good()?;
        let mut words = vec!["--no-refresh".to_owned()];
        words.extend(trial("install"));
        words.extend(self.named(plan).await?);
        let answer = self
            .said(&repositories, &caches, &words, READ_LIMIT)
            .await?;
        let summary = resolved(&answer).map_err(|error| match error {
            // Only staged files are there: what is missing is no other version's fault.
            PlanError::Refused(refused) => PlanError::Refused(Refused::new(
                netpatch_agent_core::Refusal::PlanDiffers,
                format!(
                    "the staged files alone cannot be installed: {}",
                    refused.detail
                ),
            )),
            failed => failed,
        })?;
        summary.check()?;
        let found: BTreeSet<_> = summary.changes.iter().map(Changed::outline).collect();
        compare_simulation(plan, &found)
    }
}
