//! The content of a patch: the union of what hosts would install for it. Hosts that disagree on a version or a hash
//! block the patch, because one of them was offered something else than the others.

use netpatch_inventory_api::{ContentItem, InstallableUpdate, PatchContent};
use netpatch_types::PatchId;
use std::collections::BTreeMap;

/// What one host offers for the patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name, for the message.
    pub hostname: String,
    /// One binary of the patch.
    pub update: InstallableUpdate,
}

/// The union, sorted by (name, arch).
#[must_use]
pub fn unite(patch: PatchId, offers: &[Offer]) -> PatchContent {
    let mut items: BTreeMap<(String, String), (ContentItem, &str)> = BTreeMap::new();
    let mut disagreement = None;
    let all = offers
        .iter()
        .map(|offer| (offer, own(&offer.update)))
        .chain(offers.iter().flat_map(|offer| {
            offer
                .update
                .requires
                .iter()
                .map(move |change| (offer, brought(change)))
        }));
    for (offer, item) in all {
        let key = (item.name.clone(), item.arch.clone());
        match items.get_mut(&key) {
            None => {
                items.insert(key, (item, &offer.hostname));
            }
            Some((known, first)) => {
                if (&known.version, known.sha256, known.remove)
                    != (&item.version, item.sha256, item.remove)
                {
                    disagreement.get_or_insert_with(|| {
                        format!(
                            "hosts {first} and {} were offered different files for {} {}",
                            offer.hostname, item.name, item.arch
                        )
                    });
                }
            }
        }
    }
    PatchContent {
        patch,
        items: items.into_values().map(|(item, _)| item).collect(),
        disagreement,
    }
}

fn own(update: &InstallableUpdate) -> ContentItem {
    ContentItem {
        name: update.name.clone(),
        arch: update.arch.clone(),
        version: update.candidate_version.clone(),
        fixed_version: update.candidate_version.clone(),
        sha256: Some(update.sha256),
        size_bytes: update.size_bytes,
        remove: false,
        dependency: false,
    }
}

fn brought(change: &netpatch_inventory_api::PlannedChange) -> ContentItem {
    ContentItem {
        name: change.name.clone(),
        arch: change.arch.clone(),
        version: if change.remove {
            String::new()
        } else {
            change.version.clone()
        },
        fixed_version: if change.remove {
            String::new()
        } else {
            change.version.clone()
        },
        sha256: change.sha256.filter(|_| !change.remove),
        size_bytes: if change.remove { 0 } else { change.size_bytes },
        remove: change.remove,
        dependency: !change.remove,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_inventory_api::{PlannedChange, UpdateState};
    use netpatch_types::Sha256;

    fn offer(hostname: &str, name: &str, sha: u8) -> Offer {
        Offer {
            hostname: hostname.into(),
            update: InstallableUpdate {
                name: name.into(),
                arch: "amd64".into(),
                installed_version: "1".into(),
                candidate_version: "2".into(),
                source: "s".into(),
                source_version: "2".into(),
                sha256: Sha256([sha; 32]),
                size_bytes: 10,
                origin: "Debian".into(),
                suite: "bookworm-security".into(),
                label: "Debian-Security".into(),
                state: UpdateState::Installable,
                phased_percent: 0,
                section: "libs".into(),
                requires: vec![PlannedChange {
                    name: "new".into(),
                    arch: "amd64".into(),
                    version: "3".into(),
                    sha256: Some(Sha256([9; 32])),
                    size_bytes: 5,
                    remove: false,
                }],
                ecosystem: netpatch_types::Ecosystem::Deb,
                errata: Vec::new(),
                security: false,
            },
        }
    }

    #[test]
    fn the_union_names_each_binary_once() {
        let content = unite(
            PatchId::of("deb", "x"),
            &[
                offer("h2", "b", 1),
                offer("h1", "a", 1),
                offer("h2", "a", 1),
            ],
        );
        let names: Vec<_> = content
            .items
            .iter()
            .map(|item| (item.name.as_str(), item.dependency))
            .collect();
        assert_eq!(names, [("a", false), ("b", false), ("new", true)]);
        assert_eq!(content.disagreement, None);
    }

    #[test]
    fn another_hash_of_the_same_version_is_a_disagreement() {
        let content = unite(
            PatchId::of("deb", "x"),
            &[offer("h1", "a", 1), offer("h2", "a", 2)],
        );
        assert_eq!(
            content.disagreement.as_deref(),
            Some("hosts h1 and h2 were offered different files for a amd64")
        );
    }
}
