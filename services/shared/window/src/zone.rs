//! Local time to instants, without a time that does not exist.

use crate::WindowError;
use chrono::{DateTime, Duration, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

/// Reads an IANA name. Fails with the name and what to write instead.
pub fn parse_zone(name: &str) -> Result<Tz, WindowError> {
    name.parse()
        .map_err(|_| WindowError::Zone(name.chars().take(80).collect()))
}

/// The instant of a local time: in a gap its end, if ambiguous the first (details: "Windows").
#[must_use]
pub fn to_utc(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&local).earliest() {
        Some(time) => time.with_timezone(&Utc),
        None => gap_end(local, zone),
    }
}

/// The first instant at which the zone's wall clock shows `local` or later: the transition that skips it.
fn gap_end(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    // No zone is further than 26 hours from UTC, so the transition lies within 36.
    let mut before = local.and_utc() - Duration::hours(36);
    let mut after = local.and_utc() + Duration::hours(36);
    while after - before > Duration::seconds(1) {
        let middle = before + Duration::seconds((after - before).num_seconds() / 2);
        if middle.with_timezone(&zone).naive_local() >= local {
            after = middle;
        } else {
            before = middle;
        }
    }
    after
}

/// Zones travel by their IANA name.
pub(crate) mod serde_name {
    use chrono_tz::Tz;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(
        zone: &Option<Tz>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        zone.map(|zone| zone.name()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Tz>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|name| super::parse_zone(&name))
            .transpose()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(zone: &str, local: &str) -> String {
        to_utc(local.parse().unwrap(), parse_zone(zone).unwrap())
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    #[test]
    fn a_time_in_a_gap_moves_to_its_end() {
        assert_eq!(
            utc("Europe/Berlin", "2026-03-29T02:30:00"),
            "2026-03-29T01:00:00Z"
        );
        assert_eq!(
            utc("Europe/Berlin", "2026-03-29T02:00:00"),
            "2026-03-29T01:00:00Z"
        );
        assert_eq!(
            utc("America/New_York", "2026-03-08T02:59:59"),
            "2026-03-08T07:00:00Z"
        );
        // Half an hour of daylight saving.
        assert_eq!(
            utc("Australia/Lord_Howe", "2026-10-04T02:15:00"),
            "2026-10-03T15:30:00Z"
        );
        // A whole day that Samoa skipped.
        assert_eq!(
            utc("Pacific/Apia", "2011-12-30T12:00:00"),
            "2011-12-30T10:00:00Z"
        );
        // The gap begins at midnight.
        assert_eq!(
            utc("America/Santiago", "2026-09-06T00:30:00"),
            "2026-09-06T04:00:00Z"
        );
    }

    #[test]
    fn an_ambiguous_time_is_its_first_occurrence() {
        assert_eq!(
            utc("Europe/Berlin", "2026-10-25T02:30:00"),
            "2026-10-25T00:30:00Z"
        );
        assert_eq!(
            utc("America/New_York", "2026-11-01T01:30:00"),
            "2026-11-01T05:30:00Z"
        );
        assert_eq!(
            utc("Australia/Lord_Howe", "2026-04-05T01:45:00"),
            "2026-04-04T14:45:00Z"
        );
    }

    #[test]
    fn an_unknown_zone_is_refused_by_name() {
        let error = parse_zone("Mars/Olympus").unwrap_err();
        assert_eq!(error.field(), "timeZone");
        assert!(error.to_string().contains("Mars/Olympus"), "{error}");
    }
}
