use chrono::{DateTime, Duration, NaiveDate, Utc};
use netpatch_window::{Tz, WindowRule, occurrences, open_at, open_between, to_utc};
use proptest::prelude::*;

const ZONES: [Tz; 7] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::Pacific__Apia,
    Tz::America__Santiago,
    Tz::Africa__Casablanca,
];

fn zones() -> impl Strategy<Value = Tz> {
    proptest::sample::select(&ZONES[..])
}

fn rrules() -> impl Strategy<Value = String> {
    let days = proptest::sample::subsequence(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"], 1..=7);
    prop_oneof![
        (1u8..=10).prop_map(|n| format!("FREQ=DAILY;INTERVAL={n}")),
        (days, 1u8..=4)
            .prop_map(|(days, n)| format!("FREQ=WEEKLY;INTERVAL={n};BYDAY={}", days.join(","))),
        (-4i8..=4, 0usize..7)
            .prop_filter("not the zeroth", |(nth, _)| *nth != 0)
            .prop_map(|(nth, day)| format!(
                "FREQ=MONTHLY;BYDAY={nth}{}",
                ["MO", "TU", "WE", "TH", "FR", "SA", "SU"][day]
            )),
        (1u8..=12, 1u8..=28)
            .prop_map(|(month, day)| format!("FREQ=YEARLY;BYMONTH={month};BYMONTHDAY={day}")),
        (0u8..24, 0u8..24).prop_map(|(one, two)| format!("FREQ=DAILY;BYHOUR={one},{two}")),
    ]
}

prop_compose! {
    fn rules()(rrule in rrules(), day in 0i64..730, second in 0i64..86_400, duration_s in 60u32..200_000, offset_days in -5i32..=5, time_zone in proptest::option::of(zones()))
        -> WindowRule {
        let start = NaiveDate::from_ymd_opt(2025, 6, 1).unwrap().and_hms_opt(0, 0, 0).unwrap() + Duration::days(day) + Duration::seconds(second);
        WindowRule { rrule, starts_at: start, duration_s, offset_days, time_zone }
    }
}

fn instant(day: i64) -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(2026, 1, 1)
        .unwrap()
        .and_hms_opt(0, 0, 0)
        .unwrap()
        .and_utc()
        + Duration::days(day)
}

proptest! {
    #[test]
    fn every_occurrence_lasts_its_duration_and_starts_grow(rule in rules(), host in zones(), day in 0i64..700) {
        let from = instant(day);
        let found = occurrences(&rule, host, from, 20).unwrap();
        for one in &found {
            prop_assert_eq!((one.end - one.start).num_seconds(), i64::from(rule.duration_s));
            prop_assert!(one.end > from);
        }
        for pair in found.windows(2) {
            prop_assert!(pair[0].start < pair[1].start);
        }
    }

    #[test]
    fn blackouts_only_close(rule in rules(), blackout in rules(), host in zones(), day in 0i64..700, probe in 0i64..(40 * 86_400)) {
        let now = instant(day) + Duration::seconds(probe);
        let closed = occurrences(&blackout, host, now, 1).unwrap().first().is_some_and(|one| one.contains(now));
        let plain = open_at(&rule, &[], host, now).unwrap();
        let cut = open_at(&rule, std::slice::from_ref(&blackout), host, now).unwrap();
        prop_assert_eq!(cut.is_some(), plain.is_some() && !closed);
        if let (Some(cut), Some(plain)) = (cut, plain) {
            prop_assert!(cut.start >= plain.start && cut.end <= plain.end && cut.contains(now));
        }
        let parts = open_between(&rule, &[blackout], host, now, now + Duration::days(30)).unwrap();
        for pair in parts.windows(2) {
            prop_assert!(pair[0].end <= pair[1].start);
        }
    }

    #[test]
    fn a_local_time_never_maps_backwards(zone in zones(), day in 0i64..1500, second in 0i64..86_400, step in 0i64..7_200) {
        let local = (instant(day) + Duration::seconds(second)).naive_utc();
        prop_assert!(to_utc(local, zone) <= to_utc(local + Duration::seconds(step), zone));
    }

    #[test]
    fn any_text_is_refused_or_answered(text in "(FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY))?(;(BYDAY|BYMONTH|BYMONTHDAY|BYYEARDAY|BYWEEKNO|BYSETPOS|INTERVAL|COUNT|WKST|UNTIL)=[-+0-9,MOTUWESA]{1,6}){0,4}|.{0,60}") {
        let rule = WindowRule { rrule: text, starts_at: "2026-01-31T02:00:00".parse().unwrap(), duration_s: 3600, offset_days: 0, time_zone: None };
        if let Ok(found) = occurrences(&rule, Tz::Europe__Berlin, instant(0), 3) {
            prop_assert!(found.len() <= 3);
        }
    }
}
