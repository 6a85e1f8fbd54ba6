//! What agents report, as the edge hands it on.

use crate::HostFacts;
use chrono::{DateTime, Utc};
use netpatch_types::{ComponentKey, Ecosystem, HostId, RelayId, Sha256};
use serde::{Deserialize, Serialize};

/// New facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostFactsReport {
    /// Whose.
    pub host: HostId,
    /// The facts.
    pub facts: HostFacts,
}

/// Who was seen when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PresenceReport {
    /// One row a host, newest time wins.
    pub seen: Vec<Seen>,
}

/// One host was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Which.
    pub host: HostId,
    /// When.
    pub at: DateTime<Utc>,
    /// Through which relay.
    pub relay: Option<RelayId>,
    /// As the host says.
    pub reboot_pending: bool,
    /// Two copies of the identity are live: quarantine it.
    pub forked: bool,
}

/// A whole manifest. Its hash is defined in `session.proto`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManifestReport {
    /// Whose.
    pub host: HostId,
    /// The name that the components must hash to.
    pub hash: Sha256,
    /// At most 20,000.
    pub components: Vec<ComponentKey>,
}

/// A manifest as a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManifestDeltaReport {
    /// Whose.
    pub host: HostId,
    /// The manifest that it changes.
    pub base: Sha256,
    /// The name that the result must hash to.
    pub hash: Sha256,
    /// Components that came.
    pub added: Vec<ComponentKey>,
    /// Components that went.
    pub removed: Vec<ComponentKey>,
}

/// What a manifest did. It has been stored; it is evaluated at once unless very many hosts report at the same time, and then soon
/// after: the event tells what that did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestOutcome {
    /// False: the base is not held; send the whole manifest. Nothing was stored.
    pub base_known: bool,
    /// Findings opened.
    pub opened: u64,
    /// Findings closed.
    pub closed: u64,
    /// Whether the two numbers are those of the evaluation; false: it comes yet.
    #[serde(default)]
    pub evaluated: bool,
}

/// Whether an update can be installed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateState {
    /// Yes.
    Installable,
    /// A person holds the version.
    Held,
    /// The vendor rolls it out in phases and this host is not in yet.
    Phased,
    /// It would need changes that a plain upgrade does not make.
    KeptBack,
}

/// A new dependency or a removal that an update brings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedChange {
    /// Binary package.
    pub name: String,
    /// Architecture.
    pub arch: String,
    /// Version; empty for a removal.
    pub version: String,
    /// Of the .deb; `None` for a removal.
    pub sha256: Option<Sha256>,
    /// Bytes of the .deb.
    pub size_bytes: u64,
    /// Whether it goes.
    pub remove: bool,
}

/// One binary package that the package manager would install now, from its own verified indices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallableUpdate {
    /// Binary package.
    pub name: String,
    /// Architecture.
    pub arch: String,
    /// Installed version.
    pub installed_version: String,
    /// Version to come.
    pub candidate_version: String,
    /// Source package.
    pub source: String,
    /// Source version of the candidate.
    pub source_version: String,
    /// Of the package's file.
    pub sha256: Sha256,
    /// Bytes of the .deb.
    pub size_bytes: u64,
    /// `Origin` of the release file.
    pub origin: String,
    /// `Suite` or `Codename` of the release file.
    pub suite: String,
    /// `Label` of the release file.
    pub label: String,
    /// Whether it can be installed now.
    pub state: UpdateState,
    /// 0–100 when phased.
    pub phased_percent: u32,
    /// Section.
    pub section: String,
    /// What it brings along.
    pub requires: Vec<PlannedChange>,
    /// The package world: decides the version order.
    pub ecosystem: Ecosystem,
    /// What the vendor calls what it fixes, e.g. `ALSA-2024:1129`.
    pub errata: Vec<String>,
    /// Whether one of these is a security fix.
    pub security: bool,
}

/// What the host's package manager could install now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApplicabilityReport {
    /// Whose.
    pub host: HostId,
    /// The manifest that it was computed on.
    pub manifest: Sha256,
    /// All of them; replaces what was reported before.
    pub updates: Vec<InstallableUpdate>,
    /// Why the package manager could not answer; then `updates` is ignored.
    pub problem: String,
    /// Where payloads of the updates lie. Hints: only hashes are believed.
    #[serde(default)]
    pub sources: Vec<PayloadSource>,
}

/// Where a payload lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PayloadSource {
    /// Names its bytes.
    pub sha256: Sha256,
    /// As a host's package manager would fetch it.
    pub url: String,
}
