//! Advisories: vendors' notices, with what is known of their CVEs.

use crate::CveFacts;
use crate::Ssvc;
use chrono::{DateTime, NaiveDate, Utc};
use netpatch_types::{AdvisoryId, Severity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A vendor's or database's notice on one vulnerability, or on an update without one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advisory {
    /// Catalog id.
    pub id: AdvisoryId,
    /// What people call it: `CVE-2026-1234`, else the vendor's id.
    pub name: String,
    /// The vendor's notices that fix it: `DSA-6182-1`, `DLA-…`.
    pub vendor_refs: Vec<String>,
    /// CVE ids.
    pub cves: Vec<String>,
    /// One line; may be empty.
    pub summary: String,
    /// From CVSS, KEV; unknown when nothing says.
    pub severity: Severity,
    /// Highest base score.
    pub cvss_score: Option<f64>,
    /// Its vector.
    pub cvss_vector: Option<String>,
    /// Probability of exploitation in 30 days, 0–1 (FIRST EPSS).
    pub epss: Option<f64>,
    /// In CISA's catalogue of known exploited vulnerabilities.
    pub kev: bool,
    /// Used by ransomware, says CISA.
    pub ransomware: bool,
    /// When CISA added it to that catalogue; of several CVEs the first.
    #[serde(default)]
    pub kev_added: Option<NaiveDate>,
    /// What is known of each of its CVEs, of which anything is.
    #[serde(default)]
    pub cve_facts: BTreeMap<String, CveFacts>,
    /// CISA's decision points; of several CVEs the worst.
    #[serde(default)]
    pub ssvc: Option<Ssvc>,
    /// When the vendor published it.
    pub published_at: Option<DateTime<Utc>>,
    /// Which feed.
    pub feed: String,
    /// The security tracker's page.
    pub url: Option<String>,
}

/// One advisory by exactly one of its names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdvisoryGet {
    /// Catalog id.
    pub id: Option<AdvisoryId>,
    /// CVE id.
    pub cve: Option<String>,
    /// Vendor's id.
    pub vendor_ref: Option<String>,
}
