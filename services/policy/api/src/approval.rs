//! Approvals: who decided what, over which exact content.

use chrono::{DateTime, Utc};
use netpatch_types::{
    Actor, ApprovalId, DeploymentId, ExceptionId, GroupId, PageRequest, PatchId, PolicyId, Sha256,
    TenantId,
};
use serde::{Deserialize, Serialize};

/// What an approval is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "subject", rename_all = "snake_case")]
pub enum Subject {
    /// A patch in a group.
    Patch {
        /// Which patch.
        patch: PatchId,
        /// Which hosts; `None`: all of the organization.
        group: Option<GroupId>,
    },
    /// Going on with a halted deployment.
    Deployment {
        /// Which.
        deployment: DeploymentId,
    },
    /// Accepting lateness.
    Exception {
        /// Which.
        exception: ExceptionId,
    },
}

/// Where an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    /// A person must decide.
    Awaiting,
    /// Approved; usable once logged.
    Approved,
    /// No.
    Declined,
    /// Not now.
    Deferred,
    /// Never.
    Banned,
    /// Too late, or the content changed.
    Expired,
}

/// An approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Id.
    pub id: ApprovalId,
    /// Whose.
    pub tenant: TenantId,
    /// About what.
    pub subject: Subject,
    /// Where it stands.
    pub status: ApprovalStatus,
    /// The policy that asked or decided.
    pub policy: Option<PolicyId>,
    /// Its rule.
    pub rule: Option<String>,
    /// Decided by a rule, without a person.
    pub automatic: bool,
    /// Who asked.
    pub requested_by: Actor,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// How many distinct people must approve.
    pub required: u32,
    /// Who decided what.
    pub decisions: Vec<DecisionRecord>,
    /// SHA-256 of the encoded `Content` (document.proto) that it covers.
    pub content_digest: Option<Sha256>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// In the ledger: usable.
    pub logged: bool,
    /// Summary for a person: `openssl 3.0.17-1~deb12u3 for all hosts`.
    pub title: String,
}

/// One person's decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// Who.
    pub by: Actor,
    /// What.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What a person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No.
    Decline,
    /// Not now.
    Defer,
    /// For all delegated customers and forever: no.
    Ban,
}

/// A person decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalDecide {
    /// Which.
    pub id: ApprovalId,
    /// What.
    pub verdict: Verdict,
    /// Why; 3–500 characters.
    pub reason: String,
}

/// Asks people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// About what.
    pub subject: Subject,
    /// How many distinct people, 1–5.
    pub required: u32,
}

/// One approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalGet {
    /// Which.
    pub id: ApprovalId,
}

/// Approvals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApprovalList {
    /// Which part.
    pub page: PageRequest,
    /// Only of this organization.
    pub tenant: Option<TenantId>,
    /// Only these; empty: all.
    pub statuses: Vec<ApprovalStatus>,
    /// Only these subjects.
    pub patches: Vec<PatchId>,
}

/// May these patches go to this group?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalUsable {
    /// Which patches.
    pub patches: Vec<PatchId>,
    /// Which hosts; `None`: all of the organization.
    pub group: Option<GroupId>,
}

/// What may go, and what not and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usable {
    /// Approved, logged, content unchanged.
    pub approved: Vec<SignedApproval>,
    /// The others.
    pub missing: Vec<Missing>,
}

/// An approval with its signature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignedApproval {
    /// Which.
    pub id: ApprovalId,
    /// For which patch.
    pub patch: PatchId,
    /// Digest of the covered content.
    pub content_digest: Sha256,
    /// Encoded `netpatch.document.v1.Envelope` over `Approval`.
    pub envelope: Vec<u8>,
}

/// A patch that may not go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// Which patch.
    pub patch: PatchId,
    /// The approval that waits, if there is one.
    pub approval: Option<ApprovalId>,
    /// Why, for a person.
    pub reason: String,
}
