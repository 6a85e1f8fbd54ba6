//! Feeds: where advisories come from and how fresh they are.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Imports an offline pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedImport {
    /// A folder with the layout of the data pack.
    pub pack_dir: String,
}

/// All feeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedList {}

/// How fresh a feed is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedStatus {
    /// `debian-bookworm`, `kev`, `epss`, `cvss`.
    pub name: String,
    /// Records held.
    pub records: u64,
    /// Records that were skipped as broken, with the first reason.
    pub skipped: u64,
    /// The first reason.
    pub problem: Option<String>,
    /// Newest date in the data.
    pub data_as_of: Option<DateTime<Utc>>,
    /// When it was imported.
    pub imported_at: Option<DateTime<Utc>>,
    /// Licence and origin.
    pub licence: String,
    /// What the feed does not say, for the freshness view.
    pub limits: String,
}
