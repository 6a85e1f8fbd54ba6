//! Compliance of sites, from counters that are kept at change time.

use chrono::{DateTime, Duration, Utc};
use netpatch_inventory_api::ComplianceCell;
use netpatch_types::{Severity, SiteId, TenantId};

/// A host that was not seen for this long is neither compliant nor not.
#[must_use]
pub fn known_since(now: DateTime<Utc>) -> DateTime<Utc> {
    now - Duration::days(7)
}

/// Counters of one site for one severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeverityCount {
    /// Hosts that are known and have an open finding.
    pub exposed: u64,
    /// Open findings, of all hosts.
    pub findings: u64,
}

/// Counters of one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteCount {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub site: SiteId,
    /// All hosts.
    pub hosts: u64,
    /// Hosts never scanned or not seen lately.
    pub unknown: u64,
    /// In the order of [`Severity::ALL`].
    pub severities: [SeverityCount; 5],
}

/// The cells of one site, worst severity first.
#[must_use]
pub fn cells(site: &SiteCount) -> Vec<ComplianceCell> {
    let known = site.hosts.saturating_sub(site.unknown);
    Severity::ALL
        .into_iter()
        .zip(site.severities)
        .map(|(severity, count)| ComplianceCell {
            tenant: site.tenant,
            site: site.site,
            severity,
            hosts: site.hosts,
            compliant: known.saturating_sub(count.exposed),
            unknown: site.unknown,
            findings: count.findings,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_host_is_neither_compliant_nor_not() {
        let now = DateTime::UNIX_EPOCH;
        let mut site = SiteCount {
            tenant: TenantId::new(now),
            site: SiteId::new(now),
            hosts: 10,
            unknown: 3,
            severities: [SeverityCount::default(); 5],
        };
        site.severities[0] = SeverityCount {
            exposed: 2,
            findings: 40,
        };
        let cells = cells(&site);
        assert_eq!(
            (cells[0].severity, cells[0].compliant, cells[0].findings),
            (Severity::Critical, 5, 40)
        );
        assert_eq!((cells[1].compliant, cells[1].unknown), (7, 3));
    }
}
