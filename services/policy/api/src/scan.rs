//! When the hosts of a site are scanned without being asked.
//!
//! What a site says holds for hosts whose own configuration says nothing; it reaches them in their membership document.

use netpatch_types::SiteId;
use serde::{Deserialize, Serialize};

/// Most sites of one question.
pub const MAX_SCAN_SITES: usize = 1000;

/// When to scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanRule {
    /// `minute hour day month weekday`, in each host's own time.
    pub cron: String,
    /// Seconds over which the hosts spread each of these times, at most a day.
    pub jitter_seconds: u32,
}

/// When the hosts of a site are scanned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanSchedule {
    /// Which site.
    pub site: SiteId,
    /// When.
    pub rule: ScanRule,
}

/// The schedules of sites.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanScheduleList {
    /// Which sites, at most [`MAX_SCAN_SITES`]; those without a schedule are left out.
    pub sites: Vec<SiteId>,
}

/// Sets or removes the schedule of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanScheduleSet {
    /// Which site; the caller knows that it is the organization's.
    pub site: SiteId,
    /// When; `None` removes the schedule.
    pub rule: Option<ScanRule>,
}
