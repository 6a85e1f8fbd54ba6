//! Which updates a host cannot take, and why. Such an update is never offered, whatever the package manager says.
//!
//! What is not known (no free space reported, a suite of another name) refuses nothing: the package manager has judged it already.

use netpatch_inventory_api::{HostFacts, Incompatibility, InstallableUpdate};
use std::collections::{BTreeMap, BTreeSet};

/// Space that a patch needs, as a multiple of its payload: the payload itself, what comes out of it, and the old files until it is done.
const SPACE_FACTOR: u64 = 4;

/// Architectures of packages that fit every machine.
const EVERYWHERE: [&str; 4] = ["all", "noarch", "any", ""];
/// Words of different package managers for one architecture.
const SAME: [(&str, &str); 4] = [
    ("x86_64", "amd64"),
    ("aarch64", "arm64"),
    ("i686", "i386"),
    ("i586", "i386"),
];

/// Code names of releases, by os-release `ID`.
const RELEASES: [(&str, &[&str]); 2] = [
    (
        "debian",
        &[
            "jessie",
            "stretch",
            "buster",
            "bullseye",
            "bookworm",
            "trixie",
            "forky",
            "duke",
            "sid",
            "unstable",
            "experimental",
        ],
    ),
    (
        "ubuntu",
        &[
            "trusty", "xenial", "bionic", "focal", "jammy", "noble", "oracular", "plucky",
            "questing", "resolute",
        ],
    ),
];

/// What follows a code name in a suite of the same release.
const POCKETS: [&str; 6] = [
    "-security",
    "-updates",
    "-backports-sloppy",
    "-backports",
    "-proposed-updates",
    "-proposed",
];

fn arch(word: &str) -> &str {
    SAME.iter()
        .find(|(other, _)| *other == word)
        .map_or(word, |(_, ours)| ours)
}

/// Whether two words of package managers mean one architecture.
#[must_use]
pub fn is_same_arch(one: &str, other: &str) -> bool {
    arch(one) == arch(other)
}

/// The release that a suite names, if it is one of another release than the host's.
fn other_release<'a>(facts: &HostFacts, suite: &'a str) -> Option<&'a str> {
    let (_, known) = RELEASES.iter().find(|(id, _)| *id == facts.os_id)?;
    let base = POCKETS
        .iter()
        .find_map(|pocket| suite.strip_suffix(pocket))
        .unwrap_or(suite);
    let running = facts.os_release.as_str();
    // A host that does not say its code name may run any of them.
    (known.contains(&base) && known.contains(&running) && base != running).then_some(base)
}

/// For each update, why the host cannot take it. `installed` are the architectures of what is installed: with several, the host runs
/// packages of each.
#[must_use]
pub fn judge(
    facts: &HostFacts,
    installed: &BTreeSet<&str>,
    updates: &[InstallableUpdate],
) -> Vec<Option<Incompatibility>> {
    let mut needed: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for update in updates {
        let brought: u64 = update
            .requires
            .iter()
            .fold(0, |sum, change| sum.saturating_add(change.size_bytes));
        let sum = needed
            .entry((&update.source, &update.source_version))
            .or_default();
        *sum = sum
            .saturating_add(update.size_bytes)
            .saturating_add(brought);
    }
    let runs = |word: &str| {
        EVERYWHERE.contains(&word)
            || facts.arch.is_empty()
            || arch(word) == arch(&facts.arch)
            || installed.iter().any(|one| arch(one) == arch(word))
    };
    updates
        .iter()
        .map(|update| {
            if facts.os_release.is_empty() && facts.os_version.is_empty() {
                return Some(Incompatibility::ReleaseUnknown);
            }
            if let Some(release) = other_release(facts, &update.suite) {
                return Some(Incompatibility::OtherRelease {
                    release: release.to_owned(),
                    running: facts.os_release.clone(),
                });
            }
            if !runs(&update.arch) {
                return Some(Incompatibility::Architecture {
                    package: update.arch.clone(),
                    host: facts.arch.clone(),
                });
            }
            let payload = needed[&(update.source.as_str(), update.source_version.as_str())];
            let needed_bytes = payload.saturating_mul(SPACE_FACTOR);
            // Nothing free is what a host says that did not look.
            (facts.disk_free_bytes > 0 && needed_bytes > facts.disk_free_bytes).then_some(
                Incompatibility::DiskTooSmall {
                    needed_bytes,
                    free_bytes: facts.disk_free_bytes,
                },
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_inventory_api::UpdateState;
    use netpatch_types::{Ecosystem, Sha256};

    fn facts() -> HostFacts {
        HostFacts {
            os_id: "debian".into(),
            os_release: "bookworm".into(),
            arch: "amd64".into(),
            disk_free_bytes: 1_000_000,
            ..HostFacts::default()
        }
    }

    fn update(name: &str, arch: &str, suite: &str, size_bytes: u64) -> InstallableUpdate {
        InstallableUpdate {
            ecosystem: Ecosystem::Deb,
            errata: Vec::new(),
            security: false,
            name: name.into(),
            arch: arch.into(),
            installed_version: "1".into(),
            candidate_version: "2".into(),
            source: "s".into(),
            source_version: "2".into(),
            sha256: Sha256::default(),
            size_bytes,
            origin: String::new(),
            suite: suite.into(),
            label: String::new(),
            state: UpdateState::Installable,
            phased_percent: 0,
            section: String::new(),
            requires: Vec::new(),
        }
    }

    fn one(facts: &HostFacts, update: InstallableUpdate) -> Option<Incompatibility> {
        judge(facts, &["amd64"].into(), &[update]).remove(0)
    }

    #[test]
    fn suites_of_the_hosts_own_release_and_unknown_ones_are_taken() {
        for suite in [
            "bookworm",
            "bookworm-security",
            "stable-security",
            "bookworm-backports",
            "acme",
            "",
        ] {
            assert_eq!(
                one(&facts(), update("a", "amd64", suite, 1)),
                None,
                "{suite}"
            );
        }
        for suite in ["trixie", "trixie-security", "sid", "bullseye-updates"] {
            assert!(
                matches!(
                    one(&facts(), update("a", "amd64", suite, 1)),
                    Some(Incompatibility::OtherRelease { .. })
                ),
                "{suite}"
            );
        }
        let alma = HostFacts {
            os_id: "almalinux".into(),
            os_release: String::new(),
            os_version: "9.4".into(),
            ..facts()
        };
        assert_eq!(one(&alma, update("a", "x86_64", "sid", 1)), None);
        let nameless = HostFacts {
            os_release: String::new(),
            ..facts()
        };
        assert_eq!(
            one(&nameless, update("a", "amd64", "", 1)),
            Some(Incompatibility::ReleaseUnknown)
        );
    }

    #[test]
    fn an_architecture_is_taken_if_the_host_or_something_on_it_has_it() {
        assert!(matches!(
            one(&facts(), update("a", "arm64", "", 1)),
            Some(Incompatibility::Architecture { .. })
        ));
        for arch in ["amd64", "all", "noarch", "x86_64"] {
            assert_eq!(one(&facts(), update("a", arch, "", 1)), None, "{arch}");
        }
        let both = judge(
            &facts(),
            &["amd64", "i386"].into(),
            &[update("a", "i386", "", 1)],
        );
        assert_eq!(both, [None]);
    }

    #[test]
    fn a_patch_needs_room_for_all_its_packages_and_what_they_bring() {
        let small = update("a", "amd64", "", 125_000);
        assert_eq!(
            judge(&facts(), &BTreeSet::new(), std::slice::from_ref(&small)),
            [None]
        );
        let two = [small.clone(), update("b", "all", "", 126_000)];
        let wanted = Some(Incompatibility::DiskTooSmall {
            needed_bytes: 1_004_000,
            free_bytes: 1_000_000,
        });
        assert_eq!(
            judge(&facts(), &BTreeSet::new(), &two),
            [wanted.clone(), wanted]
        );
        let unknown = HostFacts {
            disk_free_bytes: 0,
            ..facts()
        };
        assert_eq!(judge(&unknown, &BTreeSet::new(), &two), [None, None]);
        let huge = update("a", "amd64", "", u64::MAX);
        assert!(
            judge(&facts(), &BTreeSet::new(), &[huge.clone(), huge])
                .iter()
                .all(Option::is_some)
        );
    }
}
