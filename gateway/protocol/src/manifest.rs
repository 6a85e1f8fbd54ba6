//! Manifests: the set of a host's components, named by the hash of its content, and deltas between them.
//!
//! The hash joins fields with U+001F and ends lines with U+000A, so neither may stand in a field; a manifest that
//! holds one, a duplicate, or another content than its hash says is refused. Which fields may be empty is the component's
//! own rule ([`ComponentKey::check`]): a package of a registry has no distribution, release and architecture.

use crate::session::{Component, Manifest, ManifestDelta};
use netpatch_types::{ComponentKey, Ecosystem, InvalidComponent, Sha256};
use sha2::Digest as _;
use std::collections::BTreeSet;

pub use netpatch_types::MAX_COMPONENTS;

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The components do not have the hash that the message names.
    #[error("manifest has the hash {actual}, not {named} as it says")]
    HashDiffers {
        /// What the message says.
        named: String,
        /// What the components give.
        actual: Sha256,
    },
    /// A field is not as the component's ecosystem wants it.
    #[error("manifest's component {name:?} is refused: {reason}")]
    Field {
        /// The component's name, cut at 80 characters.
        name: String,
        /// Which field, and why.
        reason: InvalidComponent,
    },
    /// A package world that this version does not know.
    #[error("manifest's component {name:?} is of an unknown ecosystem")]
    Ecosystem {
        /// The component's name, cut at 80 characters.
        name: String,
    },
    /// The same component twice, or a delta that adds what is there.
    #[error("manifest has the component {name:?} twice")]
    Duplicate {
        /// The component's name, cut at 80 characters.
        name: String,
    },
    /// A delta that removes what is not there.
    #[error("manifest delta removes the component {name:?}, which the base does not have")]
    NotThere {
        /// The component's name, cut at 80 characters.
        name: String,
    },
    /// A delta on another base than the one at hand.
    #[error("manifest delta is from another base")]
    OtherBase,
    /// Too many components.
    #[error("manifest has more than {MAX_COMPONENTS} components")]
    TooMany,
}

type Fields<'a> = [&'a str; 8];

fn fields(component: &Component) -> Fields<'_> {
    [
        &component.ecosystem,
        &component.distribution,
        &component.release,
        &component.name,
        &component.version,
        &component.arch,
        &component.source,
        &component.source_version,
    ]
}

/// Sort key: (ecosystem, name, arch, version), then everything, so that equal sets have one order.
fn order(component: &Component) -> ([&str; 4], Fields<'_>) {
    (
        [
            &component.ecosystem,
            &component.name,
            &component.arch,
            &component.version,
        ],
        fields(component),
    )
}

/// The name of a set of components, in any order. See `session.proto` for the rule.
#[must_use]
pub fn manifest_hash(components: &[Component]) -> Sha256 {
    let mut sorted: Vec<&Component> = components.iter().collect();
    sorted.sort_by(|left, right| order(left).cmp(&order(right)));
    let mut hasher = sha2::Sha256::new();
    for component in sorted {
        hasher.update(fields(component).join("\u{1f}"));
        hasher.update(b"\n");
    }
    Sha256(hasher.finalize().into())
}

/// A manifest of some components, sorted and named.
#[must_use]
pub fn manifest_of(mut components: Vec<Component>) -> Manifest {
    components.sort_by(|left, right| order(left).cmp(&order(right)));
    Manifest {
        hash: manifest_hash(&components).0.to_vec(),
        components,
    }
}

/// Checks every field and the hash; the components as keys, sorted.
pub fn verify_manifest(manifest: &Manifest) -> Result<(Sha256, Vec<ComponentKey>), ManifestError> {
    let keys = check(&manifest.components)?;
    let hash = named(&manifest.hash, &manifest.components)?;
    Ok((hash, keys))
}

/// Some components as keys, sorted; every field checked, none twice.
pub fn keys_of(components: &[Component]) -> Result<Vec<ComponentKey>, ManifestError> {
    check(components)
}

/// The delta from one set to another.
#[must_use]
pub fn delta_between(base: &[Component], new: &[Component]) -> ManifestDelta {
    let held: BTreeSet<Fields<'_>> = base.iter().map(fields).collect();
    let wanted: BTreeSet<Fields<'_>> = new.iter().map(fields).collect();
    let missing = |all: &[Component], others: &BTreeSet<Fields<'_>>| -> Vec<Component> {
        all.iter()
            .filter(|component| !others.contains(&fields(component)))
            .cloned()
            .collect()
    };
    ManifestDelta {
        base_hash: manifest_hash(base).0.to_vec(),
        hash: manifest_hash(new).0.to_vec(),
        added: missing(new, &held),
        removed: missing(base, &wanted),
    }
}

/// The set that a delta leads to; an error unless it starts at `base` and ends at the hash it names.
pub fn apply_delta(
    base: &[Component],
    delta: &ManifestDelta,
) -> Result<Vec<Component>, ManifestError> {
    if delta.base_hash != manifest_hash(base).0 {
        return Err(ManifestError::OtherBase);
    }
    let removed: BTreeSet<Fields<'_>> = delta.removed.iter().map(fields).collect();
    let held: BTreeSet<Fields<'_>> = base.iter().map(fields).collect();
    if let Some(absent) = delta.removed.iter().find(|c| !held.contains(&fields(c))) {
        return Err(ManifestError::NotThere {
            name: shown(absent),
        });
    }
    let mut components: Vec<Component> = base
        .iter()
        .filter(|component| !removed.contains(&fields(component)))
        .chain(&delta.added)
        .cloned()
        .collect();
    check(&components)?;
    named(&delta.hash, &components)?;
    components.sort_by(|left, right| order(left).cmp(&order(right)));
    Ok(components)
}

fn named(hash: &[u8], components: &[Component]) -> Result<Sha256, ManifestError> {
    let actual = manifest_hash(components);
    if hash == actual.0 {
        Ok(actual)
    } else {
        Err(ManifestError::HashDiffers {
            named: hash.iter().take(32).map(|b| format!("{b:02x}")).collect(),
            actual,
        })
    }
}

fn check(components: &[Component]) -> Result<Vec<ComponentKey>, ManifestError> {
    if components.len() > MAX_COMPONENTS {
        return Err(ManifestError::TooMany);
    }
    let mut seen = BTreeSet::new();
    for component in components {
        if !seen.insert(order(component)) {
            return Err(ManifestError::Duplicate {
                name: shown(component),
            });
        }
    }
    seen.into_iter().map(|(_, fields)| key(fields)).collect()
}

fn key(fields: Fields<'_>) -> Result<ComponentKey, ManifestError> {
    let [
        ecosystem,
        distribution,
        release,
        name,
        version,
        arch,
        source,
        source_version,
    ] = fields;
    let shown = || name.chars().take(80).collect::<String>();
    let ecosystem = Ecosystem::from_word(ecosystem)
        .ok_or_else(|| ManifestError::Ecosystem { name: shown() })?;
    let key = ComponentKey {
        ecosystem,
        distribution: distribution.to_owned(),
        release: release.to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
        arch: arch.to_owned(),
        source: source.to_owned(),
        source_version: source_version.to_owned(),
    };
    match key.check() {
        Ok(()) => Ok(key),
        Err(reason) => Err(ManifestError::Field {
            name: shown(),
            reason,
        }),
    }
}

fn shown(component: &Component) -> String {
    component.name.chars().take(80).collect()
}

impl From<&ComponentKey> for Component {
    fn from(key: &ComponentKey) -> Self {
        Self {
            name: key.name.clone(),
            version: key.version.clone(),
            arch: key.arch.clone(),
            source: key.source.clone(),
            source_version: key.source_version.clone(),
            ecosystem: key.ecosystem.as_str().to_owned(),
            distribution: key.distribution.clone(),
            release: key.release.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn component(name: &str, version: &str) -> Component {
        Component {
            name: name.into(),
            version: version.into(),
            arch: "amd64".into(),
            source: name.into(),
            source_version: version.into(),
            ecosystem: "deb".into(),
            distribution: "debian".into(),
            release: "bookworm".into(),
        }
    }

    fn set() -> impl Strategy<Value = Vec<Component>> {
        prop::collection::btree_map("[a-z]{1,6}", "[0-9]{1,3}", 0..12)
            .prop_map(|set| set.iter().map(|(n, v)| component(n, v)).collect())
    }

    proptest! {
        #[test]
        fn a_delta_leads_from_any_set_to_any_other(base in set(), new in set()) {
            let delta = delta_between(&base, &new);
            let reached = apply_delta(&base, &delta).expect("applies");
            prop_assert_eq!(manifest_hash(&reached), manifest_hash(&new));
        }

        #[test]
        fn the_order_of_the_components_does_not_matter(mut components in set()) {
            let hash = manifest_hash(&components);
            components.reverse();
            prop_assert_eq!(hash, manifest_hash(&components));
            prop_assert!(verify_manifest(&manifest_of(components)).is_ok());
        }
    }

    #[test]
    fn the_hash_is_fixed_by_the_specification() {
        let text = "deb\u{1f}debian\u{1f}bookworm\u{1f}a\u{1f}1\u{1f}amd64\u{1f}a\u{1f}1\n\
                    deb\u{1f}debian\u{1f}bookworm\u{1f}b\u{1f}2\u{1f}amd64\u{1f}b\u{1f}2\n";
        let components = [component("b", "2"), component("a", "1")];
        assert_eq!(manifest_hash(&components), Sha256::of(text.as_bytes()));
    }

    #[test]
    fn wrong_hash_duplicate_control_character_and_ecosystem_are_refused() {
        let mut manifest = manifest_of(vec![component("a", "1")]);
        manifest.hash[0] ^= 1;
        assert!(matches!(
            verify_manifest(&manifest),
            Err(ManifestError::HashDiffers { .. })
        ));
        let refused = |components| verify_manifest(&manifest_of(components)).expect_err("refused");
        assert!(matches!(
            refused(vec![component("a", "1"), component("a", "1")]),
            ManifestError::Duplicate { .. }
        ));
        assert!(matches!(
            refused(vec![component("a\u{1f}b", "1")]),
            ManifestError::Field { .. }
        ));
        assert!(matches!(
            refused(vec![component("a", "")]),
            ManifestError::Field { .. }
        ));
        let other = Component {
            ecosystem: "unheard-of".into(),
            ..component("a", "1")
        };
        assert!(matches!(
            refused(vec![other]),
            ManifestError::Ecosystem { .. }
        ));
    }

    #[test]
    fn a_package_of_a_registry_has_no_place_and_an_os_package_has_one() {
        let of_registry = |ecosystem: &str| Component {
            ecosystem: ecosystem.into(),
            distribution: String::new(),
            release: String::new(),
            arch: String::new(),
            ..component("requests", "2.31.0")
        };
        let text = "pypi\u{1f}\u{1f}\u{1f}requests\u{1f}2.31.0\u{1f}\u{1f}requests\u{1f}2.31.0\n";
        let manifest = manifest_of(vec![of_registry("pypi")]);
        assert_eq!(manifest.hash, Sha256::of(text.as_bytes()).0);
        let (_, keys) = verify_manifest(&manifest).expect("fine");
        assert_eq!(keys[0].purl(), "pkg:pypi/requests@2.31.0");
        assert_eq!(Component::from(&keys[0]), of_registry("pypi"));
        let with_names = |ecosystem: &Ecosystem| *ecosystem != Ecosystem::Windows;
        for ecosystem in Ecosystem::ALL.into_iter().filter(with_names) {
            let word = ecosystem.as_str();
            let without = verify_manifest(&manifest_of(vec![of_registry(word)]));
            let with = verify_manifest(&manifest_of(vec![Component {
                ecosystem: word.into(),
                ..component("requests", "2.31.0")
            }]));
            assert_eq!(without.is_ok(), !ecosystem.is_os(), "{ecosystem}");
            assert_eq!(with.is_ok(), ecosystem.is_os(), "{ecosystem}");
        }
    }

    #[test]
    fn a_million_components_are_refused_before_they_are_looked_at() {
        let many = vec![component("a", "1"); 1_000_000];
        assert_eq!(keys_of(&many), Err(ManifestError::TooMany));
        let manifest = Manifest {
            hash: vec![0; 32],
            components: many,
        };
        let refused = verify_manifest(&manifest).expect_err("refused");
        assert_eq!(refused, ManifestError::TooMany);
        assert!(refused.to_string().contains("more than 50000"), "{refused}");
    }

    #[test]
    fn a_delta_from_another_base_or_to_another_end_is_refused() {
        let (one, two) = (vec![component("a", "1")], vec![component("a", "2")]);
        let mut delta = delta_between(&one, &two);
        assert_eq!(apply_delta(&two, &delta), Err(ManifestError::OtherBase));
        delta.removed.clear();
        assert!(matches!(
            apply_delta(&one, &delta),
            Err(ManifestError::HashDiffers { .. })
        ));
        delta.removed = vec![component("z", "1")];
        assert!(matches!(
            apply_delta(&one, &delta),
            Err(ManifestError::NotThere { .. })
        ));
    }
}
