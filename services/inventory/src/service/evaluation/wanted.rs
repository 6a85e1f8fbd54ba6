//! What applies to the components of a host, and in which of them two manifests differ.

use crate::domain::exposure::Wanted;
use crate::domain::link::{Offers, candidate_version};
use crate::domain::risk::{Place, score_tenths};
use crate::domain::standing::{Siblings, family, standing};
use crate::service::Catalog;
use crate::service::ingest::Components;
use netpatch_inventory_api::{Applicability, Host, InstallableUpdate, RiskWeights};
use netpatch_types::ComponentKey;
use std::collections::{HashMap, HashSet};

/// Where a host stands.
pub(in crate::service) fn place_of(host: &Host) -> Place {
    Place::of(&host.labels).measured(&host.facts.listening, &host.probes)
}

/// The exposures that a host with these components and updates has.
pub(super) fn wanted<'a>(
    catalog: &Catalog,
    place: &Place,
    weights: &RiskWeights,
    siblings: &Siblings<'_>,
    components: impl Iterator<Item = (u32, &'a ComponentKey)>,
    updates: &[InstallableUpdate],
) -> Vec<Wanted> {
    let offers = Offers::of(updates);
    let aliases = catalog.index.aliases();
    let mut all = Vec::new();
    for (number, component) in components {
        let matches = catalog.matches(number, component);
        if matches.hits.is_empty() {
            continue;
        }
        let offered = offers.for_component(component);
        let candidate = offered.and_then(|update| candidate_version(aliases, component, update));
        // What is the same on every host is known; where an update or a sibling counts, the interval is looked at.
        let intervals = if offered.is_some() || siblings.newer(aliases, component).is_some() {
            catalog.intervals(component)
        } else {
            HashMap::new()
        };
        for hit in &matches.hits {
            let Some(known) = catalog.advisory(hit.advisory) else {
                continue;
            };
            let (applicability, is_patch) = match intervals.get(&hit.advisory) {
                Some(interval) => standing(
                    aliases,
                    siblings,
                    component,
                    interval,
                    offered.map(|update| (update, candidate.as_ref())),
                ),
                None if hit.is_open => (Applicability::NoFixYet, false),
                None => (Applicability::Applicable, false),
            };
            all.push(Wanted {
                advisory: hit.advisory,
                component: number,
                name: component.name.clone(),
                arch: component.arch.clone(),
                ecosystem: component.ecosystem,
                source: matches.source.to_string(),
                fixed_version: hit.fixed.as_deref().unwrap_or_default().to_owned(),
                installed_version: matches.version.to_string(),
                rule: matches.rule,
                risk: score_tenths(&known.threat, place, weights),
                severity: known.advisory.severity,
                kev: known.advisory.kev,
                patch: offered.filter(|_| is_patch).map(|update| {
                    crate::service::applicability::patch_of(component, update)
                        .id
                        .0
                }),
                applicability,
                due: None,
            });
        }
    }
    all
}

/// What is wrong with components that cannot be compared; empty when all can.
pub(super) fn problem<'a>(
    catalog: &Catalog,
    components: impl Iterator<Item = (u32, &'a ComponentKey)>,
) -> String {
    let mut odd = components
        .filter(|(number, component)| catalog.matches(*number, component).is_odd)
        .map(|(_, component)| component.name.as_str());
    match odd.next() {
        None => String::new(),
        Some(first) => format!(
            "{} components have a version that cannot be compared, first: {first}",
            1 + odd.count()
        ),
    }
}

pub(super) fn pairs(components: &Components) -> impl Iterator<Item = (u32, &ComponentKey)> {
    components
        .iter()
        .map(|known| (known.number, known.key.as_ref()))
}

/// The newest of what is installed side by side on a host.
pub(super) fn siblings<'a>(
    catalog: &Catalog,
    host: &'a Host,
    components: impl Iterator<Item = (u32, &'a ComponentKey)>,
) -> Siblings<'a> {
    let keys = components.map(|(_, key)| key);
    Siblings::of(catalog.index.aliases(), keys, &host.facts.kernel)
}

/// The packages in which a manifest differs from another, with those that stand beside one of them.
pub(super) struct Scope<'a> {
    names: HashSet<&'a str>,
    families: HashSet<(&'a str, &'a str)>,
}

impl<'a> Scope<'a> {
    pub(super) fn of(before: &'a Components, after: &'a Components) -> Self {
        let numbers =
            |all: &Components| -> HashSet<u32> { all.iter().map(|one| one.number).collect() };
        let (old, new) = (numbers(before), numbers(after));
        let gone = before.iter().filter(|one| !new.contains(&one.number));
        let come = after.iter().filter(|one| !old.contains(&one.number));
        let mut scope = Self {
            names: HashSet::new(),
            families: HashSet::new(),
        };
        for known in gone.chain(come) {
            scope.names.insert(&known.key.name);
            scope.families.extend(family(&known.key));
        }
        scope
    }

    pub(super) fn has(&self, component: &ComponentKey) -> bool {
        self.names.contains(component.name.as_str())
            || family(component).is_some_and(|family| self.families.contains(&family))
    }
}
