//! Events of policy, versioned; payloads of the outbox.

use crate::{ApprovalStatus, Standard, Subject};
use chrono::{DateTime, Utc};
use netpatch_types::{
    Actor, ApprovalId, BaselineId, ExceptionId, HostId, PolicyId, Sha256, WindowId,
};
use serde::{Deserialize, Serialize};

/// What happened in policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum PolicyEvent {
    /// Version 1.
    #[serde(rename = "1")]
    V1(PolicyEventV1),
}

/// Version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PolicyEventV1 {
    /// A policy was created or changed. Goes to the ledger.
    PolicyChanged {
        /// Which.
        policy: PolicyId,
        /// Its name.
        name: String,
        /// SHA-256 of the JSON of its spec.
        digest: Sha256,
        /// By whom.
        by: Actor,
    },
    /// A window was created or changed. Goes to the ledger.
    WindowChanged {
        /// Which.
        window: WindowId,
        /// Its name.
        name: String,
        /// SHA-256 of the JSON of its spec.
        digest: Sha256,
        /// By whom.
        by: Actor,
    },
    /// A baseline was created, changed or archived. Goes to the ledger.
    BaselineChanged {
        /// Which.
        baseline: BaselineId,
        /// Its name.
        name: String,
        /// By which rules.
        standard: Standard,
        /// Whether it dates findings now.
        followed: bool,
        /// Whether it ended.
        archived: bool,
        /// SHA-256 of the JSON of its spec.
        digest: Sha256,
        /// By whom.
        by: Actor,
    },
    /// An exception was asked for, or ended before its end. Goes to the ledger.
    ExceptionChanged {
        /// Which.
        exception: ExceptionId,
        /// Its name.
        name: String,
        /// Its end.
        until: DateTime<Utc>,
        /// Whether somebody ended it.
        ended: bool,
        /// SHA-256 of the JSON of its spec.
        digest: Sha256,
        /// By whom.
        by: Actor,
    },
    /// A person must decide.
    ApprovalRequested {
        /// Which.
        approval: ApprovalId,
        /// About what.
        subject: Subject,
        /// For a person.
        title: String,
    },
    /// Decided. Goes to the ledger; usable after `ApprovalLogged`.
    ApprovalDecided {
        /// Which.
        approval: ApprovalId,
        /// About what.
        subject: Subject,
        /// How.
        status: ApprovalStatus,
        /// By a rule.
        automatic: bool,
        /// By whom.
        by: Actor,
        /// Why.
        reason: String,
        /// What it covers.
        content_digest: Option<Sha256>,
        /// Encoded envelope of the signed approval, if approved.
        envelope: Option<Vec<u8>>,
    },
    /// A host's membership document changed.
    MembershipChanged {
        /// Which host.
        host: HostId,
        /// Its version now.
        version: u64,
    },
}
