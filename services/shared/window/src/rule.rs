//! What a window is made of, and what is refused before it is stored.

use crate::recurrence::Recurrence;
use crate::{WindowError, zone};
use chrono::{DateTime, Datelike, Duration, NaiveDateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// The longest window: a quarter, for a freeze.
pub const MAX_DURATION_S: u32 = 92 * 86_400;
/// The largest shift in either direction.
pub const MAX_OFFSET_DAYS: i32 = 31;
/// The evaluation walks from `starts_at`, so it must not be far away.
const MAX_START_DISTANCE_DAYS: i64 = 731;

/// A recurring window, of either kind: maintenance or blackout.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowRule {
    /// RFC 5545 `RRULE` value, e.g. `FREQ=MONTHLY;BYDAY=3TU`; `FREQ` daily or coarser. An `UNTIL` without `Z` is local.
    pub rrule: String,
    /// `DTSTART`: the first local time, within two years of now. The start only counts if the rule names it.
    pub starts_at: NaiveDateTime,
    /// Elapsed seconds, 60 to [`MAX_DURATION_S`].
    pub duration_s: u32,
    /// Days added to each recurrence, -31 to 31; RFC 5545 cannot say "third Tuesday + 2 days".
    #[serde(default)]
    pub offset_days: i32,
    /// The zone of the local times; `None` = the host's own.
    #[serde(default, with = "zone::serde_name")]
    pub time_zone: Option<Tz>,
}

impl WindowRule {
    /// The zone in which the rule is read, given the host's own.
    #[must_use]
    pub fn zone(&self, host: Tz) -> Tz {
        self.time_zone.unwrap_or(host)
    }

    /// How long each occurrence lasts.
    pub(crate) fn duration(&self) -> Duration {
        Duration::seconds(i64::from(self.duration_s))
    }

    /// Checks everything that does not need the present time.
    pub(crate) fn recurrence(&self) -> Result<Recurrence, WindowError> {
        if !(60..=MAX_DURATION_S).contains(&self.duration_s) {
            return Err(WindowError::Duration(self.duration_s));
        }
        if !(-MAX_OFFSET_DAYS..=MAX_OFFSET_DAYS).contains(&self.offset_days) {
            return Err(WindowError::Offset(self.offset_days));
        }
        if !(1970..=2200).contains(&self.starts_at.year()) {
            return Err(WindowError::Start(self.starts_at.to_string()));
        }
        Recurrence::parse(&self.rrule, self.starts_at)
    }
}

/// Refuses a rule that must not be stored: malformed, too fine, impossible, too far away, or over for good.
pub fn validate(rule: &WindowRule, now: DateTime<Utc>) -> Result<(), WindowError> {
    rule.recurrence()?;
    let distance = rule
        .starts_at
        .and_utc()
        .signed_duration_since(now)
        .num_days()
        .abs();
    if distance > MAX_START_DISTANCE_DAYS {
        return Err(WindowError::Start(rule.starts_at.to_string()));
    }
    // A day earlier: without a zone of its own the rule may run anywhere.
    let zone = rule.zone(Tz::UTC);
    let from = now - Duration::days(1);
    if crate::occurrences(rule, zone, from, 1)?.is_empty() {
        return Err(WindowError::NeverAgain(now.format("%Y-%m-%d").to_string()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> WindowRule {
        WindowRule {
            rrule: text.into(),
            starts_at: "2026-01-01T02:00:00".parse().unwrap(),
            duration_s: 7200,
            offset_days: 0,
            time_zone: None,
        }
    }

    fn refused(rule: &WindowRule) -> WindowError {
        validate(rule, "2026-11-21T00:00:00Z".parse().unwrap()).unwrap_err()
    }

    #[test]
    fn impossible_and_fine_rules_are_refused_with_the_remedy() {
        for text in [
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=DAILY;BYMONTH=4,6;BYMONTHDAY=31",
            "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=-30",
            "FREQ=YEARLY;BYMONTH=6;BYYEARDAY=1,366",
        ] {
            let error = refused(&rule(text));
            assert!(
                matches!(error, WindowError::Impossible(_)),
                "{text}: {error}"
            );
        }
        for freq in ["HOURLY", "MINUTELY", "SECONDLY"] {
            let error = refused(&rule(&format!("FREQ={freq}")));
            assert!(matches!(error, WindowError::TooFine(_)), "{error}");
            assert!(error.to_string().contains("DAILY"), "{error}");
        }
        let start_day = WindowRule {
            starts_at: "2026-01-30T02:00:00".parse().unwrap(),
            ..rule("FREQ=YEARLY;BYMONTH=2")
        };
        assert!(matches!(refused(&start_day), WindowError::Impossible(_)));
        assert!(matches!(
            refused(&rule("FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6")),
            WindowError::NeverAgain(_)
        ));
        assert!(matches!(
            refused(&rule("FREQ=DAILY;COUNT=3")),
            WindowError::NeverAgain(_)
        ));
        assert!(matches!(
            refused(&rule("FREQ=DAILY;UNTIL=20260301T000000")),
            WindowError::NeverAgain(_)
        ));
    }

    #[test]
    fn malformed_text_is_refused_at_its_field() {
        for text in [
            "",
            "DAILY",
            "FREQ",
            "FREQ=",
            "FREQ=SOMETIMES",
            "FREQ=DAILY;FREQ=WEEKLY",
            "FREQ=DAILY;COUNT=0",
            "FREQ=DAILY;COUNT=x",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=DAILY;INTERVAL=-1",
            "FREQ=DAILY;INTERVAL=60000",
            "FREQ=DAILY;BYHOUR=24",
            "FREQ=DAILY;BYDAY=1.5MO",
            "FREQ=MONTHLY;BYDAY=0MO",
            "FREQ=WEEKLY;BYDAY=2MO",
            "FREQ=DAILY;BYEASTER=0",
            "FREQ=DAILY\nRRULE:FREQ=DAILY",
            "FREQ=DAILY;UNTIL=tomorrow",
            "FREQ=DAILY;UNTIL=20270101T000000;COUNT=5",
            "FREQ=MONTHLY;BYMONTHDAY=32",
            "FREQ=WEEKLY;BYMONTHDAY=1",
            "FREQ=DAILY;BYHOUR=0,1,2,3,4,5;BYMINUTE=0,10,20,30,40",
        ] {
            let error = refused(&rule(text));
            assert!(matches!(error, WindowError::Rule(_)), "{text}: {error}");
            assert_eq!(error.field(), "rrule");
        }
        let far = WindowRule {
            starts_at: "2023-01-01T02:00:00".parse().unwrap(),
            ..rule("FREQ=DAILY")
        };
        assert_eq!(refused(&far).field(), "startsAt");
        let far = WindowRule {
            starts_at: NaiveDateTime::MAX,
            ..rule("FREQ=DAILY")
        };
        assert_eq!(refused(&far).field(), "startsAt");
        assert_eq!(
            refused(&WindowRule {
                duration_s: 59,
                ..rule("FREQ=DAILY")
            })
            .field(),
            "duration"
        );
        assert_eq!(
            refused(&WindowRule {
                duration_s: u32::MAX,
                ..rule("FREQ=DAILY")
            })
            .field(),
            "duration"
        );
        assert_eq!(
            refused(&WindowRule {
                offset_days: i32::MIN,
                ..rule("FREQ=DAILY")
            })
            .field(),
            "offsetDays"
        );
    }

    #[test]
    fn common_rules_are_accepted() {
        for text in [
            "FREQ=DAILY",
            "RRULE:FREQ=WEEKLY;BYDAY=SA,SU",
            "freq=monthly;byday=3tu",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
            "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
            "FREQ=DAILY;UNTIL=20270101T000000Z",
            "FREQ=DAILY;UNTIL=20270101",
            "FREQ=DAILY;BYHOUR=2,14",
        ] {
            validate(&rule(text), "2026-11-21T00:00:00Z".parse().unwrap()).unwrap();
        }
    }

    #[test]
    fn json_names_the_zone_and_refuses_an_unknown_one() {
        let rule = WindowRule {
            time_zone: Some(Tz::Europe__Berlin),
            ..rule("FREQ=DAILY")
        };
        let text = serde_json::to_string(&rule).unwrap();
        assert!(text.contains("\"time_zone\":\"Europe/Berlin\""), "{text}");
        assert_eq!(serde_json::from_str::<WindowRule>(&text).unwrap(), rule);
        assert!(serde_json::from_str::<WindowRule>(&text.replace("Berlin", "Bielefeld")).is_err());
    }
}
