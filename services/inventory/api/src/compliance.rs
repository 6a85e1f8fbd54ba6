//! Compliance now: counters, not rows.

use netpatch_types::{Severity, SiteId, TenantId};
use serde::{Deserialize, Serialize};

/// Compliance of every site now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComplianceNow {
    /// Only of this organization.
    pub tenant: Option<TenantId>,
}

/// One cell of the heat map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComplianceCell {
    /// Whose.
    pub tenant: TenantId,
    /// Which site.
    pub site: SiteId,
    /// Which severity.
    pub severity: Severity,
    /// Hosts of the site.
    pub hosts: u64,
    /// Hosts without an open finding of this severity.
    pub compliant: u64,
    /// Hosts never scanned or not seen for seven days: neither compliant nor not.
    pub unknown: u64,
    /// Open findings of this severity.
    pub findings: u64,
}
