//! Essential Eight maturity model of the Australian Signals Directorate (November 2023), "patch applications" and "patch
//! operating systems": from the release of the update,
//!
//! | where | maturity | critical, or working exploits exist | else |
//! |---|---|---|---|
//! | online services, internet-facing servers | one to three | 48 hours | two weeks |
//! | operating systems of other hosts | one, two | one month | one month |
//! | | three | 48 hours | one month |
//! | office, browser, mail, PDF, security products | one, two | two weeks | two weeks |
//! | | three | 48 hours | two weeks |
//! | other applications | one | – | – |
//! | | two, three | one month | one month |

use super::{Case, Demand, Software, days_after, months_after};
use chrono::{DateTime, TimeDelta, Utc};

/// How far an organization has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Maturity {
    /// Level one.
    One,
    /// Level two.
    Two,
    /// Level three.
    Three,
}

#[derive(Clone, Copy)]
enum Within {
    Hours48,
    TwoWeeks,
    OneMonth,
}

fn within(maturity: Maturity, case: &Case<'_>) -> Option<Within> {
    let urgent = case.counts_as_critical() || case.has_exploit();
    let hurried = |calm| Some(if urgent { Within::Hours48 } else { calm });
    if case.counts_as_exposed() {
        return hurried(Within::TwoWeeks);
    }
    match (case.software, maturity) {
        (Software::OperatingSystem, Maturity::Three) => hurried(Within::OneMonth),
        (Software::OperatingSystem, _) => Some(Within::OneMonth),
        (Software::Everyday, Maturity::Three) => hurried(Within::TwoWeeks),
        (Software::Everyday, _) => Some(Within::TwoWeeks),
        (Software::Application, Maturity::One) => None,
        (Software::Application, _) => Some(Within::OneMonth),
    }
}

/// What the maturity level demands; nothing while there is no update.
#[must_use]
pub fn demand(maturity: Maturity, case: &Case<'_>) -> Option<Demand> {
    let within = within(maturity, case).filter(|_| case.fix_released)?;
    let start = case.released();
    let (due_at, words) = match within {
        Within::Hours48 => (
            start
                .at
                .checked_add_signed(TimeDelta::hours(48))
                .unwrap_or(DateTime::<Utc>::MAX_UTC),
            "48 hours",
        ),
        Within::TwoWeeks => (days_after(start.day(), 14), "two weeks"),
        Within::OneMonth => (months_after(start.day(), 1), "one month"),
    };
    let software = match case.software {
        Software::OperatingSystem => "operating system",
        Software::Everyday => "office, browser, mail, PDF or security software",
        Software::Application => "application",
    };
    let exploit = if case.has_exploit() {
        "working exploits exist"
    } else {
        "no working exploit is known"
    };
    Some(Demand {
        due_at: Some(due_at),
        reason: format!(
            "{words} from {start}: {software}, {}, {}, {exploit}",
            case.exposure(),
            case.rating()
        ),
        forensic_triage: false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, case};
    use super::*;
    use netpatch_types::Severity;

    const HOURS: Option<&str> = Some("2026-10-03T08:00:00Z");
    const WEEKS: Option<&str> = Some("2026-10-15T23:59:59Z");
    const MONTH: Option<&str> = Some("2026-11-01T23:59:59Z");

    /// Exposed, software, levels, when urgent, when not.
    type Row = (
        bool,
        Software,
        &'static [Maturity],
        Option<&'static str>,
        Option<&'static str>,
    );

    #[test]
    fn every_row_of_the_model() {
        use Maturity::*;
        use Software::*;
        let rows: [Row; 8] = [
            (true, OperatingSystem, &[One, Two, Three], HOURS, WEEKS),
            (true, Application, &[One, Two, Three], HOURS, WEEKS),
            (false, OperatingSystem, &[One, Two], MONTH, MONTH),
            (false, OperatingSystem, &[Three], HOURS, MONTH),
            (false, Everyday, &[One, Two], WEEKS, WEEKS),
            (false, Everyday, &[Three], HOURS, WEEKS),
            (false, Application, &[One], None, None),
            (false, Application, &[Two, Three], MONTH, MONTH),
        ];
        for (exposed, software, levels, urgent, calm) in rows {
            for level in levels {
                let calm_case = Case {
                    exposed: Some(exposed),
                    software,
                    ..case()
                };
                let critical = Case {
                    severity: Severity::Critical,
                    ..calm_case
                };
                let exploited = Case {
                    exploit: Some(true),
                    ..calm_case
                };
                let due = |case: &Case<'_>| demand(*level, case).and_then(|demand| demand.due_at);
                let words = format!("{exposed} {software:?} {level:?}");
                assert_eq!(due(&calm_case), calm.map(at), "{words}");
                assert_eq!(due(&critical), urgent.map(at), "{words} critical");
                assert_eq!(due(&exploited), urgent.map(at), "{words} exploited");
            }
        }
    }

    #[test]
    fn forty_eight_hours_are_elapsed_time_also_over_a_leap_day() {
        let case = Case {
            published_at: Some(at("2028-02-28T12:00:00Z")),
            severity: Severity::Critical,
            exposed: Some(true),
            ..case()
        };
        let found = demand(Maturity::One, &case).expect("a date");
        assert_eq!(found.due_at, Some(at("2028-03-01T12:00:00Z")));
        assert_eq!(
            found.reason,
            "48 hours from 2028-02-28, when the vendor published it: operating system, publicly exposed, critical, \
             no working exploit is known"
        );
        let unfixed = Case {
            fix_released: false,
            ..case
        };
        assert_eq!(demand(Maturity::Three, &unfixed), None);
        let endless = Case {
            published_at: Some(DateTime::<Utc>::MAX_UTC),
            ..case
        };
        assert_eq!(
            demand(Maturity::One, &endless).and_then(|demand| demand.due_at),
            Some(DateTime::<Utc>::MAX_UTC)
        );
    }
}
