//! Exceptions: accepted lateness, with an end. Policy owns them and hands those that are in force to inventory, as it does baselines.

use chrono::{DateTime, Utc};
use netpatch_types::{ExceptionId, GroupId, HostId};
use serde::{Deserialize, Serialize};

/// An exception that is in force: until its end it moves the deadlines of what it covers to its end. It never moves one forward in time
/// past that, and afterwards the dates hold that the rules demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// Which.
    pub id: ExceptionId,
    /// Its name.
    pub name: String,
    /// Its end.
    pub until: DateTime<Utc>,
    /// What it covers.
    pub covers: ExceptionScope,
}

/// Which findings an exception covers: all of what is named must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExceptionScope {
    /// Any of these CVEs, or names of advisories or of vendors' notices; empty: any.
    pub advisories: Vec<String>,
    /// Any of these packages, as findings name them (source packages where advisories do); empty: any.
    pub packages: Vec<String>,
    /// Only on these hosts; empty: any.
    pub hosts: Vec<HostId>,
    /// Only in this group.
    pub group: Option<GroupId>,
}

/// Which exceptions are in force in an organization: all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionsSet {
    /// Grows with each change.
    pub version: u64,
    /// Empty: none.
    pub exceptions: Vec<Exception>,
}

/// The exception that moved a deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedBy {
    /// Which.
    pub exception: ExceptionId,
    /// Its name.
    pub name: String,
    /// The date that the rules demand.
    pub original_due_at: DateTime<Utc>,
}
