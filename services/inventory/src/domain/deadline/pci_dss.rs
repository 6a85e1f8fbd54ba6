//! PCI DSS 4.0.1 (June 2024), requirement 6.3.3: updates for critical vulnerabilities are installed within one month of their
//! release. Version 4.0 had said "critical or high"; 4.0.1 says "critical" again.
//!
//! All other updates are to be installed "within an appropriate time frame" that the entity determines itself: a baseline of
//! own rules beside this one. The ranking is the entity's (6.3.1); what nobody has ranked counts as critical.

use super::{Case, Demand, months_after};

/// What the requirement demands; nothing while there is no update, or for what is not critical.
#[must_use]
pub fn demand(case: &Case<'_>) -> Option<Demand> {
    if !case.fix_released || !case.counts_as_critical() {
        return None;
    }
    let start = case.released();
    Some(Demand {
        due_at: Some(months_after(start.day(), 1)),
        reason: format!("one month from {start}: {}", case.rating()),
        forensic_triage: false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, case};
    use super::*;
    use netpatch_types::Severity;

    #[test]
    fn critical_updates_within_a_month_of_their_release() {
        let critical = Case {
            severity: Severity::Critical,
            ..case()
        };
        let due = |case: &Case<'_>| demand(case).and_then(|demand| demand.due_at);
        assert_eq!(due(&critical), Some(at("2026-11-01T23:59:59Z")));
        for (published, expected) in [
            ("2027-01-31T23:59:59Z", "2027-02-28T23:59:59Z"),
            ("2028-01-30T00:00:00Z", "2028-02-29T23:59:59Z"),
            ("2026-12-31T10:00:00Z", "2027-01-31T23:59:59Z"),
        ] {
            let case = Case {
                published_at: Some(at(published)),
                ..critical
            };
            assert_eq!(due(&case), Some(at(expected)), "{published}");
        }
        let silent = Case {
            published_at: None,
            ..critical
        };
        let demand = demand(&silent).expect("a date");
        assert_eq!(demand.due_at, Some(at("2026-12-02T23:59:59Z")));
        assert!(demand.reason.contains("the vendor gives no date"));
    }

    #[test]
    fn others_are_the_organizations_own_business_but_nothing_unranked_is_fine() {
        for severity in [Severity::High, Severity::Medium, Severity::Low] {
            assert_eq!(demand(&Case { severity, ..case() }), None);
        }
        let unranked = Case {
            severity: Severity::Unknown,
            ..case()
        };
        assert!(demand(&unranked).is_some_and(|demand| demand.reason.contains("not rated")));
        let unfixed = Case {
            severity: Severity::Critical,
            fix_released: false,
            ..case()
        };
        assert_eq!(demand(&unfixed), None, "the clock starts with the update");
    }
}
