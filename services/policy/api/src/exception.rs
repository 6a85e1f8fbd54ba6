//! Exceptions: accepted lateness with owner, reason and end. One is in force once people approved it and the ledger has that.

use crate::Approval;
use chrono::{DateTime, Utc};
use netpatch_types::{Actor, ExceptionId, PageRequest, TenantId};
use serde::{Deserialize, Serialize};

pub use netpatch_inventory_api::ExceptionScope;

/// An exception.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exception {
    /// Id.
    pub id: ExceptionId,
    /// Whose.
    pub tenant: TenantId,
    /// What it says.
    pub spec: ExceptionSpec,
    /// Where it stands.
    pub status: ExceptionStatus,
    /// Who asked for it.
    pub requested_by: Actor,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// When somebody ended it before its end.
    pub ended_at: Option<DateTime<Utc>>,
    /// What people decided.
    pub approval: Approval,
}

/// What an exception says. It never changes: another one is another decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExceptionSpec {
    /// For people, 1–80 characters.
    pub name: String,
    /// Which findings: at least one advisory or package.
    pub covers: ExceptionScope,
    /// Who answers for it, 1–80 characters.
    pub owner: String,
    /// Why, 3–500 characters.
    pub reason: String,
    /// Its end, within two years.
    pub until: DateTime<Utc>,
}

/// Where an exception stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExceptionStatus {
    /// People must decide, or the ledger does not have it yet.
    Awaiting,
    /// It moves deadlines.
    InForce,
    /// People said no.
    Declined,
    /// Its end has come.
    Expired,
    /// Somebody ended it.
    Ended,
}

/// Asks for an exception.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionRequest {
    /// What it says.
    pub spec: ExceptionSpec,
    /// How many distinct people must approve, 1–5.
    pub required: u32,
}

/// Ends an exception before its end, or takes back what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionEnd {
    /// Which.
    pub id: ExceptionId,
}

/// One exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionGet {
    /// Which.
    pub id: ExceptionId,
}

/// Exceptions, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExceptionList {
    /// Which part.
    pub page: PageRequest,
    /// Only of this organization.
    pub tenant: Option<TenantId>,
}
