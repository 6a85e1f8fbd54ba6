//! The line's turns on the machine's clock. Only lower bounds: a slow machine makes no test fail.

use netpatch_protocol::site::{Bandwidth, BandwidthRule, SiteSettings, WeekHours};
use netpatch_relay::line::{Line, Urgency};
use netpatch_types::SystemClock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub(crate) fn limited(kilobits_per_second: u32) -> SiteSettings {
    // By a rule that holds at all hours: so the zone and the rules count, not only the default.
    let always = WeekHours {
        days: (1..=7).collect(),
        from_minute: 0,
        until_minute: 1440,
    };
    SiteSettings {
        time_zone: "Europe/Berlin".into(),
        bandwidth: Some(Bandwidth {
            kilobits_per_second: None,
            rules: vec![BandwidthRule {
                hours: Some(always),
                kilobits_per_second: Some(kilobits_per_second),
            }],
        }),
        ..SiteSettings::default()
    }
}

fn line() -> Arc<Line> {
    Arc::new(Line::new(SystemClock::shared()))
}

fn urgent(line: &Line) -> Urgency {
    let urgency = Urgency::default();
    line.hurry(&urgency);
    urgency
}

#[tokio::test]
async fn many_transfers_share_the_rate() {
    let line = line();
    assert_eq!(line.limit(), None);
    line.set(&limited(8_000));
    assert_eq!(line.limit(), Some(8_000));
    let begun = Instant::now();
    let transfers = (0..4).map(|_| {
        let line = line.clone();
        async move {
            let urgency = urgent(&line);
            for _ in 0..10 {
                line.pay(16_384, &urgency).await;
            }
        }
    });
    futures::future::join_all(transfers).await;
    // 655,360 bytes at 1 MB/s, less what the bucket holds and the last piece.
    assert!(
        begun.elapsed() > Duration::from_millis(500),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_limit_that_is_lifted_lets_everybody_go() {
    let line = line();
    line.set(&limited(64));
    let urgency = urgent(&line);
    line.pay(1 << 30, &urgency).await;
    let waiting = {
        let line = line.clone();
        tokio::spawn(async move { line.pay(1, &urgent(&line)).await })
    };
    // At this rate it would wait for a day.
    tokio::task::yield_now().await;
    line.set(&SiteSettings::default());
    waiting.await.expect("went");
}

#[tokio::test]
async fn a_transfer_that_ends_while_it_waits_holds_nobody_up() {
    let line = line();
    line.set(&limited(8_000));
    let urgency = urgent(&line);
    line.pay(100_000, &urgency).await;
    let ahead = {
        let line = line.clone();
        tokio::spawn(async move { line.pay(1 << 40, &Urgency::default()).await })
    };
    tokio::task::yield_now().await;
    ahead.abort();
    line.pay(1, &urgency).await;
    line.pay(1, &urgency).await;
}

#[tokio::test]
async fn what_is_fetched_ahead_comes_last_until_a_host_asks_for_it() {
    let line = line();
    line.set(&limited(8_000));
    // Nobody goes before this is paid off, and by then all of them wait.
    line.pay(400_000, &urgent(&line)).await;
    let ahead = Arc::new([Urgency::default(), Urgency::default()]);
    let (order, mut places) = (Arc::new(AtomicU64::new(0)), Vec::new());
    let take = |line: Arc<Line>, order: Arc<AtomicU64>, urgency: Arc<[Urgency; 2]>, which| async move {
        match which {
            Some(which) => line.pay(1_000, &urgency[which]).await,
            None => line.pay(1_000, &urgent(&line)).await,
        }
        order.fetch_add(1, Ordering::Relaxed)
    };
    for which in [Some(0), Some(1), None, None] {
        let taking = take(line.clone(), order.clone(), ahead.clone(), which);
        places.push(tokio::spawn(taking));
        tokio::task::yield_now().await;
    }
    line.hurry(&ahead[1]);
    let places = futures::future::join_all(places).await;
    let places: Vec<u64> = places
        .into_iter()
        .map(|place| place.expect("went"))
        .collect();
    assert_eq!(places, [3, 0, 1, 2]);
}

#[tokio::test]
async fn payloads_are_held_to_a_pace_while_the_edge_answers_late() {
    let line = line();
    let late = Arc::new(AtomicU64::new(50));
    let pacing = {
        let (line, late) = (line.clone(), late.clone());
        tokio::spawn(async move {
            let round_trip = || Some(Duration::from_millis(late.load(Ordering::Relaxed)));
            line.keep_pace(round_trip).await;
        })
    };
    let urgency = urgent(&line);
    let came = |bytes| line.pay(bytes, &urgency);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(300) {
        came(10_000).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(line.pace(), None, "nothing waits");
    late.store(90, Ordering::Relaxed);
    while line.pace().is_none() {
        came(10_000).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(begun.elapsed() < Duration::from_secs(60), "never held");
    }
    // Nothing goes until the queue is gone.
    late.store(50, Ordering::Relaxed);
    came(1).await;
    let pace = line.pace().expect("a pace");
    // A little less than what came, which was 10,000 bytes in each 5 ms at most; far more than the 1,000 that always come.
    assert!((1_500..16_000).contains(&pace), "{pace}");
    assert_eq!(line.limit(), None, "the site has none");
    pacing.abort();
}
