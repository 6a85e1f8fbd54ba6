//! Which update that a host was offered closes a finding, and which updates are still to be installed.

use crate::domain::subject::Aliases;
use netpatch_inventory_api::{Applicability, InstallableUpdate, UpdateState};
use netpatch_types::{
    ComponentKey,
    version::{Version, compare},
};
use std::cmp::Ordering;
use std::collections::HashMap;

/// The updates of one host, by binary package.
#[derive(Debug)]
pub struct Offers<'a> {
    by_name: HashMap<&'a str, Vec<&'a InstallableUpdate>>,
}

impl<'a> Offers<'a> {
    /// Of these updates.
    #[must_use]
    pub fn of(updates: &'a [InstallableUpdate]) -> Self {
        let mut by_name: HashMap<&str, Vec<&InstallableUpdate>> = HashMap::new();
        for update in updates {
            by_name.entry(&update.name).or_default().push(update);
        }
        Self { by_name }
    }

    /// The update of a component, if one is offered. A package may change between an architecture and `all`. The host's package
    /// manager offers updates of its own packages only: not of a PyPI package that has the name of one, nor inside an image.
    #[must_use]
    pub fn for_component(&self, component: &ComponentKey) -> Option<&'a InstallableUpdate> {
        if !component.is_of_host() {
            return None;
        }
        let offered = self.by_name.get(component.name.as_str())?;
        offered
            .iter()
            .find(|update| update.arch == component.arch)
            .or_else(|| offered.first())
            .copied()
    }
}

/// The version of an update's candidate as the advisories count; `None` when it cannot be compared.
#[must_use]
pub fn candidate_version(
    aliases: &Aliases,
    component: &ComponentKey,
    update: &InstallableUpdate,
) -> Option<Version> {
    let candidate = ComponentKey {
        version: update.candidate_version.clone(),
        source: update.source.clone(),
        source_version: update.source_version.clone(),
        ..component.clone()
    };
    Version::parse(candidate.ecosystem, aliases.subject(&candidate).version).ok()
}

/// What an update makes of a finding: what can be done, and whether the update is its patch. `closes` says whether the
/// candidate lies behind the vulnerable versions.
#[must_use]
pub fn applicability(closes: bool, state: UpdateState) -> (Applicability, bool) {
    if closes {
        let applicability = Applicability::from(state);
        (applicability, applicability != Applicability::Applicable)
    } else {
        (Applicability::Applicable, false)
    }
}

/// The updates that are still to be installed on a host with these components: of a package that is there, in a lower version.
#[must_use]
pub fn pending(
    updates: Vec<InstallableUpdate>,
    components: &[ComponentKey],
) -> Vec<InstallableUpdate> {
    let mut installed: HashMap<&str, Vec<&ComponentKey>> = HashMap::new();
    for component in components.iter().filter(|component| component.is_of_host()) {
        installed
            .entry(&component.name)
            .or_default()
            .push(component);
    }
    let is_pending = |update: &InstallableUpdate| {
        let all = installed.get(update.name.as_str());
        let all = all.into_iter().flatten().copied();
        pending_update(all, &update.arch, &update.candidate_version)
    };
    updates.into_iter().filter(is_pending).collect()
}

/// Whether an update to `candidate` is still to be installed where these components of its name are.
#[must_use]
pub fn pending_update<'a>(
    components: impl Iterator<Item = &'a ComponentKey>,
    arch: &str,
    candidate: &str,
) -> bool {
    let is_lower = |component: &&ComponentKey| {
        compare(component.ecosystem, &component.version, candidate) == Ok(Ordering::Less)
    };
    let all: Vec<&ComponentKey> = components.collect();
    let mut exact = all
        .iter()
        .filter(|component| component.arch == arch)
        .peekable();
    // Kernels of rpm stand side by side: one that is new enough is enough.
    if exact.peek().is_some() {
        exact.all(is_lower)
    } else {
        all.first().is_some_and(is_lower)
    }
}

/// The word stored in the database.
#[must_use]
pub fn applicability_word(applicability: Applicability) -> &'static str {
    match applicability {
        Applicability::Applicable => "applicable",
        Applicability::Installable => "installable",
        Applicability::Phased => "phased",
        Applicability::Held => "held",
        Applicability::NoFixYet => "no_fix_yet",
        Applicability::PendingReboot => "pending_reboot",
        Applicability::Superseded => "superseded",
    }
}

/// Reads the word of [`applicability_word`]; anything else is only applicable.
#[must_use]
pub fn applicability_of(word: &str) -> Applicability {
    [
        Applicability::Installable,
        Applicability::Phased,
        Applicability::Held,
        Applicability::NoFixYet,
        Applicability::PendingReboot,
        Applicability::Superseded,
    ]
    .into_iter()
    .find(|applicability| applicability_word(*applicability) == word)
    .unwrap_or(Applicability::Applicable)
}

/// The word stored in the database.
#[must_use]
pub fn state_word(state: UpdateState) -> &'static str {
    match state {
        UpdateState::Installable => "installable",
        UpdateState::Held => "held",
        UpdateState::Phased => "phased",
        UpdateState::KeptBack => "kept_back",
    }
}

/// Reads the word of [`state_word`]; anything else is kept back, which installs nothing.
#[must_use]
pub fn state_of(word: &str) -> UpdateState {
    [
        UpdateState::Installable,
        UpdateState::Held,
        UpdateState::Phased,
    ]
    .into_iter()
    .find(|state| state_word(*state) == word)
    .unwrap_or(UpdateState::KeptBack)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::{Ecosystem, Sha256};

    fn component(version: &str) -> ComponentKey {
        ComponentKey {
            ecosystem: Ecosystem::Deb,
            distribution: "debian".into(),
            release: "bookworm".into(),
            name: "a".into(),
            version: version.into(),
            arch: "amd64".into(),
            source: "s".into(),
            source_version: version.into(),
        }
    }

    fn update(candidate: &str) -> InstallableUpdate {
        InstallableUpdate {
            name: "a".into(),
            arch: "amd64".into(),
            installed_version: "1".into(),
            candidate_version: candidate.into(),
            source: "s".into(),
            source_version: candidate.into(),
            sha256: Sha256::default(),
            size_bytes: 1,
            origin: String::new(),
            suite: String::new(),
            label: String::new(),
            state: UpdateState::Installable,
            phased_percent: 0,
            section: String::new(),
            requires: Vec::new(),
            ecosystem: netpatch_types::Ecosystem::Deb,
            errata: Vec::new(),
            security: false,
        }
    }

    #[test]
    fn an_update_fixes_what_its_source_version_reaches() {
        let updates = [update("3")];
        let offers = Offers::of(&updates);
        let offered = offers.for_component(&component("1")).expect("offered");
        let candidate = candidate_version(&Aliases::default(), &component("1"), offered);
        let fixed = |text: &str| Version::parse(Ecosystem::Deb, text).expect("version");
        let with = |state, text: &str| {
            applicability(
                candidate.as_ref().is_some_and(|one| *one >= fixed(text)),
                state,
            )
        };
        assert_eq!(
            with(UpdateState::Installable, "3"),
            (Applicability::Installable, true)
        );
        assert_eq!(
            with(UpdateState::Installable, "4"),
            (Applicability::Applicable, false)
        );
        assert_eq!(with(UpdateState::Held, "2"), (Applicability::Held, true));
        assert_eq!(
            with(UpdateState::KeptBack, "2"),
            (Applicability::Applicable, false)
        );
    }

    #[test]
    fn what_is_installed_is_not_pending() {
        assert_eq!(pending(vec![update("3")], &[component("1")]).len(), 1);
        assert!(pending(vec![update("3")], &[component("3")]).is_empty());
        assert!(pending(vec![update("3")], &[]).is_empty());
    }

    #[test]
    fn updates_are_of_the_hosts_own_packages_only() {
        let updates = [update("3")];
        let offers = Offers::of(&updates);
        let of_registry = ComponentKey::of_registry(Ecosystem::Pypi, "a", "1");
        let inside = ComponentKey {
            arch: format!("amd64@sha256:{}", "0".repeat(64)),
            ..component("1")
        };
        for other in [of_registry, inside] {
            assert!(offers.for_component(&other).is_none(), "{other:?}");
            assert!(pending(vec![update("3")], std::slice::from_ref(&other)).is_empty());
            // The host's own is new already; the other stays old and keeps nothing pending.
            assert!(pending(vec![update("3")], &[other, component("3")]).is_empty());
        }
    }

    #[test]
    fn words_survive_storage() {
        for state in [
            UpdateState::Installable,
            UpdateState::Held,
            UpdateState::Phased,
            UpdateState::KeptBack,
        ] {
            assert_eq!(state_of(state_word(state)), state);
            let applicability = Applicability::from(state);
            assert_eq!(
                applicability_of(applicability_word(applicability)),
                applicability
            );
        }
        for applicability in [
            Applicability::NoFixYet,
            Applicability::PendingReboot,
            Applicability::Superseded,
        ] {
            assert_eq!(
                applicability_of(applicability_word(applicability)),
                applicability
            );
        }
    }
}
