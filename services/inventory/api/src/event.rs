//! Events of inventory, versioned; payloads of the outbox.

use netpatch_types::{FindingId, HostId, PatchId, Sha256, SiteId};
use serde::{Deserialize, Serialize};

/// What happened in inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum InventoryEvent {
    /// Version 1.
    #[serde(rename = "1")]
    V1(InventoryEventV1),
}

/// Version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum InventoryEventV1 {
    /// A host enrolled.
    HostRegistered {
        /// Which.
        host: HostId,
        /// Where.
        site: SiteId,
    },
    /// Labels, site or time zone of a host changed: membership may have.
    HostChanged {
        /// Which.
        host: HostId,
    },
    /// A host's manifest changed.
    HostReported {
        /// Which.
        host: HostId,
        /// Its manifest now.
        manifest: Sha256,
        /// Findings opened.
        opened: u64,
        /// Findings closed.
        closed: u64,
    },
    /// A host offers these patches (all of them, not only new ones).
    PatchesAvailable {
        /// Which host.
        host: HostId,
        /// Which patches.
        patches: Vec<PatchId>,
    },
    /// A finding of critical severity opened.
    CriticalFinding {
        /// Which.
        finding: FindingId,
        /// On which host.
        host: HostId,
        /// Its advisory's name.
        advisory: String,
    },
}
