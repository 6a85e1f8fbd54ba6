//! What the policies of an organization say of a patch.
//!
//! The policies of the group in question are read in order of name, rules in order. The first rule that matches decides,
//! except that the block list and any matching block rule win over everything, also one of a policy for all hosts, and
//! that a deferral that has run out is read past. No rule: a person must approve. An input that nobody has given (no CVSS, no EPSS) matches no threshold: unknown is not "fine".

use crate::domain::glob;
use chrono::{DateTime, Duration, Utc};
use netpatch_inventory_api::Patch;
use netpatch_policy_api::{BlockEntry, Decision, Policy, Rule};
use netpatch_types::PolicyId;

/// What is decided about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    /// The patch as the organization sees it.
    pub patch: &'a Patch,
    /// Names of the binary packages that it updates.
    pub binaries: &'a [String],
    /// Names of new packages that these need: the block list holds for them too, the rules' globs do not read them.
    pub dependencies: &'a [String],
}

impl Facts<'_> {
    fn named_by(&self, pattern: &str) -> bool {
        glob::matches(pattern, &self.patch.name)
            || self
                .binaries
                .iter()
                .any(|name| glob::matches(pattern, name))
    }
}

/// The decision and its reason.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// What.
    pub decision: Decision,
    /// The policy that says so.
    pub policy: Option<PolicyId>,
    /// Its rule.
    pub rule: Option<String>,
    /// When a deferral runs out.
    pub again_at: Option<DateTime<Utc>>,
    /// One sentence for a person.
    pub sentence: String,
}

/// The policies that have a say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cover<'a> {
    /// Those whose rules decide; order does not matter.
    pub(crate) deciding: Vec<&'a Policy>,
    /// Those of which only block rules count.
    pub(crate) blocking: Vec<&'a Policy>,
}

/// Decides.
#[must_use]
pub(crate) fn decide(
    cover: &Cover<'_>,
    blocked: &[BlockEntry],
    facts: Facts<'_>,
    now: DateTime<Utc>,
) -> Outcome {
    let title = format!("{} {}", facts.patch.name, facts.patch.fixed_version);
    if let Some(entry) = blocked.iter().find(|entry| {
        facts.named_by(&entry.package)
            || facts
                .dependencies
                .iter()
                .any(|name| glob::matches(&entry.package, name))
    }) {
        return Outcome {
            decision: Decision::Block,
            policy: None,
            rule: None,
            again_at: None,
            sentence: format!(
                "{title} is never installed: {} is on the block list ({})",
                entry.package, entry.reason
            ),
        };
    }
    let enabled = in_order(&cover.deciding);
    let blocking = in_order(&cover.blocking);
    let (own, others) = (matching(&enabled, facts), matching(&blocking, facts));
    let block = own
        .iter()
        .chain(&others)
        .find(|(_, rule)| rule.then == Decision::Block);
    let first = own
        .iter()
        .find(|(_, rule)| deferred_until(rule, facts.patch).is_none_or(|end| now < end));
    let Some((policy, rule)) = block.or(first) else {
        return Outcome {
            decision: Decision::default(),
            policy: enabled.first().map(|policy| policy.id),
            rule: None,
            again_at: None,
            sentence: format!("{title} waits for a person: no rule decides"),
        };
    };
    let again_at = deferred_until(rule, facts.patch);
    let what = match rule.then {
        Decision::Approve => "is approved".to_owned(),
        Decision::RequireApprovals { count: 1 } => {
            "waits for the approval of one person".to_owned()
        }
        Decision::RequireApprovals { count } => {
            format!("waits for the approvals of {count} people")
        }
        Decision::Defer { .. } => format!(
            "is put off until {}",
            again_at.unwrap_or(now).format("%Y-%m-%d %H:%M UTC")
        ),
        Decision::Block => "is never installed".to_owned(),
    };
    Outcome {
        decision: rule.then,
        policy: Some(policy.id),
        rule: Some(rule.name.clone()),
        again_at,
        sentence: format!(
            "{title} {what}: rule {:?} of policy {:?}",
            rule.name, policy.spec.name
        ),
    }
}

fn in_order<'a>(policies: &[&'a Policy]) -> Vec<&'a Policy> {
    let mut enabled: Vec<&Policy> = policies
        .iter()
        .copied()
        .filter(|policy| policy.spec.enabled)
        .collect();
    enabled.sort_by(|left, right| (&left.spec.name, left.id).cmp(&(&right.spec.name, right.id)));
    enabled
}

fn matching<'a>(policies: &[&'a Policy], facts: Facts<'_>) -> Vec<(&'a Policy, &'a Rule)> {
    let rules = policies
        .iter()
        .flat_map(|policy| policy.spec.rules.iter().map(move |rule| (*policy, rule)));
    rules.filter(|(_, rule)| matches(rule, facts)).collect()
}

fn deferred_until(rule: &Rule, patch: &Patch) -> Option<DateTime<Utc>> {
    match rule.then {
        Decision::Defer { seconds } => patch
            .first_seen_at
            .checked_add_signed(Duration::seconds(i64::from(seconds))),
        _ => None,
    }
}

fn matches(rule: &Rule, facts: Facts<'_>) -> bool {
    fn any_or_in<T: PartialEq>(list: &[T], value: &T) -> bool {
        list.is_empty() || list.contains(value)
    }
    fn at_least(value: Option<f64>, least: Option<f64>) -> bool {
        least.is_none_or(|least| value.is_some_and(|value| value >= least))
    }
    let patch = facts.patch;
    any_or_in(&rule.classifications, &patch.classification)
        && any_or_in(&rule.severities, &patch.severity)
        && any_or_in(&rule.origin_labels, &patch.origin_label)
        && at_least(patch.cvss_score, rule.cvss_at_least)
        && at_least(patch.epss, rule.epss_at_least)
        && rule.kev.is_none_or(|kev| kev == patch.kev)
        && (rule.packages.is_empty() || rule.packages.iter().any(|pattern| facts.named_by(pattern)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_policy_api::{PolicySpec, Rollout};
    use netpatch_types::{Classification, PatchId, Severity, TenantId};
    use uuid::Uuid;

    fn at(hour: u32) -> DateTime<Utc> {
        "2026-11-21T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + Duration::hours(i64::from(hour))
    }

    fn patch() -> Patch {
        Patch {
            id: PatchId::of("deb", "debian/bookworm/openssl/3.0.17-1~deb12u3"),
            name: "openssl".into(),
            distribution: "debian".into(),
            release: "bookworm".into(),
            fixed_version: "3.0.17-1~deb12u3".into(),
            classification: Classification::Security,
            severity: Severity::High,
            advisories: vec![],
            cvss_score: None,
            epss: Some(0.2),
            kev: false,
            origin_label: "Debian-Security".into(),
            first_seen_at: at(0),
            hosts: 3,
            superseded_by: None,
        }
    }

    fn policy(name: &str, rules: Vec<Rule>) -> Policy {
        Policy {
            id: PolicyId(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())),
            tenant: TenantId::new(at(0)),
            spec: PolicySpec {
                name: name.into(),
                enabled: true,
                group: None,
                rules,
                rollout: Rollout::default(),
                windows: vec![],
                automatic: false,
            },
            etag: "1".into(),
        }
    }

    fn rule(name: &str, then: Decision) -> Rule {
        Rule {
            name: name.into(),
            then,
            ..Rule::default()
        }
    }

    fn said(policies: &[Policy], blocked: &[BlockEntry], patch: &Patch, hour: u32) -> Outcome {
        let cover = Cover {
            deciding: policies.iter().collect(),
            blocking: vec![],
        };
        said_by(&cover, blocked, patch, hour)
    }

    fn said_by(cover: &Cover<'_>, blocked: &[BlockEntry], patch: &Patch, hour: u32) -> Outcome {
        let facts = Facts {
            patch,
            binaries: &["libssl3".into(), "openssl".into()],
            dependencies: &["ssl-cert".into()],
        };
        decide(cover, blocked, facts, at(hour))
    }

    #[test]
    fn a_policy_for_all_hosts_blocks_in_a_group_but_does_not_approve_there() {
        let own = policy("group", vec![rule("yes", Decision::Approve)]);
        let all = policy(
            "all",
            vec![
                Rule {
                    packages: vec!["openssl".into()],
                    ..rule("no ssl", Decision::Block)
                },
                rule("any", Decision::Approve),
            ],
        );
        let cover = |own| Cover {
            deciding: own,
            blocking: vec![&all],
        };
        assert_eq!(
            said_by(&cover(vec![&own]), &[], &patch(), 0)
                .rule
                .as_deref(),
            Some("no ssl")
        );
        let other = Patch {
            name: "nginx".into(),
            ..patch()
        };
        let facts = Facts {
            patch: &other,
            binaries: &[],
            dependencies: &[],
        };
        assert_eq!(
            decide(&cover(vec![]), &[], facts, at(0)).decision,
            Decision::default()
        );
    }

    #[test]
    fn without_a_rule_a_person_decides() {
        let outcome = said(&[policy("a", vec![])], &[], &patch(), 0);
        assert_eq!(outcome.decision, Decision::RequireApprovals { count: 1 });
        assert!(
            outcome.rule.is_none() && outcome.sentence.contains("no rule"),
            "{outcome:?}"
        );
        let mut off = policy("a", vec![rule("all", Decision::Approve)]);
        off.spec.enabled = false;
        assert_eq!(said(&[off], &[], &patch(), 0).decision, Decision::default());
    }

    #[test]
    fn the_first_matching_rule_of_the_first_policy_by_name_decides() {
        let late = policy("b", vec![rule("yes", Decision::Approve)]);
        let early = policy(
            "a",
            vec![
                Rule {
                    severities: vec![Severity::Critical],
                    ..rule("critical only", Decision::Approve)
                },
                rule("two people", Decision::RequireApprovals { count: 2 }),
            ],
        );
        let outcome = said(&[late, early], &[], &patch(), 0);
        assert_eq!(outcome.decision, Decision::RequireApprovals { count: 2 });
        assert_eq!(outcome.rule.as_deref(), Some("two people"));
    }

    #[test]
    fn a_block_wins_wherever_it_stands() {
        let yes = policy("a", vec![rule("yes", Decision::Approve)]);
        let no = policy(
            "b",
            vec![Rule {
                packages: vec!["libssl*".into()],
                ..rule("no ssl", Decision::Block)
            }],
        );
        assert_eq!(
            said(&[yes.clone(), no], &[], &patch(), 0).decision,
            Decision::Block
        );
        let entry = BlockEntry {
            package: "open*".into(),
            reason: "breaks the till".into(),
        };
        let outcome = said(&[yes], &[entry], &patch(), 0);
        assert_eq!(outcome.decision, Decision::Block);
        assert!(
            outcome.sentence.contains("breaks the till"),
            "{}",
            outcome.sentence
        );
        let dependency = BlockEntry {
            package: "ssl-cert".into(),
            reason: "never".into(),
        };
        assert_eq!(
            said(
                &[policy("a", vec![rule("yes", Decision::Approve)])],
                &[dependency],
                &patch(),
                0
            )
            .decision,
            Decision::Block
        );
    }

    #[test]
    fn an_unknown_score_meets_no_threshold() {
        for strict in [
            Rule {
                cvss_at_least: Some(0.0),
                ..rule("cvss", Decision::Approve)
            },
            Rule {
                epss_at_least: Some(0.5),
                ..rule("epss", Decision::Approve)
            },
            Rule {
                kev: Some(true),
                ..rule("kev", Decision::Approve)
            },
            Rule {
                origin_labels: vec!["Debian".into()],
                ..rule("origin", Decision::Approve)
            },
            Rule {
                classifications: vec![Classification::Critical],
                ..rule("class", Decision::Approve)
            },
            Rule {
                packages: vec!["nginx*".into()],
                ..rule("package", Decision::Approve)
            },
        ] {
            assert_eq!(
                said(&[policy("a", vec![strict.clone()])], &[], &patch(), 0).decision,
                Decision::default(),
                "{}",
                strict.name
            );
        }
        let mut scored = patch();
        scored.cvss_score = Some(7.5);
        let rule = Rule {
            cvss_at_least: Some(7.5),
            epss_at_least: Some(0.2),
            kev: Some(false),
            ..rule("all", Decision::Approve)
        };
        assert_eq!(
            said(&[policy("a", vec![rule])], &[], &scored, 0).decision,
            Decision::Approve
        );
    }

    #[test]
    fn a_deferral_runs_out_and_the_next_rule_decides() {
        let policies = [policy(
            "a",
            vec![
                rule("wait a day", Decision::Defer { seconds: 86_400 }),
                rule("then", Decision::Approve),
            ],
        )];
        let outcome = said(&policies, &[], &patch(), 23);
        assert_eq!(outcome.decision, Decision::Defer { seconds: 86_400 });
        assert_eq!(outcome.again_at, Some(at(24)));
        assert_eq!(
            said(&policies, &[], &patch(), 24).decision,
            Decision::Approve
        );
    }
}
