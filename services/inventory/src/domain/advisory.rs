//! An advisory as the platform keeps it: one vulnerability (or one vendor's notice) with what it affects and what is known of it.

use crate::domain::affected::Affected;
use chrono::{DateTime, Utc};
use netpatch_types::{Severity, Sha256};

/// One advisory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdvisoryRecord {
    /// Which feed says so; a name is unique in its feed.
    pub feed: String,
    /// `CVE-…`, else the vendor's id.
    pub name: String,
    /// The vendor's notices.
    pub vendor_refs: Vec<String>,
    /// CVE ids.
    pub cves: Vec<String>,
    /// One line; may be empty.
    pub summary: String,
    /// Highest base score.
    pub cvss_score: Option<f64>,
    /// Its vector.
    pub cvss_vector: Option<String>,
    /// 0–1.
    pub epss: Option<f64>,
    /// Known exploited.
    pub kev: bool,
    /// Used by ransomware.
    pub ransomware: bool,
    /// When the vendor published it.
    pub published_at: Option<DateTime<Utc>>,
    /// The tracker's page.
    pub url: Option<String>,
    /// The record's own id.
    pub record: String,
    /// SHA-256 of the record's bytes.
    pub record_digest: Sha256,
    /// Its author took it back, or the feed does not have it any more: it matches nothing.
    pub withdrawn: bool,
    /// `unmaintained`, `notice`, …: worth knowing, but no vulnerability, so it opens no finding.
    pub informational: Option<String>,
    /// What it affects, sorted.
    pub affected: Vec<Affected>,
}

impl AdvisoryRecord {
    /// The severity; see [`severity`].
    #[must_use]
    pub fn severity(&self) -> Severity {
        severity(self.kev, self.cvss_score)
    }
}

/// Known exploited is critical; else the rating of the CVSS score; else unknown, which is not "fine".
#[must_use]
pub fn severity(kev: bool, cvss_score: Option<f64>) -> Severity {
    if kev {
        Severity::Critical
    } else {
        cvss_score.map_or(Severity::Unknown, Severity::from_cvss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exploitation_beats_the_score_and_silence_is_unknown() {
        assert_eq!(severity(true, Some(3.0)), Severity::Critical);
        assert_eq!(severity(false, Some(7.5)), Severity::High);
        assert_eq!(severity(false, None), Severity::Unknown);
    }
}
