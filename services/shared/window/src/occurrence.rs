//! The occurrences of a window, what blackouts leave of them, and the questions that callers ask.

use crate::recurrence::Until;
use crate::{Tz, WindowError, WindowRule, to_utc};
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

/// Recurrences walked at most, from the start of the rule.
const MAX_WALK: usize = 120_000;
/// Occurrences handed out at most in one answer.
const MAX_ANSWER: usize = 10_000;
/// How far ahead of the asked time the walk goes at most.
const HORIZON: Duration = Duration::days(3_653);
/// How far adjacent occurrences are joined.
const JOINED: Duration = Duration::days(31);

/// One time in which the window is open, half open: the end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Occurrence {
    /// The first instant inside.
    pub start: DateTime<Utc>,
    /// The first instant after.
    pub end: DateTime<Utc>,
}

impl Occurrence {
    /// Whether the instant is inside.
    #[must_use]
    pub fn contains(&self, instant: DateTime<Utc>) -> bool {
        self.start <= instant && instant < self.end
    }

    /// Whether work of the estimated length that starts at `at` ends before the window does.
    #[must_use]
    pub fn fits(&self, at: DateTime<Utc>, estimate: std::time::Duration) -> bool {
        let estimate = Duration::from_std(estimate).ok();
        let end = estimate.and_then(|estimate| at.checked_add_signed(estimate));
        self.contains(at) && end.is_some_and(|end| end <= self.end)
    }
}

/// The next `count` occurrences that end after `from`, as the rule names them, without regard to blackouts. `zone` is the
/// host's own. At most 10,000, at most ten years ahead.
pub fn occurrences(
    rule: &WindowRule,
    zone: Tz,
    from: DateTime<Utc>,
    count: usize,
) -> Result<Vec<Occurrence>, WindowError> {
    walk(rule, zone, from, from + HORIZON, count)
}

/// The times between `from` and `to` in which the window is open: occurrences that touch or overlap are joined, blackouts
/// taken out. The first may begin before `from`, the last may end after `to`. At most ten years.
pub fn open_between(
    rule: &WindowRule,
    blackouts: &[WindowRule],
    zone: Tz,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<Occurrence>, WindowError> {
    let to = to.min(from + HORIZON);
    let mut open: Vec<Occurrence> = Vec::new();
    for next in walk(rule, zone, from, to, MAX_ANSWER)? {
        match open.last_mut() {
            Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
            _ => open.push(next),
        }
    }
    let (Some(first), Some(last)) = (open.first().copied(), open.last().copied()) else {
        return Ok(open);
    };
    for blackout in blackouts {
        for closed in walk(blackout, zone, first.start, last.end, MAX_ANSWER)? {
            open = open
                .into_iter()
                .flat_map(|part| without(part, closed))
                .collect();
        }
    }
    open.retain(|part| part.end > from && part.start < to);
    Ok(open)
}

/// The open time that `now` is in, if any. Its end is where the window closes; times that touch are joined for a month.
pub fn open_at(
    rule: &WindowRule,
    blackouts: &[WindowRule],
    zone: Tz,
    now: DateTime<Utc>,
) -> Result<Option<Occurrence>, WindowError> {
    Ok(open_between(rule, blackouts, zone, now, now + JOINED)?
        .into_iter()
        .find(|open| open.contains(now)))
}

/// The first open time that starts after `after`, blackouts taken out; `None` if there is none within ten years.
pub fn next_open(
    rule: &WindowRule,
    blackouts: &[WindowRule],
    zone: Tz,
    after: DateTime<Utc>,
) -> Result<Option<Occurrence>, WindowError> {
    // Most windows open within a month; only a rare one pays for a long look.
    for ahead in [JOINED, Duration::days(400), HORIZON] {
        let found = open_between(rule, blackouts, zone, after, after + ahead)?
            .into_iter()
            .find(|open| open.start > after);
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// When the window opens next after `after`.
pub fn next_start(
    rule: &WindowRule,
    blackouts: &[WindowRule],
    zone: Tz,
    after: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, WindowError> {
    Ok(next_open(rule, blackouts, zone, after)?.map(|open| open.start))
}

/// The last instant up to `not_after` at which an open time between `from` and `not_after` ends; one that is still open at
/// `not_after` ends there. `None` if the window does not open between them.
pub fn last_end_before(
    rule: &WindowRule,
    blackouts: &[WindowRule],
    zone: Tz,
    from: DateTime<Utc>,
    not_after: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, WindowError> {
    Ok(open_between(rule, blackouts, zone, from, not_after)?
        .last()
        .map(|open| open.end.min(not_after)))
}

/// Occurrences with end > from and start < to, starts strictly increasing.
fn walk(
    rule: &WindowRule,
    zone: Tz,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    count: usize,
) -> Result<Vec<Occurrence>, WindowError> {
    let recurrence = rule.recurrence()?;
    let (zone, duration, offset) = (
        rule.zone(zone),
        rule.duration(),
        Duration::days(i64::from(rule.offset_days)),
    );
    let (times, until) = recurrence.walk();
    let mut found: Vec<Occurrence> = Vec::new();
    for local in times.take(MAX_WALK) {
        if found.len() >= count.min(MAX_ANSWER) {
            break;
        }
        if matches!(until, Some(Until::Instant(until)) if to_utc(local, zone) > until) {
            break;
        }
        let Some(start) = local
            .checked_add_signed(offset)
            .map(|shifted| to_utc(shifted, zone))
        else {
            break;
        };
        if start >= to {
            break;
        }
        let end = start + duration;
        if end > from && found.last().is_none_or(|last| last.start < start) {
            found.push(Occurrence { start, end });
        }
    }
    Ok(found)
}

/// What is left of `open` outside `closed`: nothing, one part or two.
fn without(open: Occurrence, closed: Occurrence) -> impl Iterator<Item = Occurrence> {
    let before = Occurrence {
        start: open.start,
        end: open.end.min(closed.start),
    };
    let after = Occurrence {
        start: open.start.max(closed.end),
        end: open.end,
    };
    [before, after]
        .into_iter()
        .filter(|part| part.start < part.end)
}
