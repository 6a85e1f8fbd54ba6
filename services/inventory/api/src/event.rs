//! Events of inventory, versioned; payloads of the outbox.

use crate::{AssetLinkRule, AssetOrigin, RiskWeights, SoftwareOrigin};
use netpatch_types::{Actor, AssetId, FindingId, HostId, PatchId, Sha256, SiteId};
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
    /// The advisories that the platform holds changed.
    AdvisoriesChanged {
        /// Their epoch.
        epoch: u64,
        /// The feeds that changed since the organization was told last.
        feeds: Vec<String>,
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
    /// Somebody said something new of an asset.
    AssetChanged {
        /// Which.
        asset: AssetId,
        /// The host that it is linked to.
        host: Option<HostId>,
        /// Whether it was not known before.
        is_new: bool,
        /// Which fields; no values, some are about persons.
        fields: Vec<String>,
        /// By what way.
        origin: AssetOrigin,
        /// Who.
        by: Actor,
    },
    /// Many assets were written at once; each that changed has a new `updated_at`.
    AssetsImported {
        /// New ones.
        created: u64,
        /// Others that say something else now.
        changed: u64,
        /// Those that said so already.
        unchanged: u64,
        /// By what way.
        origin: AssetOrigin,
        /// Of what was said.
        digest: Sha256,
        /// Who.
        by: Actor,
    },
    /// A document that says what a host without an agent consists of was handed in. Goes to the ledger.
    SoftwareImported {
        /// The host.
        host: HostId,
        /// What kind of document.
        origin: SoftwareOrigin,
        /// Components that were taken from it.
        components: u64,
        /// What became no component.
        skipped: u64,
        /// Of the document.
        digest: Sha256,
        /// Who.
        by: Actor,
    },
    /// An asset found its host.
    AssetLinked {
        /// Which.
        asset: AssetId,
        /// The host.
        host: HostId,
        /// By what.
        rule: AssetLinkRule,
    },
    /// An asset was removed.
    AssetDeleted {
        /// Which.
        asset: AssetId,
        /// The host that it was linked to.
        host: Option<HostId>,
        /// Who.
        by: Actor,
    },
    /// The organization keeps other updates from other hardware. Goes to the ledger.
    HardwareRulesChanged {
        /// Their version.
        version: u64,
        /// Their names.
        rules: Vec<String>,
        /// SHA-256 of their JSON.
        digest: Sha256,
        /// By whom.
        by: Actor,
    },
    /// The organization counts risk by other weights. Goes to the ledger.
    RiskWeightsChanged {
        /// Their version.
        version: u64,
        /// The weights.
        weights: RiskWeights,
        /// SHA-256 of their JSON.
        digest: Sha256,
        /// By whom.
        by: Actor,
    },
}
