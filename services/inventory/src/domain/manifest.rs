//! Manifests: the set of components of a host, named by the hash of its content.
//!
//! The rule of the name is the one of the agent protocol (`session.proto`): SHA-256 over the components sorted by
//! (ecosystem, name, arch, version), each as its eight fields (ecosystem, distribution, release, name, version, arch,
//! source, source version) joined with U+001F and ended with U+000A. So no field may hold a control character. Which may be
//! empty is the component's own rule ([`ComponentKey::check`]): a package of a registry has no distribution, release and
//! architecture.

use netpatch_types::{ComponentKey, InvalidComponent, Sha256};
use sha2::Digest as _;

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

/// The order of components in what a manifest is the hash of.
#[must_use]
pub fn by_name(left: &ComponentKey, right: &ComponentKey) -> std::cmp::Ordering {
    order(left).cmp(&order(right))
}

/// Checks fields, duplicates and the name.
pub fn verify(named: Sha256, components: &[ComponentKey]) -> Result<(), ManifestRefused> {
    if components.len() > MAX_COMPONENTS {
        return Err(ManifestRefused::TooMany);
    }
    check_fields(components)?;
    let mut sorted: Vec<&ComponentKey> = components.iter().collect();
    sorted.sort_by(|left, right| by_name(left, right));
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(ManifestRefused::Duplicate {
            name: shown(twice[0]),
        });
    }
    let mut hasher = sha2::Sha256::new();
    let mut line = String::new();
    for component in sorted {
        line.clear();
        for (at, field) in fields(component).into_iter().enumerate() {
            if at > 0 {
                line.push('\u{1f}');
            }
            line.push_str(field);
        }
        line.push('\n');
        hasher.update(line.as_bytes());
    }
    is_named(named, Sha256(hasher.finalize().into()))
}

fn check_fields(components: &[ComponentKey]) -> Result<(), ManifestRefused> {
    components.iter().try_for_each(|component| {
        component.check().map_err(|reason| ManifestRefused::Field {
            name: shown(component),
            reason,
        })
    })
}

/// Checks the name of components whose lines are given in order. Each has been checked before, and none is there twice.
pub fn verify_lines<'a>(
    named: Sha256,
    lines: impl IntoIterator<Item = &'a str>,
) -> Result<(), ManifestRefused> {
    let mut hasher = sha2::Sha256::new();
    for line in lines {
        hasher.update(line.as_bytes());
    }
    is_named(named, Sha256(hasher.finalize().into()))
}

fn is_named(named: Sha256, actual: Sha256) -> Result<(), ManifestRefused> {
    if actual == named {
        Ok(())
    } else {
        Err(ManifestRefused::HashDiffers { named, actual })
    }
}

/// Checks number, duplicates and the name of components that are given in order and have been checked before, each with its line.
pub fn verify_set<'a, T>(
    named: Sha256,
    components: &'a [T],
    read: impl Fn(&'a T) -> (&'a ComponentKey, &'a str),
) -> Result<(), ManifestRefused> {
    if components.len() > MAX_COMPONENTS {
        return Err(ManifestRefused::TooMany);
    }
    let lines = || components.iter().map(|one| read(one).1);
    let twice = lines()
        .zip(lines().skip(1))
        .position(|(one, next)| one == next);
    if let Some(twice) = twice.and_then(|at| components.get(at)) {
        return Err(ManifestRefused::Duplicate {
            name: shown(read(twice).0),
        });
    }
    verify_lines(named, lines())
}

/// Checks what a change brings: the fields, and that nothing is brought twice.
pub fn verify_added(added: &[ComponentKey]) -> Result<(), ManifestRefused> {
    if added.len() > MAX_COMPONENTS {
        return Err(ManifestRefused::TooMany);
    }
    check_fields(added)
}

/// The list that a change leads to, not yet verified. `base` is in order ([`by_name`]), and so is the result.
pub fn apply<T: Clone>(
    base: &[T],
    key: impl Fn(&T) -> &ComponentKey,
    added: Vec<T>,
    removed: &[ComponentKey],
) -> Result<Vec<T>, ManifestRefused> {
    let find = |list: &[T], component: &ComponentKey| {
        list.binary_search_by(|one| by_name(key(one), component))
    };
    let mut gone = Vec::with_capacity(removed.len());
    for component in removed {
        match find(base, component) {
            Ok(at) => gone.push(at),
            Err(_) => {
                return Err(ManifestRefused::NotThere {
                    name: shown(component),
                });
            }
        }
    }
    gone.sort_unstable();
    if let Some(twice) = gone.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(ManifestRefused::NotThere {
            name: base
                .get(twice[0])
                .map(|one| shown(key(one)))
                .unwrap_or_default(),
        });
    }
    let mut added = added;
    added.sort_by(|left, right| by_name(key(left), key(right)));
    let mut list = Vec::with_capacity(base.len() + added.len());
    let mut gone = gone.into_iter().peekable();
    let mut added = added.into_iter().peekable();
    for (at, one) in base.iter().enumerate() {
        if gone.next_if_eq(&at).is_some() {
            continue;
        }
        while let Some(new) = added.next_if(|new| by_name(key(new), key(one)).is_lt()) {
            list.push(new);
        }
        list.push(one.clone());
    }
    list.extend(added);
    match list
        .windows(2)
        .find(|pair| by_name(key(&pair[0]), key(&pair[1])).is_eq())
    {
        Some(twice) => Err(ManifestRefused::Duplicate {
            name: shown(key(&twice[0])),
        }),
        None if list.len() > MAX_COMPONENTS => Err(ManifestRefused::TooMany),
        None => Ok(list),
    }
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
    fn a_set_of_known_components_is_judged_as_unknown_ones_are() {
        let known = |name: &str| {
            let key = component(name, "1");
            let line = format!("{}\n", natural_key(&key));
            (key, line)
        };
        let judged = |set: &[(ComponentKey, String)]| {
            let keys: Vec<ComponentKey> = set.iter().map(|(key, _)| key.clone()).collect();
            let named = manifest_hash(&keys);
            let judged = verify_set(named, set, |(key, line)| (key, line));
            assert_eq!(judged, verify(named, &keys));
            judged
        };
        assert_eq!(judged(&[known("a"), known("b")]), Ok(()));
        assert_eq!(judged(&[]), Ok(()));
        let twice = Err(ManifestRefused::Duplicate { name: "b".into() });
        assert_eq!(judged(&[known("a"), known("b"), known("b")]), twice);
        let many = vec![known("a"); MAX_COMPONENTS + 1];
        assert_eq!(judged(&many), Err(ManifestRefused::TooMany));
        let other = verify_set(Sha256::default(), &[known("a")], |(key, line)| (key, line));
        assert!(matches!(other, Err(ManifestRefused::HashDiffers { .. })));
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
        let changed = |added: &[ComponentKey], removed: &[ComponentKey]| {
            apply(&base, |one| one, added.to_vec(), removed)
        };
        let (a1, a2, b1) = (
            component("a", "1"),
            component("a", "2"),
            component("b", "1"),
        );
        let after = changed(std::slice::from_ref(&a2), std::slice::from_ref(&a1));
        assert_eq!(after, Ok(vec![a2.clone(), b1.clone()]));
        let more = changed(&[component("c", "1"), a2.clone(), component("0", "1")], &[]);
        assert_eq!(
            more,
            Ok(vec![
                component("0", "1"),
                a1.clone(),
                a2.clone(),
                b1.clone(),
                component("c", "1")
            ])
        );
        for removed in [vec![component("z", "1")], vec![a1.clone(), a1.clone()]] {
            assert!(matches!(
                changed(&[], &removed),
                Err(ManifestRefused::NotThere { .. })
            ));
        }
        for added in [vec![b1.clone()], vec![a2.clone(), a2.clone()]] {
            assert!(matches!(
                changed(&added, &[]),
                Err(ManifestRefused::Duplicate { .. })
            ));
        }
        assert_eq!(
            changed(std::slice::from_ref(&b1), std::slice::from_ref(&b1)),
            Ok(base.clone()),
            "it may go and come again"
        );
    }

    #[test]
    fn numbers_survive_storage() {
        assert_eq!(decode(&encode(&[70_000, 3, 3, 1])), [1, 3, 70_000]);
        assert_eq!(decode(&[0, 0, 0, 9, 1]), [9]);
    }
}
