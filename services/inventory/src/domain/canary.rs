//! Canary before fleet: what a new epoch of the advisories would change on a sample, and whether that is believable.
//!
//! What is counted are components, not findings: a kernel's notice opens a hundred findings on every host and is right, and touches a
//! handful of packages. A feed that suddenly names every version of everything, or nothing any more, touches many.

use crate::domain::affected::Status;
use crate::domain::index::MatchIndex;
use netpatch_inventory_api::CanaryReport;
use netpatch_types::ComponentKey;

/// More than this part of the sampled components may not become affected at once.
pub const MAX_NEWLY: f64 = 0.10;
/// More than this part of the affected components may not be cleared at once.
pub const MAX_CLEARED: f64 = 0.25;
/// So few components are never an alarm.
pub const FLOOR: u64 = 20;

/// Matches a sample against the epoch that is held and against the new one.
#[must_use]
pub fn compare(
    held: &MatchIndex,
    fresh: &MatchIndex,
    manifests: u64,
    sample: &[ComponentKey],
) -> CanaryReport {
    let is_affected = |index: &MatchIndex, component: &ComponentKey| {
        index.affected(component).is_ok_and(|hits| {
            hits.intervals
                .iter()
                .any(|hit| hit.status == Status::Affected)
        })
    };
    let mut report = CanaryReport {
        manifests,
        components: u64::try_from(sample.len()).unwrap_or(u64::MAX),
        // The first epoch has nothing to be compared with.
        is_first: held.package_count() == 0,
        ..CanaryReport::default()
    };
    for component in sample {
        let (before, after) = (is_affected(held, component), is_affected(fresh, component));
        report.affected_before += u64::from(before);
        report.affected_after += u64::from(after);
        report.newly_affected += u64::from(!before && after);
        report.cleared += u64::from(before && !after);
    }
    report
}

/// An error, for a person, when the change is beyond what is believable.
#[allow(
    clippy::cast_precision_loss,
    reason = "counts of a sample are far below 2^52"
)]
pub fn judge(report: &CanaryReport) -> Result<(), String> {
    if report.is_first {
        return Ok(());
    }
    let beyond =
        |part: u64, whole: u64, most: f64| part > FLOOR && part as f64 > whole as f64 * most;
    if beyond(report.newly_affected, report.components, MAX_NEWLY) {
        return Err(format!(
            "{} of {} sampled components would become affected at once, more than {:.0} %",
            report.newly_affected,
            report.components,
            MAX_NEWLY * 100.0
        ));
    }
    if beyond(report.cleared, report.affected_before, MAX_CLEARED) {
        return Err(format!(
            "{} of {} affected components of the sample would be cleared at once, more than {:.0} %",
            report.cleared,
            report.affected_before,
            MAX_CLEARED * 100.0
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::advisory::AdvisoryRecord;
    use crate::domain::affected::{Affected, Release};
    use crate::domain::subject::Aliases;
    use netpatch_types::Ecosystem;

    fn component(number: usize) -> ComponentKey {
        ComponentKey {
            ecosystem: Ecosystem::Deb,
            distribution: "debian".into(),
            release: "bookworm".into(),
            name: format!("p{number}"),
            version: "1".into(),
            arch: "amd64".into(),
            source: format!("p{number}"),
            source_version: "1".into(),
        }
    }

    /// An index by which the first so many packages are affected, with so many advisories each.
    fn index(packages: usize, each: usize) -> MatchIndex {
        let bookworm = Release::os(Ecosystem::Deb, "debian", "bookworm");
        let all: Vec<AdvisoryRecord> = (0..packages * each)
            .map(|number| AdvisoryRecord {
                affected: vec![Affected::below(
                    bookworm.clone(),
                    format!("p{}", number / each),
                    "2",
                )],
                ..AdvisoryRecord::default()
            })
            .collect();
        MatchIndex::build(Aliases::default(), (0..).zip(&all))
    }

    fn judged(before: usize, after: usize) -> Result<(), String> {
        let sample: Vec<_> = (0..1_000).map(component).collect();
        judge(&compare(&index(before, 1), &index(after, 1), 3, &sample))
    }

    #[test]
    fn a_jump_and_a_fall_are_held_and_ordinary_days_pass() {
        for (before, after) in [(100, 100), (100, 200), (100, 75), (0, 900), (30, 10)] {
            assert_eq!(judged(before, after), Ok(()), "{before} {after}");
        }
        let told = judged(100, 201).expect_err("a jump");
        assert!(told.contains("101 of 1000 sampled components"), "{told}");
        let told = judged(100, 74).expect_err("a fall");
        assert!(told.contains("26 of 100 affected components"), "{told}");
    }

    #[test]
    fn a_hundred_advisories_of_one_package_are_one_component() {
        let sample: Vec<_> = (0..300).map(component).collect();
        let report = compare(&index(1, 1), &index(5, 100), 1, &sample);
        assert_eq!((report.newly_affected, report.affected_after), (4, 5));
        assert_eq!(judge(&report), Ok(()));
    }
}
