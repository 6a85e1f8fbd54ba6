//! Policies: rules that turn (patch, host group) into a decision, and how an approved patch rolls out.

use netpatch_types::{
    Classification, GroupId, HostId, PageRequest, PatchId, PolicyId, Severity, TenantId, WindowId,
};
use serde::{Deserialize, Serialize};

/// A policy. Rules are read in order; the first that matches decides; none: a person must approve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Id.
    pub id: PolicyId,
    /// Whose.
    pub tenant: TenantId,
    /// What it says.
    pub spec: PolicySpec,
    /// Grows with each change.
    pub etag: String,
}

/// What a policy says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicySpec {
    /// Unique in the organization, 1–80 characters.
    pub name: String,
    /// Off: decides nothing and deploys nothing.
    pub enabled: bool,
    /// Which hosts; `None`: all of the organization.
    pub group: Option<GroupId>,
    /// In order.
    pub rules: Vec<Rule>,
    /// How it rolls out.
    pub rollout: Rollout,
    /// When; empty: never. Deny by default.
    pub windows: Vec<WindowId>,
    /// Create deployments by itself for what rules approved, when a window is within a day.
    pub automatic: bool,
}

/// If all conditions hold, then decide.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// Unique in the policy.
    pub name: String,
    /// Any of these; empty: any.
    pub classifications: Vec<Classification>,
    /// Any of these; empty: any.
    pub severities: Vec<Severity>,
    /// CVSS base score at least.
    pub cvss_at_least: Option<f64>,
    /// EPSS at least, 0–1.
    pub epss_at_least: Option<f64>,
    /// (Not) known exploited.
    pub kev: Option<bool>,
    /// Globs over source and binary package names; empty: any.
    pub packages: Vec<String>,
    /// `Label` of the offering release file; empty: any.
    pub origin_labels: Vec<String>,
    /// The decision.
    pub then: Decision,
}

/// What a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// Approve without a person.
    Approve,
    /// n distinct people must approve.
    RequireApprovals {
        /// 1–5.
        count: u32,
    },
    /// Decide again so many seconds after the patch was first seen.
    Defer {
        /// Seconds.
        seconds: u32,
    },
    /// Never.
    Block,
}

impl Default for Decision {
    fn default() -> Self {
        Self::RequireApprovals { count: 1 }
    }
}

/// How an approved patch rolls out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// In order; the last one takes what is left, whatever it says.
    pub waves: Vec<WaveSize>,
    /// A wave passes when at least this share of its hosts is confirmed, 0–100.
    pub min_success_percent: u32,
    /// The deployment halts when more runs than this failed in a wave.
    pub max_failed: u32,
    /// Wait so long after a wave before its gate is read, seconds.
    pub soak_seconds: u32,
    /// A host that is silent for so long counts as failed for the gate, seconds.
    pub silent_after_seconds: u32,
    /// How old a freshness statement may be when an install starts, seconds; 60–259,200.
    pub lease_seconds: u32,
    /// Refuse hosts on which the transaction could not be rolled back.
    pub require_rollback: bool,
    /// Reboot in the window when the update needs it.
    pub reboot_in_window: bool,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            waves: vec![
                WaveSize::Count { hosts: 1 },
                WaveSize::Percent { percent: 25 },
                WaveSize::Percent { percent: 100 },
            ],
            min_success_percent: 100,
            max_failed: 0,
            soak_seconds: 0,
            silent_after_seconds: 3600,
            lease_seconds: 900,
            require_rollback: false,
            reboot_in_window: false,
        }
    }
}

/// How many hosts a wave takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "size", rename_all = "snake_case")]
pub enum WaveSize {
    /// So many hosts.
    Count {
        /// At least 1.
        hosts: u32,
    },
    /// So many percent of all targets, rounded up.
    Percent {
        /// 1–100.
        percent: u32,
    },
}

/// A new policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyCreate {
    /// What it says.
    pub spec: PolicySpec,
}

/// A changed policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyUpdate {
    /// Which.
    pub id: PolicyId,
    /// The etag that was read.
    pub if_match: Option<String>,
    /// What it says now.
    pub spec: PolicySpec,
}

/// One policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyGet {
    /// Which.
    pub id: PolicyId,
}

/// Policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyList {
    /// Which part.
    pub page: PageRequest,
}

/// Decide anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyEvaluate {
    /// Which policy.
    pub id: PolicyId,
    /// Only say what would be decided.
    pub dry_run: bool,
}

/// What do the policies say?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyExplain {
    /// On which host.
    pub host: HostId,
    /// Of which patch.
    pub patch: PatchId,
}

/// What the policies say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// One sentence for a person.
    pub sentence: String,
    /// The policy that decides, if any.
    pub policy: Option<PolicyId>,
    /// Its rule, if any.
    pub rule: Option<String>,
    /// The decision.
    pub decision: Decision,
}
