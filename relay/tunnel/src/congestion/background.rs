//! How much of a window may be in flight while something is sent that yields to others: so much that packets wait a little.
//!
//! The queue before a slow line is shared, so the order in which this end sends does not help what is behind it. What yields therefore
//! keeps that queue short, as LEDBAT does (RFC 6817): every second round trip, because what was changed in one shows in the next, the
//! window goes to what would make packets wait for [`WAITING_PART`] of the round trip (the rule of FAST TCP, Wei, Jin, Low and Hegde
//! 2006). Others that fill the queue get the line.
//!
//! What a round trip takes without a queue is the fastest of the last two spans of [`KNOWN_FOR`], at whose ends little is sent for two
//! round trips, so that a queue of our own is not taken for the way (LEDBAT++, draft-irtf-iccrg-ledbat-plus-plus).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Packets may wait for this part of the fastest round trip,
const WAITING_PART: u32 = 5;
/// and for this long on a short way, where scheduling on either side takes as long.
const WAITING_LEAST: Duration = Duration::from_millis(5);
/// Until packets have waited, each round trip has this part more in flight than the last,
const BEGINNING_PART: u64 = 4;
/// and afterwards every second one at most this.
const GROWTH_PART: u64 = 8;
/// Whatever waits, so many packets may be in flight.
const PACKETS_LEAST: u64 = 16;
/// How long a fastest round trip is believed, and so long again.
const KNOWN_FOR: Duration = Duration::from_secs(10);
/// Round trips with half of the window, in which the queue empties.
const EMPTYING: u8 = 2;

/// How many streams of a connection yield; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Yielding(Arc<AtomicUsize>);

/// One of them, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Yields(Yielding);

impl Yielding {
    pub(crate) fn one(&self) -> Yields {
        self.0.fetch_add(1, Ordering::Relaxed);
        Yields(self.clone())
    }

    fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Yields {
    fn drop(&mut self) {
        let Self(Yielding(count)) = self;
        count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The bound on a path.
#[derive(Clone, Debug)]
pub(super) struct Background {
    pub(super) yielding: Yielding,
    /// Bytes in flight, while something yields.
    bound: Option<u64>,
    /// The fastest round trip of the last span and of this one.
    fastest: [Duration; 2],
    until: Instant,
    /// Round trips that are left of an emptying.
    emptying: u8,
    /// All that may be in flight was, in this round trip.
    was_full: bool,
    /// Packets have waited.
    has_waited: bool,
    /// Round trips until what was changed last shows.
    unseen: u8,
}

impl Background {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            yielding: Yielding::default(),
            bound: None,
            fastest: [Duration::MAX; 2],
            until: now + KNOWN_FOR,
            emptying: 0,
            was_full: false,
            has_waited: false,
            unseen: 0,
        }
    }

    /// What may be in flight of a window.
    pub(super) fn of(&self, window: u64) -> u64 {
        let bound = self.bound.unwrap_or(u64::MAX);
        let half = if self.emptying > 0 { bound / 2 } else { bound };
        window.min(half)
    }

    /// Less may be in flight than this window: it is not what should grow.
    pub(super) fn is_below(&self, window: u64) -> bool {
        self.bound.is_some_and(|bound| bound < window)
    }

    pub(super) fn arrived(&mut self, took: Duration, app_limited: bool) {
        let [_, fastest] = &mut self.fastest;
        *fastest = took.min(*fastest);
        self.was_full |= !app_limited;
    }

    /// A round trip has passed, in which the packet that waited least took so long.
    pub(super) fn round(&mut self, now: Instant, took: Duration, window: u64, packet: u64) {
        if now >= self.until {
            let [_, last] = self.fastest;
            self.fastest = [last, took];
            self.until = now + KNOWN_FOR;
            self.emptying = EMPTYING;
            self.unseen = EMPTYING + 2;
        } else {
            self.emptying = self.emptying.saturating_sub(1);
        }
        let was_full = std::mem::take(&mut self.was_full);
        if !self.yielding.is_any() {
            self.bound = None;
            self.has_waited = false;
            return;
        }
        let bound = self.bound.unwrap_or(window);
        let next = if self.unseen > 0 {
            self.unseen -= 1;
            bound
        } else {
            self.unseen = u8::from(self.has_waited);
            self.next(bound, took, was_full)
        };
        self.bound = Some(next.max(packet.saturating_mul(PACKETS_LEAST)));
    }

    fn next(&mut self, bound: u64, took: Duration, was_full: bool) -> u64 {
        let [last, this] = self.fastest;
        let fastest = last.min(this);
        let room = (fastest / WAITING_PART).max(WAITING_LEAST);
        let most = fastest.saturating_add(room);
        self.has_waited |= took > fastest.saturating_add(room / 2);
        if took > most {
            return part(bound, most, took);
        }
        if !was_full {
            return bound;
        }
        if !self.has_waited {
            return bound.saturating_add(bound / BEGINNING_PART);
        }
        bound.saturating_add(part(bound / GROWTH_PART, most - took, room))
    }
}

/// `bytes * numerator / denominator`, of a part that is at most one.
fn part(bytes: u64, numerator: Duration, denominator: Duration) -> u64 {
    let (up, down) = (numerator.as_micros(), denominator.as_micros().max(1));
    u64::try_from(u128::from(bytes) * up / down).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const PACKET: u64 = 1_200;

    /// A line that carries so many bytes a millisecond, `way` there and back, with a queue that never overflows, and somebody else's
    /// bytes in it.
    struct Line {
        rate: u64,
        way: Duration,
        others: u64,
    }

    impl Line {
        fn takes(&self, in_flight: u64) -> Duration {
            let carried = self.rate * u64::try_from(self.way.as_millis()).unwrap();
            let queued = (in_flight + self.others).saturating_sub(carried);
            self.way + MS * u32::try_from(queued / self.rate).unwrap()
        }
    }

    /// What is in flight after each of so many round trips; what is sent in one is what the next one's packets waited behind.
    fn rounds(background: &mut Background, line: &Line, count: u32) -> Vec<u64> {
        let mut now = background.until - KNOWN_FOR;
        let mut seen = Vec::new();
        let mut before = background.of(14_720);
        for _ in 0..count {
            let took = line.takes(before);
            before = background.of(14_720 << 10);
            now += took;
            background.arrived(took, false);
            background.round(now, took, 14_720, PACKET);
            seen.push(background.of(u64::MAX));
        }
        seen
    }

    const FAR: Line = Line {
        rate: 2_500,
        way: Duration::from_millis(50),
        others: 0,
    };

    #[test]
    fn nothing_is_bounded_unless_something_yields() {
        let mut background = Background::new(Instant::now());
        let yields = background.yielding.one();
        rounds(&mut background, &FAR, 3);
        assert!(background.is_below(u64::MAX));
        drop(yields);
        rounds(&mut background, &FAR, 1);
        assert_eq!(background.of(1 << 40), 1 << 40);
        assert!(!background.is_below(u64::MAX));
    }

    #[test]
    fn the_line_is_filled_and_packets_wait_a_little() {
        let mut background = Background::new(Instant::now());
        let _yields = background.yielding.one();
        let seen = rounds(&mut background, &FAR, 100);
        let waits: Vec<_> = seen
            .iter()
            .map(|bytes| FAR.takes(*bytes) - FAR.way)
            .collect();
        let (beginning, later) = waits.split_at(40);
        let most = |waits: &[Duration]| waits.iter().max().copied().unwrap_or_default();
        assert!(most(beginning) <= 25 * MS, "{beginning:?}");
        assert!(most(later) <= 12 * MS, "{later:?}");
        let short = later.iter().filter(|wait| **wait < 3 * MS).count();
        assert!(short <= usize::from(EMPTYING), "{later:?}");
    }

    #[test]
    fn who_does_not_yield_gets_the_line() {
        let mut background = Background::new(Instant::now());
        let _yields = background.yielding.one();
        rounds(&mut background, &FAR, 60);
        let crowded = Line {
            others: 2_500 * 100,
            ..FAR
        };
        let seen = rounds(&mut background, &crowded, 60);
        assert_eq!(*seen.last().unwrap(), PACKET * PACKETS_LEAST);
    }

    #[test]
    fn a_longer_way_is_no_queue_for_ever() {
        let mut background = Background::new(Instant::now());
        let _yields = background.yielding.one();
        rounds(&mut background, &FAR, 60);
        let longer = Line {
            way: 120 * MS,
            ..FAR
        };
        for _ in 0..3 {
            rounds(&mut background, &longer, 100);
        }
        let seen = rounds(&mut background, &longer, 60);
        assert!(*seen.last().unwrap() > 2_500 * 110, "{seen:?}");
    }

    #[test]
    fn a_queue_of_our_own_is_not_taken_for_the_way() {
        let mut background = Background::new(Instant::now());
        let _yields = background.yielding.one();
        for _ in 0..20 {
            rounds(&mut background, &FAR, 200);
        }
        let [last, this] = background.fastest;
        assert!(last.min(this) <= 51 * MS, "{last:?} {this:?}");
    }

    #[test]
    fn what_is_not_used_does_not_grow() {
        let mut background = Background::new(Instant::now());
        let _yields = background.yielding.one();
        let now = Instant::now();
        for round in 0..50 {
            background.arrived(50 * MS, true);
            background.round(now + round * 50 * MS, 50 * MS, 100_000, PACKET);
        }
        assert_eq!(background.of(u64::MAX), 100_000);
    }
}
