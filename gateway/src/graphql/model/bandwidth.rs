//! What a site's line may carry, by hours of the week.

use crate::graphql::connection::int;
use async_graphql::{Enum, InputObject, SimpleObject};
use netpatch_types::week::{read_clock, write_clock};
use netpatch_types::{ServiceError, ServiceResult};

/// Days of the week.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "chrono::Weekday")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// A range of hours on some days of the week, in the site's time zone.
#[derive(Clone, SimpleObject)]
pub struct WeekHours {
    /// The days on which it begins.
    pub days: Vec<Weekday>,
    /// When it begins: `08:00`.
    pub from: String,
    /// When it ends: `18:00`. Not behind `from`: on the next day.
    pub until: String,
}

/// What a site's line may carry in some hours.
#[derive(Clone, SimpleObject)]
pub struct BandwidthRule {
    /// When.
    pub hours: WeekHours,
    /// How much, in units of 1000 bits per second; null: without limit.
    pub kilobits_per_second: Option<i32>,
}

/// What a site's line may carry of what its relays fetch. Sessions and reports are not counted and never held up.
#[derive(Clone, SimpleObject)]
pub struct Bandwidth {
    /// Outside of all rules, in units of 1000 bits per second; null: without limit.
    pub kilobits_per_second: Option<i32>,
    /// The first whose hours hold a moment decides on it.
    pub rules: Vec<BandwidthRule>,
}

/// A range of hours on some days of the week, in the site's time zone.
#[derive(Clone, InputObject)]
pub struct WeekHoursInput {
    /// The days on which it begins.
    pub days: Vec<Weekday>,
    /// When it begins: `00:00` to `23:59`.
    pub from: String,
    /// When it ends: `00:01` to `24:00`. Not behind `from`: on the next day.
    pub until: String,
}

/// What a site's line may carry in some hours.
#[derive(Clone, InputObject)]
pub struct BandwidthRuleInput {
    /// When.
    pub hours: WeekHoursInput,
    /// How much, 64 to 100000000 units of 1000 bits per second; null: without limit.
    pub kilobits_per_second: Option<i32>,
}

/// What a site's line may carry of what its relays fetch.
#[derive(Clone, InputObject)]
pub struct BandwidthInput {
    /// Outside of all rules, 64 to 100000000 units of 1000 bits per second; null: without limit.
    pub kilobits_per_second: Option<i32>,
    /// At most 50; the first whose hours hold a moment decides on it.
    pub rules: Vec<BandwidthRuleInput>,
}

impl From<&netpatch_types::WeekHours> for WeekHours {
    fn from(hours: &netpatch_types::WeekHours) -> Self {
        Self {
            days: hours.days.iter().copied().map(Into::into).collect(),
            from: write_clock(hours.from_minute),
            until: write_clock(hours.until_minute),
        }
    }
}

impl From<&netpatch_types::Bandwidth> for Bandwidth {
    fn from(bandwidth: &netpatch_types::Bandwidth) -> Self {
        let rule = |rule: &netpatch_types::BandwidthRule| BandwidthRule {
            hours: (&rule.hours).into(),
            kilobits_per_second: rule.kilobits_per_second.map(int),
        };
        Self {
            kilobits_per_second: bandwidth.kilobits_per_second.map(int),
            rules: bandwidth.rules.iter().map(rule).collect(),
        }
    }
}

impl WeekHoursInput {
    pub(crate) fn read(self, of: &str) -> ServiceResult<netpatch_types::WeekHours> {
        let clock = |text: &str| {
            let wrong = || ServiceError::invalid(of, "a time of day is written like 08:30");
            read_clock(text).ok_or_else(wrong)
        };
        let mut days: Vec<chrono::Weekday> = self.days.into_iter().map(Into::into).collect();
        days.sort_by_key(chrono::Weekday::num_days_from_monday);
        days.dedup();
        Ok(netpatch_types::WeekHours {
            days,
            from_minute: clock(&self.from)?,
            until_minute: clock(&self.until)?,
        })
    }
}

impl BandwidthInput {
    pub(crate) fn read(self) -> ServiceResult<netpatch_types::Bandwidth> {
        let rate = |rate: Option<i32>| {
            let wrong = |_| ServiceError::invalid("bandwidth", "a limit is not below zero");
            rate.map(u32::try_from).transpose().map_err(wrong)
        };
        let rule = |rule: BandwidthRuleInput| {
            Ok(netpatch_types::BandwidthRule {
                hours: rule.hours.read("bandwidth")?,
                kilobits_per_second: rate(rule.kilobits_per_second)?,
            })
        };
        Ok(netpatch_types::Bandwidth {
            kilobits_per_second: rate(self.kilobits_per_second)?,
            rules: self
                .rules
                .into_iter()
                .map(rule)
                .collect::<ServiceResult<_>>()?,
        })
    }
}
