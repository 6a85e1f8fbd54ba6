//! Compliance snapshots: what the heat map and the reports both read.

use chrono::{DateTime, Utc};
use netpatch_inventory_api::ComplianceCell;
use netpatch_types::{ComplianceSnapshotId, DeploymentId, PageRequest, TenantId};
use serde::{Deserialize, Serialize};

/// Compliance at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComplianceSnapshot {
    /// Id; fresh each time for a provisional one.
    pub id: ComplianceSnapshotId,
    /// Whose.
    pub tenant: TenantId,
    /// As of when.
    pub as_of: DateTime<Utc>,
    /// Not stored: counters as they are now.
    pub provisional: bool,
    /// Why it was taken: `schedule`, `before`, `after`, `manual`.
    pub label: String,
    /// Before or after which deployment.
    pub deployment: Option<DeploymentId>,
    /// Site × severity.
    pub cells: Vec<ComplianceCell>,
}

/// The newest snapshot at or before a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComplianceGet {
    /// Whose.
    pub tenant: TenantId,
    /// `None`: now.
    pub as_of: Option<DateTime<Utc>>,
}

/// Snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComplianceHistory {
    /// Whose.
    pub tenant: TenantId,
    /// Only around this deployment.
    pub deployment: Option<DeploymentId>,
    /// Which part.
    pub page: PageRequest,
}

/// Takes a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotTake {
    /// `manual`, `before`, `after`.
    pub label: String,
    /// Around which deployment.
    pub deployment: Option<DeploymentId>,
}
