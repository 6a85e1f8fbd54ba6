//! Hours of the week, and what a site's line may carry in them, on the wire to its relays.

use netpatch_protocol::site as wire;
use netpatch_types::{Bandwidth, BandwidthRule, WeekHours};

pub(super) fn bandwidth(bandwidth: &Bandwidth) -> wire::Bandwidth {
    let rule = |rule: &BandwidthRule| wire::BandwidthRule {
        hours: Some(hours(&rule.hours)),
        kilobits_per_second: rule.kilobits_per_second,
    };
    wire::Bandwidth {
        kilobits_per_second: bandwidth.kilobits_per_second,
        rules: bandwidth.rules.iter().map(rule).collect(),
    }
}

pub(super) fn hours(hours: &WeekHours) -> wire::WeekHours {
    let days = hours.days.iter().map(chrono::Weekday::number_from_monday);
    wire::WeekHours {
        days: days.collect(),
        from_minute: hours.from_minute.into(),
        until_minute: hours.until_minute.into(),
    }
}
