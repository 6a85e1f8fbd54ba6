//! Windows through the public functions: zones, blackouts, properties.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod blackout;
mod property;
mod zones;

use chrono::{DateTime, Utc};
use netpatch_window::{WindowRule, parse_zone};

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn rule(
    rrule: &str,
    starts_at: &str,
    duration_s: u32,
    zone: Option<&str>,
) -> WindowRule {
    WindowRule {
        rrule: rrule.into(),
        starts_at: starts_at.parse().unwrap(),
        duration_s,
        offset_days: 0,
        time_zone: zone.map(|name| parse_zone(name).unwrap()),
    }
}
