//! Newer versions of what is installed, with the vendor's errata from updateinfo.
//!
//! zypper's `list-updates --all` names the candidates, its dry `update` those that it would take. What a person locked is held; what
//! comes from another vendor, cannot be resolved or was taken back is kept back.

use super::Zypper;
use super::index::Index;
use super::plan::{Summary, exactly, resolved, trial};
use super::repositories::Repository;
use crate::provider::{Installable, Located, PlanError, UpdateState};
use netpatch_agent_core::Failure;
use netpatch_agent_core::plan::PlanItem;
use std::collections::{BTreeMap, BTreeSet};

/// Most sources of which each is asked what it brings; a question costs zypper about as much as a start.
const MAX_ALONE: usize = 250;

/// `name`, `arch`, `version`.
type Exact = (String, String, String);

impl Zypper {
    pub(super) async fn find_installable(&self) -> Result<Vec<Installable>, Failure> {
        let repositories = self.resolved().await?;
        if repositories.is_empty() {
            return Ok(Vec::new());
        }
        let listed = self.ask(["list-updates", "--all"]).await?.good()?;
        let candidates: Vec<(Exact, String)> = listed
            .stream
            .all("update")
            .into_iter()
            .filter(|update| update.attribute("kind") == "package")
            .map(|update| {
                let text = |name: &str| update.attribute(name).to_owned();
                (
                    (text("name"), text("arch"), text("edition")),
                    text("edition-old"),
                )
            })
            .filter(|(_, installed)| !installed.is_empty())
            .collect();
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.ask(trial("update")).await?;
        let all = resolved(&all).map_err(failure)?;
        let locked = self.locked().await?;
        let mut names: BTreeSet<String> = candidates.iter().map(|(one, _)| one.0.clone()).collect();
        names.extend(all.names());
        let index = self.index(&repositories, names).await?;
        let state = |exact: &Exact, installed: &str| {
            let (name, arch, version) = exact;
            let is_locked =
                |version: &str| locked.contains(&(name.clone(), arch.clone(), version.to_owned()));
            let is_chosen = all.changes.iter().any(|one| {
                (&one.name, &one.arch, one.version.as_ref()) == (name, arch, Some(version))
            });
            if is_locked(version) || is_locked(installed) {
                UpdateState::Held
            } else if is_chosen
                && !index.is_retracted(name, arch, version)
                && !all.vendors.contains(&format!("{name}.{arch}"))
            {
                UpdateState::Installable
            } else {
                UpdateState::KeptBack
            }
        };
        let mut updates: Vec<Installable> = candidates
            .iter()
            .filter_map(|(exact, installed)| {
                let state = state(exact, installed);
                update(exact, installed, state, &index, &repositories)
            })
            .collect();
        self.attribute(&mut updates, &all, &repositories).await?;
        Ok(updates)
    }

    /// Where what a full update brings would be fetched.
    pub(super) async fn find_sources(&self) -> Result<Vec<Located>, Failure> {
        let repositories = self.resolved().await?;
        if repositories.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.ask(trial("update")).await?;
        let all = resolved(&all).map_err(failure)?;
        let index = self.index(&repositories, all.names()).await?;
        let base = |alias: &str| {
            let repository = repositories.iter().find(|one| one.alias == alias)?;
            Some(repository.web().next()?.trim_end_matches('/').to_owned())
        };
        let located = all.changes.iter().filter_map(|change| {
            let version = change.version.as_deref()?;
            let offer = index.offers(&change.name, &change.arch, version).next()?;
            let location = offer.location.trim_start_matches('/');
            let base = base(&offer.repository).filter(|_| !location.is_empty())?;
            Some(Located {
                sha256: offer.sha256,
                url: format!("{base}/{location}"),
            })
        });
        Ok(located.collect())
    }

    /// What a person locked, exactly.
    async fn locked(&self) -> Result<BTreeSet<Exact>, Failure> {
        let answer = self.ask(["locks", "--solvables"]).await?.good()?;
        let matches = answer.stream.all("match").into_iter();
        Ok(matches
            .filter(|one| one.attribute("kind") == "package")
            .map(|one| {
                let text = |name: &str| one.attribute(name).to_owned();
                (text("name"), text("arch"), text("edition"))
            })
            .collect())
    }

    /// Which other packages one source's updates bring.
    async fn attribute(
        &self,
        updates: &mut [Installable],
        all: &Summary,
        repositories: &[Repository],
    ) -> Result<(), Failure> {
        let mut groups: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        for (at, update) in updates.iter().enumerate() {
            if update.state == UpdateState::Installable {
                let source = (update.source.clone(), update.source_version.clone());
                groups.entry(source).or_default().push(at);
            }
        }
        let chosen: usize = groups.values().map(Vec::len).sum();
        if groups.len() == 1 && chosen == all.changes.len() {
            return Ok(());
        }
        if groups.len() > MAX_ALONE {
            tracing::warn!(
                sources = groups.len(),
                most = MAX_ALONE,
                "more sources have updates than are asked what they bring"
            );
        }
        for group in groups.values().take(MAX_ALONE) {
            let own: BTreeSet<(String, String)> = group
                .iter()
                .map(|at| (updates[*at].name.clone(), updates[*at].arch.clone()))
                .collect();
            let mut words = trial("install");
            words.extend(group.iter().map(|at| {
                let update = &updates[*at];
                exactly(&update.name, &update.arch, &update.candidate_version)
            }));
            let Ok(summary) = resolved(&self.ask(words).await?) else {
                continue;
            };
            if summary.check().is_err() {
                continue;
            }
            let others: Vec<_> = summary
                .changes
                .iter()
                .filter(|one| !own.contains(&(one.name.clone(), one.arch.clone())))
                .collect();
            if others.is_empty() {
                continue;
            }
            let names = others.iter().map(|one| one.name.clone()).collect();
            let index = self.index(repositories, names).await?;
            let brings: Result<Vec<PlanItem>, PlanError> = others
                .into_iter()
                .map(|one| one.planned(&index, repositories))
                .collect();
            let Ok(brings) = brings else { continue };
            for at in group {
                updates[*at].requires.clone_from(&brings);
            }
        }
        Ok(())
    }
}

/// `None` for a package whose index names no SHA-256: it could never be staged.
fn update(
    exact: &Exact,
    installed: &str,
    state: UpdateState,
    index: &Index,
    repositories: &[Repository],
) -> Option<Installable> {
    let (name, arch, version) = exact;
    let offer = index.offers(name, arch, version).next()?;
    let repository = repositories
        .iter()
        .find(|one| one.alias == offer.repository);
    let (errata, security) = index.errata(name, arch, installed, version);
    Some(Installable {
        name: name.clone(),
        arch: arch.clone(),
        installed_version: installed.to_owned(),
        candidate_version: version.clone(),
        source: offer.source.clone(),
        source_version: offer.source_version.clone(),
        sha256: offer.sha256,
        size_bytes: offer.size_bytes,
        origin: offer.repository.clone(),
        suite: offer.repository.clone(),
        label: repository.map_or_else(String::new, |repository| repository.name.clone()),
        errata,
        security,
        state,
        phased_percent: 0,
        section: offer.group.clone(),
        requires: Vec::new(),
    })
}

fn failure(error: PlanError) -> Failure {
    match error {
        PlanError::Failed(failure) => failure,
        PlanError::Refused(refused) => Failure::new(
            netpatch_agent_core::FailureCause::DependencyUnsatisfiable,
            [refused.to_string()],
        ),
    }
}
