//! Rules that the organization wrote: its own baseline, or the dates that ISO/IEC 27001:2022 A.8.8 leaves to it ("a timeline
//! to react", ISO/IEC 27002:2022, 8.8). In order; the first rule whose conditions all hold decides.

use super::{Case, Demand, days_after};
use netpatch_inventory_api::{BaselineRule, ClockStart};

fn holds(rule: &BaselineRule, case: &Case<'_>) -> bool {
    (rule.severities.is_empty() || rule.severities.contains(&case.severity))
        && rule.kev.is_none_or(|kev| kev == case.kev)
        && rule
            .exposed
            .is_none_or(|exposed| exposed == case.counts_as_exposed())
        && rule.labels.matches(case.labels)
}

fn conditions(rule: &BaselineRule, case: &Case<'_>) -> String {
    let mut words = Vec::new();
    if !rule.severities.is_empty() {
        words.push(format!("severity {}", case.severity.as_str()));
    }
    match rule.kev {
        Some(true) => words.push("known exploited".to_owned()),
        Some(false) => words.push("not known exploited".to_owned()),
        None => {}
    }
    if rule.exposed.is_some() {
        words.push(case.exposure().to_owned());
    }
    for key in rule.labels.any_of.keys() {
        let value = case.labels.get(key).map(String::as_str).unwrap_or_default();
        words.push(if value.is_empty() {
            key.clone()
        } else {
            format!("{key} {value}")
        });
    }
    if words.is_empty() {
        "it holds for everything".to_owned()
    } else {
        words.join(", ")
    }
}

/// What the first rule that holds demands.
#[must_use]
pub fn demand(rules: &[BaselineRule], case: &Case<'_>) -> Option<Demand> {
    let rule = rules.iter().find(|rule| holds(rule, case))?;
    let start = match rule.clock {
        ClockStart::FirstSeen => case.seen(),
        ClockStart::Published => case.released(),
    };
    let days = match rule.within_days {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    Some(Demand {
        due_at: Some(days_after(start.day(), rule.within_days)),
        reason: format!(
            "{days} from {start}, by rule {:?}: {}",
            rule.name,
            conditions(rule, case)
        ),
        forensic_triage: false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, case};
    use super::*;
    use netpatch_types::{Labels, Selector, Severity};

    fn rule(name: &str, within_days: u32) -> BaselineRule {
        BaselineRule {
            name: name.to_owned(),
            within_days,
            ..BaselineRule::default()
        }
    }

    #[test]
    fn the_first_rule_that_holds_decides() {
        let rules = [
            BaselineRule {
                kev: Some(true),
                ..rule("exploited", 1)
            },
            BaselineRule {
                severities: vec![Severity::Critical, Severity::High],
                exposed: Some(true),
                ..rule("outside", 7)
            },
            BaselineRule {
                labels: Selector {
                    any_of: [("tag:cde".to_owned(), [String::new()].into())].into(),
                    ..Selector::default()
                },
                clock: ClockStart::Published,
                ..rule("cardholder data", 30)
            },
        ];
        let found =
            |case: &Case<'_>| demand(&rules, case).map(|demand| (demand.due_at, demand.reason));
        assert_eq!(
            found(&Case { kev: true, ..case() }),
            Some((
                Some(at("2026-11-03T23:59:59Z")),
                "1 day from 2026-11-02, when it was seen first here, by rule \"exploited\": known exploited".to_owned()
            ))
        );
        // Nobody has said whether the host is exposed: it counts as exposed.
        let (due, reason) = found(&case()).expect("a date");
        assert_eq!(due, Some(at("2026-11-09T23:59:59Z")));
        assert!(
            reason.contains("severity high, exposure not known"),
            "{reason}"
        );
        let labels = Labels::from([("tag:cde".to_owned(), String::new())]);
        let inside = Case {
            exposed: Some(false),
            labels: &labels,
            ..case()
        };
        let (due, reason) = found(&inside).expect("a date");
        assert_eq!(due, Some(at("2026-10-31T23:59:59Z")));
        assert!(
            reason.ends_with("by rule \"cardholder data\": tag:cde"),
            "{reason}"
        );
        assert_eq!(
            found(&Case {
                exposed: Some(false),
                ..case()
            }),
            None
        );
        assert_eq!(demand(&[], &case()), None);
    }

    #[test]
    fn days_from_the_vendor_fall_back_to_the_first_sight() {
        let rules = [BaselineRule {
            clock: ClockStart::Published,
            ..rule("all", 0)
        }];
        let silent = Case {
            published_at: None,
            ..case()
        };
        let found = demand(&rules, &silent).expect("a date");
        assert_eq!(found.due_at, Some(at("2026-11-02T23:59:59Z")));
        assert!(found.reason.contains("the vendor gives no date"));
        assert!(found.reason.ends_with("it holds for everything"));
    }
}
