//! What changes between the exposures that a host carries and those that it should carry.
//!
//! A component that is upgraded but stays affected keeps its exposure: the clock of an exposure starts when the host
//! first carried the vulnerability in that package, and neither a half-way update resets it nor that another feed tells of it now.

use crate::domain::link::applicability_word;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{Applicability, Deadline};
use netpatch_types::{Ecosystem, Severity};
use std::collections::HashMap;
use uuid::Uuid;

/// An exposure that is open in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its finding's id.
    pub id: Uuid,
    /// Advisory number.
    pub advisory: u32,
    /// Component number.
    pub component: u32,
    /// Binary package.
    pub name: String,
    /// Architecture.
    pub arch: String,
    /// The fixing version that it was opened with.
    pub fixed_version: String,
    /// Risk, in tenths.
    pub risk: i32,
    /// Severity's word.
    pub severity: String,
    /// What would fix it.
    pub patch: Option<Uuid>,
    /// Applicability's word.
    pub applicability: String,
    /// When it was opened: the clock of its deadline.
    pub opened_at: DateTime<Utc>,
    /// The date that a rule demands.
    pub due: Option<Deadline>,
}

/// An exposure that the host has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Advisory number.
    pub advisory: u32,
    /// Component number.
    pub component: u32,
    /// Binary package.
    pub name: String,
    /// Architecture.
    pub arch: String,
    /// Whose package.
    pub ecosystem: Ecosystem,
    /// Source package, as the advisory names it.
    pub source: String,
    /// The first fixed version.
    pub fixed_version: String,
    /// The version that was compared.
    pub installed_version: String,
    /// Which rule.
    pub rule: &'static str,
    /// Risk, in tenths.
    pub risk: i32,
    /// Severity.
    pub severity: Severity,
    /// Known exploited.
    pub kev: bool,
    /// What would fix it.
    pub patch: Option<Uuid>,
    /// What can be done about it.
    pub applicability: Applicability,
    /// The date that a rule demands; [`change`] fills it in, because it hangs on the first sight.
    pub due: Option<Deadline>,
}

/// What to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// New exposures.
    pub opened: Vec<Wanted>,
    /// Findings that are gone.
    pub closed: Vec<Uuid>,
    /// Findings that go on with other evidence, risk or severity.
    pub moved: Vec<(Uuid, Wanted)>,
}

impl Change {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty() && self.closed.is_empty() && self.moved.is_empty()
    }
}

/// What an advisory is known as, whichever feed tells of it: its CVE when it is about one, else its own name.
#[must_use]
pub fn known_as(name: &str, cves: &[String]) -> String {
    match cves {
        [cve] => cve.to_ascii_uppercase(),
        _ => name.to_ascii_uppercase(),
    }
}

/// The change from what is open to what is wanted. `due` says which date the rules demand for an exposure that was seen first then,
/// `known_as` what an advisory is known as.
#[must_use]
pub fn change(
    open: Vec<Open>,
    wanted: Vec<Wanted>,
    now: DateTime<Utc>,
    due: impl Fn(&Wanted, DateTime<Utc>) -> Option<Deadline>,
    known_as: impl Fn(u32) -> Option<String>,
) -> Change {
    let dated = |wanted: Wanted, first_seen_at| Wanted {
        due: due(&wanted, first_seen_at),
        ..wanted
    };
    // Two versions of one package can be installed at once (kernels by another name, multi-arch same), so the exact
    // component is paired first, then whatever is left of the same package.
    let mut exact: HashMap<(u32, u32), Open> = open
        .into_iter()
        .map(|open| ((open.advisory, open.component), open))
        .collect();
    let mut change = Change::default();
    let mut rest = Vec::new();
    for wanted in wanted {
        match exact.remove(&(wanted.advisory, wanted.component)) {
            Some(open) => {
                let wanted = dated(wanted, open.opened_at);
                if !same(&open, &wanted) {
                    change.moved.push((open.id, wanted));
                }
            }
            None => rest.push(wanted),
        }
    }
    type Package = (u32, String, String);
    let mut left: HashMap<Package, Vec<Open>> = HashMap::new();
    for open in exact.into_values() {
        left.entry((open.advisory, open.name.clone(), open.arch.clone()))
            .or_default()
            .push(open);
    }
    for wanted in rest {
        let key = (wanted.advisory, wanted.name.clone(), wanted.arch.clone());
        match left.get_mut(&key).and_then(Vec::pop) {
            Some(open) => {
                let wanted = dated(wanted, open.opened_at);
                change.moved.push((open.id, wanted));
            }
            None => change.opened.push(wanted),
        }
    }
    // What is gone and what is new may be one vulnerability of one component, of which another feed tells now.
    let mut renamed: HashMap<(String, u32), Vec<Open>> = HashMap::new();
    for open in left.into_values().flatten() {
        match known_as(open.advisory).filter(|_| !change.opened.is_empty()) {
            Some(known) => {
                let key = (known, open.component);
                renamed.entry(key).or_default().push(open);
            }
            None => change.closed.push(open.id),
        }
    }
    for wanted in std::mem::take(&mut change.opened) {
        let before = known_as(wanted.advisory)
            .and_then(|known| renamed.get_mut(&(known, wanted.component))?.pop());
        match before {
            Some(open) => {
                let wanted = dated(wanted, open.opened_at);
                change.moved.push((open.id, wanted));
            }
            None => change.opened.push(dated(wanted, now)),
        }
    }
    let gone = renamed.into_values().flatten().map(|open| open.id);
    change.closed.extend(gone);
    change.closed.sort_unstable();
    change
}

fn same(open: &Open, wanted: &Wanted) -> bool {
    open.fixed_version == wanted.fixed_version
        && open.risk == wanted.risk
        && open.severity == wanted.severity.as_str()
        && open.patch == wanted.patch
        && open.applicability == applicability_word(wanted.applicability)
        && open.due == wanted.due
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(id: u128, advisory: u32, component: u32, name: &str) -> Open {
        Open {
            id: Uuid::from_u128(id),
            advisory,
            component,
            name: name.into(),
            arch: "amd64".into(),
            fixed_version: "2".into(),
            risk: 10,
            severity: "high".into(),
            patch: None,
            applicability: "applicable".into(),
            opened_at: EARLIER,
            due: Some(due(EARLIER)),
        }
    }

    const EARLIER: DateTime<Utc> = DateTime::UNIX_EPOCH;

    /// Due the moment that it was seen.
    fn due(first_seen_at: DateTime<Utc>) -> Deadline {
        Deadline {
            due_at: Some(first_seen_at),
            baseline: "b".into(),
            standard: netpatch_inventory_api::Standard::Own,
            reason: "r".into(),
            forensic_triage: false,
            moved_by: None,
        }
    }

    fn now() -> DateTime<Utc> {
        EARLIER + chrono::Duration::days(1)
    }

    fn change(open: Vec<Open>, wanted: Vec<Wanted>) -> Change {
        let known_as = |advisory: u32| Some(format!("CVE-{}", advisory % 100));
        super::change(
            open,
            wanted,
            now(),
            |_, first_seen_at| Some(due(first_seen_at)),
            known_as,
        )
    }

    fn dated(wanted: Wanted, first_seen_at: DateTime<Utc>) -> Wanted {
        Wanted {
            due: Some(due(first_seen_at)),
            ..wanted
        }
    }

    fn wanted(advisory: u32, component: u32, name: &str) -> Wanted {
        Wanted {
            advisory,
            component,
            name: name.into(),
            arch: "amd64".into(),
            ecosystem: Ecosystem::Deb,
            source: "s".into(),
            fixed_version: "2".into(),
            installed_version: "1".into(),
            rule: "debian-source",
            risk: 10,
            severity: Severity::High,
            kev: false,
            patch: None,
            applicability: Applicability::Applicable,
            due: None,
        }
    }

    #[test]
    fn the_same_again_changes_nothing() {
        assert!(change(vec![open(1, 7, 1, "a")], vec![wanted(7, 1, "a")]).is_empty());
    }

    #[test]
    fn a_half_way_update_keeps_the_finding() {
        let change = change(
            vec![open(1, 7, 1, "a"), open(2, 8, 1, "a")],
            vec![wanted(7, 2, "a"), wanted(9, 2, "a")],
        );
        assert_eq!(
            change.moved,
            [(Uuid::from_u128(1), dated(wanted(7, 2, "a"), EARLIER))],
            "its clock goes on"
        );
        assert_eq!(change.closed, [Uuid::from_u128(2)]);
        assert_eq!(change.opened, [dated(wanted(9, 2, "a"), now())]);
    }

    #[test]
    fn another_feeds_advisory_of_the_same_vulnerability_keeps_the_finding() {
        let moved = change(
            vec![open(1, 7, 1, "a"), open(2, 7, 2, "b"), open(3, 8, 1, "a")],
            vec![wanted(107, 1, "a"), wanted(107, 3, "c"), wanted(9, 1, "a")],
        );
        // Of two versions side by side, one that is closed lends its clock to no other.
        let other_version = change(vec![open(1, 7, 1, "a")], vec![wanted(107, 2, "a")]);
        assert_eq!(other_version.closed, [Uuid::from_u128(1)]);
        assert_eq!(other_version.opened, [dated(wanted(107, 2, "a"), now())]);
        assert_eq!(
            moved.moved,
            [(Uuid::from_u128(1), dated(wanted(107, 1, "a"), EARLIER))],
            "its clock goes on"
        );
        assert_eq!(moved.closed, [Uuid::from_u128(2), Uuid::from_u128(3)]);
        assert_eq!(
            moved.opened,
            [
                dated(wanted(107, 3, "c"), now()),
                dated(wanted(9, 1, "a"), now())
            ],
            "neither another package nor another vulnerability"
        );
        let cves = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(known_as("x-1", &cves(&["cve-2026-1"])), "CVE-2026-1");
        assert_eq!(known_as("alsa-1", &cves(&["CVE-1", "CVE-2"])), "ALSA-1");
    }

    #[test]
    fn another_risk_is_written_without_opening_anything() {
        let mut riskier = wanted(7, 1, "a");
        riskier.risk = 600;
        let change = change(vec![open(1, 7, 1, "a")], vec![riskier.clone()]);
        assert_eq!(
            change.moved,
            [(Uuid::from_u128(1), dated(riskier, EARLIER))]
        );
        assert!(change.opened.is_empty() && change.closed.is_empty());
    }

    #[test]
    fn another_date_or_reason_is_written_too() {
        let mut other = open(1, 7, 1, "a");
        other.due = None;
        let change = change(vec![other], vec![wanted(7, 1, "a")]);
        assert_eq!(
            change.moved,
            [(Uuid::from_u128(1), dated(wanted(7, 1, "a"), EARLIER))]
        );
    }
}
