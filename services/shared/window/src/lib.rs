//! Maintenance and blackout windows: RFC 5545 recurrence in local time, mapped to a zone; and when a host is scanned, by cron
//! expression. Pure; time is an argument.
//!
//! Invariants:
//! - A rule is evaluated in floating local time, then shifted by `offset_days` ("third Tuesday + 2 days"), then
//!   mapped to the zone: a time inside a DST gap moves to the gap's end, an ambiguous one is its first occurrence.
//! - Duration is elapsed time, the end is exclusive.
//! - Every expansion is bounded in count and in time, and a rule that can name no date is refused before it is walked.
//! - Starts are strictly increasing: two local times that a gap moves to one instant are one occurrence.
//!
//! Deliberately absent: `RDATE`, `EXDATE`, several rules in one window, frequencies finer than a day.

mod error;
mod occurrence;
mod recurrence;
mod rule;
mod schedule;
mod zone;

pub use chrono_tz::Tz;
pub use error::WindowError;
pub use occurrence::{
    Occurrence, last_end_before, next_open, next_start, occurrences, open_at, open_between,
};
pub use rule::{MAX_DURATION_S, MAX_OFFSET_DAYS, WindowRule, validate};
pub use schedule::{InvalidSchedule, Schedule};
pub use zone::{parse_zone, to_utc};
