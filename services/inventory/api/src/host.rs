//! Hosts: what they are, where they stand, when they were seen.

use crate::{Firewall, Hardware, ListeningSocket, ProviderState, SoftwareOrigin, StaleService};
use chrono::{DateTime, Utc};
use netpatch_types::{
    AdvisoryId, ComponentId, ComponentKey, GroupId, HostId, Labels, PageRequest, RelayId, Severity,
    Sha256, SiteId, TenantId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the agent says its host is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// As the host calls itself.
    pub hostname: String,
    /// Salted hash of the machine id, 64 hexadecimal digits; empty for a host without an agent.
    pub machine_id: String,
    /// os-release `ID`, e.g. `debian`.
    pub os_id: String,
    /// os-release `VERSION_ID`, e.g. `12`.
    pub os_version: String,
    /// os-release `VERSION_CODENAME`, e.g. `bookworm`.
    pub os_release: String,
    /// os-release `PRETTY_NAME`.
    pub os_name: String,
    /// Package architecture, e.g. `amd64`.
    pub arch: String,
    /// Running kernel.
    pub kernel: String,
    /// IANA time zone; empty when unknown.
    pub time_zone: String,
    /// Logical processors.
    pub cpu_count: u32,
    /// Bytes.
    pub memory_bytes: u64,
    /// Bytes free on the file system of the package cache.
    pub disk_free_bytes: u64,
    /// Changes with each boot.
    pub boot_id: String,
    /// Whether a reboot is pending.
    pub reboot_pending: bool,
    /// Whether the agent was told never to change the host.
    pub audit_only: bool,
    /// The vendor's serial number; empty when unknown.
    #[serde(default)]
    pub serial: String,
    /// Who built the machine; empty when unknown.
    #[serde(default)]
    pub vendor: String,
    /// What the vendor calls it; empty when unknown.
    #[serde(default)]
    pub model: String,
    /// Newest kernel on the disk; empty without any.
    #[serde(default)]
    pub installed_kernel: String,
    /// Who waits for others; sorted.
    #[serde(default)]
    pub listening: Vec<ListeningSocket>,
    /// How the packet filter was read.
    #[serde(default)]
    pub firewall: Firewall,
    /// The machine.
    #[serde(default)]
    pub hardware: Hardware,
    /// What still runs replaced files; sorted.
    #[serde(default)]
    pub stale_services: Vec<StaleService>,
    /// Who said what is installed.
    #[serde(default)]
    pub providers: Vec<ProviderState>,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Id.
    pub id: HostId,
    /// Whose.
    pub tenant: TenantId,
    /// Where.
    pub site: SiteId,
    /// Facts as last reported.
    pub facts: HostFacts,
    /// Labels.
    pub labels: Labels,
    /// Groups whose selector matches now.
    pub groups: Vec<GroupId>,
    /// Ring label, or `broad`.
    pub ring: String,
    /// Label `timezone`, else as reported; empty: the site's.
    pub time_zone: String,
    /// Who says what it consists of: without an agent, a document.
    #[serde(default)]
    pub software_from: SoftwareOrigin,
    /// Newest manifest.
    pub manifest: Option<Sha256>,
    /// When it enrolled.
    pub registered_at: DateTime<Utc>,
    /// Last heartbeat.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Last manifest or unchanged check-in.
    pub last_scan_at: Option<DateTime<Utc>>,
    /// Why the last scan was incomplete; empty when it was not.
    pub scan_problem: String,
    /// The relay that carried the last heartbeat.
    pub relay: Option<RelayId>,
    /// What relays of its site found out about its sockets lately.
    #[serde(default)]
    pub probes: Vec<crate::Probe>,
    /// Two copies of one identity were live.
    pub quarantined: bool,
    /// Open findings by severity.
    pub open_findings: BTreeMap<Severity, u64>,
    /// Grows with each change by a person.
    pub etag: String,
}

/// A host enrols.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostRegister {
    /// The id to use if the machine is new.
    pub id: HostId,
    /// From the enrolment token.
    pub site: SiteId,
    /// Facts.
    pub facts: HostFacts,
    /// From the enrolment token.
    pub labels: Labels,
}

/// Which host the machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRegistered {
    /// The host.
    pub id: HostId,
    /// The machine id was known: a new key for it needs a person.
    pub known: bool,
}

/// One host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostGet {
    /// Which.
    pub id: HostId,
}

/// Most hosts that one [`HostQuarantined`] may ask for.
pub const MAX_QUARANTINED: usize = 10_000;
/// Most hosts of one [`HostPlaces`].
pub const MAX_PLACES: usize = 1000;

/// Where these hosts stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlaces {
    /// Which, at most [`MAX_PLACES`].
    pub hosts: Vec<HostId>,
}

/// Hosts in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostQuarantined {
    /// How many at most, at most [`MAX_QUARANTINED`].
    pub limit: usize,
}

/// Where a host stands: what decides about its session and its documents, without its facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlace {
    /// Id.
    pub id: HostId,
    /// Whose.
    pub tenant: TenantId,
    /// Where.
    pub site: SiteId,
    /// Groups whose selector matches now.
    pub groups: Vec<GroupId>,
    /// Ring label, or `broad`.
    pub ring: String,
    /// Label `timezone`, else as reported; empty: the site's.
    pub time_zone: String,
    /// Whether its agent was told never to change it.
    pub audit_only: bool,
    /// Newest manifest.
    pub manifest: Option<Sha256>,
    /// Two copies of one identity were live.
    pub quarantined: bool,
}

impl From<&Host> for HostPlace {
    fn from(host: &Host) -> Self {
        Self {
            id: host.id,
            tenant: host.tenant,
            site: host.site,
            groups: host.groups.clone(),
            ring: host.ring.clone(),
            time_zone: host.time_zone.clone(),
            audit_only: host.facts.audit_only,
            manifest: host.manifest,
            quarantined: host.quarantined,
        }
    }
}

/// Which hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFilter {
    /// Only of this organization.
    pub tenant: Option<TenantId>,
    /// Only these.
    pub ids: Vec<HostId>,
    /// Only of these sites.
    pub sites: Vec<SiteId>,
    /// Part of the name.
    pub hostname_contains: Option<String>,
    /// Only with an open finding of one of these severities.
    pub severities: Vec<Severity>,
    /// Only in this group.
    pub group: Option<GroupId>,
    /// Only those that this advisory applies to now.
    pub advisory: Option<AdvisoryId>,
    /// Not seen since.
    pub not_seen_since: Option<DateTime<Utc>>,
    /// Only (not) waiting for a reboot.
    pub reboot_pending: Option<bool>,
    /// Only those that [`crate::ComplianceCell::unknown`] counts: never scanned or not seen for seven days; `false`: only the others.
    pub unknown: Option<bool>,
    /// Only (not) without a scan so far.
    pub never_scanned: Option<bool>,
}

/// Hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostList {
    /// Which part.
    pub page: PageRequest,
    /// Which hosts.
    pub filter: HostFilter,
}

/// A person's change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostUpdate {
    /// Which.
    pub id: HostId,
    /// The etag that was read.
    pub if_match: Option<String>,
    /// New labels, replacing all.
    pub labels: Option<Labels>,
    /// New site.
    pub site: Option<SiteId>,
    /// Ends the quarantine.
    pub release_quarantine: bool,
}

/// Components of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentList {
    /// Which host.
    pub host: HostId,
    /// Part of the name.
    pub name_contains: Option<String>,
    /// Which part.
    pub page: PageRequest,
}

/// One component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentGet {
    /// Which.
    pub id: ComponentId,
}

/// One installed piece of software.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Catalog id.
    pub id: ComponentId,
    /// What it is.
    pub key: ComponentKey,
}
