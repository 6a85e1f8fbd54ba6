//! Hardware rules: updates that an organization keeps from machines that cannot take them, whatever their package manager says.

use chrono::{DateTime, Utc};
use netpatch_types::{Actor, Classification, TenantId};
use serde::{Deserialize, Serialize};

/// Most rules of an organization.
pub const MAX_HARDWARE_RULES: usize = 100;
/// Most patterns of one list of a rule.
pub const MAX_PATTERNS: usize = 100;

/// An update that is not for hosts with some hardware. It is never offered to them and says why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HardwareRule {
    /// Unique in the organization, 1–80 characters.
    pub name: String,
    /// Why, for whoever asks why a host does not get an update; 3–500 characters.
    pub reason: String,
    /// Which updates.
    pub updates: UpdateScope,
    /// Which hosts.
    pub not_for: HardwareScope,
}

/// Which updates: those that fit any pattern or any classification. A rule names at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateScope {
    /// Names of binary or source packages: `*` is any run of characters, `?` one.
    pub packages: Vec<String>,
    /// `firmware` (from the vendor's section of firmware) and `feature` (of a newer release, backports). Drivers are named by package.
    pub classifications: Vec<Classification>,
}

/// Which hosts: all that is named must hold. A rule names at least one thing. What a host does not report holds for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HardwareScope {
    /// Any of these architectures, in the words of the package manager; empty: any.
    pub architectures: Vec<String>,
    /// Built by any of these; patterns as for packages, in any case; empty: any.
    pub vendors: Vec<String>,
    /// Any of these models; patterns, in any case; empty: any.
    pub models: Vec<String>,
    /// Fewer logical processors than this.
    pub cpus_below: Option<u32>,
    /// Less memory than this, bytes.
    pub memory_below_bytes: Option<u64>,
    /// Disks that hold less than this together, bytes.
    pub disk_below_bytes: Option<u64>,
}

/// The rules of an organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardwareRulesHeld {
    /// Whose.
    pub tenant: TenantId,
    /// Grows with each change; 0: nobody has written any.
    pub version: u64,
    /// In order; the first that holds is told.
    pub rules: Vec<HardwareRule>,
    /// When they changed last.
    pub changed_at: Option<DateTime<Utc>>,
    /// By whom.
    pub changed_by: Option<Actor>,
}

/// The rules of one organization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardwareRulesGet {}

/// New rules, replacing all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardwareRulesSet {
    /// The version that was read.
    pub if_match: Option<String>,
    /// At most [`MAX_HARDWARE_RULES`].
    pub rules: Vec<HardwareRule>,
}
