//! Feeds.

use crate::graphql::DateTime;
use crate::graphql::connection::int;
use async_graphql::SimpleObject;
use netpatch_inventory_api as inventory;

/// Where advisories come from and how fresh they are.
#[derive(Clone, SimpleObject)]
pub struct Feed {
    /// Name.
    pub name: String,
    /// Records held.
    pub records: i32,
    /// Records that were skipped as broken.
    pub skipped: i32,
    /// The first reason; or why the last import was refused.
    pub problem: Option<String>,
    /// Newest date in the data.
    pub data_as_of: Option<DateTime>,
    /// When it was imported; null when nothing of it ever was.
    pub imported_at: Option<DateTime>,
    /// Licence and origin.
    pub licence: String,
    /// What the feed does not say.
    pub limits: String,
    /// The epoch of the advisories with which it changed last.
    pub epoch: i32,
    /// The address that it is fetched from; null for one that came in a pack.
    pub source: Option<String>,
    /// When its source was asked last with success.
    pub fetched_at: Option<DateTime>,
    /// What the source calls the content that is held.
    pub etag: Option<String>,
    /// When the source says that it changed it.
    pub last_modified: Option<String>,
    /// Why newer files of it wait for a person; null when none do.
    pub waiting_for: Option<String>,
    /// Since when.
    pub waiting_since: Option<DateTime>,
    /// How many records those have, if they could be counted.
    pub waiting_records: Option<i32>,
    /// What the last canary found.
    pub canary: Option<Canary>,
}

/// What a new epoch of the advisories would change on a sample of what hosts carry.
#[derive(Clone, SimpleObject)]
pub struct Canary {
    /// Manifests of the sample.
    pub manifests: i32,
    /// Their distinct components.
    pub components: i32,
    /// Affected by what was held.
    pub affected_before: i32,
    /// Affected by what was new.
    pub affected_after: i32,
    /// Affected only by what was new.
    pub newly_affected: i32,
    /// Affected only by what was held.
    pub cleared: i32,
    /// Nothing was held, so nothing could be compared.
    pub is_first: bool,
}

impl From<inventory::FeedStatus> for Feed {
    fn from(feed: inventory::FeedStatus) -> Self {
        Self {
            name: feed.name,
            records: int(feed.records),
            skipped: int(feed.skipped),
            problem: feed.problem,
            data_as_of: feed.data_as_of.map(DateTime),
            imported_at: feed.imported_at.map(DateTime),
            licence: feed.licence,
            limits: feed.limits,
            epoch: int(feed.epoch),
            source: feed.source,
            fetched_at: feed.fetched_at.map(DateTime),
            etag: feed.etag,
            last_modified: feed.last_modified,
            waiting_for: feed.waiting_for,
            waiting_since: feed.waiting_since.map(DateTime),
            waiting_records: feed.waiting_records.map(int),
            canary: feed.canary.map(Canary::from),
        }
    }
}

impl From<inventory::CanaryReport> for Canary {
    fn from(report: inventory::CanaryReport) -> Self {
        Self {
            manifests: int(report.manifests),
            components: int(report.components),
            affected_before: int(report.affected_before),
            affected_after: int(report.affected_after),
            newly_affected: int(report.newly_affected),
            cleared: int(report.cleared),
            is_first: report.is_first,
        }
    }
}
