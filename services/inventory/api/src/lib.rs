//! What inventory knows and answers: hosts, components, advisories, findings, patches, feeds.
//!
//! Plain serde types and one trait; callers hold `Arc<dyn InventoryApi>`. Every call needs the right that its
//! documentation names and answers `NotFound` for another organization's ids.

pub mod advisory;
pub mod asset;
pub mod compliance;
pub mod cve;
pub mod deadline;
pub mod delta;
pub mod event;
pub mod exception;
pub mod facts;
pub mod feed;
pub mod finding;
pub mod group;
pub mod hardware_rule;
pub mod host;
pub mod patch;
pub mod probe;
pub mod report;
pub mod risk;
pub mod sbom;
pub mod software;
pub mod ssvc;
pub mod stored;

pub use advisory::*;
pub use asset::*;
pub use compliance::*;
pub use cve::*;
pub use deadline::*;
pub use delta::*;
pub use event::*;
pub use exception::*;
pub use facts::*;
pub use feed::*;
pub use finding::*;
pub use group::*;
pub use hardware_rule::*;
pub use host::*;
pub use netpatch_types::EventsAfter;
pub use patch::*;
pub use probe::*;
pub use report::*;
pub use risk::*;
pub use sbom::*;
pub use software::*;
pub use ssvc::*;
pub use stored::*;

use netpatch_types::{EventPage, Page};
use serde::{Deserialize, Serialize};

/// Nothing to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

netpatch_chassis::rpc_service! {
    /// What inventory knows.
    pub service InventoryApi, InventoryClient, fn inventory_router, "inventory" {
        /// A host enrols or comes back with a new identity. Idempotent by (site, machine id). System.
        host_register(HostRegister) -> HostRegistered;
        /// One host. `Read`.
        host_get(HostGet) -> Host;
        /// Where many hosts stand, in any order; those that nobody knows are left out. System.
        host_places(HostPlaces) -> Vec<HostPlace>;
        /// Hosts in quarantine, newest first. System.
        host_quarantined(HostQuarantined) -> Vec<netpatch_types::HostId>;
        /// Hosts in order of name. `Read`.
        host_list(HostList) -> Page<Host>;
        /// Changes labels, site, asset data. `Admin`.
        host_update(HostUpdate) -> Host;
        /// What the agent says its host is. System.
        host_facts_report(HostFactsReport) -> Done;
        /// What a relay may try to reach on hosts of its site whose turn it is. System.
        probe_plan(ProbePlanGet) -> ProbePlan;
        /// What a relay reached; what it was not asked is ignored. System.
        probe_report(ProbeReport) -> ProbeTaken;
        /// Who was seen when, in batches. System.
        presence_report(PresenceReport) -> Done;
        /// A whole manifest; refused unless it hashes to its name. System.
        manifest_report(ManifestReport) -> ManifestOutcome;
        /// A change against a manifest that is held; `base_known = false` asks for the whole. System.
        manifest_delta_report(ManifestDeltaReport) -> ManifestOutcome;
        /// What the host's package manager could install now. System.
        applicability_report(ApplicabilityReport) -> Done;
        /// Installed components of a host in order of name. `Read`.
        component_list(ComponentList) -> Page<Component>;
        /// One component, if a host that the request may see has it now. `Read`.
        component_get(ComponentGet) -> Component;
        /// One asset. `Read`.
        asset_get(AssetGet) -> Asset;
        /// Assets in order of name. `Read`.
        asset_list(AssetList) -> Page<Asset>;
        /// Says something of an asset that is known, or of a new one; an unchanged one is not written. `AssetWrite`.
        asset_upsert(AssetUpsert) -> AssetUpserted;
        /// Writes many assets, all or none; what is wrong is said line by line. `AssetWrite`.
        asset_import(AssetImport) -> AssetImported;
        /// Writes the assets of a file, all or none; what is wrong is said by line and column. `AssetWrite`.
        asset_file_import(AssetFileImport) -> AssetImported;
        /// Takes in what a document says a machine without an agent consists of; makes the host where there is none. `AssetWrite`.
        software_import(SoftwareImport) -> SoftwareImported;
        /// Removes an asset. `AssetWrite`.
        asset_delete(AssetDelete) -> Done;
        /// A named set of hosts. `PolicyWrite`.
        group_create(GroupCreate) -> Group;
        /// All groups. `Read`.
        group_list(GroupList) -> Vec<Group>;
        /// Findings, worst first. `Read`.
        finding_list(FindingList) -> Page<Finding>;
        /// One finding with its evidence and arithmetic. `Read`.
        finding_get(FindingGet) -> Finding;
        /// Findings counted by advisory, patch or host, worst first. `Read`.
        finding_group_list(FindingGroupList) -> Page<FindingGroup>;
        /// The remediation queue: one item a patch, highest risk first. `Read`.
        queue_list(QueueList) -> Page<QueueItem>;
        /// One patch as this organization sees it. `Read`.
        patch_get(PatchGet) -> Patch;
        /// Patches that at least one host of the organization could install. `Read`.
        patch_list(PatchList) -> Page<Patch>;
        /// Every binary that a patch brings to a group, with hashes; says so when hosts disagree. `Read`.
        patch_content(PatchContentGet) -> PatchContent;
        /// Hosts of a group for which at least one of the patches is installable. `Read`.
        patch_targets(PatchTargets) -> Vec<Target>;
        /// What hosts will fetch for patches, with what these bring along, where somebody has said where it lies; at most
        /// 10,000, by hash. System.
        patch_payloads(PatchPayloads) -> Vec<Payload>;
        /// A difference for a payload that hosts of the organization named, if one is there; else one is made in the background, for
        /// the next who asks. System.
        delta_get(DeltaGet) -> Option<Delta>;
        /// A payload that hosts of the organization named, if the platform keeps it from the address that is named; else it is fetched
        /// in the background, for the next who asks. System.
        stored_payload_get(StoredPayloadGet) -> Option<StoredPayload>;
        /// Payloads to be kept, of those that hosts of the organization named; they are fetched in the background. System.
        payloads_store(PayloadsStore) -> Done;
        /// Which of these patches a host still needs, by its newest manifest and applicability. `Read`.
        patch_pending(PatchPending) -> Vec<netpatch_types::PatchId>;
        /// Patches that hosts cannot take, and why; they are offered to nobody there. `Read`.
        patch_refusals(PatchRefusals) -> Vec<PatchRefusal>;
        /// Hosts with their components, for a bill of materials. `Report`.
        sbom_hosts(SbomHosts) -> SbomHostPage;
        /// Advisories with an open finding and where they are found, for a bill of materials. `Report`.
        sbom_findings(SbomFindings) -> SbomFindingPage;
        /// One advisory. `Read`.
        advisory_get(AdvisoryGet) -> Advisory;
        /// The baselines that the organization follows, from policy, which owns them; an older version is ignored. System.
        baselines_set(BaselinesSet) -> Done;
        /// The exceptions that are in force, from policy, which owns them; an older version is ignored. System.
        exceptions_set(ExceptionsSet) -> Done;
        /// The weights of one organization's risk. `Read`.
        risk_weights_get(RiskWeightsGet) -> RiskWeightsHeld;
        /// New weights; every open finding is ranked anew. `PolicyWrite`.
        risk_weights_set(RiskWeightsSet) -> RiskWeightsHeld;
        /// Which updates the organization keeps from which hardware. `Read`.
        hardware_rules_get(HardwareRulesGet) -> HardwareRulesHeld;
        /// New hardware rules, replacing all; the updates of every host are judged anew. `PolicyWrite`.
        hardware_rules_set(HardwareRulesSet) -> HardwareRulesHeld;
        /// Compliance of every site now, from counters. `Read`.
        compliance_now(ComplianceNow) -> Vec<ComplianceCell>;
        /// Imports an offline pack from a folder that the platform can read. System.
        feed_import(FeedImport) -> Vec<FeedStatus>;
        /// Writes the held feeds as an offline pack into a folder of the platform's machine. System.
        feed_export(FeedExport) -> FeedExported;
        /// Takes a feed that was refused or held back. System, or `Admin` of an organization that operates the platform.
        feed_accept(FeedAccept) -> Vec<FeedStatus>;
        /// Freshness of every feed. `Read`.
        feed_list(FeedList) -> Vec<FeedStatus>;
        /// Events in commit order. System.
        events(EventsAfter) -> EventPage;
    }
}
