//! CISA Binding Operational Directive 26-04, "Prioritizing Security Updates Based on Risk", issued 10 June 2026, which revoked
//! BOD 22-01 and 19-02: Table 1 in Appendix A, also published by CERT/CC as decision table `cisa:BOD2604:1.0.0`.
//!
//! - Calendar days, from the earlier of the day that CISA listed the vulnerability in KEV and the day that it was detected on
//!   the asset. The directive cannot have demanded anything before it was issued, so no clock starts earlier.
//! - Exposure that nobody has assessed counts as public (implementation guidance).
//! - When CISA has published neither automation nor impact of a vulnerability that is not in KEV: 60 days (implementation
//!   guidance). For everything else that is missing the worse case counts, also in KEV, where CISA publishes both.
//! - It binds federal agencies of the United States; CISA recommends it to everybody.

use super::{Case, Demand, Start, days_after};
use chrono::NaiveTime;
use netpatch_inventory_api::BOD_26_04_ISSUED;

/// What the table answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Three days, and look for signs of a break-in.
    ThreeDaysAndTriage,
    /// Three days.
    ThreeDays,
    /// Fourteen days.
    FourteenDays,
    /// Sixty days.
    SixtyDays,
    /// With the next scheduled major upgrade.
    NextUpgrade,
}

/// Table 1.
#[must_use]
pub fn table(exposed: bool, kev: bool, automatable: bool, total_impact: bool) -> Answer {
    use Answer::*;
    match (exposed, kev, automatable, total_impact) {
        (true, true, _, true) | (false, true, true, true) => ThreeDaysAndTriage,
        (true, true, true, false) | (true, false, true, true) => ThreeDays,
        (true, true, false, false)
        | (true, false, true, false)
        | (true, false, false, true)
        | (false, true, true, false)
        | (false, true, false, _) => FourteenDays,
        (true, false, false, false) | (false, false, true, _) => SixtyDays,
        (false, false, false, _) => NextUpgrade,
    }
}

fn start(case: &Case<'_>) -> Start {
    let seen = case.seen();
    let listed = case.kev_added_on.filter(|_| case.kev).map(|day| Start {
        at: day.and_time(NaiveTime::MIN).and_utc(),
        what: "CISA listed it as known exploited",
    });
    let earlier = match listed {
        Some(listed) if listed.at < seen.at => listed,
        _ => seen,
    };
    let issued = Start {
        at: BOD_26_04_ISSUED.and_time(NaiveTime::MIN).and_utc(),
        what: "the directive was issued",
    };
    if earlier.at < issued.at {
        issued
    } else {
        earlier
    }
}

/// What the directive demands.
#[must_use]
pub fn demand(case: &Case<'_>) -> Demand {
    let unpublished = !case.kev && case.automatable.is_none() && case.total_impact.is_none();
    let answer = if unpublished {
        Answer::SixtyDays
    } else {
        table(
            case.counts_as_exposed(),
            case.kev,
            case.automatable.unwrap_or(true),
            case.total_impact.unwrap_or(true),
        )
    };
    let start = start(case);
    let facts = facts(case, unpublished);
    let days = match answer {
        Answer::ThreeDaysAndTriage | Answer::ThreeDays => 3,
        Answer::FourteenDays => 14,
        Answer::SixtyDays => 60,
        Answer::NextUpgrade => {
            return Demand {
                due_at: None,
                reason: format!("with the next scheduled upgrade: {facts}"),
                forensic_triage: false,
            };
        }
    };
    let forensic_triage = answer == Answer::ThreeDaysAndTriage;
    let triage = if forensic_triage {
        " and forensic triage"
    } else {
        ""
    };
    Demand {
        due_at: Some(days_after(start.day(), days)),
        reason: format!("{days} days{triage} from {start}: {facts}"),
        forensic_triage,
    }
}

fn facts(case: &Case<'_>, unpublished: bool) -> String {
    let kev = if case.kev {
        "known exploited"
    } else {
        "not known exploited"
    };
    if unpublished {
        return format!("{kev}, CISA has published neither automation nor impact");
    }
    let automatable = match case.automatable {
        Some(true) => "automatable",
        Some(false) => "not automatable",
        None => "automation not known, counted as possible",
    };
    let impact = match case.total_impact {
        Some(true) => "total control",
        Some(false) => "partial control",
        None => "impact not known, counted as total control",
    };
    format!("{}, {kev}, {automatable}, {impact}", case.exposure())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, case, day};
    use super::*;

    /// The sixteen rows as published: exposed, in KEV, automatable, total control.
    #[test]
    fn every_row_of_the_table() {
        let (y, n) = (true, false);
        let rows = [
            (y, y, y, y, Answer::ThreeDaysAndTriage),
            (y, y, y, n, Answer::ThreeDays),
            (y, y, n, y, Answer::ThreeDaysAndTriage),
            (y, y, n, n, Answer::FourteenDays),
            (y, n, y, y, Answer::ThreeDays),
            (y, n, y, n, Answer::FourteenDays),
            (y, n, n, y, Answer::FourteenDays),
            (y, n, n, n, Answer::SixtyDays),
            (n, y, y, y, Answer::ThreeDaysAndTriage),
            (n, y, y, n, Answer::FourteenDays),
            (n, y, n, y, Answer::FourteenDays),
            (n, y, n, n, Answer::FourteenDays),
            (n, n, y, y, Answer::SixtyDays),
            (n, n, y, n, Answer::SixtyDays),
            (n, n, n, y, Answer::NextUpgrade),
            (n, n, n, n, Answer::NextUpgrade),
        ];
        for (exposed, kev, automatable, total, answer) in rows {
            assert_eq!(
                table(exposed, kev, automatable, total),
                answer,
                "exposed {exposed}, kev {kev}, automatable {automatable}, total {total}"
            );
        }
    }

    #[test]
    fn the_clock_starts_at_the_earlier_of_listing_and_detection() {
        let exploited = Case {
            kev: true,
            kev_added_on: Some(day("2026-10-30")),
            automatable: Some(true),
            total_impact: Some(true),
            exposed: Some(true),
            ..case()
        };
        let listed = demand(&exploited);
        assert_eq!(listed.due_at, Some(at("2026-11-02T23:59:59Z")));
        assert!(listed.forensic_triage);
        assert_eq!(
            listed.reason,
            "3 days and forensic triage from 2026-10-30, when CISA listed it as known exploited: \
             publicly exposed, known exploited, automatable, total control"
        );
        // Listed after we saw it.
        let later = Case {
            kev_added_on: Some(day("2026-11-20")),
            ..exploited
        };
        assert_eq!(demand(&later).due_at, Some(at("2026-11-05T23:59:59Z")));
        // Listed on the very day: midnight of that day is earlier than the afternoon; the date is the same.
        let same = Case {
            kev_added_on: Some(day("2026-11-02")),
            ..exploited
        };
        assert_eq!(demand(&same).due_at, Some(at("2026-11-05T23:59:59Z")));
        // A listing without a date.
        let undated = Case {
            kev_added_on: None,
            ..exploited
        };
        assert_eq!(demand(&undated).due_at, Some(at("2026-11-05T23:59:59Z")));
    }

    #[test]
    fn nothing_was_due_before_the_directive_existed() {
        let old = Case {
            kev: true,
            kev_added_on: Some(day("2021-11-03")),
            ..case()
        };
        let demand = demand(&old);
        assert_eq!(demand.due_at, Some(at("2026-06-13T23:59:59Z")));
        assert!(demand.reason.contains("when the directive was issued"));
    }

    #[test]
    fn what_nobody_has_published_is_sixty_days_unless_it_is_exploited() {
        let unknown = demand(&case());
        assert_eq!(unknown.due_at, Some(at("2027-01-01T23:59:59Z")));
        assert!(unknown.reason.contains("neither automation nor impact"));
        // In KEV the worse case counts, and the reason says so.
        let exploited = demand(&Case {
            kev: true,
            ..case()
        });
        assert_eq!(exploited.due_at, Some(at("2026-11-05T23:59:59Z")));
        assert!(exploited.forensic_triage);
        for word in [
            "exposure not known",
            "automation not known",
            "impact not known",
        ] {
            assert!(exploited.reason.contains(word), "{}", exploited.reason);
        }
        // One of the two is known: the table, with the worse case of the other.
        let half = demand(&Case {
            automatable: Some(false),
            exposed: Some(true),
            ..case()
        });
        assert_eq!(half.due_at, Some(at("2026-11-16T23:59:59Z")));
    }

    #[test]
    fn the_lowest_rows_have_a_reason_but_no_date() {
        let internal = demand(&Case {
            exposed: Some(false),
            automatable: Some(false),
            total_impact: Some(true),
            ..case()
        });
        assert_eq!((internal.due_at, internal.forensic_triage), (None, false));
        assert_eq!(
            internal.reason,
            "with the next scheduled upgrade: not publicly exposed, not known exploited, not automatable, total control"
        );
    }
}
