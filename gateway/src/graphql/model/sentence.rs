//! A policy in words: what will happen next and when.

use chrono::{DateTime, Utc};
use netpatch_policy_api::{Decision, PolicySpec, Rule, WaveSize};

/// `next` is the earliest start of a window, the window's name, and whether its zone is each host's own. The start of a
/// window that is open lies before `now`.
pub(crate) fn policy_sentence(
    spec: &PolicySpec,
    group: Option<String>,
    next: Option<(DateTime<Utc>, String, bool)>,
    now: DateTime<Utc>,
) -> String {
    if !spec.enabled {
        return "It is off: it decides nothing and installs nothing.".to_owned();
    }
    let hosts = group.map_or_else(
        || "all hosts".to_owned(),
        |group| format!("hosts of {group}"),
    );
    let mut text = String::new();
    for rule in &spec.rules {
        text.push_str(&rule_sentence(rule));
    }
    if !spec.rules.iter().any(fits_all) {
        text.push_str("Everything else waits for a person. ");
    }
    let waves: Vec<String> = spec.rollout.waves.iter().map(wave).collect();
    let start = if spec.automatic {
        "What is approved goes by itself"
    } else {
        "What is approved goes when a person creates a deployment"
    };
    text.push_str(&format!(
        "{start}, to {hosts} in {} ({}). ",
        plural(spec.rollout.waves.len(), "wave"),
        waves.join(", then ")
    ));
    text.push_str(&match next {
        Some((start, name, local)) => {
            let zone = if local {
                "UTC for hosts in UTC; each host goes by its own time zone"
            } else {
                "UTC"
            };
            let start_text = start.format("%A %-d %B %Y %H:%M");
            if start <= now {
                format!("The window {name} is open, since {start_text} {zone}.")
            } else {
                format!("The next window is {name}, {start_text} {zone}.")
            }
        }
        None if spec.windows.is_empty() => "It has no window, so nothing is installed.".to_owned(),
        None => "None of its windows opens again, so nothing is installed.".to_owned(),
    });
    text
}

/// Whether nothing is left for the rules behind it.
fn fits_all(rule: &Rule) -> bool {
    rule.severities.is_empty()
        && rule.classifications.is_empty()
        && rule.packages.is_empty()
        && rule.origin_labels.is_empty()
        && rule.cvss_at_least.is_none()
        && rule.epss_at_least.is_none()
        && rule.kev.is_none()
}

fn rule_sentence(rule: &Rule) -> String {
    let mut what: Vec<String> = Vec::new();
    if !rule.severities.is_empty() {
        what.push(
            rule.severities
                .iter()
                .map(|severity| severity.as_str())
                .collect::<Vec<_>>()
                .join(" or "),
        );
    }
    if !rule.classifications.is_empty() {
        what.push(
            rule.classifications
                .iter()
                .map(|kind| kind.as_str())
                .collect::<Vec<_>>()
                .join(" or "),
        );
    }
    let mut conditions: Vec<String> = Vec::new();
    conditions.extend(
        rule.cvss_at_least
            .map(|score| format!("with CVSS at least {score}")),
    );
    conditions.extend(
        rule.epss_at_least
            .map(|score| format!("with EPSS at least {score}")),
    );
    conditions.extend(rule.kev.map(|kev| {
        if kev {
            "known to be exploited"
        } else {
            "not known to be exploited"
        }
        .to_owned()
    }));
    if !rule.packages.is_empty() {
        conditions.push(format!("of {}", rule.packages.join(", ")));
    }
    if !rule.origin_labels.is_empty() {
        conditions.push(format!("from {}", rule.origin_labels.join(" or ")));
    }
    let subject = if fits_all(rule) {
        "All other patches".to_owned()
    } else if what.is_empty() {
        "Patches".to_owned()
    } else {
        capital(&format!("{} patches", what.join(", ")))
    };
    let conditions = conditions
        .iter()
        .map(|condition| format!(" {condition}"))
        .collect::<String>();
    let verdict = match rule.then {
        Decision::Approve => "are approved without a person".to_owned(),
        Decision::RequireApprovals { count: 1 } => "wait for one person's approval".to_owned(),
        Decision::RequireApprovals { count } => format!("wait for {count} people's approval"),
        Decision::Defer { seconds } => format!("wait {} after they were first seen", span(seconds)),
        Decision::Block => "are never installed".to_owned(),
    };
    format!("{subject}{conditions} {verdict}. ")
}

fn wave(size: &WaveSize) -> String {
    match size {
        WaveSize::Count { hosts } => plural(usize::try_from(*hosts).unwrap_or(usize::MAX), "host"),
        WaveSize::Percent { percent } => format!("{percent} %"),
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

fn span(seconds: u32) -> String {
    match seconds {
        s if s >= 86_400 && s % 86_400 == 0 => {
            plural(usize::try_from(s / 86_400).unwrap_or(0), "day")
        }
        s if s >= 3600 && s % 3600 == 0 => plural(usize::try_from(s / 3600).unwrap_or(0), "hour"),
        s => plural(usize::try_from(s).unwrap_or(0), "second"),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_policy_api::Rollout;
    use netpatch_types::Classification;

    #[test]
    fn a_policy_says_what_happens_next() {
        let mut spec = PolicySpec {
            name: "security".into(),
            enabled: true,
            group: None,
            rules: vec![Rule {
                name: "r".into(),
                classifications: vec![Classification::Security],
                then: Decision::Approve,
                ..Rule::default()
            }],
            rollout: Rollout::default(),
            windows: Vec::new(),
            automatic: false,
        };
        assert_eq!(
            policy_sentence(&spec, Some("servers".into()), None, DateTime::UNIX_EPOCH),
            "Security patches are approved without a person. Everything else waits for a person. What is approved goes when a person creates \
             a deployment, to hosts of servers in 3 waves (1 host, then 25 %, then 100 %). It has no window, so nothing is installed."
        );
        let start = "2026-11-24T02:00:00Z".parse().unwrap();
        let said = |spec: &PolicySpec, now| {
            policy_sentence(spec, None, Some((start, "nightly".into(), false)), now)
        };
        assert!(
            said(&spec, DateTime::UNIX_EPOCH)
                .ends_with("The next window is nightly, Tuesday 24 November 2026 02:00 UTC.")
        );
        assert!(
            said(&spec, start + chrono::Duration::hours(1))
                .ends_with("The window nightly is open, since Tuesday 24 November 2026 02:00 UTC.")
        );
        spec.rules.push(Rule {
            name: "rest".into(),
            then: Decision::RequireApprovals { count: 1 },
            ..Rule::default()
        });
        let text = said(&spec, start);
        assert!(text.contains("All other patches wait for one person's approval. What"));
        spec.enabled = false;
        assert!(said(&spec, start).contains("off"));
    }
}
