//! Events of the scheduler, versioned; payloads of the outbox.

use crate::{DeploymentStatus, RunStatus, WaveStatus};
use netpatch_types::{Actor, DeploymentId, HostId, RunId, Sha256, WaveId};
use serde::{Deserialize, Serialize};

/// What happened in the scheduler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum SchedulerEvent {
    /// Version 1.
    #[serde(rename = "1")]
    V1(SchedulerEventV1),
}

/// Version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SchedulerEventV1 {
    /// A deployment was created or changed its state. Goes to the ledger.
    DeploymentChanged {
        /// Which.
        deployment: DeploymentId,
        /// Its name.
        name: String,
        /// Where it stands now.
        status: DeploymentStatus,
        /// Why.
        reason: String,
        /// By whom.
        by: Actor,
    },
    /// A wave's order was signed. Goes to the ledger; released after `OrderLogged`.
    OrderSigned {
        /// Of which deployment.
        deployment: DeploymentId,
        /// Of which wave.
        wave: WaveId,
        /// Its sequence.
        sequence: u64,
        /// SHA-256 of the order's payload bytes.
        order: Sha256,
        /// Encoded envelope.
        envelope: Vec<u8>,
    },
    /// A halt was signed. Goes to the ledger.
    HaltSigned {
        /// Of which deployment.
        deployment: DeploymentId,
        /// Encoded envelope.
        envelope: Vec<u8>,
    },
    /// A wave changed its state.
    WaveChanged {
        /// Of which deployment.
        deployment: DeploymentId,
        /// Which.
        wave: WaveId,
        /// From 1.
        ordinal: u32,
        /// Where it stands now.
        status: WaveStatus,
        /// Why.
        reason: String,
    },
    /// A run changed its state.
    RunChanged {
        /// Of which deployment.
        deployment: DeploymentId,
        /// Of which wave.
        wave: WaveId,
        /// Which.
        run: RunId,
        /// Which host.
        host: HostId,
        /// Where it stands now.
        status: RunStatus,
        /// Failure cause or refusal; empty otherwise.
        cause: String,
    },
    /// A run came to a final state. Goes to the ledger.
    RunEnded {
        /// Of which deployment.
        deployment: DeploymentId,
        /// Which.
        run: RunId,
        /// Which host.
        host: HostId,
        /// How.
        status: RunStatus,
        /// Failure cause or refusal; empty otherwise.
        cause: String,
        /// Encoded envelope of the agent's signed result, if it gave one.
        envelope: Option<Vec<u8>>,
    },
}
