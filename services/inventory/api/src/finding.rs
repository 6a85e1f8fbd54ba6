//! Findings: an advisory that applies to a component on a host, with its evidence and risk.

use crate::{Advisory, Deadline, Patch, Risk, UpdateState};
use chrono::{DateTime, Utc};
use netpatch_types::{
    AdvisoryId, ComponentKey, FindingId, HostId, PageRequest, PatchId, Severity, Sha256, SiteId,
    TenantId,
};
use serde::{Deserialize, Serialize};

/// Why a finding is one: enough to decide it again without us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Which feed.
    pub feed: String,
    /// The record's own id.
    pub record: String,
    /// SHA-256 of the record's bytes.
    pub record_digest: Sha256,
    /// Which rule: `debian-source`, `debian-signed-binary`.
    pub rule: String,
    /// The version that was compared.
    pub installed_version: String,
    /// The first fixed version.
    pub fixed_version: String,
    /// `dpkg`.
    pub comparator: String,
    /// Of a finding that is gone: the vendor's word that took it away, if that is why.
    #[serde(default)]
    pub cleared_by: Option<ClearedBy>,
}

/// A vendor's statement (VEX) that an advisory does not apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearedBy {
    /// Which feed.
    pub feed: String,
    /// The record's own id.
    pub record: String,
    /// SHA-256 of the record's bytes.
    pub record_digest: Sha256,
    /// `not_affected` or `fixed`.
    pub status: String,
}

/// What can be done about a finding now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Applicability {
    /// It applies; there is a fix, but no origin of the host offers it.
    Applicable,
    /// An origin of the host offers the fix.
    Installable,
    /// Offered, but phased.
    Phased,
    /// Offered, but held.
    Held,
    /// It applies, and no version has the fix yet.
    NoFixYet,
    /// The fix is installed, but the old code still runs.
    PendingReboot,
    /// A newer sibling is installed; this one was left behind and is to be removed.
    Superseded,
}

impl From<UpdateState> for Applicability {
    fn from(state: UpdateState) -> Self {
        match state {
            UpdateState::Installable => Self::Installable,
            UpdateState::Held => Self::Held,
            UpdateState::Phased => Self::Phased,
            UpdateState::KeptBack => Self::Applicable,
        }
    }
}

/// Who offers the fix to the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The version that is offered.
    pub version: String,
    /// The repository's origin, e.g. `Debian`.
    pub origin: String,
    /// Its suite, e.g. `bookworm-security`.
    pub suite: String,
    /// Its label, e.g. `Debian-Security`.
    pub label: String,
}

/// An advisory that applies to a component on a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Id.
    pub id: FindingId,
    /// Whose.
    pub tenant: TenantId,
    /// On which host.
    pub host: HostId,
    /// Its name.
    pub hostname: String,
    /// Its site.
    pub site: SiteId,
    /// What.
    pub advisory: Advisory,
    /// In what.
    pub component: ComponentKey,
    /// What can be done.
    pub applicability: Applicability,
    /// What fixes it, if an origin offers it.
    pub patch: Option<PatchId>,
    /// Who offers that fix; none when the host is no longer offered it.
    #[serde(default)]
    pub offer: Option<Offer>,
    /// Our number.
    pub risk: Risk,
    /// Why.
    pub evidence: Evidence,
    /// The earliest date that a rule demands, with its reason; `None`: no followed baseline speaks of it.
    pub deadline: Option<Deadline>,
    /// When we saw it first on this host.
    pub first_seen_at: DateTime<Utc>,
    /// When it was gone.
    pub resolved_at: Option<DateTime<Utc>>,
}

/// Which findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FindingFilter {
    /// Only of this organization.
    pub tenant: Option<TenantId>,
    /// Only on this host.
    pub host: Option<HostId>,
    /// Only of these sites.
    pub sites: Vec<SiteId>,
    /// Only of these severities.
    pub severities: Vec<Severity>,
    /// Only of this advisory.
    pub advisory: Option<AdvisoryId>,
    /// Only of advisories that name this CVE, of whichever feed.
    pub cve: Option<String>,
    /// Only in one of these states; empty: all.
    pub applicability: Vec<Applicability>,
    /// Only what this patch fixes.
    pub patch: Option<PatchId>,
    /// Source package.
    pub source: Option<String>,
    /// Only known exploited.
    pub kev: Option<bool>,
    /// Only those whose deadline was (not) missed.
    pub overdue: Option<bool>,
    /// Only those that are due within so many days, or overdue.
    pub due_within_days: Option<u32>,
    /// Also those that are gone.
    pub resolved: bool,
}

/// In which order findings and the queue are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingOrder {
    /// Worst first.
    #[default]
    Risk,
    /// Earliest deadline first, those without a date last.
    Deadline,
}

/// Findings, worst first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingList {
    /// Which part.
    pub page: PageRequest,
    /// In which order.
    #[serde(default)]
    pub order: FindingOrder,
    /// Which findings.
    pub filter: FindingFilter,
}

/// One finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingGet {
    /// Which.
    pub id: FindingId,
}

/// What findings are counted together by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingGrouping {
    /// One group an advisory, over all organizations in reach.
    #[default]
    Advisory,
    /// One group a patch and organization; findings that no origin offers a fix for are one group of theirs.
    Patch,
    /// One group a host.
    Host,
}

/// Findings counted in groups, worst first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingGroupList {
    /// Which part.
    pub page: PageRequest,
    /// By what.
    pub by: FindingGrouping,
    /// Which findings.
    pub filter: FindingFilter,
}

/// What a group of findings has in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    clippy::large_enum_variant,
    reason = "a page has at most a hundred of them"
)]
pub enum FindingGroupKey {
    /// The advisory.
    Advisory(Advisory),
    /// The patch that would close them, if there is one, and whose.
    Patch(TenantId, Option<PatchId>),
    /// The host, and whose it is.
    Host(TenantId, HostId),
}

/// Findings counted together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingGroup {
    /// What they have in common.
    pub key: FindingGroupKey,
    /// On how many hosts.
    pub hosts: u64,
    /// How many findings.
    pub findings: u64,
    /// The highest score among them, 0–100.
    pub score: f64,
    /// The worst severity among them.
    pub severity: Severity,
    /// Whether one of them is known to be exploited.
    pub kev: bool,
    /// Oldest first sight.
    pub first_seen_at: DateTime<Utc>,
}

/// The remediation queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueList {
    /// Which part.
    pub page: PageRequest,
    /// Only of this organization.
    pub tenant: Option<TenantId>,
    /// Only hosts of these sites.
    pub sites: Vec<SiteId>,
    /// Only these severities.
    pub severities: Vec<Severity>,
    /// Only those with a finding whose deadline was (not) missed.
    #[serde(default)]
    pub overdue: Option<bool>,
    /// Only those with a finding that is due within so many days, or overdue.
    #[serde(default)]
    pub due_within_days: Option<u32>,
    /// In which order.
    #[serde(default)]
    pub order: FindingOrder,
}

/// A patch that waits, with why it matters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueItem {
    /// What would be installed.
    pub patch: Patch,
    /// Whose hosts.
    pub tenant: TenantId,
    /// How many hosts need it.
    pub hosts: u64,
    /// How many open findings it closes.
    pub findings: u64,
    /// The highest risk among them.
    pub risk: Risk,
    /// The earliest deadline among them.
    pub deadline: Option<Deadline>,
    /// Oldest first sight.
    pub first_seen_at: DateTime<Utc>,
}
