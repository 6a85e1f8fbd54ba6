//! Where feeds are fetched from: addresses with their intervals, and what each answer becomes. Payloads for differences come the same way.
//!
//! Invariants: HTTPS to public addresses only, whatever a redirect or a name says, unless the operator allows a mirror inside (payloads
//! come over plain HTTP too: they are believed by their hash alone); every size and every time has a limit; what is not the feed (a page, a torn file) never gets as far as the importer.

mod client;
mod reach;
mod unpack;

pub use client::FetchError;
pub(crate) use client::{Answer, Client, Known};
pub(crate) use reach::Reach;
pub(crate) use unpack::unpack;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// One feed and its address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedSource {
    /// The feed: `kev`, `epss`, `ssvc`, `osv-NAME`, `csaf-NAME`, `msrc`, `nvd`, …
    pub name: String,
    /// Where it is; see [`Self::url_at`] for what stands in braces.
    pub url: String,
    /// How often it is asked for.
    #[serde(
        rename = "interval_minutes",
        default = "hourly",
        deserialize_with = "minutes"
    )]
    pub interval: Duration,
    /// By how much of the interval each request may be late, so that many platforms do not ask at once; 0 to 100.
    #[serde(default = "tenth")]
    pub jitter_percent: u32,
    /// The largest answer.
    #[serde(default = "largest")]
    pub max_bytes: u64,
    /// How long the whole answer may take.
    #[serde(
        rename = "timeout_seconds",
        default = "patient",
        deserialize_with = "seconds"
    )]
    pub timeout: Duration,
}

/// What is asked for, and how much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Where it is.
    pub(crate) url: &'a str,
    /// The largest answer.
    pub(crate) max_bytes: u64,
    /// How long the whole answer may take.
    pub(crate) timeout: Duration,
}

impl<'a> From<&'a FeedSource> for Wanted<'a> {
    fn from(source: &'a FeedSource) -> Self {
        Self {
            url: &source.url,
            max_bytes: source.max_bytes,
            timeout: source.timeout,
        }
    }
}

fn hourly() -> Duration {
    Duration::from_secs(3600)
}

fn tenth() -> u32 {
    10
}

fn largest() -> u64 {
    crate::pack::MAX_FILE_BYTES
}

fn patient() -> Duration {
    Duration::from_secs(600)
}

fn minutes<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    Ok(Duration::from_secs(
        u64::deserialize(from)?.clamp(1, 525_600) * 60,
    ))
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    Ok(Duration::from_secs(
        u64::deserialize(from)?.clamp(1, 86_400),
    ))
}

impl FeedSource {
    /// A feed and its address, with the usual limits.
    #[must_use]
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            interval: hourly(),
            jitter_percent: tenth(),
            max_bytes: largest(),
            timeout: patient(),
        }
    }

    /// An error, for the operator, when the feed cannot be fetched from one address.
    pub fn check(&self) -> Result<(), String> {
        if self.jitter_percent > 100 {
            return Err(format!(
                "feed source {}: jitter_percent {} is more than 100",
                self.name, self.jitter_percent
            ));
        }
        unpack::path_of(&self.name, &self.url).map(drop)
    }

    /// The address at a time: `{year}` is `2026`, `{month}` is `2026-Mar` as Microsoft names its documents.
    #[must_use]
    pub fn url_at(&self, now: DateTime<Utc>) -> String {
        self.url
            .replace("{year}", &now.format("%Y").to_string())
            .replace("{month}", &now.format("%Y-%b").to_string())
    }

    /// How long after an answer it is asked for again: the interval, and later by a part of the jitter that name and attempt decide.
    #[must_use]
    pub fn pause(&self, attempt: u64) -> Duration {
        let digest = netpatch_types::Sha256::of(format!("{}/{attempt}", self.name).as_bytes());
        let part = u32::from(digest.0[0]) * self.jitter_percent.min(100);
        self.interval + self.interval / 25_500 * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_the_month_in_it() {
        let source = FeedSource::new("msrc", "https://feeds.example/{month}?y={year}");
        let at = DateTime::from_timestamp(1_772_600_000, 0).expect("a time");
        assert_eq!(source.url_at(at), "https://feeds.example/2026-Mar?y=2026");
    }

    #[test]
    fn a_source_is_asked_late_by_its_jitter_at_most() {
        let source = FeedSource {
            jitter_percent: 20,
            ..FeedSource::new("kev", "https://feeds.example/kev.json")
        };
        let pauses: Vec<_> = (0..100).map(|attempt| source.pause(attempt)).collect();
        let (least, most) = (hourly(), hourly() + hourly() / 5);
        assert!(pauses.iter().all(|pause| (least..=most).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause > least + hourly() / 10));
        assert_eq!(source.check(), Ok(()));
        assert!(FeedSource::new("unheard-of", "x").check().is_err());
        assert!(
            FeedSource {
                jitter_percent: 101,
                ..source
            }
            .check()
            .is_err()
        );
    }
}
