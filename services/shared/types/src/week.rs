//! Hours of the week as a site's clock on the wall shows them, and what the site's line may carry in them.
//!
//! Hours are compared with local time, so nothing is special where clocks change: an hour that is left out is no part of
//! any range, one that comes twice counts twice. A range that ends at or before its begin ends on the next day.

use chrono::{DateTime, NaiveDateTime, Timelike as _, Utc, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Ranges that one setting may have.
pub const MAX_WEEK_RANGES: usize = 50;
/// Less than this would let a transfer die between two bytes.
pub const MIN_KILOBITS_PER_SECOND: u32 = 64;
/// More than any site has, and less than a limit's arithmetic can carry.
pub const MAX_KILOBITS_PER_SECOND: u32 = 100_000_000;

/// A range of hours on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeekHours {
    /// The days on which it begins, at least one.
    pub days: Vec<Weekday>,
    /// Minutes after midnight, 0 to 1439.
    pub from_minute: u16,
    /// Minutes after midnight, 1 to 1440, exclusive; not behind `from_minute`: on the next day.
    pub until_minute: u16,
}

/// What a site's line may carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bandwidth {
    /// Outside of all rules, in units of 1000 bits per second; `None`: without limit.
    pub kilobits_per_second: Option<u32>,
    /// The first whose hours hold a moment decides on it.
    pub rules: Vec<BandwidthRule>,
}

/// What a site's line may carry in some hours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandwidthRule {
    /// When.
    pub hours: WeekHours,
    /// How much; `None`: without limit.
    pub kilobits_per_second: Option<u32>,
}

impl WeekHours {
    /// Why this cannot be, if it cannot.
    pub fn check(&self) -> Result<(), String> {
        let sorted = self.days.windows(2).all(|two| {
            two.first().map(Weekday::num_days_from_monday)
                < two.last().map(Weekday::num_days_from_monday)
        });
        if self.days.is_empty() || !sorted {
            return Err("hours of the week need days, each once, Monday first".into());
        }
        if self.from_minute >= DAY || self.until_minute == 0 || self.until_minute > DAY {
            return Err("hours begin at 00:00 to 23:59 and end at 00:01 to 24:00".into());
        }
        Ok(())
    }

    /// Whether a local time is inside.
    #[must_use]
    pub fn hold(&self, local: NaiveDateTime) -> bool {
        use chrono::Datelike as _;
        let minute = local.hour() * 60 + local.minute();
        let (from, until) = (u32::from(self.from_minute), u32::from(self.until_minute));
        let today = self.days.contains(&local.weekday());
        if from < until {
            return today && (from..until).contains(&minute);
        }
        let yesterday = self.days.contains(&local.weekday().pred());
        (today && minute >= from) || (yesterday && minute < until)
    }
}

/// Whether a moment is inside one of the ranges at a place; no ranges are all hours.
#[must_use]
pub fn within_hours(ranges: &[WeekHours], at: DateTime<Utc>, zone: Tz) -> bool {
    let local = at.with_timezone(&zone).naive_local();
    ranges.is_empty() || ranges.iter().any(|range| range.hold(local))
}

impl Bandwidth {
    /// Why this cannot be, if it cannot.
    pub fn check(&self) -> Result<(), String> {
        if self.rules.len() > MAX_WEEK_RANGES {
            return Err(format!(
                "a site has at most {MAX_WEEK_RANGES} rules of bandwidth"
            ));
        }
        for rule in &self.rules {
            rule.hours.check()?;
        }
        let rates = self.rules.iter().map(|rule| rule.kilobits_per_second);
        for rate in rates.chain([self.kilobits_per_second]).flatten() {
            if !(MIN_KILOBITS_PER_SECOND..=MAX_KILOBITS_PER_SECOND).contains(&rate) {
                return Err(format!(
                    "a limit is {MIN_KILOBITS_PER_SECOND} to {MAX_KILOBITS_PER_SECOND} kilobits per second, not {rate}"
                ));
            }
        }
        Ok(())
    }

    /// The limit at a moment, in units of 1000 bits per second; `None`: without limit.
    #[must_use]
    pub fn at(&self, at: DateTime<Utc>, zone: Tz) -> Option<u32> {
        let local = at.with_timezone(&zone).naive_local();
        let rule = self.rules.iter().find(|rule| rule.hours.hold(local));
        rule.map_or(self.kilobits_per_second, |rule| rule.kilobits_per_second)
    }
}

/// Minutes after midnight of `08:30`; `24:00` is the end of the day.
#[must_use]
pub fn read_clock(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |part: &str| match part.as_bytes() {
        [a, b] if a.is_ascii_digit() && b.is_ascii_digit() => part.parse::<u16>().ok(),
        _ => None,
    };
    let minutes = number(minutes).filter(|minutes| *minutes < 60)?;
    Some(number(hours)? * 60 + minutes).filter(|minute| *minute <= DAY)
}

/// `08:30` of minutes after midnight.
#[must_use]
pub fn write_clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

impl fmt::Display for WeekHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for day in &self.days {
            write!(f, "{day} ")?;
        }
        let (from, until) = (
            write_clock(self.from_minute),
            write_clock(self.until_minute),
        );
        write!(f, "{from}-{until}")
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = |limit: Option<u32>| match limit {
            Some(limit) => format!("{limit} kbit/s"),
            None => "no limit".to_owned(),
        };
        for rule in &self.rules {
            write!(f, "{}: {}; ", rule.hours, rate(rule.kilobits_per_second))?;
        }
        f.write_str(&rate(self.kilobits_per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};

    const WORKDAYS: [Weekday; 5] = [Mon, Tue, Wed, Thu, Fri];

    fn hours(days: &[Weekday], from: &str, until: &str) -> WeekHours {
        WeekHours {
            days: days.to_vec(),
            from_minute: read_clock(from).unwrap(),
            until_minute: read_clock(until).unwrap(),
        }
    }

    fn office() -> Bandwidth {
        Bandwidth {
            kilobits_per_second: None,
            rules: vec![BandwidthRule {
                hours: hours(&WORKDAYS, "08:00", "18:00"),
                kilobits_per_second: Some(10_000),
            }],
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_limit_follows_the_clock_of_the_site() {
        let berlin = chrono_tz::Europe::Berlin;
        // 2026-11-30 is a Monday, an hour ahead of UTC.
        for (moment, expected) in [
            ("2026-11-30T06:59:59Z", None),
            ("2026-11-30T07:00:00Z", Some(10_000)),
            ("2026-11-30T16:59:59Z", Some(10_000)),
            ("2026-11-30T17:00:00Z", None),
            ("2026-11-29T10:00:00Z", None),
            // In summer two hours ahead.
            ("2026-07-06T06:00:00Z", Some(10_000)),
            ("2026-07-06T16:00:00Z", None),
        ] {
            assert_eq!(office().at(at(moment), berlin), expected, "{moment}");
        }
    }

    #[test]
    fn an_hour_that_comes_twice_counts_twice_and_one_left_out_never() {
        let berlin = chrono_tz::Europe::Berlin;
        let night = [hours(&[Sun], "02:00", "03:00")];
        // 2026-10-25: 02:00-03:00 is 00:00-01:00 UTC and again 01:00-02:00 UTC.
        let inside = |moment: &str| within_hours(&night, at(moment), berlin);
        assert!(!inside("2026-10-24T23:59:00Z"));
        assert!(inside("2026-10-25T00:30:00Z") && inside("2026-10-25T01:30:00Z"));
        assert!(!inside("2026-10-25T02:00:00Z"));
        // 2026-03-29: 02:00 is 03:00.
        assert!(!inside("2026-03-29T00:59:00Z") && !inside("2026-03-29T01:00:00Z"));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = [hours(&[Fri], "22:00", "06:00")];
        let inside = |moment: &str| within_hours(&night, at(moment), Tz::UTC);
        assert!(inside("2026-11-27T22:00:00Z") && inside("2026-11-28T05:59:00Z"));
        assert!(!inside("2026-11-28T06:00:00Z") && !inside("2026-11-28T22:00:00Z"));
        assert!(!inside("2026-11-27T05:00:00Z"));
        let around = hours(&[Sat], "12:00", "12:00");
        assert!(around.hold(at("2026-11-29T11:59:00Z").naive_utc()));
        assert!(!around.hold(at("2026-11-29T12:00:00Z").naive_utc()));
        assert!(within_hours(&[], at("2026-11-29T11:59:00Z"), Tz::UTC));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut bad = vec![
            hours(&[], "08:00", "18:00"),
            hours(&[Tue, Mon], "08:00", "18:00"),
            hours(&[Mon, Mon], "08:00", "18:00"),
            hours(&[Mon], "24:00", "18:00"),
            hours(&[Mon], "08:00", "00:00"),
        ];
        bad.push(WeekHours {
            until_minute: 1441,
            ..hours(&[Mon], "08:00", "18:00")
        });
        for hours in bad {
            assert!(hours.check().is_err(), "{hours:?}");
        }
        office().check().unwrap();
        for rate in [0, 63, 100_000_001] {
            let limit = Bandwidth {
                kilobits_per_second: Some(rate),
                ..office()
            };
            assert!(limit.check().unwrap_err().contains(&rate.to_string()));
        }
        let mut many = office();
        many.rules = vec![many.rules.remove(0); 51];
        assert!(many.check().is_err());
    }

    #[test]
    fn a_clock_is_read_as_it_is_written() {
        for minute in 0..=DAY {
            assert_eq!(read_clock(&write_clock(minute)), Some(minute));
        }
        for text in [
            "", "8:00", "08:0", "08:60", "24:01", "+8:00", "08:00:00", "ab:cd", "0800",
        ] {
            assert_eq!(read_clock(text), None, "{text}");
        }
        assert_eq!(
            office().to_string(),
            "Mon Tue Wed Thu Fri 08:00-18:00: 10000 kbit/s; no limit"
        );
    }
}
