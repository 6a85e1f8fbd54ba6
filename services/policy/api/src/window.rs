//! Maintenance and blackout windows.

use chrono::{DateTime, Utc};
use netpatch_types::{PageRequest, TenantId, WindowId};
pub use netpatch_window::WindowRule;
use serde::{Deserialize, Serialize};

/// When change is allowed, or (blackout) forbidden.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaintenanceWindow {
    /// Id.
    pub id: WindowId,
    /// Whose.
    pub tenant: TenantId,
    /// Name, rule.
    pub spec: WindowSpec,
    /// Grows with each change.
    pub etag: String,
}

/// What a window says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowSpec {
    /// Unique in the organization, 1–80 characters.
    pub name: String,
    /// When.
    pub rule: WindowRule,
    /// Forbidden instead of allowed, for every policy of the organization.
    pub blackout: bool,
}

/// A new window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowCreate {
    /// What it says.
    pub spec: WindowSpec,
}

/// A changed window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowUpdate {
    /// Which.
    pub id: WindowId,
    /// The etag that was read.
    pub if_match: Option<String>,
    /// What it says now.
    pub spec: WindowSpec,
}

/// One window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowGet {
    /// Which.
    pub id: WindowId,
}

/// Windows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowList {
    /// Which part.
    pub page: PageRequest,
    /// Only (not) blackouts.
    pub blackout: Option<bool>,
}

/// The next occurrences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowPreview {
    /// Of which rule; need not be stored.
    pub rule: WindowRule,
    /// The zone for a rule without one.
    pub time_zone: String,
    /// From when; `None`: now.
    pub from: Option<DateTime<Utc>>,
    /// 1–50.
    pub count: u32,
}

/// One occurrence: start inclusive, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// Inclusive.
    pub start: DateTime<Utc>,
    /// Exclusive.
    pub end: DateTime<Utc>,
}
