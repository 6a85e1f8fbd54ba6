//! Deployments: approved patches × targets × plan.

use chrono::{DateTime, Utc};
use netpatch_types::{
    Actor, ApprovalId, DeploymentId, PageRequest, PatchId, PolicyId, SiteId, TenantId,
};
use serde::{Deserialize, Serialize};

/// Where a deployment stands (domain.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentStatus {
    /// Being planned.
    Draft,
    /// A person must decide.
    AwaitingApproval,
    /// Planned; its first wave is not open yet.
    Scheduled,
    /// A wave is open.
    Running,
    /// A person stopped it for a while.
    Paused,
    /// A gate or the kill switch stopped it.
    Halted,
    /// Every wave passed.
    Completed,
    /// Ended by a person.
    Cancelled,
}

/// A deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Id.
    pub id: DeploymentId,
    /// Whose.
    pub tenant: TenantId,
    /// For a person.
    pub name: String,
    /// The policy whose rollout, windows and group it follows.
    pub policy: PolicyId,
    /// What is installed.
    pub patches: Vec<PatchId>,
    /// Where it stands.
    pub status: DeploymentStatus,
    /// Why it stands so: the gate that failed, the person's reason.
    pub reason: String,
    /// The approval that a resume waits for.
    pub approval: Option<ApprovalId>,
    /// Who made it.
    pub created_by: Actor,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When its first wave opened.
    pub started_at: Option<DateTime<Utc>>,
    /// When it came to a final state.
    pub ended_at: Option<DateTime<Utc>>,
    /// No install starts after this.
    pub not_after: DateTime<Utc>,
    /// Grows with each change.
    pub etag: String,
}

/// A new deployment. Each of its orders carries one maintenance window: of the policy's the one that opens next when the
/// order is signed, with all its occurrences until `not_after`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentCreate {
    /// For a person; empty: made from the patches.
    pub name: String,
    /// Whose rollout, windows and group to follow.
    pub policy: PolicyId,
    /// 1–500 patches; each must be approved for the policy's group.
    pub patches: Vec<PatchId>,
    /// No install before; `None`: now.
    pub not_before: Option<DateTime<Utc>>,
    /// No install starts after; `None`: 14 days.
    pub not_after: Option<DateTime<Utc>>,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What would happen, or what was created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentPlan {
    /// `None` for a dry run.
    pub deployment: Option<Deployment>,
    /// The waves.
    pub waves: Vec<PlannedWave>,
    /// All target hosts.
    pub hosts: u64,
    /// Bytes that each host at most fetches.
    pub payload_bytes: u64,
    /// Patches that may not go, with the reason; a deployment is created only when empty.
    pub missing: Vec<NotDeployable>,
    /// Next window start of each site, for a person.
    pub windows: Vec<SiteWindow>,
}

/// A wave as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWave {
    /// From 1.
    pub ordinal: u32,
    /// How many hosts.
    pub hosts: u64,
    /// Their names, at most 20.
    pub hostnames: Vec<String>,
}

/// A patch that may not go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotDeployable {
    /// Which.
    pub patch: PatchId,
    /// The approval that waits, if there is one.
    pub approval: Option<ApprovalId>,
    /// Why, for a person.
    pub reason: String,
}

/// When a site's hosts may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteWindow {
    /// Which site.
    pub site: SiteId,
    /// Start of the next occurrence, or of the one that is open now; `None`: no window before `not_after`.
    pub next_start: Option<DateTime<Utc>>,
}

/// One deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentGet {
    /// Which.
    pub id: DeploymentId,
}

/// Deployments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeploymentList {
    /// Which part.
    pub page: PageRequest,
    /// Only of this organization.
    pub tenant: Option<TenantId>,
    /// Only these; empty: all.
    pub statuses: Vec<DeploymentStatus>,
}

/// A person's change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentChange {
    /// Which.
    pub id: DeploymentId,
    /// Why; 3–500 characters, may be empty for a pause.
    pub reason: String,
    /// The etag that was read.
    pub if_match: Option<String>,
}
