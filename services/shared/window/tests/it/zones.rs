use crate::{at, rule};
use netpatch_window::{Occurrence, Tz, WindowRule, occurrences, open_at};
use std::time::Duration;

fn starts(rule: &WindowRule, host: Tz, from: &str, count: usize) -> Vec<String> {
    occurrences(rule, host, at(from), count)
        .unwrap()
        .iter()
        .map(|found| found.start.format("%Y-%m-%dT%H:%MZ").to_string())
        .collect()
}

#[test]
fn a_nightly_window_keeps_its_wall_clock_over_both_changes() {
    let nightly = rule(
        "FREQ=DAILY",
        "2026-01-01T02:30:00",
        3600,
        Some("Europe/Berlin"),
    );
    // 02:30 does not exist on the 29th: the gap ends at 03:00 local.
    assert_eq!(
        starts(&nightly, Tz::UTC, "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]
    );
    // 02:30 comes twice on the 25th: the first counts.
    assert_eq!(
        starts(&nightly, Tz::UTC, "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]
    );
    let new_york = rule(
        "FREQ=DAILY",
        "2026-01-01T01:30:00",
        3600,
        Some("America/New_York"),
    );
    assert_eq!(
        starts(&new_york, Tz::UTC, "2026-10-31T12:00:00Z", 2),
        ["2026-11-01T05:30Z", "2026-11-02T06:30Z"]
    );
    let lord_howe = rule(
        "FREQ=DAILY",
        "2026-01-01T02:15:00",
        3600,
        Some("Australia/Lord_Howe"),
    );
    assert_eq!(
        starts(&lord_howe, Tz::UTC, "2026-10-03T00:00:00Z", 2),
        ["2026-10-03T15:30Z", "2026-10-04T15:15Z"]
    );
}

#[test]
fn the_duration_is_elapsed_time_and_the_end_exclusive() {
    // 01:00 local for four hours over the change: five hours on the wall clock.
    let long = rule(
        "FREQ=DAILY",
        "2026-03-01T01:00:00",
        4 * 3600,
        Some("Europe/Berlin"),
    );
    let open = open_at(&long, &[], Tz::UTC, at("2026-03-29T00:00:00Z"))
        .unwrap()
        .unwrap();
    assert_eq!(
        open,
        Occurrence {
            start: at("2026-03-29T00:00:00Z"),
            end: at("2026-03-29T04:00:00Z")
        }
    );
    assert_eq!(open_at(&long, &[], Tz::UTC, open.end).unwrap(), None);
    assert!(open.fits(at("2026-03-29T03:30:00Z"), Duration::from_secs(1800)));
    assert!(!open.fits(at("2026-03-29T03:30:00Z"), Duration::from_secs(1801)));
    assert!(!open.fits(at("2026-03-28T23:59:59Z"), Duration::from_secs(1)));
    assert!(!open.fits(at("2026-03-29T03:30:00Z"), Duration::MAX));
}

#[test]
fn a_day_that_a_zone_skipped_is_one_occurrence_not_two() {
    let daily = rule(
        "FREQ=DAILY",
        "2011-12-01T00:00:00",
        3600,
        Some("Pacific/Apia"),
    );
    // The 30th did not exist: its midnight moves to the 31st's, which stands once.
    assert_eq!(
        starts(&daily, Tz::UTC, "2011-12-29T00:00:00Z", 3),
        [
            "2011-12-29T10:00Z",
            "2011-12-30T10:00Z",
            "2011-12-31T10:00Z"
        ]
    );
}

#[test]
fn without_a_zone_the_hosts_own_counts() {
    let weekly = rule("FREQ=WEEKLY;BYDAY=SA", "2026-11-01T22:00:00", 3600, None);
    assert_eq!(
        starts(&weekly, Tz::Asia__Tokyo, "2026-11-20T00:00:00Z", 1),
        ["2026-11-21T13:00Z"]
    );
    assert_eq!(
        starts(&weekly, Tz::America__Los_Angeles, "2026-11-20T00:00:00Z", 1),
        ["2026-11-22T06:00Z"]
    );
}

#[test]
fn third_tuesday_plus_two_days() {
    let patch_thursday = WindowRule {
        offset_days: 2,
        ..rule(
            "FREQ=MONTHLY;BYDAY=3TU",
            "2026-09-01T20:00:00",
            7200,
            Some("Europe/Berlin"),
        )
    };
    // December 2026: the third Tuesday is the 15th.
    assert_eq!(
        starts(&patch_thursday, Tz::UTC, "2026-11-21T00:00:00Z", 2),
        ["2026-12-17T19:00Z", "2027-01-21T19:00Z"]
    );
}

#[test]
fn until_is_local_without_z_and_an_instant_with_it() {
    let local = rule(
        "FREQ=DAILY;UNTIL=20261123T020000",
        "2026-11-20T02:00:00",
        3600,
        Some("America/New_York"),
    );
    assert_eq!(starts(&local, Tz::UTC, "2026-11-20T00:00:00Z", 9).len(), 4);
    let instant = rule(
        "FREQ=DAILY;UNTIL=20261123T020000Z",
        "2026-11-20T02:00:00",
        3600,
        Some("America/New_York"),
    );
    assert_eq!(
        starts(&instant, Tz::UTC, "2026-11-20T00:00:00Z", 9).len(),
        3
    );
    let day = rule(
        "FREQ=DAILY;UNTIL=20261123",
        "2026-11-20T02:00:00",
        3600,
        Some("America/New_York"),
    );
    assert_eq!(starts(&day, Tz::UTC, "2026-11-20T00:00:00Z", 9).len(), 4);
}
