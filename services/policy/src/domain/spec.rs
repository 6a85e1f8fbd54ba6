//! What policies, windows and block entries must look like before they are stored.

use netpatch_policy_api::{BlockEntry, Decision, PolicySpec, Rollout, Rule, WaveSize, WindowSpec};
use netpatch_types::{ServiceError, ServiceResult};
use std::collections::BTreeSet;

const MAX_RULES: usize = 100;
const MAX_WINDOWS: usize = 20;
const MAX_WAVES: usize = 20;
const MAX_LIST: usize = 50;
const MONTH_SECONDS: u32 = 30 * 86_400;
const YEAR_SECONDS: u32 = 365 * 86_400;

/// Refuses what a policy must not say, naming the field.
pub(crate) fn check_policy(spec: &PolicySpec) -> ServiceResult<()> {
    check_name("name", &spec.name)?;
    check(spec.rules.len() <= MAX_RULES, "rules", || {
        format!("{} rules are more than {MAX_RULES}", spec.rules.len())
    })?;
    check(spec.windows.len() <= MAX_WINDOWS, "windows", || {
        format!("{} windows are more than {MAX_WINDOWS}", spec.windows.len())
    })?;
    let mut names = BTreeSet::new();
    for (index, rule) in spec.rules.iter().enumerate() {
        let placed = |mut error: ServiceError| {
            error
                .path
                .splice(0..0, ["rules".to_owned(), index.to_string()]);
            error
        };
        check_rule(rule).map_err(placed)?;
        check(names.insert(rule.name.as_str()), "name", || {
            format!(
                "two rules are called {:?}; give each its own name",
                rule.name
            )
        })
        .map_err(placed)?;
    }
    check_rollout(&spec.rollout).map_err(|mut error| {
        error.path.insert(0, "rollout".to_owned());
        error
    })
}

/// Refuses what a window must not say except for its rule, which `netpatch_window` judges.
pub(crate) fn check_window(spec: &WindowSpec) -> ServiceResult<()> {
    check_name("name", &spec.name)
}

/// Refuses an empty or overlong block entry.
pub(crate) fn check_block(entry: &BlockEntry) -> ServiceResult<()> {
    check_glob("package", &entry.package)?;
    check(
        (1..=500).contains(&entry.reason.trim().chars().count()),
        "reason",
        || "write why, in 1 to 500 characters".into(),
    )
}

fn check_rule(rule: &Rule) -> ServiceResult<()> {
    check_name("name", &rule.name)?;
    check(
        rule.cvss_at_least
            .is_none_or(|score| (0.0..=10.0).contains(&score)),
        "cvssAtLeast",
        || "a CVSS score is 0 to 10".into(),
    )?;
    check(
        rule.epss_at_least
            .is_none_or(|score| (0.0..=1.0).contains(&score)),
        "epssAtLeast",
        || "an EPSS score is 0 to 1".into(),
    )?;
    for (field, list) in [
        ("packages", &rule.packages),
        ("originLabels", &rule.origin_labels),
    ] {
        check(list.len() <= MAX_LIST, field, || {
            format!("{} entries are more than {MAX_LIST}", list.len())
        })?;
        list.iter().try_for_each(|text| check_glob(field, text))?;
    }
    match rule.then {
        Decision::RequireApprovals { count } => check((1..=5).contains(&count), "count", || {
            format!("{count} approvals; ask for 1 to 5")
        }),
        Decision::Defer { seconds } => {
            check((1..=YEAR_SECONDS).contains(&seconds), "seconds", || {
                format!("{seconds} s; put off by 1 s to a year ({YEAR_SECONDS} s)")
            })
        }
        Decision::Approve | Decision::Block => Ok(()),
    }
}

fn check_rollout(rollout: &Rollout) -> ServiceResult<()> {
    check(
        (1..=MAX_WAVES).contains(&rollout.waves.len()),
        "waves",
        || format!("{} waves; plan 1 to {MAX_WAVES}", rollout.waves.len()),
    )?;
    for size in &rollout.waves {
        let good = match *size {
            WaveSize::Count { hosts } => hosts >= 1,
            WaveSize::Percent { percent } => (1..=100).contains(&percent),
        };
        check(good, "waves", || {
            "a wave has at least 1 host, or 1 to 100 percent".into()
        })?;
    }
    check(
        rollout.min_success_percent <= 100,
        "minSuccessPercent",
        || "a share is 0 to 100".into(),
    )?;
    check(rollout.soak_seconds <= MONTH_SECONDS, "soakSeconds", || {
        "wait at most 30 days after a wave".into()
    })?;
    check(
        (60..=MONTH_SECONDS).contains(&rollout.silent_after_seconds),
        "silentAfterSeconds",
        || "between a minute and 30 days".into(),
    )?;
    check(
        (60..=259_200).contains(&rollout.lease_seconds),
        "leaseSeconds",
        || "between 60 and 259200 (72 hours)".into(),
    )
}

/// 1–80 characters without control characters or spaces at the ends.
pub(crate) fn check_name(field: &str, name: &str) -> ServiceResult<()> {
    let good = (1..=80).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(char::is_control);
    check(good, field, || {
        "a name has 1 to 80 characters and no spaces at its ends".into()
    })
}

fn check_glob(field: &str, pattern: &str) -> ServiceResult<()> {
    let good = (1..=200).contains(&pattern.len())
        && !pattern.chars().any(|c| c.is_control() || c.is_whitespace());
    check(good, field, || {
        format!(
            "{pattern:?} is not a name of 1 to 200 characters without spaces; * and ? stand for others"
        )
    })
}

pub(super) fn check(
    good: bool,
    field: &str,
    message: impl FnOnce() -> String,
) -> ServiceResult<()> {
    if good {
        Ok(())
    } else {
        Err(ServiceError::invalid(field, message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(rules: Vec<Rule>) -> PolicySpec {
        PolicySpec {
            name: "servers".into(),
            enabled: true,
            group: None,
            rules,
            rollout: Rollout::default(),
            windows: vec![],
            automatic: false,
        }
    }

    fn rule(name: &str) -> Rule {
        Rule {
            name: name.into(),
            ..Rule::default()
        }
    }

    #[test]
    fn the_path_says_where_the_mistake_is() {
        check_policy(&spec(vec![rule("a"), rule("b")])).unwrap();
        let path = |spec: PolicySpec| check_policy(&spec).unwrap_err().path;
        assert_eq!(
            path(spec(vec![rule("a"), rule("a")])),
            ["rules", "1", "name"]
        );
        assert_eq!(
            path(spec(vec![Rule {
                cvss_at_least: Some(10.5),
                ..rule("a")
            }])),
            ["rules", "0", "cvssAtLeast"]
        );
        assert_eq!(
            path(spec(vec![Rule {
                cvss_at_least: Some(f64::NAN),
                ..rule("a")
            }])),
            ["rules", "0", "cvssAtLeast"]
        );
        assert_eq!(
            path(spec(vec![Rule {
                packages: vec!["a b".into()],
                ..rule("a")
            }])),
            ["rules", "0", "packages"]
        );
        assert_eq!(
            path(spec(vec![Rule {
                then: Decision::RequireApprovals { count: 0 },
                ..rule("a")
            }])),
            ["rules", "0", "count"]
        );
        assert_eq!(
            path(spec(vec![Rule {
                then: Decision::Defer { seconds: 0 },
                ..rule("a")
            }])),
            ["rules", "0", "seconds"]
        );
        let rollout = |rollout: Rollout| {
            path(PolicySpec {
                rollout,
                ..spec(vec![])
            })
        };
        assert_eq!(
            rollout(Rollout {
                waves: vec![],
                ..Rollout::default()
            }),
            ["rollout", "waves"]
        );
        assert_eq!(
            rollout(Rollout {
                waves: vec![WaveSize::Percent { percent: 101 }],
                ..Rollout::default()
            }),
            ["rollout", "waves"]
        );
        assert_eq!(
            rollout(Rollout {
                lease_seconds: 59,
                ..Rollout::default()
            }),
            ["rollout", "leaseSeconds"]
        );
        for name in ["", " a", "a\n", &"x".repeat(81)] {
            assert_eq!(
                path(PolicySpec {
                    name: name.into(),
                    ..spec(vec![])
                }),
                ["name"]
            );
        }
    }

    #[test]
    fn a_block_entry_needs_a_package_and_a_reason() {
        let entry = |package: &str, reason: &str| BlockEntry {
            package: package.into(),
            reason: reason.into(),
        };
        check_block(&entry("linux-image-*", "drivers of the scanners")).unwrap();
        assert_eq!(check_block(&entry("", "x")).unwrap_err().path, ["package"]);
        assert_eq!(
            check_block(&entry("nginx", " ")).unwrap_err().path,
            ["reason"]
        );
    }
}
