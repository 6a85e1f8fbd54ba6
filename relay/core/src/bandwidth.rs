//! What the site's line may carry of what is fetched: a bucket of bytes that fills at the rate of the hour, and who of
//! those who wait takes from it next.
//!
//! Invariants: over any span no more is let through than the rates of its hours give, plus a tenth of a second of the
//! highest and one piece; what hosts wait for goes before what is fetched ahead, in the order in which it came; what is
//! fetched ahead still gets a piece every [`PATIENCE`], so that its upstream does not hang up. Bytes are paid after
//! they came: a piece larger than what is left makes everybody wait until it is paid off. Time is an argument.

use netpatch_protocol::site as wire;
use netpatch_types::{Bandwidth, BandwidthRule, WeekHours};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is fetched ahead waits no longer than this for its next piece.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Without a limit, what is fetched ahead waits until hosts' bytes have not come for this long.
const QUIET: Duration = Duration::from_millis(250);
/// The bucket holds what comes in this part of a second.
const DEPTH_PER_SECOND: f64 = 0.1;

/// For whom bytes are fetched; the first goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A host waits for them now.
    Interactive,
    /// They are fetched ahead.
    Background,
}

/// Whether a piece may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Its bytes are paid.
    Go,
    /// Ask again after this time, or when another one went.
    Wait(Duration),
}

/// Names a piece that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

struct Waiting {
    priority: Priority,
    bytes: u64,
    since: Duration,
}

/// The bucket and its queue.
#[derive(Default)]
pub struct Bucket {
    /// Bytes that may go now; below zero: that are still to be paid off.
    level: f64,
    filled_at: Option<Duration>,
    /// What held when it was last filled.
    limit: Option<u32>,
    waiting: BTreeMap<Ticket, Waiting>,
    next: u64,
    /// When bytes last came for a host.
    interactive_at: Option<Duration>,
}

impl Bucket {
    /// A piece of bytes that came joins the queue.
    pub fn join(&mut self, now: Duration, priority: Priority, bytes: u64) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        let since = now;
        self.waiting.insert(
            ticket,
            Waiting {
                priority,
                bytes,
                since,
            },
        );
        ticket
    }

    /// A host waits now for what was fetched ahead.
    pub fn promote(&mut self, ticket: Ticket) {
        if let Some(waiting) = self.waiting.get_mut(&ticket) {
            waiting.priority = Priority::Interactive;
        }
    }

    /// A piece waits no more, paid or not.
    pub fn leave(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    /// Whether it is a piece's turn, at this limit in units of 1000 bits per second.
    #[allow(
        clippy::cast_precision_loss,
        reason = "sizes of pieces are far below 2^52"
    )]
    pub fn turn(&mut self, now: Duration, limit: Option<u32>, ticket: Ticket) -> Turn {
        self.fill(now, limit);
        let Some(own) = self.waiting.get(&ticket) else {
            return Turn::Go;
        };
        if limit.is_some() && self.level <= 0.0 {
            return Turn::Wait(self.until_positive(limit));
        }
        if self.first(now) != Some(ticket) {
            return Turn::Wait(QUIET);
        }
        let patient = now.saturating_sub(own.since) < PATIENCE;
        if limit.is_none() && own.priority == Priority::Background && patient {
            let quiet_at = self.interactive_at.map_or(Duration::ZERO, |at| at + QUIET);
            if quiet_at > now {
                return Turn::Wait(quiet_at - now);
            }
        }
        if own.priority == Priority::Interactive {
            self.interactive_at = Some(now);
        }
        if limit.is_some() {
            self.level -= own.bytes as f64;
        }
        self.waiting.remove(&ticket);
        Turn::Go
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Who goes next: who has lost patience, then hosts, then what is fetched ahead; each in the order of coming.
    fn first(&self, now: Duration) -> Option<Ticket> {
        let rank = |(ticket, waiting): (&Ticket, &Waiting)| {
            let lost = now.saturating_sub(waiting.since) >= PATIENCE;
            let background = waiting.priority == Priority::Background;
            (background && !lost, *ticket)
        };
        self.waiting
            .iter()
            .map(rank)
            .min()
            .map(|(_, ticket)| ticket)
    }

    fn fill(&mut self, now: Duration, limit: Option<u32>) {
        let elapsed = self
            .filled_at
            .map_or(Duration::ZERO, |at| now.saturating_sub(at));
        self.filled_at = Some(now.max(self.filled_at.unwrap_or_default()));
        match limit {
            // What was owed at a limit that holds no more is not owed.
            None => self.level = 0.0,
            Some(limit) => {
                let rate = bytes_per_second(limit);
                // Nobody knows when within that time the limit changed: the lower of the two is sure.
                let sure = bytes_per_second(self.limit.map_or(limit, |before| before.min(limit)));
                let level = self.level + sure * elapsed.as_secs_f64();
                self.level = level.min(rate * DEPTH_PER_SECOND);
            }
        }
        self.limit = limit;
    }

    fn until_positive(&self, limit: Option<u32>) -> Duration {
        let rate = limit.map_or(f64::INFINITY, bytes_per_second);
        // A moment more, so that rounding does not leave it at zero.
        Duration::from_secs_f64((-self.level / rate).clamp(0.0, 3600.0)) + Duration::from_micros(10)
    }
}

fn bytes_per_second(kilobits_per_second: u32) -> f64 {
    f64::from(kilobits_per_second) * 125.0
}

/// What a site's settings say of its line. A rule that cannot be is left out; a limit that is too small is the smallest.
#[must_use]
pub fn bandwidth_of(settings: &wire::SiteSettings) -> Bandwidth {
    use netpatch_types::week::{MAX_WEEK_RANGES, MIN_KILOBITS_PER_SECOND};
    let rate = |rate: Option<u32>| rate.map(|rate| rate.max(MIN_KILOBITS_PER_SECOND));
    let rule = |rule: &wire::BandwidthRule| {
        Some(BandwidthRule {
            hours: hours_of(rule.hours.as_ref()?)?,
            kilobits_per_second: rate(rule.kilobits_per_second),
        })
    };
    let said = settings.bandwidth.clone().unwrap_or_default();
    let rules = said.rules.iter().take(MAX_WEEK_RANGES);
    Bandwidth {
        kilobits_per_second: rate(said.kilobits_per_second),
        rules: rules.filter_map(rule).collect(),
    }
}

/// Hours of the week, unless they cannot be.
#[must_use]
pub fn hours_of(hours: &wire::WeekHours) -> Option<WeekHours> {
    let day = |number: &u32| {
        let index = u8::try_from(number.checked_sub(1)?).ok()?;
        chrono::Weekday::try_from(index).ok()
    };
    let hours = WeekHours {
        days: hours.days.iter().map(day).collect::<Option<_>>()?,
        from_minute: u16::try_from(hours.from_minute).ok()?,
        until_minute: u16::try_from(hours.until_minute).ok()?,
    };
    hours.check().is_ok().then_some(hours)
}

#[cfg(test)]
mod tests;
