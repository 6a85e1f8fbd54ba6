//! An advisory as the platform keeps it: one vulnerability with its fixing versions and what is known of it.

use chrono::{DateTime, Utc};
use netpatch_types::{Severity, Sha256};

/// A source package that an advisory affects below a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fix {
    /// Source package.
    pub source: String,
    /// The first version that is not affected any more.
    pub fixed: String,
}

/// One advisory.
#[derive(Clone, Debug, PartialEq)]
pub struct AdvisoryRecord {
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
    /// What it affects, sorted by source; one line a source.
    pub fixes: Vec<Fix>,
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
