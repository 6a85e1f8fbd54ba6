//! Manifests: the set of components of a host, named by the hash of its content.
//!
//! The rule of the name is the one of the agent protocol (`session.proto`): SHA-256 over the components sorted by
//! (ecosystem, name, arch, version), each as its eight fields (ecosystem, distribution, release, name, version, arch,
//! source, source version) joined with U+001F and ended with U+000A. So no field may hold a control character. Which may be
//! empty is the component's own rule ([`ComponentKey::check`]): a package of a registry has no distribution, release and
//! architecture.

use netpatch_types::{ComponentKey, InvalidComponent, Sha256};
use sha2::Digest as _;
use std::collections::BTreeSet;

pub use netpatch_types::MAX_COMPONENTS;

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestRefused {
    /// The components do not have the hash that the report names.
    #[error("manifest has the hash {actual}, not {named} as the report says")]
    HashDiffers {
        /// What the report says.
        named: Sha256,
        /// What the components give.
        actual: Sha256,
    },
    /// A field is not as the component's ecosystem wants it.
    #[error("component {name:?} is refused: {reason}")]
    Field {
        /// The component's name, cut at 80 characters.
        name: String,
        /// Which field, and why.
        reason: InvalidComponent,
    },
    /// The same component twice, or a delta that adds what is there.
    #[error("component {name:?} is there twice")]
    Duplicate {
        /// The component's name, cut at 80 characters.
        name: String,
    },
    /// A delta that removes what is not there.
    #[error("the change removes the component {name:?}, which the base does not have")]
    NotThere {
        /// The component's name, cut at 80 characters.
        name: String,
    },
    /// Too many components.
    #[error("manifest has more than {MAX_COMPONENTS} components")]
    TooMany,
}

fn fields(key: &ComponentKey) -> [&str; 8] {
    [
        key.ecosystem.as_str(),
        &key.distribution,
        &key.release,
        &key.name,
        &key.version,
        &key.arch,
        &key.source,
        &key.source_version,
    ]
}

fn order(key: &ComponentKey) -> ([&str; 4], [&str; 8]) {
    (
        [key.ecosystem.as_str(), &key.name, &key.arch, &key.version],
        fields(key),
    )
}

/// A component's eight fields as one text: the natural key of the catalog.
#[must_use]
pub fn natural_key(key: &ComponentKey) -> String {
    fields(key).join("\u{1f}")
}

/// The name of a set of components, in any order.
#[must_use]
pub fn manifest_hash<'a>(components: impl IntoIterator<Item = &'a ComponentKey>) -> Sha256 {
    let mut sorted: Vec<&ComponentKey> = components.into_iter().collect();
    sorted.sort_by(|left, right| order(left).cmp(&order(right)));
    let mut hasher = sha2::Sha256::new();
    for component in sorted {
        hasher.update(natural_key(component));
        hasher.update(b"\n");
    }
    Sha256(hasher.finalize().into())
}

/// Checks fields, duplicates and the name.
pub fn verify(named: Sha256, components: &[ComponentKey]) -> Result<(), ManifestRefused> {
    if components.len() > MAX_COMPONENTS {
        return Err(ManifestRefused::TooMany);
    }
    let mut seen = BTreeSet::new();
    for component in components {
        component.check().map_err(|reason| ManifestRefused::Field {
            name: shown(component),
            reason,
        })?;
        if !seen.insert(order(component)) {
            return Err(ManifestRefused::Duplicate {
                name: shown(component),
            });
        }
    }
    let actual = manifest_hash(components);
    if actual == named {
        Ok(())
    } else {
        Err(ManifestRefused::HashDiffers { named, actual })
    }
}

/// The set that a change leads to, not yet verified.
pub fn apply(
    base: Vec<ComponentKey>,
    added: Vec<ComponentKey>,
    removed: &[ComponentKey],
) -> Result<Vec<ComponentKey>, ManifestRefused> {
    let mut set: BTreeSet<ComponentKey> = base.into_iter().collect();
    for component in removed {
        if !set.remove(component) {
            return Err(ManifestRefused::NotThere {
                name: shown(component),
            });
        }
    }
    for component in added {
        let name = shown(&component);
        if !set.insert(component) {
            return Err(ManifestRefused::Duplicate { name });
        }
    }
    Ok(set.into_iter().collect())
}

/// Component numbers as stored: sorted, four bytes each, big-endian.
#[must_use]
pub fn encode(numbers: &[u32]) -> Vec<u8> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

/// Reads [`encode`]'s form; a torn last number is left out.
#[must_use]
pub fn decode(bytes: &[u8]) -> Vec<u32> {
    bytes
        .chunks_exact(4)
        .filter_map(|chunk| chunk.try_into().ok().map(u32::from_be_bytes))
        .collect()
}

fn shown(component: &ComponentKey) -> String {
    component.name.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::Ecosystem;

    fn component(name: &str, version: &str) -> ComponentKey {
        ComponentKey {
            ecosystem: Ecosystem::Deb,
            distribution: "debian".into(),
            release: "bookworm".into(),
            name: name.into(),
            version: version.into(),
            arch: "amd64".into(),
            source: name.into(),
            source_version: version.into(),
        }
    }

    #[test]
    fn the_name_is_fixed_by_the_protocol() {
        let text = "deb\u{1f}debian\u{1f}bookworm\u{1f}a\u{1f}1\u{1f}amd64\u{1f}a\u{1f}1\n\
                    deb\u{1f}debian\u{1f}bookworm\u{1f}b\u{1f}2\u{1f}amd64\u{1f}b\u{1f}2\n";
        let components = [component("b", "2"), component("a", "1")];
        assert_eq!(manifest_hash(&components), Sha256::of(text.as_bytes()));
        assert_eq!(
            manifest_hash(&components).to_string(),
            "e5f1b6d8d5c57e546afdf6778991e61a987e7fc15be96bcbce5cbbc6809af0c4"
        );
        assert_eq!(verify(manifest_hash(&components), &components), Ok(()));
    }

    #[test]
    fn another_name_a_duplicate_and_a_control_character_are_refused() {
        let one = [component("a", "1")];
        assert!(matches!(
            verify(Sha256::default(), &one),
            Err(ManifestRefused::HashDiffers { .. })
        ));
        let two = [component("a", "1"), component("a", "1")];
        assert!(matches!(
            verify(manifest_hash(&two), &two),
            Err(ManifestRefused::Duplicate { .. })
        ));
        for name in ["a\u{1f}b", ""] {
            let odd = [component(name, "1")];
            assert!(matches!(
                verify(manifest_hash(&odd), &odd),
                Err(ManifestRefused::Field { .. })
            ));
        }
    }

    #[test]
    fn a_package_of_a_registry_has_no_place() {
        let requests = ComponentKey::of_registry(Ecosystem::Pypi, "requests", "2.31.0");
        let text = "pypi\u{1f}\u{1f}\u{1f}requests\u{1f}2.31.0\u{1f}\u{1f}requests\u{1f}2.31.0\n";
        let hash = Sha256::of(text.as_bytes());
        assert_eq!(verify(hash, std::slice::from_ref(&requests)), Ok(()));
        let placed = [ComponentKey {
            release: "bookworm".into(),
            ..requests
        }];
        let nowhere = [ComponentKey {
            release: String::new(),
            ..component("a", "1")
        }];
        for odd in [placed, nowhere] {
            assert!(matches!(
                verify(manifest_hash(&odd), &odd),
                Err(ManifestRefused::Field { .. })
            ));
        }
    }

    #[test]
    fn a_change_must_fit_its_base() {
        let base = vec![component("a", "1"), component("b", "1")];
        let after = apply(
            base.clone(),
            vec![component("a", "2")],
            &[component("a", "1")],
        )
        .expect("fits");
        assert_eq!(
            manifest_hash(&after),
            manifest_hash(&[component("a", "2"), component("b", "1")])
        );
        assert!(matches!(
            apply(base.clone(), vec![], &[component("z", "1")]),
            Err(ManifestRefused::NotThere { .. })
        ));
        assert!(matches!(
            apply(base, vec![component("b", "1")], &[]),
            Err(ManifestRefused::Duplicate { .. })
        ));
    }

    #[test]
    fn numbers_survive_storage() {
        assert_eq!(decode(&encode(&[70_000, 3, 3, 1])), [1, 3, 70_000]);
        assert_eq!(decode(&[0, 0, 0, 9, 1]), [9]);
    }
}
