//! Waves: slices of a deployment, each behind a gate.

use chrono::{DateTime, Utc};
use netpatch_types::{DeploymentId, TenantId, WaveId};
use serde::{Deserialize, Serialize};

/// Where a wave stands (domain.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaveStatus {
    /// Behind the gate of the wave before.
    Waiting,
    /// Its order is out; hosts run in their windows.
    Open,
    /// No new runs; the last ones end, or soak.
    Closing,
    /// The gate is satisfied.
    Passed,
    /// The gate is not satisfied.
    Failed,
}

/// A wave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// Id.
    pub id: WaveId,
    /// Whose.
    pub tenant: TenantId,
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// From 1.
    pub ordinal: u32,
    /// Where it stands.
    pub status: WaveStatus,
    /// Why, for a person: `2 of 3 hosts confirmed, the gate wants 100 %`.
    pub reason: String,
    /// Hosts by where their run stands.
    pub counts: WaveCounts,
    /// When its order was released.
    pub opened_at: Option<DateTime<Utc>>,
    /// When its gate was decided.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Hosts of a wave. Pending = total − all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveCounts {
    /// All hosts.
    pub total: u64,
    /// Not started.
    pub pending: u64,
    /// With a live lease.
    pub running: u64,
    /// The agent says succeeded and the findings are closed.
    pub succeeded: u64,
    /// Failed, rolled back or not.
    pub failed: u64,
    /// Of the failed: rolled back.
    pub rolled_back: u64,
    /// Refused, expired, cancelled.
    pub skipped: u64,
    /// Waiting for a reboot.
    pub reboot_pending: u64,
    /// Started, no live lease.
    pub silent: u64,
}

/// Waves of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveList {
    /// Which deployment.
    pub deployment: DeploymentId,
}

/// One wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveGet {
    /// Which.
    pub id: WaveId,
}
