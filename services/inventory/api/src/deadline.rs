//! Remediation deadlines: the dates that rules demand, with their reasons.
//!
//! Policy owns the baselines; it hands those that an organization follows to inventory, which knows the facts that the
//! rules ask for and computes the dates.

use crate::MovedBy;
use chrono::{DateTime, NaiveDate, Utc};
use netpatch_types::{GroupId, Selector, Severity};
use serde::{Deserialize, Serialize};

/// A published rule set, or the organization's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standard {
    /// The organization's own rules.
    Own,
    /// CISA Binding Operational Directive 26-04.
    CisaBod2604,
    /// CISA Binding Operational Directive 22-01; revoked.
    CisaBod2201,
    /// PCI DSS 4.0.1, requirement 6.3.3.
    PciDss401,
    /// ASD Essential Eight, maturity level one.
    EssentialEightOne,
    /// ASD Essential Eight, maturity level two.
    EssentialEightTwo,
    /// ASD Essential Eight, maturity level three.
    EssentialEightThree,
    /// ISO/IEC 27001:2022, control A.8.8. It names no dates: the organization defines them.
    Iso27001,
}

impl Standard {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Own,
        Self::CisaBod2604,
        Self::CisaBod2201,
        Self::PciDss401,
        Self::EssentialEightOne,
        Self::EssentialEightTwo,
        Self::EssentialEightThree,
        Self::Iso27001,
    ];

    /// The word stored in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::CisaBod2604 => "cisa_bod2604",
            Self::CisaBod2201 => "cisa_bod2201",
            Self::PciDss401 => "pci_dss401",
            Self::EssentialEightOne => "essential_eight_one",
            Self::EssentialEightTwo => "essential_eight_two",
            Self::EssentialEightThree => "essential_eight_three",
            Self::Iso27001 => "iso27001",
        }
    }

    /// Reads the word of [`Self::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|standard| standard.as_str() == word)
    }

    /// Whether the organization writes the rules: its own, or those that the standard leaves to it.
    #[must_use]
    pub fn takes_rules(self) -> bool {
        matches!(self, Self::Own | Self::Iso27001)
    }

    /// What was published about it.
    #[must_use]
    pub fn publication(self) -> Publication {
        let (name, title, url) = match self {
            Self::Own => ("own rules", "the organization's own rules", ""),
            Self::CisaBod2604 => (
                "CISA BOD 26-04",
                "Prioritizing Security Updates Based on Risk, Table 1",
                "https://www.cisa.gov/news-events/directives/bod-26-04-prioritizing-security-updates-based-risk",
            ),
            Self::CisaBod2201 => (
                "CISA BOD 22-01",
                "Reducing the Significant Risk of Known Exploited Vulnerabilities",
                "https://www.cisa.gov/news-events/directives/bod-22-01-reducing-significant-risk-known-exploited-vulnerabilities",
            ),
            Self::PciDss401 => (
                "PCI DSS 4.0.1, 6.3.3",
                "Protection from known vulnerabilities by installing security updates",
                "https://www.pcisecuritystandards.org/document_library/",
            ),
            Self::EssentialEightOne => (
                "Essential Eight, maturity level one",
                "Patch applications, patch operating systems (November 2023)",
                ESSENTIAL_EIGHT,
            ),
            Self::EssentialEightTwo => (
                "Essential Eight, maturity level two",
                "Patch applications, patch operating systems (November 2023)",
                ESSENTIAL_EIGHT,
            ),
            Self::EssentialEightThree => (
                "Essential Eight, maturity level three",
                "Patch applications, patch operating systems (November 2023)",
                ESSENTIAL_EIGHT,
            ),
            Self::Iso27001 => (
                "ISO/IEC 27001:2022, A.8.8",
                "Management of technical vulnerabilities; the organization defines the dates",
                "https://www.iso.org/standard/27001",
            ),
        };
        let revoked = (self == Self::CisaBod2201).then_some(Revoked {
            on: BOD_26_04_ISSUED,
            by: Self::CisaBod2604,
        });
        Publication {
            name,
            title,
            url,
            revoked,
        }
    }
}

const ESSENTIAL_EIGHT: &str = "https://www.cyber.gov.au/resources-business-and-government/essential-cybersecurity/essential-eight/essential-eight-maturity-model";

/// When CISA issued BOD 26-04, which revoked 22-01.
pub const BOD_26_04_ISSUED: NaiveDate = match NaiveDate::from_ymd_opt(2026, 6, 10) {
    Some(date) => date,
    None => NaiveDate::MIN,
};

/// Where a standard is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication {
    /// What people call it.
    pub name: &'static str,
    /// Its title and the part that sets dates.
    pub title: &'static str,
    /// Where to read it; empty for own rules.
    pub url: &'static str,
    /// It holds no more.
    pub revoked: Option<Revoked>,
}

/// A standard that holds no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Since when.
    pub on: NaiveDate,
    /// What took its place.
    pub by: Standard,
}

/// When the clock of a rule of the organization starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockStart {
    /// When we saw the finding first on the host.
    #[default]
    FirstSeen,
    /// When the vendor published it; first seen where no date is given.
    Published,
}

/// A rule of the organization: if all conditions hold, then so many days. Empty conditions hold; the first rule that matches decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BaselineRule {
    /// Unique in the baseline.
    pub name: String,
    /// Any of these; empty: any.
    pub severities: Vec<Severity>,
    /// (Not) known exploited.
    pub kev: Option<bool>,
    /// (Not) publicly exposed. A host of which nobody knows counts as exposed.
    pub exposed: Option<bool>,
    /// Labels of the host, tags included.
    pub labels: Selector,
    /// Calendar days, 0–3650; 0: the same day.
    pub within_days: u32,
    /// From when.
    pub clock: ClockStart,
}

/// A baseline that the organization follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowedBaseline {
    /// Its name.
    pub name: String,
    /// By which rules.
    pub standard: Standard,
    /// On which hosts; `None`: all.
    pub group: Option<GroupId>,
    /// The organization's own rules.
    pub rules: Vec<BaselineRule>,
}

impl FollowedBaseline {
    /// What holds while an organization has not decided: no finding is without a date or a reason.
    #[must_use]
    pub fn undecided() -> Self {
        Self {
            name: "CISA BOD 26-04 (nobody has chosen a baseline)".to_owned(),
            standard: Standard::CisaBod2604,
            group: None,
            rules: Vec::new(),
        }
    }
}

/// Which baselines an organization follows now: all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselinesSet {
    /// Grows with each change.
    pub version: u64,
    /// Empty: none, so no finding has a deadline.
    pub followed: Vec<FollowedBaseline>,
}

/// A date that a rule demands, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// By then; `None`: with the next scheduled upgrade of the host.
    pub due_at: Option<DateTime<Utc>>,
    /// The baseline's name.
    pub baseline: String,
    /// By which rules.
    pub standard: Standard,
    /// Why this date, for a person.
    pub reason: String,
    /// The rule also demands to look for signs of a break-in before the evidence is gone.
    pub forensic_triage: bool,
    /// The exception that moved the date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_by: Option<MovedBy>,
}

impl Deadline {
    /// Whether it was missed: by a finding that is still there at `now`, or by one that went too late.
    #[must_use]
    pub fn overdue(&self, resolved_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        self.due_at
            .is_some_and(|due| due < resolved_at.unwrap_or(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back_and_a_revoked_standard_names_its_successor() {
        for standard in Standard::ALL {
            assert_eq!(Standard::from_word(standard.as_str()), Some(standard));
            let json = serde_json::to_value(standard).expect("a word");
            assert_eq!(json, standard.as_str());
        }
        let revoked = Standard::CisaBod2201.publication().revoked;
        assert_eq!(
            revoked.map(|revoked| (revoked.on.to_string(), revoked.by)),
            Some(("2026-06-10".to_owned(), Standard::CisaBod2604))
        );
    }
}
