//! What hosts consist of, page by page, for a software bill of materials.
//!
//! The pages are not one snapshot: whoever writes a document keeps to the components that it has written.

use crate::{Advisory, Component, Host};
use netpatch_types::{ComponentId, HostId, TenantId};
use serde::{Deserialize, Serialize};

/// Hosts with their components.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SbomHosts {
    /// Only this one.
    pub host: Option<HostId>,
    /// Of this organization.
    pub tenant: Option<TenantId>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Also what the components are, not only which.
    pub described: bool,
}

/// Some hosts, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SbomHostPage {
    /// The hosts.
    pub hosts: Vec<SbomHost>,
    /// What their components are, each once; empty unless it was asked for.
    pub components: Vec<Component>,
    /// `after` of the next page.
    pub next: Option<String>,
}

/// A host and its components.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SbomHost {
    /// The host.
    pub host: Host,
    /// Its components.
    pub components: Vec<ComponentId>,
}

/// Advisories with an open finding, and in which components.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SbomFindings {
    /// Only on this host.
    pub host: Option<HostId>,
    /// Of this organization.
    pub tenant: Option<TenantId>,
    /// `next` of the page before.
    pub after: Option<u32>,
}

/// Some advisories.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SbomFindingPage {
    /// Each with what it is found in.
    pub vulnerabilities: Vec<SbomVulnerability>,
    /// `after` of the next page.
    pub next: Option<u32>,
}

/// An advisory and the components in which it is found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SbomVulnerability {
    /// The advisory.
    pub advisory: Advisory,
    /// The components.
    pub affects: Vec<SbomAffected>,
}

/// A vulnerable component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SbomAffected {
    /// Which.
    pub component: ComponentId,
    /// The first version without the vulnerability; empty: none yet.
    pub fixed_version: String,
}
