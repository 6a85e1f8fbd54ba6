//! Scalars. All of them are strings on the wire; 64-bit numbers too, because GraphQL's `Int` has 32 bits.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{NaiveDate, NaiveDateTime, SecondsFormat, Utc};

/// A scalar that is a string: how it is read and written.
macro_rules! text_scalar {
    ($(#[$doc:meta])* $name:ident($inner:ty), $read:path, $write:path, $form:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub $inner);

        $(#[$doc])*
        #[Scalar]
        impl ScalarType for $name {
            fn parse(value: Value) -> InputValueResult<Self> {
                match &value {
                    Value::String(text) => $read(text).map(Self).ok_or_else(|| InputValueError::custom(concat!("it has the form ", $form))),
                    _ => Err(InputValueError::expected_type(value)),
                }
            }

            fn to_value(&self) -> Value {
                Value::String($write(&self.0))
            }
        }

        impl From<$inner> for $name {
            fn from(inner: $inner) -> Self {
                Self(inner)
            }
        }
    };
}

text_scalar! {
    /// A point in time: RFC 3339, UTC, e.g. `2026-11-21T22:00:00Z`.
    DateTime(chrono::DateTime<Utc>), read_time, write_time, "2026-11-21T22:00:00Z"
}
text_scalar! {
    /// A length of time: ISO 8601 with weeks, days, hours, minutes and whole seconds, e.g. `PT8H`.
    Duration(u32), read_duration, write_duration, "PT8H"
}
text_scalar! {
    /// A local date and time without offset, e.g. `2026-11-21T22:00:00`.
    LocalTime(NaiveDateTime), read_text, write_local, "2026-11-21T22:00:00"
}
text_scalar! {
    /// A day, e.g. `2026-11-21`.
    Date(NaiveDate), read_day, write_number, "2026-11-21"
}
text_scalar! {
    /// An IANA time zone, e.g. `Europe/Berlin`.
    TimeZone(chrono_tz::Tz), read_text, write_zone, "Europe/Berlin"
}
text_scalar! {
    /// A number that only grows: a decimal string of up to 64 bits.
    Sequence(u64), read_text, write_number, "12345"
}
text_scalar! {
    /// A number of bytes: a decimal string of up to 64 bits.
    ByteCount(u64), read_text, write_number, "12345"
}
text_scalar! {
    /// A SHA-256 digest: 64 hexadecimal digits.
    Sha256(netpatch_types::Sha256), read_text, write_number, "64 hexadecimal digits"
}

fn read_text<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn write_number<T: std::fmt::Display>(value: &T) -> String {
    value.to_string()
}

fn read_time(text: &str) -> Option<chrono::DateTime<Utc>> {
    chrono::DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.with_timezone(&Utc))
}

/// Four, two and two digits, and nothing else.
fn read_day(text: &str) -> Option<NaiveDate> {
    let day = text.parse::<NaiveDate>().ok()?;
    (day.to_string() == text).then_some(day)
}

fn write_time(time: &chrono::DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn write_local(time: &NaiveDateTime) -> String {
    time.format("%Y-%m-%dT%H:%M:%S").to_string()
}

fn write_zone(zone: &chrono_tz::Tz) -> String {
    zone.name().to_owned()
}

/// Seconds of `P[nW][nD][T[nH][nM][nS]]`, whole numbers only, in this order.
fn read_duration(text: &str) -> Option<u32> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let days = parts(days, &[('W', 604_800), ('D', 86_400)])?;
    let time = parts(time, &[('H', 3600), ('M', 60), ('S', 1)])?;
    days.checked_add(time)
}

fn parts(mut text: &str, units: &[(char, u32)]) -> Option<u32> {
    let mut seconds = 0u32;
    for (unit, factor) in units {
        if let Some((number, rest)) = text.split_once(*unit) {
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            seconds = seconds.checked_add(number.parse::<u32>().ok()?.checked_mul(*factor)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(seconds)
}

fn write_duration(seconds: &u32) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let mut text = String::from("P");
    let mut part = |number: u32, unit: char| {
        if number > 0 {
            text.push_str(&number.to_string());
            text.push(unit);
        }
    };
    part(days, 'D');
    if rest == 0 && days > 0 {
        return text;
    }
    text.push('T');
    let mut part = |number: u32, unit: char| {
        if number > 0 {
            text.push_str(&number.to_string());
            text.push(unit);
        }
    };
    part(rest / 3600, 'H');
    part(rest % 3600 / 60, 'M');
    part(rest % 60, 'S');
    if rest == 0 {
        text.push_str("0S");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, seconds, back) in [
            ("PT8H", 28_800, "PT8H"),
            ("PT90M", 5400, "PT1H30M"),
            ("P1DT1S", 86_401, "P1DT1S"),
            ("P2W", 1_209_600, "P14D"),
            ("PT0S", 0, "PT0S"),
        ] {
            assert_eq!(read_duration(text), Some(seconds), "{text}");
            assert_eq!(write_duration(&seconds), back, "{text}");
        }
        for text in [
            "",
            "P",
            "PT",
            "8H",
            "PT8",
            "PT1M1H",
            "P-1D",
            "PT1.5H",
            "P1Y",
            "P99999999W",
            "PTH",
        ] {
            assert_eq!(read_duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_has_one_form() {
        assert!(read_day("2026-02-28").is_some());
        for text in ["2026-2-28", "2026-02-30", " 2026-02-28", "28.02.2026", ""] {
            assert_eq!(read_day(text), None, "{text}");
        }
    }

    #[test]
    fn times_end_in_z() {
        let time = read_time("2026-11-21T23:00:00+01:00").unwrap();
        assert_eq!(write_time(&time), "2026-11-21T22:00:00Z");
        assert_eq!(read_time("2026-11-21T23:00:00"), None);
    }
}
