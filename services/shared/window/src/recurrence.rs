//! RFC 5545 §3.3.10 in floating local time. The `rrule` crate walks; this module decides what it may be given.
//!
//! The crate would accept some malformed weekdays, read a floating `UNTIL` in this machine's zone, search a hundred
//! thousand periods for a date that cannot exist, and buffer every second of a year. So parts are checked here, `UNTIL`
//! is applied here, and impossible days are refused before anything is walked.

use crate::WindowError;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use rrule::{RRule, RRuleSet, Unvalidated};
use std::collections::BTreeMap;

const MAX_TEXT: usize = 500;
const MAX_INTERVAL: u32 = 1_000;
const MAX_COUNT: u32 = 10_000;
/// Occurrences a day at most: |BYHOUR| × |BYMINUTE| × |BYSECOND|.
const MAX_TIMES_A_DAY: usize = 24;

/// A rule that may be walked.
pub(crate) struct Recurrence {
    set: RRuleSet,
    until: Option<Until>,
}

/// The last time that counts.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// On the zone's wall clock.
    Local(NaiveDateTime),
    /// Everywhere the same.
    Instant(DateTime<Utc>),
}

impl Recurrence {
    /// Reads a rule, with or without `RRULE:` before it.
    pub(crate) fn parse(text: &str, starts_at: NaiveDateTime) -> Result<Self, WindowError> {
        let parts = split(text)?;
        let frequency = parts
            .get("FREQ")
            .ok_or_else(|| refuse("FREQ is missing; write one like FREQ=WEEKLY;BYDAY=SA"))?;
        if ["HOURLY", "MINUTELY", "SECONDLY"].contains(&frequency.as_str()) {
            return Err(WindowError::TooFine(frequency.clone()));
        }
        check_numbers(&parts)?;
        check_weekdays(&parts, frequency)?;
        check_days_exist(&parts, frequency, starts_at)?;
        let until = parts
            .get("UNTIL")
            .map(|text| read_until(text))
            .transpose()?;
        let rest: Vec<_> = parts
            .iter()
            .filter(|(name, _)| *name != "UNTIL")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let rule: RRule<Unvalidated> = rest
            .join(";")
            .parse()
            .map_err(|error| refused_by_crate(&error))?;
        // UTC has neither gaps nor overlaps, so it stands for floating time.
        let set = rule
            .build(starts_at.and_utc().with_timezone(&rrule::Tz::UTC))
            .map_err(|error| refused_by_crate(&error))?;
        Ok(Self {
            set: set.limit(),
            until,
        })
    }

    /// The recurrences in order, and the time after which none counts.
    pub(crate) fn walk(&self) -> (impl Iterator<Item = NaiveDateTime> + '_, Option<Until>) {
        let local = match self.until {
            Some(Until::Local(until)) => Some(until),
            _ => None,
        };
        let times = self.set.into_iter().map(|time| time.naive_utc());
        (
            times.take_while(move |time| local.is_none_or(|until| *time <= until)),
            self.until,
        )
    }
}

fn refuse(reason: &str) -> WindowError {
    WindowError::Rule(reason.to_owned())
}

/// The crate's reason without its own name.
fn refused_by_crate(error: &rrule::RRuleError) -> WindowError {
    let reason = match error {
        rrule::RRuleError::ParserError(error) => error.to_string(),
        rrule::RRuleError::ValidationError(error) => error.to_string(),
        rrule::RRuleError::IterError(error) => error.clone(),
    };
    let mut characters = reason.trim_end_matches('.').chars();
    let first = characters
        .next()
        .map(|first| first.to_lowercase().to_string())
        .unwrap_or_default();
    refuse(&format!("{first}{}", characters.as_str()))
}

fn split(text: &str) -> Result<BTreeMap<String, String>, WindowError> {
    let text = text.trim();
    if text.len() > MAX_TEXT || !text.is_ascii() || text.contains(['\n', '\r']) {
        return Err(refuse(
            "is not one line of ASCII up to 500 characters; write a single rule like FREQ=WEEKLY;BYDAY=SA",
        ));
    }
    let text = text.to_ascii_uppercase();
    let text = text.strip_prefix("RRULE:").unwrap_or(&text);
    let mut parts = BTreeMap::new();
    for part in text.split(';') {
        let (name, value) = part
            .split_once('=')
            .filter(|(name, value)| !name.is_empty() && !value.is_empty())
            .ok_or_else(|| {
                refuse(&format!(
                    "{part:?} is not NAME=VALUE; write one like FREQ=WEEKLY;BYDAY=SA"
                ))
            })?;
        let name = if name == "BYWEEKDAY" { "BYDAY" } else { name };
        if !PARTS.contains(&name) {
            return Err(refuse(&format!(
                "{name} is not a part of a rule; use {}",
                PARTS.join(", ")
            )));
        }
        if parts.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(refuse(&format!("{name} stands twice; keep one")));
        }
    }
    if parts.contains_key("COUNT") && parts.contains_key("UNTIL") {
        return Err(refuse("COUNT and UNTIL exclude each other; keep one"));
    }
    Ok(parts)
}

const PARTS: [&str; 14] = [
    "FREQ",
    "UNTIL",
    "COUNT",
    "INTERVAL",
    "BYSECOND",
    "BYMINUTE",
    "BYHOUR",
    "BYDAY",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYWEEKNO",
    "BYMONTH",
    "BYSETPOS",
    "WKST",
];

/// A list of numbers; empty if the part is absent.
fn numbers(parts: &BTreeMap<String, String>, name: &str) -> Result<Vec<i32>, WindowError> {
    let Some(text) = parts.get(name) else {
        return Ok(Vec::new());
    };
    text.split(',')
        .map(|number| {
            number
                .parse()
                .map_err(|_| refuse(&format!("{name}={text} is not a list of numbers")))
        })
        .collect()
}

fn check_numbers(parts: &BTreeMap<String, String>) -> Result<(), WindowError> {
    for (name, most) in [("INTERVAL", MAX_INTERVAL), ("COUNT", MAX_COUNT)] {
        if let Some(text) = parts.get(name)
            && !text
                .parse::<u32>()
                .is_ok_and(|number| (1..=most).contains(&number))
        {
            return Err(refuse(&format!(
                "{name}={text} is not a number from 1 to {most}"
            )));
        }
    }
    let ranges = [
        ("BYMONTH", 1, 12),
        ("BYHOUR", 0, 23),
        ("BYMINUTE", 0, 59),
        ("BYSECOND", 0, 59),
    ];
    for (name, least, most) in ranges {
        if let Some(wrong) = numbers(parts, name)?
            .into_iter()
            .find(|number| !(least..=most).contains(number))
        {
            return Err(refuse(&format!(
                "{name} has {wrong}; use {least} to {most}"
            )));
        }
    }
    for (name, most) in [
        ("BYMONTHDAY", 31),
        ("BYYEARDAY", 366),
        ("BYWEEKNO", 53),
        ("BYSETPOS", 366),
    ] {
        if let Some(wrong) = numbers(parts, name)?
            .into_iter()
            .find(|number| *number == 0 || !(-most..=most).contains(number))
        {
            return Err(refuse(&format!(
                "{name} has {wrong}; use 1 to {most}, or -1 to -{most} from the end"
            )));
        }
    }
    let times: usize = ["BYHOUR", "BYMINUTE", "BYSECOND"]
        .iter()
        .map(|name| parts.get(*name).map_or(1, |text| text.split(',').count()))
        .product();
    if times > MAX_TIMES_A_DAY {
        return Err(refuse(&format!(
            "names {times} times a day; use at most {MAX_TIMES_A_DAY} of BYHOUR × BYMINUTE × BYSECOND"
        )));
    }
    Ok(())
}

fn check_weekdays(parts: &BTreeMap<String, String>, frequency: &str) -> Result<(), WindowError> {
    let Some(text) = parts.get("BYDAY") else {
        return Ok(());
    };
    for day in text.split(',') {
        let (number, name) = day.split_at(day.len().saturating_sub(2));
        let known = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"].contains(&name);
        let nth = number.is_empty()
            || number
                .parse::<i8>()
                .is_ok_and(|nth| nth != 0 && (-53..=53).contains(&nth));
        if !known || !nth {
            return Err(refuse(&format!(
                "BYDAY has {day:?}; use MO, TU, WE, TH, FR, SA, SU, with a number like 3TU or -1FR"
            )));
        }
        if !number.is_empty()
            && (!["MONTHLY", "YEARLY"].contains(&frequency) || parts.contains_key("BYWEEKNO"))
        {
            return Err(refuse(&format!(
                "BYDAY={day} counts weekdays, which needs FREQ=MONTHLY or YEARLY without BYWEEKNO"
            )));
        }
    }
    Ok(())
}

/// Refuses days that no year has, before the crate would search for them.
fn check_days_exist(
    parts: &BTreeMap<String, String>,
    frequency: &str,
    starts_at: NaiveDateTime,
) -> Result<(), WindowError> {
    let months = numbers(parts, "BYMONTH")?;
    let mut days = numbers(parts, "BYMONTHDAY")?;
    let implied = ["YEARLY", "MONTHLY"].contains(&frequency)
        && !["BYMONTHDAY", "BYDAY", "BYYEARDAY", "BYWEEKNO"]
            .iter()
            .any(|name| parts.contains_key(*name));
    if implied {
        days.push(starts_at.day().cast_signed());
    }
    let in_month = |month: i32| days.iter().any(|day| day.abs() <= longest(month));
    if !days.is_empty() && !months.is_empty() && !months.iter().any(|month| in_month(*month)) {
        return Err(WindowError::Impossible(format!(
            "month {months:?}, day {days:?}"
        )));
    }
    let year_days = numbers(parts, "BYYEARDAY")?;
    if !year_days.is_empty() && !months.is_empty() {
        let month_of = |year: i32, length: i32, day: i32| {
            let ordinal = if day > 0 { day } else { length + 1 + day };
            u32::try_from(ordinal)
                .ok()
                .and_then(|ordinal| NaiveDate::from_yo_opt(year, ordinal))
                .map(|date| date.month().cast_signed())
        };
        let hit = year_days.iter().any(|day| {
            [(2023, 365), (2024, 366)].iter().any(|(year, length)| {
                month_of(*year, *length, *day).is_some_and(|month| months.contains(&month))
            })
        });
        if !hit {
            return Err(WindowError::Impossible(format!(
                "month {months:?}, day of the year {year_days:?}"
            )));
        }
    }
    Ok(())
}

fn longest(month: i32) -> i32 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `20261231T235959` and `20261231` (the whole day) are local, `20261231T225959Z` is an instant.
fn read_until(text: &str) -> Result<Until, WindowError> {
    let wrong = || {
        refuse(&format!(
            "UNTIL={text} is not a time; write one like 20261231T235959, with Z for UTC"
        ))
    };
    if let Some(instant) = text.strip_suffix('Z') {
        let time = NaiveDateTime::parse_from_str(instant, "%Y%m%dT%H%M%S").map_err(|_| wrong())?;
        return Ok(Until::Instant(time.and_utc()));
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y%m%d") {
        return day
            .and_hms_opt(23, 59, 59)
            .map(Until::Local)
            .ok_or_else(wrong);
    }
    NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S")
        .map(Until::Local)
        .map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finer than a day, no part of RFC 5545, or a combination that §3.3.10 forbids and dateutil takes all the same.
    fn may_be_refused(rule: &str) -> bool {
        let has = |text: &str| rule.contains(text);
        let counted = rule.split("BYDAY=").nth(1).is_some_and(|days| {
            days.starts_with(['+', '-']) || days.starts_with(|c: char| c.is_ascii_digit())
        });
        ["HOURLY", "MINUTELY", "SECONDLY", "BYEASTER"]
            .iter()
            .any(|text| has(text))
            || !has("FREQ=YEARLY") && (has("BYYEARDAY") || has("BYWEEKNO"))
            || has("FREQ=WEEKLY") && has("BYMONTHDAY")
            || counted && (has("FREQ=WEEKLY") || has("FREQ=DAILY"))
            || rule.starts_with("RDATE")
    }

    /// Every rule of dateutil's test suite that can be a window names exactly dateutil's dates; every other is refused.
    #[test]
    fn agrees_with_dateutil() {
        let (mut agreed, mut refused) = (0, 0);
        for line in include_str!("../tests/data/dateutil.jsonl").lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = case["rrule"].as_str().unwrap().trim().to_ascii_uppercase();
            let expected: Vec<NaiveDateTime> = case["expected"]
                .as_array()
                .unwrap()
                .iter()
                .map(|time| time.as_str().unwrap().parse().unwrap())
                .collect();
            // The suite's usual start, where a case names none.
            let (start, rule) = text
                .split_once('\n')
                .filter(|(first, _)| first.starts_with("DTSTART:"))
                .unwrap_or(("DTSTART:19970902T090000", &text));
            let start =
                NaiveDateTime::parse_from_str(start.trim(), "DTSTART:%Y%m%dT%H%M%S").unwrap();
            if rule.trim().contains('\n') {
                assert!(Recurrence::parse(rule, start).is_err(), "{text}");
                refused += 1;
                continue;
            }
            match Recurrence::parse(rule, start) {
                Ok(recurrence) => {
                    let found: Vec<_> = recurrence.walk().0.take(100).collect();
                    assert_eq!(found, expected, "{text}");
                    agreed += 1;
                }
                Err(error) => {
                    assert!(
                        expected.is_empty() || may_be_refused(rule),
                        "{text}: {error}"
                    );
                    refused += 1;
                }
            }
        }
        assert_eq!((agreed, refused), (78, 103));
    }
}
