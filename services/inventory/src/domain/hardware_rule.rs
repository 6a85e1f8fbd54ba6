//! Hardware rules of an organization: what they may say, and which update they keep from a host.
//!
//! What a host does not report (no processors counted, no model named) holds for nothing: a rule about it keeps nothing back.

use crate::domain::compatibility::is_same_arch;
use netpatch_inventory_api::{
    HardwareRule, HardwareScope, HostFacts, Incompatibility, InstallableUpdate, MAX_HARDWARE_RULES,
    MAX_PATTERNS, UpdateScope,
};
use netpatch_types::{Classification, ServiceError, ServiceResult};
use std::collections::BTreeSet;

/// Longest pattern, bytes.
const MAX_PATTERN_BYTES: usize = 200;

/// Refuses what rules must not say, naming the place.
pub fn check(rules: &[HardwareRule]) -> ServiceResult<()> {
    if rules.len() > MAX_HARDWARE_RULES {
        let message = format!("{} rules; write at most {MAX_HARDWARE_RULES}", rules.len());
        return Err(ServiceError::invalid("rules", message));
    }
    let mut names = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let wrong = |field: &str, message: &str| ServiceError {
            path: vec!["rules".to_owned(), index.to_string(), field.to_owned()],
            ..ServiceError::invalid(field, message)
        };
        let is_text = |text: &str, least: usize, most: usize| {
            text.trim() == text
                && (least..=most).contains(&text.chars().count())
                && !text.chars().any(char::is_control)
        };
        if !is_text(&rule.name, 1, 80) {
            return Err(wrong("name", "give it a name of 1 to 80 characters"));
        }
        if !names.insert(rule.name.as_str()) {
            return Err(wrong("name", "another rule has this name"));
        }
        if !is_text(&rule.reason, 3, 500) {
            return Err(wrong("reason", "write why, in 3 to 500 characters"));
        }
        let (updates, hosts) = (&rule.updates, &rule.not_for);
        if updates.packages.is_empty() && updates.classifications.is_empty() {
            return Err(wrong("updates", "name packages, or a classification"));
        }
        let is_known = |kind: &Classification| {
            matches!(kind, Classification::Firmware | Classification::Feature)
        };
        if !updates.classifications.iter().all(is_known) {
            return Err(wrong(
                "updates",
                "only firmware and feature are known before advisories are asked; name packages for others",
            ));
        }
        if *hosts == HardwareScope::default() {
            return Err(wrong("notFor", "name at least one fact of the hosts"));
        }
        let lists = [
            &updates.packages,
            &hosts.architectures,
            &hosts.vendors,
            &hosts.models,
        ];
        let fits = |list: &&Vec<String>| {
            list.len() <= MAX_PATTERNS
                && list
                    .iter()
                    .all(|pattern| is_text(pattern, 1, MAX_PATTERN_BYTES))
        };
        if !lists.iter().all(fits) {
            return Err(wrong(
                "notFor",
                "a list has more than 100 entries, or an entry is empty or longer than 200 characters",
            ));
        }
    }
    Ok(())
}

/// The first rule that keeps an update from a host.
#[must_use]
pub fn kept_back(
    rules: &[HardwareRule],
    facts: &HostFacts,
    update: &InstallableUpdate,
) -> Option<Incompatibility> {
    rules.iter().find_map(|rule| {
        if !is_about(&rule.updates, update) {
            return None;
        }
        let found = holds(&rule.not_for, facts)?;
        Some(Incompatibility::HardwareRule {
            rule: rule.name.clone(),
            why: rule.reason.clone(),
            found,
        })
    })
}

fn is_about(scope: &UpdateScope, update: &InstallableUpdate) -> bool {
    let is_named =
        |pattern: &String| matches(pattern, &update.name) || matches(pattern, &update.source);
    let is_kind = |kind: &Classification| match kind {
        Classification::Firmware => {
            let (_, section) = update
                .section
                .rsplit_once('/')
                .unwrap_or(("", &update.section));
            section.starts_with("non-free-firmware")
                || update.section.starts_with("non-free-firmware")
        }
        Classification::Feature => update.suite.ends_with("-backports"),
        _ => false,
    };
    scope.packages.iter().any(is_named) || scope.classifications.iter().any(is_kind)
}

/// The facts by which a host is one of those, in one sentence; `None`: it is not, or does not say.
fn holds(scope: &HardwareScope, facts: &HostFacts) -> Option<String> {
    let mut found = Vec::new();
    if !scope.architectures.is_empty() {
        let is_one = |arch: &String| is_same_arch(arch, &facts.arch);
        if facts.arch.is_empty() || !scope.architectures.iter().any(is_one) {
            return None;
        }
        found.push(facts.arch.clone());
    }
    for (patterns, said) in [
        (&scope.vendors, &facts.vendor),
        (&scope.models, &facts.model),
    ] {
        if patterns.is_empty() {
            continue;
        }
        let said_lower = said.to_lowercase();
        if said.is_empty()
            || !patterns
                .iter()
                .any(|one| matches(&one.to_lowercase(), &said_lower))
        {
            return None;
        }
        found.push(said.clone());
    }
    let disk = facts
        .hardware
        .disks
        .iter()
        .fold(0_u64, |sum, disk| sum.saturating_add(disk.size_bytes));
    for (below, has, unit) in [
        (
            scope.cpus_below.map(u64::from),
            u64::from(facts.cpu_count),
            "processors",
        ),
        (
            scope.memory_below_bytes,
            facts.memory_bytes,
            "bytes of memory",
        ),
        (scope.disk_below_bytes, disk, "bytes of disk"),
    ] {
        let Some(below) = below else { continue };
        if has == 0 || has >= below {
            return None;
        }
        found.push(format!("{has} {unit}"));
    }
    Some(found.join(", "))
}

/// Whether the whole text matches: `*` is any run of characters, `?` one. Linear in the text for each star.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where the last star stands, and how much of the text it took.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match (pattern.get(at), star) {
            (Some('*'), _) => {
                star = Some((at, read));
                at += 1;
            }
            (Some(&expected), _) if expected == '?' || expected == text[read] => {
                at += 1;
                read += 1;
            }
            (_, Some((place, taken))) => {
                star = Some((place, taken + 1));
                at = place + 1;
                read = taken + 1;
            }
            (_, None) => return false,
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_inventory_api::{Disk, UpdateState};
    use netpatch_types::{Ecosystem, Sha256};

    fn facts() -> HostFacts {
        let mut facts = HostFacts {
            arch: "amd64".into(),
            vendor: "Dell Inc.".into(),
            model: "XPS 13 9350".into(),
            cpu_count: 4,
            memory_bytes: 8_000,
            ..HostFacts::default()
        };
        for size_bytes in [100, 200] {
            facts.hardware.disks.push(Disk {
                size_bytes,
                ..Disk::default()
            });
        }
        facts
    }

    fn update(name: &str, section: &str, suite: &str) -> InstallableUpdate {
        InstallableUpdate {
            ecosystem: Ecosystem::Deb,
            errata: Vec::new(),
            security: false,
            name: name.into(),
            arch: "amd64".into(),
            installed_version: "1".into(),
            candidate_version: "2".into(),
            source: "nvidia-graphics-drivers".into(),
            source_version: "2".into(),
            sha256: Sha256::default(),
            size_bytes: 1,
            origin: String::new(),
            suite: suite.into(),
            label: String::new(),
            state: UpdateState::Installable,
            phased_percent: 0,
            section: section.into(),
            requires: Vec::new(),
        }
    }

    fn rule(not_for: HardwareScope) -> HardwareRule {
        HardwareRule {
            name: "old laptops".into(),
            reason: "the driver hangs there".into(),
            updates: UpdateScope {
                packages: vec!["nvidia-*".into()],
                ..UpdateScope::default()
            },
            not_for,
        }
    }

    fn found(not_for: HardwareScope, facts: &HostFacts) -> Option<String> {
        match kept_back(&[rule(not_for)], facts, &update("xserver", "x11", "")) {
            Some(Incompatibility::HardwareRule { rule, why, found }) => {
                assert_eq!(
                    (rule.as_str(), why.as_str()),
                    ("old laptops", "the driver hangs there")
                );
                Some(found)
            }
            other => {
                assert_eq!(other, None);
                None
            }
        }
    }

    #[test]
    fn a_rule_keeps_back_where_all_that_it_names_holds_and_says_what() {
        let list = |text: &str| vec![text.to_owned()];
        let scope = HardwareScope::default;
        for (not_for, says) in [
            (
                HardwareScope {
                    models: list("xps 13*"),
                    ..scope()
                },
                Some("XPS 13 9350"),
            ),
            (
                HardwareScope {
                    models: list("xps 15*"),
                    ..scope()
                },
                None,
            ),
            (
                HardwareScope {
                    vendors: list("DELL*"),
                    models: list("*9350"),
                    ..scope()
                },
                Some("Dell Inc., XPS 13 9350"),
            ),
            (
                HardwareScope {
                    vendors: list("HP*"),
                    models: list("*9350"),
                    ..scope()
                },
                None,
            ),
            (
                HardwareScope {
                    architectures: list("x86_64"),
                    ..scope()
                },
                Some("amd64"),
            ),
            (
                HardwareScope {
                    architectures: list("arm64"),
                    ..scope()
                },
                None,
            ),
            (
                HardwareScope {
                    cpus_below: Some(5),
                    ..scope()
                },
                Some("4 processors"),
            ),
            (
                HardwareScope {
                    cpus_below: Some(4),
                    ..scope()
                },
                None,
            ),
            (
                HardwareScope {
                    memory_below_bytes: Some(8_001),
                    ..scope()
                },
                Some("8000 bytes of memory"),
            ),
            (
                HardwareScope {
                    disk_below_bytes: Some(301),
                    ..scope()
                },
                Some("300 bytes of disk"),
            ),
            (
                HardwareScope {
                    disk_below_bytes: Some(300),
                    ..scope()
                },
                None,
            ),
        ] {
            assert_eq!(
                found(not_for.clone(), &facts()).as_deref(),
                says,
                "{not_for:?}"
            );
        }
        // What is not reported holds for nothing.
        for not_for in [
            HardwareScope {
                cpus_below: Some(5),
                ..scope()
            },
            HardwareScope {
                memory_below_bytes: Some(5),
                ..scope()
            },
            HardwareScope {
                disk_below_bytes: Some(5),
                ..scope()
            },
            HardwareScope {
                models: list("*"),
                ..scope()
            },
            HardwareScope {
                architectures: list("amd64"),
                ..scope()
            },
        ] {
            assert_eq!(found(not_for, &HostFacts::default()), None);
        }
    }

    #[test]
    fn updates_are_named_by_package_or_by_what_they_are() {
        let keeps = |updates: UpdateScope, update: &InstallableUpdate| {
            let mut rule = rule(HardwareScope {
                cpus_below: Some(5),
                ..HardwareScope::default()
            });
            rule.updates = updates;
            kept_back(&[rule], &facts(), update).is_some()
        };
        let named = |name: &str| UpdateScope {
            packages: vec![name.into()],
            ..UpdateScope::default()
        };
        let kind = |kind| UpdateScope {
            classifications: vec![kind],
            ..UpdateScope::default()
        };
        let driver = update("nvidia-kernel", "x11", "bookworm");
        assert!(
            keeps(named("nvidia-kernel"), &driver)
                && keeps(named("nvidia-graphics-?rivers"), &driver)
        );
        assert!(!keeps(named("nvidia"), &driver) && !keeps(kind(Classification::Feature), &driver));
        assert!(keeps(
            kind(Classification::Firmware),
            &update("x", "non-free-firmware/kernel", "")
        ));
        assert!(keeps(
            kind(Classification::Feature),
            &update("x", "net", "bookworm-backports")
        ));
    }

    #[test]
    fn rules_that_say_nothing_or_too_much_are_refused_with_their_place() {
        let good = rule(HardwareScope {
            cpus_below: Some(2),
            ..HardwareScope::default()
        });
        assert_eq!(check(std::slice::from_ref(&good)), Ok(()));
        let with = |change: fn(&mut HardwareRule)| {
            let mut rule = good.clone();
            change(&mut rule);
            rule
        };
        for (rules, field) in [
            (vec![good.clone(), good.clone()], "name"),
            (vec![with(|rule| rule.name.clear())], "name"),
            (vec![with(|rule| rule.reason = "no".into())], "reason"),
            (
                vec![with(|rule| rule.updates = UpdateScope::default())],
                "updates",
            ),
            (
                vec![with(|rule| {
                    rule.updates.classifications.push(Classification::Driver)
                })],
                "updates",
            ),
            (
                vec![with(|rule| rule.not_for = HardwareScope::default())],
                "notFor",
            ),
            (
                vec![with(|rule| rule.not_for.models = vec!["x".into(); 101])],
                "notFor",
            ),
            (
                vec![with(|rule| rule.updates.packages = vec!["a\n".into()])],
                "notFor",
            ),
        ] {
            let refused = check(&rules).expect_err("refused");
            assert_eq!(
                refused.path.last().map(String::as_str),
                Some(field),
                "{rules:?}"
            );
        }
        assert!(check(&vec![good; MAX_HARDWARE_RULES + 1]).is_err());
    }
}
