//! Labels of hosts and selectors over them: department, tier, time zone, tags, and whatever a customer adds.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Labels of a host. Well-known keys: `department`, `tier`, `location`, `owner`, `timezone`, `ring`, `criticality`;
/// a tag `x` is the label `tag:x` with an empty value.
pub type Labels = BTreeMap<String, String>;

/// Hosts whose labels match every term. The empty selector matches every host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selector {
    /// Each key must have one of its values.
    pub any_of: BTreeMap<String, BTreeSet<String>>,
    /// None of these labels may have one of these values.
    pub none_of: BTreeMap<String, BTreeSet<String>>,
}

impl Selector {
    /// Whether the labels match.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let has = |(key, values): (&String, &BTreeSet<String>)| {
            labels.get(key).is_some_and(|value| values.contains(value))
        };
        self.any_of.iter().all(has) && !self.none_of.iter().any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_must_match_and_no_exclusion_may() {
        let labels: Labels = [
            ("tier".into(), "server".into()),
            ("department".into(), "it".into()),
        ]
        .into();
        let mut selector = Selector::default();
        assert!(selector.matches(&labels));
        selector.any_of.insert(
            "tier".into(),
            ["server".to_owned(), "desktop".into()].into(),
        );
        assert!(selector.matches(&labels));
        selector
            .none_of
            .insert("department".into(), ["it".to_owned()].into());
        assert!(!selector.matches(&labels));
    }
}
