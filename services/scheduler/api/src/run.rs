//! Runs: one host's attempt. The agent's journal is the truth; what stands here is its fold.

use chrono::{DateTime, Utc};
use netpatch_types::{DeploymentId, HostId, PageRequest, RunId, Sha256, TenantId, WaveId};
use serde::{Deserialize, Serialize};

/// Where a run stands (domain.md). `silent`, `confirmed` and `expired` are the scheduler's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words are those of domain.md")]
pub enum RunStatus {
    Offered,
    Accepted,
    Staging,
    Staged,
    WaitingForWindow,
    Snapshotting,
    Installing,
    Verifying,
    RebootPending,
    Rebooting,
    Succeeded,
    Failed,
    RollingBack,
    RolledBack,
    RollbackFailed,
    Refused,
    Expired,
    Cancelled,
}

impl RunStatus {
    /// The word on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Staging => "staging",
            Self::Staged => "staged",
            Self::WaitingForWindow => "waiting_for_window",
            Self::Snapshotting => "snapshotting",
            Self::Installing => "installing",
            Self::Verifying => "verifying",
            Self::RebootPending => "reboot_pending",
            Self::Rebooting => "rebooting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::RollingBack => "rolling_back",
            Self::RolledBack => "rolled_back",
            Self::RollbackFailed => "rollback_failed",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Every status.
    pub const ALL: [Self; 18] = [
        Self::Offered,
        Self::Accepted,
        Self::Staging,
        Self::Staged,
        Self::WaitingForWindow,
        Self::Snapshotting,
        Self::Installing,
        Self::Verifying,
        Self::RebootPending,
        Self::Rebooting,
        Self::Succeeded,
        Self::Failed,
        Self::RollingBack,
        Self::RolledBack,
        Self::RollbackFailed,
        Self::Refused,
        Self::Expired,
        Self::Cancelled,
    ];

    /// Reads the word of [`Self::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether nothing more will happen by itself. `Failed` is final only when no rollback follows.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded
                | Self::Failed
                | Self::RolledBack
                | Self::RollbackFailed
                | Self::Refused
                | Self::Expired
                | Self::Cancelled
        )
    }
}

/// One host's attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Id.
    pub id: RunId,
    /// Whose.
    pub tenant: TenantId,
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// Of which wave.
    pub wave: WaveId,
    /// Which host.
    pub host: HostId,
    /// Sequence of its order.
    pub sequence: u64,
    /// From 1.
    pub attempt: u32,
    /// Fold of its events.
    pub status: RunStatus,
    /// Started, not final, and the lease has run out.
    pub silent: bool,
    /// After success: the findings of its patches are closed on the host.
    pub confirmed: Option<bool>,
    /// Why it failed or was refused.
    pub error: Option<RunError>,
    /// When it was accepted.
    pub started_at: Option<DateTime<Utc>>,
    /// When it came to a final state.
    pub ended_at: Option<DateTime<Utc>>,
    /// Last word of the agent about it.
    pub last_event_at: Option<DateTime<Utc>>,
    /// Bytes that came from the relay's cache.
    pub bytes_from_relay: u64,
    /// Bytes that were fetched from the origin.
    pub bytes_from_origin: u64,
    /// In order; only in `run_get`.
    pub events: Vec<RunEvent>,
}

/// Why a run failed or was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// Closed list of domain.md, snake case: `maintainer_script_failed`, `plan_differs`.
    pub code: String,
    /// For a person.
    pub message: String,
    /// The next step for a person.
    pub remediation: String,
    /// Whether trying again may help.
    pub retry: bool,
    /// Lines of the log.
    pub evidence: Vec<String>,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// From 1, without gaps.
    pub step: u64,
    /// Where the run stood after it.
    pub status: RunStatus,
    /// The agent's clock.
    pub at: DateTime<Utc>,
    /// For a person.
    pub message: String,
    /// Failure cause or refusal; empty otherwise.
    pub cause: String,
    /// Lines of the log.
    pub evidence: Vec<String>,
}

/// What an agent journalled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Which host, by its certificate.
    pub host: HostId,
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// Sequence of the order.
    pub sequence: u64,
    /// From 1.
    pub attempt: u32,
    /// SHA-256 of the order's payload bytes.
    pub order: Sha256,
    /// In order.
    pub events: Vec<RunEvent>,
    /// Encoded envelope of the signed run result, with the final step.
    pub result: Option<Vec<u8>>,
    /// Bytes that came from the relay's cache.
    pub bytes_from_relay: u64,
    /// Bytes that were fetched from the origin.
    pub bytes_from_origin: u64,
}

/// How far a run is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStored {
    /// All steps up to this one are stored.
    pub step: u64,
}

/// Runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunList {
    /// Which part.
    pub page: PageRequest,
    /// Only of this deployment.
    pub deployment: Option<DeploymentId>,
    /// Only of this wave.
    pub wave: Option<WaveId>,
    /// Only of this host.
    pub host: Option<HostId>,
    /// Only these; empty: all.
    pub statuses: Vec<RunStatus>,
}

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunGet {
    /// Which.
    pub id: RunId,
}
