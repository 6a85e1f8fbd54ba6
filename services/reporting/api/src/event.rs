//! Events of reporting, versioned; payloads of the outbox.

use netpatch_types::{ApprovalId, DeploymentId, Sha256, WaveId};
use serde::{Deserialize, Serialize};

/// What happened in reporting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum ReportingEvent {
    /// Version 1.
    #[serde(rename = "1")]
    V1(ReportingEventV1),
}

/// Version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReportingEventV1 {
    /// An order stands in the ledger: it may be released.
    OrderLogged {
        /// Of which deployment.
        deployment: DeploymentId,
        /// Of which wave.
        wave: WaveId,
        /// SHA-256 of the order's payload bytes.
        order: Sha256,
        /// Its index in the log.
        sequence: u64,
    },
    /// An approval stands in the ledger: it may be used.
    ApprovalLogged {
        /// Which.
        approval: ApprovalId,
        /// Its index in the log.
        sequence: u64,
    },
}
