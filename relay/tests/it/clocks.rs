//! Clocks that jump: what is held stays good, and nothing looks fresh because a clock went back.

use crate::cache::{Cached, open_at};
use crate::upstream::Upstream;
use netpatch_testkit::ManualClock;
use netpatch_types::{Clock, SystemClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const FRESH: u32 = 60;
const INDEX: &str = "dists/x/InRelease";
const PACKAGE: &str = "pool/a.deb";

async fn both(cached: &Cached, index: &[u8]) {
    assert_eq!(cached.get(INDEX).await, Ok(index.to_vec()));
    assert_eq!(cached.get(PACKAGE).await, Ok(b"package".to_vec()));
}

#[tokio::test]
async fn a_clock_that_jumps_makes_nothing_fresh_and_loses_nothing() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let clock = ManualClock::shared();
    let open = || open_at(folder.path(), &upstream, 1 << 30, FRESH, clock.clone());
    upstream.put_bytes(INDEX, b"list");
    upstream.put_bytes(PACKAGE, b"package");
    let cached = open();
    both(&cached, b"list").await;
    cached.kept(2).await;
    let begun = clock.now();
    let mut asked = upstream.requests().len();
    // Years ahead, back again, and to before what is held was fetched.
    for jump in [3_650, 0, -3_650, -1, 1] {
        clock.set_wall(begun + chrono::Duration::days(jump) + chrono::Duration::seconds(1));
        let version = format!("list of day {jump}").into_bytes();
        upstream.put_bytes(INDEX, &version);
        both(&cached, &version).await;
        asked += 1;
        assert_eq!(upstream.requests().len(), asked, "only the index, once");
        // What was confirmed now is fresh now, and a minute later no more.
        wait_kept(&cached, version.len()).await;
        both(&cached, &version).await;
        assert_eq!(upstream.requests().len(), asked);
    }
    // A relay that starts with its clock at the epoch serves what it holds.
    drop(cached);
    clock.set_wall(chrono::DateTime::UNIX_EPOCH);
    let cached = open();
    assert_eq!(cached.cache.usage().payloads, 2);
    upstream.set_down(true);
    both(&cached, b"list of day 1").await;
}

async fn wait_kept(cached: &Cached, index_bytes: usize) {
    let bytes = u64::try_from(index_bytes + b"package".len()).unwrap();
    while cached.cache.usage().used_bytes != bytes {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The line counts by the clock that only goes forward.
#[tokio::test]
async fn a_wall_clock_that_jumps_neither_opens_nor_blocks_the_line() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let clock = Arc::new(Jumping::default());
    let cached = open_at(folder.path(), &upstream, 1 << 30, FRESH, clock);
    cached.cache.line().set(&crate::line::limited(80_000));
    let wanted = crate::cache::bytes(3_000_000);
    upstream.put_bytes(PACKAGE, &wanted);
    let got = crate::front::within(cached.get(PACKAGE)).await;
    assert!(got == Ok(wanted));
}

/// Each look at the wall clock is a year from the last; the other clock is true.
#[derive(Default)]
struct Jumping {
    looks: AtomicI64,
    machine: SystemClock,
}

impl Clock for Jumping {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        let looks = self.looks.fetch_add(1, Ordering::Relaxed);
        let sign = if looks % 2 == 0 { 1 } else { -1 };
        let years = 50 + sign * (looks % 50);
        chrono::DateTime::UNIX_EPOCH + chrono::Duration::days(365 * years)
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }
}
