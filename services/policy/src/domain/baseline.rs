//! What a baseline must look like before it is stored.

use super::spec::{check, check_name};
use netpatch_policy_api::{BaselineRule, BaselineSpec, Standard};
use netpatch_types::{ServiceError, ServiceResult};
use std::collections::BTreeSet;

const MAX_RULES: usize = 100;
const MAX_DAYS: u32 = 3_650;
const MAX_LABELS: usize = 50;
const MAX_VALUES: usize = 200;

/// Refuses what a baseline must not say, naming the field.
pub(crate) fn check_baseline(spec: &BaselineSpec) -> ServiceResult<()> {
    check_name("name", &spec.name)?;
    let publication = spec.standard.publication();
    if let Some(revoked) = publication.revoked {
        return Err(ServiceError::invalid(
            "standard",
            format!(
                "{} was revoked on {}; follow {} instead",
                publication.name,
                revoked.on,
                revoked.by.publication().name
            ),
        ));
    }
    if !spec.standard.takes_rules() {
        return check(spec.rules.is_empty(), "rules", || {
            format!(
                "{} has its own rules; put yours into a baseline of your own beside it",
                publication.name
            )
        });
    }
    check((1..=MAX_RULES).contains(&spec.rules.len()), "rules", || {
        format!("{} rules; write 1 to {MAX_RULES}", spec.rules.len())
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
    // A.8.8 wants the organization to have a date for every vulnerability.
    check(
        spec.standard != Standard::Iso27001 || spec.rules.last().is_some_and(holds_always),
        "rules",
        || {
            format!(
                "{} asks for a date for every vulnerability; end with a rule without conditions",
                publication.name
            )
        },
    )
}

fn check_rule(rule: &BaselineRule) -> ServiceResult<()> {
    check_name("name", &rule.name)?;
    check(rule.within_days <= MAX_DAYS, "withinDays", || {
        format!("{} days; allow 0 to {MAX_DAYS}", rule.within_days)
    })?;
    check(rule.severities.len() <= 5, "severities", || {
        "there are five severities; name each once".into()
    })?;
    let labels = &rule.labels;
    check(
        labels.any_of.len() + labels.none_of.len() <= MAX_LABELS,
        "labels",
        || format!("ask for at most {MAX_LABELS} labels"),
    )?;
    let fits = |text: &str, most: usize| text.len() <= most && !text.chars().any(char::is_control);
    for (key, values) in labels.any_of.iter().chain(&labels.none_of) {
        check(!key.is_empty() && fits(key, 63), "labels", || {
            "the key of a label has 1 to 63 bytes".into()
        })?;
        check(
            (1..=MAX_VALUES).contains(&values.len()) && values.iter().all(|value| fits(value, 255)),
            "labels",
            || format!("the label {key:?} needs 1 to {MAX_VALUES} values of at most 255 bytes"),
        )?;
    }
    Ok(())
}

fn holds_always(rule: &BaselineRule) -> bool {
    rule.severities.is_empty()
        && rule.kev.is_none()
        && rule.exposed.is_none()
        && rule.labels.any_of.is_empty()
        && rule.labels.none_of.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::{Selector, Severity};

    fn rule(name: &str) -> BaselineRule {
        BaselineRule {
            name: name.into(),
            within_days: 7,
            ..BaselineRule::default()
        }
    }

    fn spec(standard: Standard, rules: Vec<BaselineRule>) -> BaselineSpec {
        BaselineSpec {
            name: "ours".into(),
            standard,
            group: None,
            rules,
            followed: true,
        }
    }

    fn path(spec: &BaselineSpec) -> Vec<String> {
        check_baseline(spec).map_or_else(|error| error.path, |()| Vec::new())
    }

    #[test]
    fn a_revoked_directive_is_refused_with_its_successor() {
        let refused = check_baseline(&spec(Standard::CisaBod2201, vec![])).unwrap_err();
        assert_eq!(refused.path, ["standard"]);
        assert_eq!(
            refused.message,
            "CISA BOD 22-01 was revoked on 2026-06-10; follow CISA BOD 26-04 instead"
        );
    }

    #[test]
    fn rules_stand_where_the_standard_leaves_them_to_the_organization() {
        for standard in Standard::ALL {
            if standard.publication().revoked.is_some() {
                continue;
            }
            let with = check_baseline(&spec(standard, vec![rule("a")]));
            let without = check_baseline(&spec(standard, vec![]));
            assert_eq!(with.is_ok(), standard.takes_rules(), "{standard:?}");
            assert_eq!(without.is_ok(), !standard.takes_rules(), "{standard:?}");
        }
    }

    #[test]
    fn iso_wants_a_date_for_everything() {
        let critical = BaselineRule {
            severities: vec![Severity::Critical],
            ..rule("critical")
        };
        let open = spec(Standard::Iso27001, vec![rule("all"), critical.clone()]);
        assert_eq!(path(&open), ["rules"]);
        let closed = spec(Standard::Iso27001, vec![critical, rule("all")]);
        assert!(path(&closed).is_empty());
    }

    #[test]
    fn limits_hold_and_name_the_field() {
        let labels = |any_of| Selector {
            any_of,
            ..Selector::default()
        };
        let many: Vec<_> = (0..101).map(|index| rule(&index.to_string())).collect();
        assert_eq!(path(&spec(Standard::Own, many)), ["rules"]);
        let cases = [
            (
                BaselineRule {
                    name: String::new(),
                    ..rule("")
                },
                "name",
            ),
            (
                BaselineRule {
                    within_days: 3_651,
                    ..rule("a")
                },
                "withinDays",
            ),
            (
                BaselineRule {
                    severities: vec![Severity::Low; 6],
                    ..rule("a")
                },
                "severities",
            ),
            (
                BaselineRule {
                    labels: labels([("tier".to_owned(), [].into())].into()),
                    ..rule("a")
                },
                "labels",
            ),
            (
                BaselineRule {
                    labels: labels([("k".repeat(64), ["v".to_owned()].into())].into()),
                    ..rule("a")
                },
                "labels",
            ),
            (
                BaselineRule {
                    labels: labels([("k".to_owned(), ["\u{7}".to_owned()].into())].into()),
                    ..rule("a")
                },
                "labels",
            ),
            (
                BaselineRule {
                    labels: labels(
                        (0..51)
                            .map(|key| (key.to_string(), ["v".to_owned()].into()))
                            .collect(),
                    ),
                    ..rule("a")
                },
                "labels",
            ),
        ];
        for (broken, field) in cases {
            let path = path(&spec(Standard::Own, vec![rule("good"), broken]));
            assert_eq!(path, ["rules", "1", field]);
        }
        let twice = spec(Standard::Own, vec![rule("same"), rule("same")]);
        assert_eq!(path(&twice), ["rules", "1", "name"]);
        let longest = BaselineRule {
            within_days: 3_650,
            ..rule("a")
        };
        assert!(path(&spec(Standard::Own, vec![longest])).is_empty());
    }
}
