//! Which date the rules demand for a finding, and why: one file a rule set.
//!
//! Calendar days and months are counted in UTC and include their last day to its last second, so daylight saving and the place
//! of a host or of a reader change nothing. Hours are elapsed time. What nobody knows counts as the worse case and the reason
//! says so. Where the vendor gives no date the clock starts when we saw the finding first.

pub mod bod_26_04;
pub mod essential_eight;
pub mod exception;
pub mod own;
pub mod pci_dss;

use chrono::{DateTime, Days, Months, NaiveDate, NaiveTime, Utc};
use netpatch_inventory_api::{
    Advisory, Deadline, Exploitation, FollowedBaseline, Ssvc, Standard, TechnicalImpact,
};
use netpatch_types::{Ecosystem, Labels, Severity};

/// What the rules ask about a finding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case<'a> {
    /// When we saw it first on this host.
    pub first_seen_at: DateTime<Utc>,
    /// When the vendor published it.
    pub published_at: Option<DateTime<Utc>>,
    /// Whether a fixed version is known at all.
    pub fix_released: bool,
    /// The worst word for it.
    pub severity: Severity,
    /// Known exploited.
    pub kev: bool,
    /// Since when CISA lists it.
    pub kev_added_on: Option<NaiveDate>,
    /// Whether working exploits exist beyond KEV: SSVC "exploitation" is not "none".
    pub exploit: Option<bool>,
    /// SSVC "automatable".
    pub automatable: Option<bool>,
    /// SSVC "technical impact" is total.
    pub total_impact: Option<bool>,
    /// Whether strangers reach the host.
    pub exposed: Option<bool>,
    /// What kind of software it is in.
    pub software: Software,
    /// The host's labels.
    pub labels: &'a Labels,
}

/// Kinds of software that standards treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// Comes with the operating system.
    OperatingSystem,
    /// Meets documents and pages of strangers: office suite, browser, mail, PDF, security product.
    Everyday,
    /// Any other application.
    Application,
}

/// Source packages of browsers, mail programs, office suites, PDF and security software.
const EVERYDAY: [&str; 22] = [
    "atril",
    "chromium",
    "clamav",
    "claws-mail",
    "epiphany-browser",
    "evince",
    "evolution",
    "falkon",
    "firefox",
    "firefox-esr",
    "geary",
    "ghostscript",
    "kmail",
    "libreoffice",
    "mupdf",
    "mutt",
    "okular",
    "poppler",
    "qpdfview",
    "thunderbird",
    "xpdf",
    "zathura",
];

impl Software {
    /// Of a source package.
    #[must_use]
    pub fn of(ecosystem: Ecosystem, source: &str) -> Self {
        if EVERYDAY.contains(&source) {
            return Self::Everyday;
        }
        match ecosystem {
            Ecosystem::Deb | Ecosystem::Rpm | Ecosystem::Apk | Ecosystem::Alpm => {
                Self::OperatingSystem
            }
            _ => Self::Application,
        }
    }
}

/// What one rule set demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// By then; `None`: with the next scheduled upgrade.
    pub due_at: Option<DateTime<Utc>>,
    /// Why.
    pub reason: String,
    /// Look for signs of a break-in, too.
    pub forensic_triage: bool,
}

/// What a baseline demands; `None` when it says nothing about the case.
#[must_use]
pub fn demand(baseline: &FollowedBaseline, case: &Case<'_>) -> Option<Demand> {
    match baseline.standard {
        Standard::CisaBod2604 => Some(bod_26_04::demand(case)),
        // Revoked: what it demanded, BOD 26-04 demands now.
        Standard::CisaBod2201 => None,
        Standard::PciDss401 => pci_dss::demand(case),
        Standard::EssentialEightOne => {
            essential_eight::demand(essential_eight::Maturity::One, case)
        }
        Standard::EssentialEightTwo => {
            essential_eight::demand(essential_eight::Maturity::Two, case)
        }
        Standard::EssentialEightThree => {
            essential_eight::demand(essential_eight::Maturity::Three, case)
        }
        Standard::Own | Standard::Iso27001 => own::demand(&baseline.rules, case),
    }
}

/// The earliest date that the baselines demand; among equal ones the first.
#[must_use]
pub fn earliest<'a>(
    baselines: impl IntoIterator<Item = &'a FollowedBaseline>,
    case: &Case<'_>,
) -> Option<Deadline> {
    baselines
        .into_iter()
        .filter_map(|baseline| {
            let demand = demand(baseline, case)?;
            Some(Deadline {
                due_at: demand.due_at,
                baseline: baseline.name.clone(),
                standard: baseline.standard,
                reason: format!(
                    "{}: {}",
                    baseline.standard.publication().name,
                    demand.reason
                ),
                forensic_triage: demand.forensic_triage,
                moved_by: None,
            })
        })
        .min_by_key(|deadline| deadline.due_at.unwrap_or(DateTime::<Utc>::MAX_UTC))
}

/// The last second of the day that lies `days` after the start's.
#[must_use]
pub fn days_after(start: NaiveDate, days: u32) -> DateTime<Utc> {
    end_of(start.checked_add_days(Days::new(u64::from(days))))
}

/// The last second of the same day `months` later; a day that the month does not have is its last one.
#[must_use]
pub fn months_after(start: NaiveDate, months: u32) -> DateTime<Utc> {
    end_of(start.checked_add_months(Months::new(months)))
}

fn end_of(day: Option<NaiveDate>) -> DateTime<Utc> {
    let last = NaiveTime::from_hms_opt(23, 59, 59).unwrap_or(NaiveTime::MIN);
    // Only a start at the end of all time has no such day.
    day.map_or(DateTime::<Utc>::MAX_UTC, |day| day.and_time(last).and_utc())
}

/// Where a clock starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The moment.
    pub at: DateTime<Utc>,
    /// What happened then, for the reason.
    pub what: &'static str,
}

impl Start {
    /// Its day in UTC.
    #[must_use]
    pub fn day(self) -> NaiveDate {
        self.at.date_naive()
    }
}

impl std::fmt::Display for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, when {}", self.day(), self.what)
    }
}

impl<'a> Case<'a> {
    /// What an advisory and a host say of a finding; whether a fix is known, the exposure and the kind of software are
    /// still to be filled in. A date in the future is none.
    #[must_use]
    pub fn of(
        advisory: &Advisory,
        labels: &'a Labels,
        first_seen_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Self {
        let ssvc = |says: fn(&Ssvc) -> bool| {
            let points = advisory
                .cve_facts
                .values()
                .filter_map(|facts| facts.ssvc.as_ref());
            // Of several CVEs the worst.
            points.map(says).reduce(|one, other| one || other)
        };
        Self {
            first_seen_at,
            published_at: advisory.published_at.filter(|at| *at <= now),
            fix_released: false,
            severity: advisory.severity,
            kev: advisory.kev,
            kev_added_on: advisory.kev_added,
            exploit: ssvc(|ssvc| ssvc.exploitation != Exploitation::None),
            automatable: ssvc(|ssvc| ssvc.automatable),
            total_impact: ssvc(|ssvc| ssvc.technical_impact == TechnicalImpact::Total),
            exposed: None,
            software: Software::OperatingSystem,
            labels,
        }
    }

    /// When we saw it first.
    #[must_use]
    pub fn seen(&self) -> Start {
        Start {
            at: self.first_seen_at,
            what: "it was seen first here",
        }
    }

    /// When the fix was released, as the vendor says; first seen where no date is given.
    #[must_use]
    pub fn released(&self) -> Start {
        self.published_at.map_or(
            Start {
                what: "it was seen first here, the vendor gives no date",
                ..self.seen()
            },
            |at| Start {
                at,
                what: "the vendor published it",
            },
        )
    }

    /// Nobody knows better: the host counts as exposed.
    #[must_use]
    pub fn counts_as_exposed(&self) -> bool {
        self.exposed.unwrap_or(true)
    }

    /// The words for the exposure.
    #[must_use]
    pub fn exposure(&self) -> &'static str {
        match self.exposed {
            Some(true) => "publicly exposed",
            Some(false) => "not publicly exposed",
            None => "exposure not known, counted as public",
        }
    }

    /// Whether the vendor calls it critical; what nobody has rated counts as such.
    #[must_use]
    pub fn counts_as_critical(&self) -> bool {
        matches!(self.severity, Severity::Critical | Severity::Unknown)
    }

    /// The words for the severity.
    #[must_use]
    pub fn rating(&self) -> &'static str {
        match self.severity {
            Severity::Critical => "critical",
            Severity::High => "high",
            Severity::Medium => "medium",
            Severity::Low => "low",
            Severity::Unknown => "not rated, counted as critical",
        }
    }

    /// Working exploits are known.
    #[must_use]
    pub fn has_exploit(&self) -> bool {
        self.kev || self.exploit == Some(true)
    }
}

/// The empty labels, for cases of which the host says nothing.
#[cfg(test)]
pub(crate) static NO_LABELS: Labels = Labels::new();

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use netpatch_inventory_api::BaselineRule;

    pub(crate) fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    pub(crate) fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    /// Seen on 2 November 2026 in the afternoon, published a month before; nothing else is known.
    pub(crate) fn case() -> Case<'static> {
        Case {
            first_seen_at: at("2026-11-02T15:30:00Z"),
            published_at: Some(at("2026-10-01T08:00:00Z")),
            fix_released: true,
            severity: Severity::High,
            kev: false,
            kev_added_on: None,
            exploit: None,
            automatable: None,
            total_impact: None,
            exposed: None,
            software: Software::OperatingSystem,
            labels: &NO_LABELS,
        }
    }

    #[test]
    fn a_day_counts_to_its_last_second_and_months_end_where_they_end() {
        assert_eq!(days_after(day("2026-11-02"), 3), at("2026-11-05T23:59:59Z"));
        assert_eq!(days_after(day("2026-11-02"), 0), at("2026-11-02T23:59:59Z"));
        // Leap days, and years that have none.
        assert_eq!(days_after(day("2028-02-28"), 1), at("2028-02-29T23:59:59Z"));
        assert_eq!(days_after(day("2027-02-28"), 1), at("2027-03-01T23:59:59Z"));
        assert_eq!(
            months_after(day("2028-01-31"), 1),
            at("2028-02-29T23:59:59Z")
        );
        assert_eq!(
            months_after(day("2027-01-31"), 1),
            at("2027-02-28T23:59:59Z")
        );
        assert_eq!(
            months_after(day("2028-02-29"), 12),
            at("2029-02-28T23:59:59Z")
        );
        assert_eq!(
            months_after(day("2026-12-15"), 1),
            at("2027-01-15T23:59:59Z")
        );
        // The nights of 29 March and 25 October 2026, when Europe changes its clocks, are days like others.
        assert_eq!(days_after(day("2026-03-28"), 2), at("2026-03-30T23:59:59Z"));
        assert_eq!(days_after(day("2026-10-24"), 2), at("2026-10-26T23:59:59Z"));
        // A hostile date does not overflow.
        assert_eq!(days_after(NaiveDate::MAX, 1), DateTime::<Utc>::MAX_UTC);
        assert_eq!(months_after(NaiveDate::MAX, 1), DateTime::<Utc>::MAX_UTC);
    }

    fn own(name: &str, within_days: u32) -> FollowedBaseline {
        FollowedBaseline {
            name: name.to_owned(),
            standard: Standard::Own,
            rules: vec![BaselineRule {
                name: "all".to_owned(),
                within_days,
                ..BaselineRule::default()
            }],
            ..FollowedBaseline::undecided()
        }
    }

    #[test]
    fn the_earliest_demand_holds_and_a_date_comes_before_the_next_upgrade() {
        let case = Case {
            exposed: Some(false),
            automatable: Some(false),
            total_impact: Some(true),
            ..case()
        };
        let upgrade = FollowedBaseline::undecided();
        assert_eq!(
            demand(&upgrade, &case).map(|demand| demand.due_at),
            Some(None)
        );
        let (month, week) = (own("month", 30), own("week", 7));
        let found = earliest([&upgrade, &month, &week], &case).expect("a deadline");
        assert_eq!(found.baseline, "week");
        assert_eq!(found.due_at, Some(at("2026-11-09T23:59:59Z")));
        assert!(found.reason.starts_with("own rules: "), "{}", found.reason);
        let alone = earliest([&upgrade], &case).expect("a reason without a date");
        assert_eq!(alone.due_at, None);
        assert!(alone.reason.contains("next"), "{}", alone.reason);
        assert_eq!(earliest([], &case), None);
        // A revoked directive demands nothing.
        let revoked = FollowedBaseline {
            standard: Standard::CisaBod2201,
            ..upgrade
        };
        let exploited = Case { kev: true, ..case };
        assert_eq!(earliest([&revoked], &exploited), None);
    }

    #[test]
    fn a_deadline_is_missed_after_its_last_second() {
        let deadline = Deadline {
            due_at: Some(at("2026-11-05T23:59:59Z")),
            baseline: String::new(),
            standard: Standard::Own,
            reason: String::new(),
            forensic_triage: false,
            moved_by: None,
        };
        assert!(!deadline.overdue(None, at("2026-11-05T23:59:59Z")));
        assert!(deadline.overdue(None, at("2026-11-06T00:00:00Z")));
        assert!(!deadline.overdue(Some(at("2026-11-04T00:00:00Z")), at("2027-01-01T00:00:00Z")));
        assert!(deadline.overdue(Some(at("2026-11-07T00:00:00Z")), at("2027-01-01T00:00:00Z")));
        let upgrade = Deadline {
            due_at: None,
            ..deadline
        };
        assert!(!upgrade.overdue(None, at("2999-01-01T00:00:00Z")));
    }
}
