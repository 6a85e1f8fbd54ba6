//! How fast payloads may come so that what else crosses the site's line does not wait for them.
//!
//! A mirror's TCP fills the queue before the line, in which the site's sessions then wait too. What the relay can do about it is to take
//! the bytes no faster than the line carries them. It learns that rate from the round trip of its own connection to the edge: while it
//! is much longer than the fastest one, a queue stands (the signal of LEDBAT, RFC 6817, used at the receiver as rLEDBAT does,
//! draft-irtf-iccrg-rledbat). Then nothing is taken until packets wait no more, by when the mirror has filled all that the kernel receives
//! ahead and sends only what is taken. Afterwards a little less is taken than came before, growing slowly until packets wait again.
//!
//! Invariants: nothing is held back until packets wait; a site that is as near to the edge as [`NEAR`] is never held back; however long
//! packets wait, [`LEAST`] comes; a pause ends after [`PAUSE_MOST`]. Time is an argument. No IO.

use std::time::Duration;

/// How often the round trip is to be told while payloads come.
pub const LOOK: Duration = Duration::from_millis(50);
/// A fastest round trip below this is no line that needs care.
pub const NEAR: Duration = Duration::from_millis(3);
/// Bytes a second that may always come.
pub const LEAST: f64 = 125_000.0;
/// A pause in which the queue empties lasts no longer.
pub const PAUSE_MOST: Duration = Duration::from_secs(3);
/// After a pause the round trip, which is told as a mean, says nothing for so long.
const BLIND: Duration = Duration::from_millis(500);
/// Packets may wait for this part of the fastest round trip,
const WAITING_PART: u32 = 5;
/// but not less than this: the edge may be busy.
const WAITING_LEAST: Duration = Duration::from_millis(8);
/// After a pause this part of what came before,
const AFTER: f64 = 0.95;
/// and this one after a pause that did not help: the queue is others'.
const AFTER_VAIN: f64 = 0.6;
/// What the rate grows by in a second after a pause,
const GROWTH: f64 = 1.05;
/// and by this power of it more for each such time since: what others have left is taken before long.
const FASTER_EVERY: Duration = Duration::from_secs(4);
/// A rate of which less than this part is used does not grow.
const USED: f64 = 0.8;
/// The rate at which payloads come is taken over this time.
const COUNTED: Duration = Duration::from_millis(400);
/// A fastest round trip is believed for this long, and so long again.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// A rate is forgotten when nothing has come for this long.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// What is known of the line.
#[derive(Debug, Default)]
pub struct Pace {
    /// The fastest round trip of the last span and of this one.
    fastest: [Option<Duration>; 2],
    until: Duration,
    /// Bytes a second; `None`: packets have not waited.
    rate: Option<f64>,
    /// Packets wait for the first time.
    is_filled: bool,
    /// Nothing comes until then.
    paused: Option<Duration>,
    /// When the last pause ended.
    went_on_at: Duration,
    /// Bytes since, and how fast they came before.
    carried: u64,
    since: Duration,
    measured: f64,
    carried_at: Duration,
    told_at: Duration,
}

impl Pace {
    /// Bytes have come.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn carried(&mut self, now: Duration, bytes: u64) {
        if now.saturating_sub(self.carried_at) > FORGOTTEN {
            (self.rate, self.is_filled, self.paused, self.measured) = (None, false, None, 0.0);
            (self.carried, self.since) = (0, now);
        }
        self.carried_at = now;
        self.carried += bytes;
        let time = now.saturating_sub(self.since);
        if time >= COUNTED {
            self.measured = self.carried as f64 / time.as_secs_f64();
            (self.carried, self.since) = (0, now);
        }
    }

    /// Whether something came lately, so that the round trip matters.
    #[must_use]
    pub fn is_carrying(&self, now: Duration) -> bool {
        self.carried_at > Duration::ZERO && now.saturating_sub(self.carried_at) < FORGOTTEN
    }

    /// The round trip to the edge, now.
    pub fn told(&mut self, now: Duration, round_trip: Duration) {
        let elapsed = now.saturating_sub(self.told_at).min(LOOK * 4);
        self.told_at = now;
        let fastest = self.learn(now, round_trip);
        if fastest < NEAR {
            (self.rate, self.paused) = (None, None);
            return;
        }
        let waited = round_trip.saturating_sub(fastest);
        let room = (fastest / WAITING_PART).max(WAITING_LEAST);
        if let Some(end) = self.paused {
            if waited <= room || now >= end {
                if waited > room {
                    self.rate = self.rate.map(|rate| (rate * AFTER_VAIN).max(LEAST));
                }
                self.paused = None;
                self.went_on_at = now;
                (self.carried, self.since) = (0, now);
            }
        } else if waited > room && self.measured > 0.0 {
            if now < self.went_on_at + BLIND {
                return;
            }
            if self.rate.is_none() && !self.is_filled {
                // Only now does what comes tell how much the line carries.
                self.is_filled = true;
                (self.carried, self.since, self.measured) = (0, now, 0.0);
                return;
            }
            let before = self.rate.unwrap_or(f64::INFINITY).min(self.measured);
            let is_least = self.rate == Some(LEAST);
            self.rate = Some((before * AFTER).max(LEAST));
            self.paused = (!is_least).then(|| now + PAUSE_MOST);
        } else if let Some(rate) = &mut self.rate
            && self.measured > *rate * USED
        {
            let calm = now.saturating_sub(self.went_on_at).as_secs_f64();
            let power = 1.0 + calm / FASTER_EVERY.as_secs_f64();
            *rate *= GROWTH.powf(elapsed.as_secs_f64() * power);
        }
    }

    fn learn(&mut self, now: Duration, round_trip: Duration) -> Duration {
        if now >= self.until {
            self.fastest = [self.fastest[1], None];
            self.until = now + KNOWN_FOR;
        }
        let this = self.fastest[1].map_or(round_trip, |fastest| fastest.min(round_trip));
        self.fastest[1] = Some(this);
        self.fastest[0].map_or(this, |last| last.min(this))
    }

    /// Whether nothing is to be taken now.
    #[must_use]
    pub fn is_paused(&self, now: Duration) -> bool {
        self.paused.is_some_and(|end| now < end)
    }

    /// What may come, in units of 1000 bits per second; `None`: as much as comes.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float becomes the nearest integer that there is"
    )]
    pub fn limit(&self) -> Option<u32> {
        self.rate.map(|rate| (rate / 125.0) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A site's line with a mirror behind it that sends as fast as it is let, and what is in the queue before it.
    struct Line {
        way: Duration,
        rate: f64,
        queued: f64,
        now: Duration,
        /// Bytes that came.
        came: f64,
        /// The longest round trip.
        worst: Duration,
    }

    impl Line {
        fn new(way: Duration, megabits: f64) -> Self {
            Self {
                way,
                rate: megabits * 125_000.0,
                queued: 0.0,
                now: Duration::from_secs(1),
                came: 0.0,
                worst: Duration::ZERO,
            }
        }

        fn run(&mut self, pace: &mut Pace, others: f64, seconds: u64) {
            (self.came, self.worst) = (0.0, Duration::ZERO);
            for _ in 0..seconds * 20 {
                self.now += LOOK;
                let step = LOOK.as_secs_f64();
                let sent = match (pace.is_paused(self.now), pace.limit()) {
                    (true, _) => 0.0,
                    (false, Some(limit)) => f64::from(limit) * 125.0,
                    // A queue as long as 100 ms, always full.
                    (false, None) => self.rate * 1.5,
                };
                let most = self.rate * 0.1;
                let all = self.queued + (sent + others) * step;
                let carried = all.min(self.rate * step);
                self.queued = (all - carried).min(most);
                let ours = carried * sent / (sent + others).max(1.0);
                self.came += ours;
                pace.carried(self.now, ours as u64);
                let took = self.way + Duration::from_secs_f64(self.queued / self.rate);
                self.worst = self.worst.max(took);
                pace.told(self.now, took);
            }
        }
    }

    #[test]
    fn the_line_is_used_and_packets_wait_little() {
        let (mut pace, mut line) = (Pace::default(), Line::new(50 * MS, 20.0));
        pace.told(line.now, line.way);
        line.run(&mut pace, 0.0, 5);
        line.run(&mut pace, 0.0, 60);
        assert!(line.worst <= 65 * MS, "{:?}", line.worst);
        let part = line.came / (line.rate * 60.0);
        assert!(part > 0.8, "{part}");
    }

    #[test]
    fn a_near_edge_and_a_line_without_a_queue_hold_nothing_back() {
        let mut pace = Pace::default();
        let mut line = Line::new(MS, 20.0);
        pace.told(line.now, line.way);
        line.run(&mut pace, 0.0, 10);
        assert_eq!(pace.limit(), None);
        let mut pace = Pace::default();
        for step in 1..100 {
            pace.carried(step * LOOK, 1 << 20);
            pace.told(step * LOOK, 50 * MS);
        }
        assert_eq!((pace.limit(), pace.is_paused(100 * LOOK)), (None, false));
    }

    #[test]
    fn others_get_the_line_and_the_least_still_comes() {
        let (mut pace, mut line) = (Pace::default(), Line::new(50 * MS, 20.0));
        pace.told(line.now, line.way);
        line.run(&mut pace, 0.0, 20);
        let others = line.rate * 1.2;
        line.run(&mut pace, others, 60);
        line.run(&mut pace, others, 20);
        let least = LEAST * 20.0;
        assert!(line.came < line.rate * 20.0 * 0.2, "{}", line.came);
        assert!(line.came > least * 0.6, "{} of {least}", line.came);
    }

    #[test]
    fn what_came_long_ago_is_forgotten() {
        let (mut pace, mut line) = (Pace::default(), Line::new(50 * MS, 20.0));
        pace.told(line.now, line.way);
        line.run(&mut pace, 0.0, 10);
        assert!(pace.limit().is_some());
        let later = line.now + FORGOTTEN * 2;
        assert!(!pace.is_carrying(later));
        pace.carried(later, 1);
        assert_eq!((pace.limit(), pace.is_paused(later)), (None, false));
    }

    #[test]
    fn a_longer_way_is_no_queue_for_ever() {
        let (mut pace, mut line) = (Pace::default(), Line::new(50 * MS, 20.0));
        pace.told(line.now, line.way);
        line.run(&mut pace, 0.0, 10);
        line.way = 120 * MS;
        line.run(&mut pace, 0.0, 400);
        line.run(&mut pace, 0.0, 60);
        let part = line.came / (line.rate * 60.0);
        assert!(part > 0.5, "{part}");
    }
}
