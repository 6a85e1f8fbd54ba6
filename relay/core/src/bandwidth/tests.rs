use super::*;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

/// Transfers that always have a next piece, over simulated time.
struct World {
    bucket: Bucket,
    now: Duration,
    transfers: Vec<Transfer>,
}

struct Transfer {
    priority: Priority,
    piece: u64,
    ticket: Option<Ticket>,
    passed: u64,
}

impl World {
    fn new(transfers: &[(Priority, u64)]) -> Self {
        let transfer = |&(priority, piece)| Transfer {
            priority,
            piece,
            ticket: None,
            passed: 0,
        };
        Self {
            bucket: Bucket::default(),
            now: Duration::from_secs(1000),
            transfers: transfers.iter().map(transfer).collect(),
        }
    }

    /// Lets everything pass that may, until `limit` has held for a time.
    fn run(&mut self, span: Duration, limit: impl Fn(Duration) -> Option<u32>) {
        let begun = self.now;
        while self.now < begun + span {
            let limit = limit(self.now - begun);
            let mut wait = Duration::from_secs(1);
            let mut went = false;
            for transfer in &mut self.transfers {
                let (now, bucket) = (self.now, &mut self.bucket);
                let ticket = *transfer
                    .ticket
                    .get_or_insert_with(|| bucket.join(now, transfer.priority, transfer.piece));
                match bucket.turn(now, limit, ticket) {
                    Turn::Go => {
                        transfer.passed += transfer.piece;
                        transfer.ticket = None;
                        went = true;
                    }
                    Turn::Wait(time) => wait = wait.min(time),
                }
            }
            // A piece takes its time on the wire, at 100 MB/s.
            let step = if went {
                Duration::from_micros(160)
            } else {
                wait
            };
            self.now = (self.now + step).min(begun + span);
        }
    }

    fn passed(&self, priority: Priority) -> f64 {
        let of = self.transfers.iter().filter(|one| one.priority == priority);
        #[allow(clippy::cast_precision_loss, reason = "a test's sums")]
        let sum = of.map(|one| one.passed as f64).sum();
        sum
    }

    fn all(&self) -> f64 {
        self.passed(Priority::Interactive) + self.passed(Priority::Background)
    }
}

use Priority::{Background, Interactive};

#[test]
fn the_rate_is_kept_within_two_percent() {
    let mut world = World::new(&[(Interactive, 16_384), (Interactive, 65_536)]);
    world.run(Duration::from_secs(60), |_| Some(10_000));
    let expected = 60.0 * 1_250_000.0;
    assert!(
        (world.all() / expected - 1.0).abs() < 0.02,
        "{}",
        world.all()
    );
}

#[test]
fn the_hour_changes_the_rate_where_clocks_change_too() {
    let berlin = chrono_tz::Europe::Berlin;
    let plan = Bandwidth {
        kilobits_per_second: Some(80_000),
        rules: vec![BandwidthRule {
            hours: WeekHours {
                days: vec![chrono::Weekday::Sun],
                from_minute: 120,
                until_minute: 180,
            },
            kilobits_per_second: Some(8_000),
        }],
    };
    // 1 MB/s while the clock shows two to three, 10 MB/s else; three hours from 01:00 local time.
    let carried = |begin: &str| {
        let begin: DateTime<Utc> = begin.parse().expect("a time");
        let mut world = World::new(&[(Interactive, 1_000_000)]);
        world.run(Duration::from_secs(3 * 3600), |elapsed| {
            plan.at(begin + TimeDelta::from_std(elapsed).expect("short"), berlin)
        });
        world.all() / 3600e6
    };
    for (begin, expected) in [
        ("2026-11-29T00:00:00Z", 21.0),
        // The hour comes twice, or never.
        ("2026-10-24T23:00:00Z", 12.0),
        ("2026-03-29T00:00:00Z", 30.0),
    ] {
        let got = carried(begin);
        assert!((got / expected - 1.0).abs() < 0.02, "{begin}: {got}");
    }
}

#[test]
fn what_hosts_wait_for_goes_before_what_is_fetched_ahead() {
    let mut world = World::new(&[
        (Background, 16_384),
        (Interactive, 16_384),
        (Background, 16_384),
    ]);
    world.run(Duration::from_secs(60), |_| Some(10_000));
    assert!(world.passed(Interactive) > 0.98 * world.all());
    // It does not starve: a piece every ten seconds for each.
    assert!(world.passed(Background) >= 2.0 * 5.0 * 16_384.0);
    // And takes all when nobody waits.
    let mut world = World::new(&[(Background, 16_384)]);
    world.run(Duration::from_secs(10), |_| Some(10_000));
    assert!(world.all() > 0.98 * 12_500_000.0);
}

#[test]
fn without_a_limit_what_is_fetched_ahead_waits_for_silence() {
    let mut world = World::new(&[(Interactive, 16_384), (Background, 16_384)]);
    world.run(Duration::from_secs(5), |_| None);
    assert!(world.passed(Background).abs() < 1.0 && world.all() > 1e8);
    if let Some(ticket) = world.transfers.remove(0).ticket {
        world.bucket.leave(ticket);
    }
    world.run(Duration::from_millis(200), |_| None);
    assert!(world.all().abs() < 1.0);
    world.run(Duration::from_secs(1), |_| None);
    assert!(world.all() > 1e7);
}

#[test]
fn somebody_who_asks_for_what_is_fetched_ahead_lends_it_his_turn() {
    let mut bucket = Bucket::default();
    let at = Duration::from_secs(1000);
    let ahead = bucket.join(at, Background, 100);
    let host = bucket.join(at, Interactive, 100);
    bucket.fill(at, Some(8_000));
    let later = at + Duration::from_millis(10);
    assert!(matches!(
        bucket.turn(later, Some(8_000), ahead),
        Turn::Wait(_)
    ));
    bucket.promote(ahead);
    assert_eq!(bucket.turn(later, Some(8_000), ahead), Turn::Go);
    bucket.leave(host);
    assert_eq!(bucket.waiting(), 0);
}

#[test]
fn settings_that_cannot_be_limit_nothing_and_break_nothing() {
    let hours = |days: &[u32], from_minute, until_minute| wire::WeekHours {
        days: days.to_vec(),
        from_minute,
        until_minute,
    };
    let rule = |hours| wire::BandwidthRule {
        hours,
        kilobits_per_second: Some(1),
    };
    let settings = wire::SiteSettings {
        bandwidth: Some(wire::Bandwidth {
            kilobits_per_second: Some(0),
            rules: vec![
                rule(None),
                rule(Some(hours(&[0], 0, 60))),
                rule(Some(hours(&[8], 0, 60))),
                rule(Some(hours(&[u32::MAX], 0, 60))),
                rule(Some(hours(&[1], u32::MAX, 60))),
                rule(Some(hours(&[1], 0, 66_000))),
                rule(Some(hours(&[1, 7], 60, 1440))),
            ],
        }),
        ..wire::SiteSettings::default()
    };
    let read = bandwidth_of(&settings);
    assert_eq!(read.check(), Ok(()));
    assert_eq!((read.kilobits_per_second, read.rules.len()), (Some(64), 1));
    let silent = bandwidth_of(&wire::SiteSettings::default());
    assert_eq!(silent, Bandwidth::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_more_passes_than_the_rates_give(
        transfers in prop::collection::vec((any::<bool>(), 1u64..300_000), 1..6),
        limits in prop::collection::vec(64u32..200_000, 1..5),
    ) {
        let transfers: Vec<_> = transfers
            .iter()
            .map(|&(ahead, piece)| (if ahead { Background } else { Interactive }, piece))
            .collect();
        let mut world = World::new(&transfers);
        let mut given = 0.0;
        for limit in &limits {
            world.run(Duration::from_secs(5), |_| Some(*limit));
            given += 5.0 * bytes_per_second(*limit);
        }
        let highest = bytes_per_second(limits.iter().copied().max().unwrap_or_default());
        // One piece may be owed.
        let largest = transfers.iter().map(|(_, piece)| *piece).max().unwrap_or_default();
        let slack = highest * DEPTH_PER_SECOND + largest as f64;
        prop_assert!(world.all() <= given + slack, "{} of {given}", world.all());
    }
}
