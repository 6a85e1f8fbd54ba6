use crate::{at, rule};
use netpatch_window::{
    Occurrence, Tz, last_end_before, next_open, next_start, open_at, open_between,
};

#[test]
fn a_blackout_takes_out_the_head_the_middle_or_all() {
    let nightly = rule("FREQ=DAILY", "2026-11-01T00:00:00", 6 * 3600, None);
    let head = rule(
        "FREQ=DAILY;COUNT=1",
        "2026-11-21T23:00:00",
        2 * 3600,
        Some("UTC"),
    );
    let middle = rule(
        "FREQ=DAILY;COUNT=1",
        "2026-11-22T03:00:00",
        3600,
        Some("UTC"),
    );
    let all = rule(
        "FREQ=DAILY;COUNT=1",
        "2026-11-22T20:00:00",
        86_400,
        Some("UTC"),
    );
    let closed = [head, middle, all];
    let open = open_between(
        &nightly,
        &closed,
        Tz::UTC,
        at("2026-11-21T12:00:00Z"),
        at("2026-11-25T00:00:00Z"),
    )
    .unwrap();
    let part = |start: &str, end: &str| Occurrence {
        start: at(start),
        end: at(end),
    };
    assert_eq!(
        open,
        [
            part("2026-11-22T01:00:00Z", "2026-11-22T03:00:00Z"),
            part("2026-11-22T04:00:00Z", "2026-11-22T06:00:00Z"),
            part("2026-11-24T00:00:00Z", "2026-11-24T06:00:00Z"),
        ]
    );
    assert_eq!(
        open_at(&nightly, &closed, Tz::UTC, at("2026-11-22T00:30:00Z")).unwrap(),
        None
    );
    assert_eq!(
        open_at(&nightly, &closed, Tz::UTC, at("2026-11-22T01:00:00Z")).unwrap(),
        Some(open[0])
    );
    assert_eq!(
        next_start(&nightly, &closed, Tz::UTC, at("2026-11-22T00:30:00Z")).unwrap(),
        Some(open[0].start)
    );
    assert_eq!(
        next_open(&nightly, &closed, Tz::UTC, at("2026-11-22T04:00:00Z")).unwrap(),
        Some(open[2])
    );
}

#[test]
fn a_wave_ends_with_its_last_window_or_at_not_after() {
    let nightly = rule("FREQ=DAILY", "2026-11-01T00:00:00", 3600, None);
    let from = at("2026-11-21T12:00:00Z");
    let last =
        |not_after: &str| last_end_before(&nightly, &[], Tz::UTC, from, at(not_after)).unwrap();
    assert_eq!(
        last("2026-11-24T12:00:00Z"),
        Some(at("2026-11-24T01:00:00Z"))
    );
    assert_eq!(
        last("2026-11-24T00:30:00Z"),
        Some(at("2026-11-24T00:30:00Z"))
    );
    assert_eq!(last("2026-11-22T00:00:00Z"), None);
}

#[test]
fn days_that_touch_are_one_open_time() {
    let always = rule("FREQ=DAILY", "2026-11-01T00:00:00", 86_400, None);
    let now = at("2026-11-21T23:59:00Z");
    let open = open_at(&always, &[], Tz::UTC, now).unwrap().unwrap();
    assert!(
        open.fits(now, std::time::Duration::from_secs(86_400)),
        "{open:?}"
    );
}

#[test]
fn a_window_that_blackouts_always_cover_never_opens() {
    let nightly = rule("FREQ=DAILY", "2026-11-01T02:00:00", 3600, None);
    let closed = [rule("FREQ=DAILY", "2026-11-01T01:00:00", 3 * 3600, None)];
    assert_eq!(
        next_open(&nightly, &closed, Tz::UTC, at("2026-11-21T00:00:00Z")).unwrap(),
        None
    );
}
