//! Patches: installable fixes.

use chrono::{DateTime, Utc};
use netpatch_types::{
    Classification, GroupId, HostId, PageRequest, PatchId, Severity, Sha256, SiteId, TenantId,
};
use serde::{Deserialize, Serialize};

/// A source package at a version for an OS release; fixes n advisories, n may be 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Patch {
    /// Catalog id: of(`deb`, `debian/bookworm/source/version`).
    pub id: PatchId,
    /// Source package.
    pub name: String,
    /// `debian`.
    pub distribution: String,
    /// `bookworm`.
    pub release: String,
    /// Source version that fixes.
    pub fixed_version: String,
    /// Kind of change.
    pub classification: Classification,
    /// Worst severity of what it fixes; unknown for a security update without an advisory.
    pub severity: Severity,
    /// Names of the advisories it fixes on this organization's hosts, worst first, at most 200.
    pub advisories: Vec<String>,
    /// Highest CVSS base score.
    pub cvss_score: Option<f64>,
    /// Highest EPSS.
    pub epss: Option<f64>,
    /// Any of them known exploited.
    pub kev: bool,
    /// `Label` of the release file that offers it, e.g. `Debian-Security`.
    pub origin_label: String,
    /// When a host first offered it.
    pub first_seen_at: DateTime<Utc>,
    /// Hosts of the organization that could install it now.
    pub hosts: u64,
    /// A newer patch of the same source that hosts offer instead.
    pub superseded_by: Option<PatchId>,
}

/// One patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchGet {
    /// Which.
    pub id: PatchId,
}

/// Patches that could be installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchList {
    /// Which part.
    pub page: PageRequest,
    /// Only these kinds; empty: all.
    pub classifications: Vec<Classification>,
    /// Only these, if not empty.
    pub ids: Vec<PatchId>,
}

/// What a patch brings to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchContentGet {
    /// Which patch.
    pub patch: PatchId,
    /// To which hosts; `None`: all of the organization.
    pub group: Option<GroupId>,
}

/// The union of what hosts of the group would install for the patch, sorted by (name, arch).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchContent {
    /// Which patch.
    pub patch: PatchId,
    /// Every binary.
    pub items: Vec<ContentItem>,
    /// Hosts disagree on a hash: the patch is blocked; says which package and hosts.
    pub disagreement: Option<String>,
}

/// One binary of a content list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContentItem {
    /// Binary package.
    pub name: String,
    /// Architecture.
    pub arch: String,
    /// Version; empty for a removal.
    pub version: String,
    /// At least this counts as done.
    pub fixed_version: String,
    /// Of the .deb; `None` for a removal.
    pub sha256: Option<Sha256>,
    /// Bytes.
    pub size_bytes: u64,
    /// Whether it goes.
    pub remove: bool,
    /// New, brought by another item.
    pub dependency: bool,
}

/// Hosts that need at least one of the patches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchTargets {
    /// Which patches.
    pub patches: Vec<PatchId>,
    /// Of which hosts; `None`: all of the organization.
    pub group: Option<GroupId>,
}

/// A host that needs patches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Which host.
    pub host: HostId,
    /// Whose.
    pub tenant: TenantId,
    /// Name.
    pub hostname: String,
    /// Site.
    pub site: SiteId,
    /// Ring.
    pub ring: String,
    /// IANA; empty: the site's.
    pub time_zone: String,
    /// Which of the patches.
    pub patches: Vec<PatchId>,
}

/// What hosts will fetch for patches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchPayloads {
    /// Which patches.
    pub patches: Vec<PatchId>,
    /// Which hosts, of the one organization that is asked for; at most 10,000.
    pub hosts: Vec<HostId>,
}

/// A payload that hosts will fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Names its bytes.
    pub sha256: Sha256,
    /// How many.
    pub size_bytes: u64,
    /// Where hosts say it lies, at most 8 addresses; one host's word, to be believed only when the hash fits.
    pub urls: Vec<String>,
}

/// Which of these patches a host still needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchPending {
    /// Which host.
    pub host: HostId,
    /// Which patches.
    pub patches: Vec<PatchId>,
}

/// Why a host cannot take a patch, whatever its package manager says. Such a patch is never offered to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Incompatibility {
    /// The host does not say which release of its system it runs.
    ReleaseUnknown,
    /// The patch is of another release than the one that runs.
    OtherRelease {
        /// Of which one.
        release: String,
        /// Which one runs.
        running: String,
    },
    /// Nothing on the host is of the package's architecture.
    Architecture {
        /// The package's.
        package: String,
        /// The host's.
        host: String,
    },
    /// There is too little space for payload and files.
    DiskTooSmall {
        /// Bytes that the patch needs: four times its payload.
        needed_bytes: u64,
        /// Bytes that are free, as the host last said.
        free_bytes: u64,
    },
    /// The organization says that it is not for such hardware.
    HardwareRule {
        /// The rule's name.
        rule: String,
        /// Its reason.
        why: String,
        /// What of the host it goes by.
        found: String,
    },
}

/// Patches that hosts cannot take: of a host, or of a patch, or of both. At most 1,000.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PatchRefusals {
    /// Only of this organization.
    pub tenant: Option<TenantId>,
    /// Of this host.
    pub host: Option<HostId>,
    /// Of this patch.
    pub patch: Option<PatchId>,
}

/// A patch that a host cannot take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchRefusal {
    /// Whose.
    pub tenant: TenantId,
    /// Which host.
    pub host: HostId,
    /// Which patch.
    pub patch: PatchId,
    /// Binary package.
    pub package: String,
    /// Its architecture.
    pub arch: String,
    /// The version that the package manager would install.
    pub version: String,
    /// Why not.
    pub why: Incompatibility,
}
