//! Feeds: where advisories come from and how fresh they are.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Imports an offline pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedImport {
    /// A folder with the layout of the data pack.
    pub pack_dir: String,
}

/// Writes the held feeds as an offline pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedExport {
    /// A folder of the platform's machine that is empty or not there yet.
    pub pack_dir: String,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedExported {
    /// Which feeds.
    pub feeds: Vec<String>,
    /// How many files, without `SHA256SUMS`.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A person takes newer files of a feed that were refused or held back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedAccept {
    /// Which feed; absent: every one that waits.
    pub name: Option<String>,
}

/// All feeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedList {}

/// What a new epoch of the advisories would change on a sample of what hosts carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryReport {
    /// Manifests of the sample.
    pub manifests: u64,
    /// Their distinct components.
    pub components: u64,
    /// Affected by what is held.
    pub affected_before: u64,
    /// Affected by what is new.
    pub affected_after: u64,
    /// Affected only by what is new.
    pub newly_affected: u64,
    /// Affected only by what is held.
    pub cleared: u64,
    /// Nothing was held, so nothing could be compared.
    pub is_first: bool,
}

/// How fresh a feed is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedStatus {
    /// `debian-bookworm`, `kev`, `epss`, `cvss`, `csaf-redhat`.
    pub name: String,
    /// Records held.
    pub records: u64,
    /// Records that were skipped as broken, with the first reason.
    pub skipped: u64,
    /// The first reason; or why the last import was refused.
    pub problem: Option<String>,
    /// Newest date in the data.
    pub data_as_of: Option<DateTime<Utc>>,
    /// When it was imported; absent when nothing of it ever was.
    pub imported_at: Option<DateTime<Utc>>,
    /// Licence and origin.
    pub licence: String,
    /// What the feed does not say, for the freshness view.
    pub limits: String,
    /// The epoch with which it changed last.
    #[serde(default)]
    pub epoch: u64,
    /// The address that it is fetched from; absent for a pack's.
    #[serde(default)]
    pub source: Option<String>,
    /// When its source was asked last with success.
    #[serde(default)]
    pub fetched_at: Option<DateTime<Utc>>,
    /// What the source calls the content that is held: the cursor of the next request.
    #[serde(default)]
    pub etag: Option<String>,
    /// When the source says that it changed it.
    #[serde(default)]
    pub last_modified: Option<String>,
    /// Why newer files of it wait for a person; absent when none do.
    #[serde(default)]
    pub waiting_for: Option<String>,
    /// Since when.
    #[serde(default)]
    pub waiting_since: Option<DateTime<Utc>>,
    /// How many records those have, if they could be counted.
    #[serde(default)]
    pub waiting_records: Option<u64>,
    /// What the last canary found.
    #[serde(default)]
    pub canary: Option<CanaryReport>,
}
