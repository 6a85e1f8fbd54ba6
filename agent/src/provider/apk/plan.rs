//! What could be installed, and the plan of a transaction: apk's own answer to "upgrade these".

use super::Apk;
use super::ahead::by_source;
use super::ask::{Offered, Target};
use super::database::Installed;
use crate::provider::{Installable, PlanError, UpdateState};
use netpatch_agent_core::plan::{Change, Plan, PlanItem, Wanted};
use netpatch_agent_core::{Failure, FailureCause, Refusal, Refused};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// What a person asked apk for, as the host sees it.
pub(super) const WORLD: &str = "/etc/apk/world";

/// Where a version comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Origin {
    /// The repository's path, e.g. `alpine/v3.19/main`.
    path: String,
    /// The release in it, e.g. `v3.19`; empty when it names none.
    release: String,
    /// Its whole address.
    url: String,
}

impl Origin {
    fn of(url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path = rest.split_once('/').map_or(rest, |(_, path)| path);
        let is_release = |part: &&str| {
            *part == "edge"
                || part
                    .strip_prefix('v')
                    .is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit()))
        };
        Self {
            path: path.to_owned(),
            release: path.split('/').find(is_release).unwrap_or("").to_owned(),
            url: url.to_owned(),
        }
    }
}

impl Apk {
    /// Names that a person bound to versions: `name=1.0-r0`, `name<2`, `name~1`, `name><hash`, with or without a tag.
    fn held(&self) -> BTreeSet<String> {
        let world = fs::read_to_string(self.runner.outside(WORLD)).unwrap_or_default();
        let bound = world.split_whitespace().filter_map(|word| {
            let at = word.find(['=', '<', '>', '~'])?;
            let name = &word[..at];
            Some(
                name.split_once('@')
                    .map_or(name, |(name, _)| name)
                    .to_owned(),
            )
        });
        bound.collect()
    }

    /// The first repository of each name's version.
    async fn origins(
        &self,
        newer: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Origin>, Failure> {
        let words = ["policy", "--"].map(str::to_owned).into_iter();
        let output = self.ask(words.chain(newer.keys().cloned())).await?;
        let repositories = self.configured();
        let mut origins = BTreeMap::new();
        for (name, url) in policy(&output.stdout, newer) {
            let origin = Origin::of(&repositories.as_configured(url));
            origins.entry(name.to_owned()).or_insert(origin);
        }
        Ok(origins)
    }

    pub(super) async fn find_installable(&self) -> Result<Vec<Installable>, Failure> {
        let (local, offered) = (self.installed()?, self.offered().await?);
        let newer = self.newer(&local).await?;
        if newer.is_empty() {
            return Ok(Vec::new());
        }
        let (held, origins) = (self.held(), self.origins(&newer).await?);
        let mut updates = Vec::new();
        for names in by_source(&local, &offered, &newer) {
            let targets = self.targets(&names).await?;
            for name in &names {
                let version = &newer[name];
                let Some((found, package)) = offered
                    .get(&(name.clone(), version.clone()))
                    .zip(local.get(name))
                else {
                    continue;
                };
                let Some(sha256) = found.file_name().and_then(|file| self.known_hash(&file)) else {
                    tracing::debug!(name, version, "was not fetched ahead: its hash is unknown");
                    continue;
                };
                let comes = targets.as_ref().is_ok_and(|targets| {
                    let same = |one: &&Target| one.name == *name;
                    let found = targets.iter().find(same);
                    found.is_some_and(|one| one.version.as_ref() == Some(version))
                });
                let state = match comes {
                    true => UpdateState::Installable,
                    false if held.contains(name) => UpdateState::Held,
                    false => UpdateState::KeptBack,
                };
                let others = targets.iter().flatten();
                let others = others.filter(|target| comes && !names.contains(&target.name));
                let requires: Result<Vec<_>, Failure> = others
                    .map(|target| self.item(target, &local, &offered))
                    .collect();
                let Ok(requires) = requires else {
                    tracing::debug!(name, version, "brings what was not fetched ahead");
                    continue;
                };
                let origin = origins.get(name).cloned().unwrap_or_default();
                updates.push(Installable {
                    name: name.clone(),
                    arch: package.arch.clone(),
                    installed_version: package.version.clone(),
                    candidate_version: version.clone(),
                    source: found.origin.clone(),
                    source_version: version.clone(),
                    sha256,
                    size_bytes: found.size_bytes,
                    origin: origin.path,
                    suite: origin.release,
                    label: origin.url,
                    errata: Vec::new(),
                    security: false,
                    state,
                    phased_percent: 0,
                    section: String::new(),
                    requires,
                });
            }
        }
        updates.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(updates)
    }

    pub(super) async fn make_plan(&self, wanted: &[Wanted]) -> Result<Plan, PlanError> {
        if wanted.is_empty() {
            return Ok(Plan::default());
        }
        let (local, offered) = (self.installed()?, self.offered().await?);
        let newer = self.newer(&local).await?;
        for item in wanted {
            let found = newer.get(&item.name).map(String::as_str);
            if found != Some(item.version.as_str()) {
                let offers = found.unwrap_or("nothing newer");
                let detail = format!(
                    "{} {} is not offered, but {offers}",
                    item.name, item.version
                );
                return Err(Refused::new(Refusal::Superseded, detail).into());
            }
        }
        let names: Vec<String> = wanted.iter().map(|item| item.name.clone()).collect();
        let targets = self.targets(&names).await??;
        for item in wanted {
            if targets.iter().any(|target| target.name == item.name) {
                continue;
            }
            if self.held().contains(&item.name) {
                let detail = format!("{} is bound to a version in {WORLD}", item.name);
                return Err(Refused::new(Refusal::Hold, detail).into());
            }
            let line = format!("apk would not upgrade {} to {}", item.name, item.version);
            return Err(Failure::new(FailureCause::DependencyUnsatisfiable, [line]).into());
        }
        let items: Result<Vec<PlanItem>, Failure> = targets
            .iter()
            .map(|target| self.item(target, &local, &offered))
            .collect();
        Ok(Plan::new(items?))
    }

    /// A plan's item from what apk would do and what was fetched ahead.
    fn item(
        &self,
        target: &Target,
        local: &Installed,
        offered: &Offered,
    ) -> Result<PlanItem, Failure> {
        let odd = |what: &str| {
            let line = format!("{what} {}: refresh the indices", target.name);
            Failure::new(FailureCause::SignatureInvalid, [line])
        };
        let name = target.name.clone();
        let before = local.get(&name);
        let Some(version) = &target.version else {
            let package = before.ok_or_else(|| odd("apk would remove what is not there,"))?;
            return Ok(PlanItem {
                name,
                arch: package.arch.clone(),
                change: Change::Remove,
                before: Some(package.version.clone()),
                version: None,
                sha256: None,
                size_bytes: 0,
                file_name: String::new(),
            });
        };
        let found = offered.get(&(name.clone(), version.clone()));
        let found = found.ok_or_else(|| odd("no index names"))?;
        let file_name = found
            .file_name()
            .ok_or_else(|| odd("no index identifies"))?;
        let sha256 = self.known_hash(&file_name);
        Ok(PlanItem {
            arch: before.map_or(&found.arch, |package| &package.arch).clone(),
            change: match before {
                Some(_) => Change::Upgrade,
                None => Change::Install,
            },
            before: before.map(|package| package.version.clone()),
            version: Some(version.clone()),
            sha256: Some(sha256.ok_or_else(|| odd("nobody knows the hash of"))?),
            size_bytes: found.size_bytes,
            file_name,
            name,
        })
    }
}

/// Names with the addresses of their newer versions:
/// `name policy:`, two spaces and `version:`, four spaces and an address or a path, perhaps after a tag.
fn policy<'a>(text: &'a str, newer: &BTreeMap<String, String>) -> Vec<(&'a str, &'a str)> {
    let (mut name, mut is_newer) = ("", false);
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(word) = line.strip_suffix(" policy:") {
            (name, is_newer) = (word, false);
        } else if let Some(place) = line.strip_prefix("    ") {
            let place = place.split_whitespace().last().unwrap_or_default();
            if is_newer && !place.is_empty() {
                found.push((name, place));
            }
        } else if let Some(version) = line.strip_prefix("  ") {
            let version = version.trim_end_matches(':');
            is_newer = newer.get(name).is_some_and(|newer| newer == version);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_the_newer_version_is_told() {
        let text = "np-good policy:\n  1.0-r0:\n    lib/apk/db/installed\n    http://a.invalid/alpine/v3.19/main\n  2.0-r0:\n    @edge http://a.invalid/alpine/edge/main\n    http://b.invalid/x\nnp-other policy:\n  2.0-r0:\n    http://c.invalid/x\n";
        let newer = BTreeMap::from([("np-good".to_owned(), "2.0-r0".to_owned())]);
        assert_eq!(
            policy(text, &newer),
            [
                ("np-good", "http://a.invalid/alpine/edge/main"),
                ("np-good", "http://b.invalid/x"),
            ]
        );
        let origin = Origin::of("https://a.invalid/alpine/v3.19/main");
        assert_eq!(
            (origin.path.as_str(), origin.release.as_str()),
            ("alpine/v3.19/main", "v3.19")
        );
        assert_eq!(Origin::of("/media/cdrom/apks").release, "");
    }
}
