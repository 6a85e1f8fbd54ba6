//! One inventory from many answers.
//!
//! Invariant: a provider that cannot answer, or not completely, takes nothing away. What it said last is kept until it
//! answers again, because the platform would read a missing component as a removal and close its findings.

use super::providers::Answer;
use netpatch_protocol::session::Component;
use netpatch_types::ComponentKey;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most components of a host; the platform takes no more.
pub use netpatch_types::MAX_COMPONENTS;
/// Most bytes of all components on the wire: half of what the platform takes in parts.
pub const MAX_BYTES: usize = 8 << 20;

/// What each provider said last, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Known(BTreeMap<String, BTreeSet<ComponentKey>>);

/// One provider's part in a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The provider.
    pub name: String,
    /// How many components of it are in the inventory.
    pub components: usize,
    /// Why it is not all that is there; empty when it is.
    pub problem: String,
}

impl Known {
    /// Takes new answers in order of importance; whoever has not answered is not on the host any more.
    #[must_use]
    pub fn after(&self, answers: Vec<Answer>) -> (Self, Vec<Part>) {
        let mut next = BTreeMap::new();
        let mut parts = Vec::new();
        let mut all: BTreeSet<ComponentKey> = BTreeSet::new();
        let mut bytes = 0;
        for Answer { name, inventory } in answers {
            let before = self.0.get(name).cloned().unwrap_or_default();
            let (mut components, mut problem) = match inventory {
                Ok(inventory) => {
                    let mut found: BTreeSet<_> = inventory.components.into_iter().collect();
                    if inventory.cut_short.is_some() {
                        found.extend(before);
                    }
                    (found, inventory.cut_short.unwrap_or_default())
                }
                Err(failure) => (before, failure.to_string()),
            };
            let found = components.len();
            components.retain(is_reportable);
            if components.len() < found {
                let odd = found - components.len();
                problem = format!("{odd} components have fields that cannot be sent. {problem}")
                    .trim_end()
                    .to_owned();
            }
            let new: Vec<_> = components.difference(&all).collect();
            let count = all.len() + new.len();
            let size: usize = new.iter().map(|key| wire_bytes(key)).sum();
            if count > MAX_COMPONENTS || bytes + size > MAX_BYTES {
                problem = format!("its {} components do not fit", components.len());
                components.clear();
            } else {
                bytes += size;
                all.extend(components.iter().cloned());
            }
            parts.push(Part {
                name: name.to_owned(),
                components: components.len(),
                problem,
            });
            next.insert(name.to_owned(), components);
        }
        (Self(next), parts)
    }

    /// The same with a provider's components replaced.
    #[must_use]
    pub fn with(mut self, name: &str, components: Vec<ComponentKey>) -> Self {
        self.0
            .insert(name.to_owned(), components.into_iter().collect());
        self
    }

    /// All components, sorted, each once.
    #[must_use]
    pub fn components(&self) -> Vec<ComponentKey> {
        let all: BTreeSet<&ComponentKey> = self.0.values().flatten().collect();
        all.into_iter().cloned().collect()
    }

    /// Whether nothing was ever said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.values().all(BTreeSet::is_empty)
    }
}

/// One component that the platform refuses would cost the whole manifest.
fn is_reportable(key: &ComponentKey) -> bool {
    key.check().is_ok()
}

/// With the key and length that a repeated field puts before it.
fn wire_bytes(key: &ComponentKey) -> usize {
    Component::from(key).encoded_len() + 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Inventory;
    use netpatch_agent_core::{Failure, FailureCause};
    use netpatch_types::Ecosystem;

    fn key(name: &str) -> ComponentKey {
        ComponentKey {
            ecosystem: Ecosystem::Deb,
            distribution: "debian".into(),
            release: "bookworm".into(),
            name: name.into(),
            version: "1".into(),
            arch: "all".into(),
            source: name.into(),
            source_version: "1".into(),
        }
    }

    fn says(name: &'static str, names: &[&str]) -> Answer {
        Answer {
            name,
            inventory: Ok(Inventory::whole(
                names.iter().map(|name| key(name)).collect(),
            )),
        }
    }

    fn broken(name: &'static str) -> Answer {
        Answer {
            name,
            inventory: Err(Failure::new(
                FailureCause::PackageManagerLocked,
                ["the database is locked"],
            )),
        }
    }

    fn names(known: &Known) -> Vec<String> {
        known.components().into_iter().map(|key| key.name).collect()
    }

    #[test]
    fn a_broken_provider_takes_nothing_away_and_is_named() {
        let (known, parts) = Known::default().after(vec![says("apt", &["a"]), says("pip", &["p"])]);
        assert_eq!(names(&known), ["a", "p"]);
        assert!(parts.iter().all(|part| part.problem.is_empty()));
        let (known, parts) = known.after(vec![broken("apt"), says("pip", &["p", "q"])]);
        assert_eq!(names(&known), ["a", "p", "q"]);
        assert!(parts[0].problem.contains("locked") && parts[0].components == 1);
        let (known, _) = known.after(vec![says("apt", &["b"]), says("pip", &[])]);
        assert_eq!(names(&known), ["b"]);
    }

    #[test]
    fn a_walk_that_was_cut_short_only_adds() {
        let (known, _) = Known::default().after(vec![says("pip", &["a", "b"])]);
        let mut short = says("pip", &["b", "c"]);
        if let Ok(inventory) = &mut short.inventory {
            inventory.cut_short = Some("time is over".into());
        }
        let (known, parts) = known.after(vec![short]);
        assert_eq!(names(&known), ["a", "b", "c"]);
        assert_eq!(parts[0].problem, "time is over");
    }

    #[test]
    fn a_provider_that_is_gone_takes_its_components_with_it() {
        let (known, _) = Known::default().after(vec![says("apt", &["a"]), says("npm", &["n"])]);
        let (known, parts) = known.after(vec![says("apt", &["a"])]);
        assert_eq!(names(&known), ["a"]);
        assert_eq!(parts.len(), 1);
    }

    #[test]
    fn the_least_important_is_left_out_when_all_do_not_fit() {
        let many: Vec<String> = (0..MAX_COMPONENTS).map(|n| format!("n{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let (known, parts) = Known::default().after(vec![
            says("apt", &["a"]),
            says("npm", &many),
            says("pip", &["p"]),
        ]);
        assert_eq!(names(&known), ["a", "p"]);
        assert!(parts[1].problem.contains("do not fit"), "{parts:?}");
        let long: Vec<String> = (0..15_000).map(|n| format!("{n:0>400}")).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        let (known, _) = Known::default().after(vec![says("npm", &long)]);
        assert!(known.is_empty());
    }

    #[test]
    fn a_hostile_name_costs_only_itself() {
        let long = "x".repeat(513);
        let (known, parts) =
            Known::default().after(vec![says("npm", &["good", "", "a\u{1f}b", "c\n", &long])]);
        assert_eq!(names(&known), ["good"]);
        assert!(parts[0].problem.starts_with("4 components"), "{parts:?}");
    }

    #[test]
    fn what_is_known_survives_a_restart() {
        let (known, _) = Known::default().after(vec![says("apt", &["a"])]);
        let json = serde_json::to_vec(&known).expect("json");
        assert_eq!(
            serde_json::from_slice::<Known>(&json).expect("known"),
            known
        );
    }
}
