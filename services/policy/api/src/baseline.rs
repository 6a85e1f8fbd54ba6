//! Patch baselines: whose dates an organization follows, and its own.

use chrono::{DateTime, Utc};
use netpatch_types::{BaselineId, GroupId, PageRequest, TenantId};
use serde::{Deserialize, Serialize};

pub use netpatch_inventory_api::{BaselineRule, ClockStart, Standard};

/// A baseline. Those that are followed date the findings; of several the earliest date holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Id.
    pub id: BaselineId,
    /// Whose.
    pub tenant: TenantId,
    /// What it says.
    pub spec: BaselineSpec,
    /// Grows with each change.
    pub etag: String,
    /// It is over; kept for the record.
    pub archived_at: Option<DateTime<Utc>>,
}

/// What a baseline says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineSpec {
    /// Unique among those that are not archived, 1–80 characters.
    pub name: String,
    /// By which rules.
    pub standard: Standard,
    /// On which hosts; `None`: all of the organization.
    pub group: Option<GroupId>,
    /// The organization's own rules, in order; only where the standard leaves them to it.
    pub rules: Vec<BaselineRule>,
    /// Off: it dates nothing.
    pub followed: bool,
}

/// A new baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineCreate {
    /// What it says.
    pub spec: BaselineSpec,
}

/// A changed baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineUpdate {
    /// Which.
    pub id: BaselineId,
    /// The etag that was read.
    pub if_match: Option<String>,
    /// What it says now.
    pub spec: BaselineSpec,
}

/// A baseline ends. It is followed no more and cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineArchive {
    /// Which.
    pub id: BaselineId,
    /// The etag that was read.
    pub if_match: Option<String>,
}

/// One baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineGet {
    /// Which.
    pub id: BaselineId,
}

/// Baselines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineList {
    /// Which part.
    pub page: PageRequest,
    /// Only those that are (not) followed.
    pub followed: Option<bool>,
    /// Archived ones, too.
    pub archived: bool,
}
