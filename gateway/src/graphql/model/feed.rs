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
    /// The first reason.
    pub problem: Option<String>,
    /// Newest date in the data.
    pub data_as_of: Option<DateTime>,
    /// When it was imported.
    pub imported_at: Option<DateTime>,
    /// Licence and origin.
    pub licence: String,
    /// What the feed does not say.
    pub limits: String,
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
        }
    }
}
