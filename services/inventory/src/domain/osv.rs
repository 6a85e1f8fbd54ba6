//! One OSV record of the Debian feed (OSV schema 1.7), read strictly: what cannot be compared later is refused here.

use crate::domain::advisory::Fix;
use crate::domain::cve::is_cve;
use chrono::{DateTime, Utc};
use netpatch_types::{Ecosystem, Sha256, version::Version};
use serde::Deserialize;

/// Longest text that is kept of a record's field, characters.
const MAX_TEXT: usize = 500;
/// Most CVEs or packages of one record. Real ones have up to 500.
const MAX_ITEMS: usize = 5_000;

/// A readable record.
#[derive(Clone, Debug, PartialEq)]
pub struct OsvRecord {
    /// The record's id.
    pub id: String,
    /// SHA-256 of the record's bytes.
    pub digest: Sha256,
    /// When it was published.
    pub published_at: Option<DateTime<Utc>>,
    /// CVE ids that it is about.
    pub cves: Vec<String>,
    /// One line; may be empty.
    pub summary: String,
    /// CVSS vectors, of the record and of its packages.
    pub cvss_vectors: Vec<String>,
    /// What it affects.
    pub fixes: Vec<Fix>,
    /// The tracker's page.
    pub url: Option<String>,
    /// Vendor's notices that the record names.
    pub vendor_refs: Vec<String>,
    /// EPSS as the record says.
    pub epss: Option<f64>,
    /// KEV as the record says.
    pub kev: Option<RecordKev>,
}

/// What a record says about known exploitation.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RecordKev {
    /// Base score without a vector.
    pub cvss3_base: Option<f64>,
    /// `Known` when used by ransomware.
    pub ransomware: String,
}

#[derive(Deserialize)]
struct Raw {
    id: String,
    published: Option<DateTime<Utc>>,
    withdrawn: Option<DateTime<Utc>>,
    #[serde(default)]
    upstream: Vec<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    severity: Vec<RawSeverity>,
    #[serde(default)]
    affected: Vec<RawAffected>,
    #[serde(default)]
    references: Vec<RawReference>,
    #[serde(default)]
    database_specific: RawSpecific,
}

#[derive(Deserialize)]
struct RawSeverity {
    #[serde(rename = "type")]
    kind: String,
    score: String,
}

#[derive(Deserialize)]
struct RawAffected {
    package: RawPackage,
    #[serde(default)]
    ranges: Vec<RawRange>,
    #[serde(default)]
    severity: Vec<RawSeverity>,
}

#[derive(Deserialize)]
struct RawPackage {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct RawRange {
    #[serde(rename = "type")]
    kind: String,
    events: Vec<RawEvent>,
}

#[derive(Deserialize)]
struct RawEvent {
    introduced: Option<String>,
    fixed: Option<String>,
}

#[derive(Deserialize)]
struct RawReference {
    #[serde(rename = "type")]
    kind: String,
    url: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawSpecific {
    advisories: Vec<String>,
    epss: Option<RawEpss>,
    kev: Option<RecordKev>,
}

#[derive(Deserialize)]
struct RawEpss {
    score: f64,
}

/// Reads one line of a Debian OSV feed for one ecosystem, e.g. `Debian:12`.
pub fn read_record(line: &str, ecosystem: &str) -> Result<OsvRecord, String> {
    let raw: Raw =
        serde_json::from_str(line).map_err(|error| format!("not an OSV record: {error}"))?;
    let id = raw.id;
    if id.is_empty() || id.len() > 200 || id.chars().any(char::is_control) {
        return Err("its id is empty, too long or holds a control character".to_owned());
    }
    if raw.withdrawn.is_some() {
        return Err(format!("{id} is withdrawn"));
    }
    let mut cves: Vec<String> = raw
        .upstream
        .into_iter()
        .chain(raw.aliases)
        .filter(|name| is_cve(name))
        .collect();
    cves.sort();
    cves.dedup();
    if cves.len() > MAX_ITEMS || raw.affected.len() > MAX_ITEMS {
        return Err(format!("{id} has more than {MAX_ITEMS} CVEs or packages"));
    }
    let mut fixes = Vec::new();
    let mut severities = raw.severity;
    for affected in raw.affected {
        // `Debian:12` and `Debian:12:lts` alike; another release's packages are no concern of this feed.
        if affected
            .package
            .ecosystem
            .split(':')
            .take(2)
            .ne(ecosystem.split(':'))
        {
            continue;
        }
        severities.extend(affected.severity);
        fixes.extend(fix_of(&id, &affected.package.name, &affected.ranges)?);
    }
    if fixes.is_empty() {
        return Err(format!("{id} names no fixed version for {ecosystem}"));
    }
    let of_kind = |references: &[RawReference], kind: &str| {
        references
            .iter()
            .find(|reference| reference.kind == kind)
            .map(|reference| cut(&reference.url))
    };
    Ok(OsvRecord {
        digest: Sha256::of(line.as_bytes()),
        published_at: raw.published,
        cves,
        summary: cut(&raw.summary),
        cvss_vectors: severities
            .into_iter()
            .filter(|severity| severity.kind.starts_with("CVSS"))
            .map(|severity| severity.score)
            .collect(),
        fixes,
        url: of_kind(&raw.references, "ADVISORY").or_else(|| of_kind(&raw.references, "WEB")),
        vendor_refs: raw.database_specific.advisories,
        epss: raw
            .database_specific
            .epss
            .map(|epss| epss.score)
            .filter(|score| (0.0..=1.0).contains(score)),
        kev: raw.database_specific.kev,
        id,
    })
}

/// The fixed version of one package. Debian's ranges start at 0; the first fixing version ends the vulnerability.
fn fix_of(id: &str, source: &str, ranges: &[RawRange]) -> Result<Option<Fix>, String> {
    if source.is_empty()
        || source.len() > 200
        || source.chars().any(|c| c.is_control() || c.is_whitespace())
    {
        return Err(format!("{id} names a package that cannot be one"));
    }
    let mut first: Option<(Version, String)> = None;
    for event in ranges
        .iter()
        .filter(|range| range.kind == "ECOSYSTEM")
        .flat_map(|range| &range.events)
    {
        if event
            .introduced
            .as_deref()
            .is_some_and(|introduced| introduced != "0")
        {
            return Err(format!(
                "{id} has a range of {source} that does not start at 0"
            ));
        }
        let Some(fixed) = &event.fixed else { continue };
        let version =
            Version::parse(Ecosystem::Deb, fixed).map_err(|error| format!("{id}: {error}"))?;
        if first.as_ref().is_none_or(|(known, _)| version < *known) {
            first = Some((version, fixed.clone()));
        }
    }
    Ok(first.map(|(_, fixed)| Fix {
        source: source.to_owned(),
        fixed,
    }))
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"id":"DSA-1-1","published":"2026-01-02T00:00:00Z","upstream":["CVE-2026-100001"],
        "affected":[{"package":{"ecosystem":"Debian:12","name":"curl"},"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/x"}],
        "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"7.88.1-10+deb12u1"}]}]}]}"#;

    #[test]
    fn a_record_is_read_with_the_severity_of_its_package() {
        let record = read_record(RECORD, "Debian:12").expect("readable");
        assert_eq!(record.cves, ["CVE-2026-100001"]);
        assert_eq!(record.fixes[0].fixed, "7.88.1-10+deb12u1");
        assert_eq!(record.cvss_vectors, ["CVSS:3.1/x"]);
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in ".{0,200}", fixed in "[0-9a-z.:~+ -]{0,30}", id in ".{0,30}") {
            let _ = read_record(&line, "Debian:12");
            let record = serde_json::json!({"id": id, "affected": [{"package": {"ecosystem": "Debian:12", "name": "a"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]});
            if let Ok(read) = read_record(&record.to_string(), "Debian:12") {
                proptest::prop_assert!(Version::parse(Ecosystem::Deb, &read.fixes[0].fixed).is_ok());
            }
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused_with_a_reason() {
        let refused = |record: &str| read_record(record, "Debian:12").expect_err("refused");
        assert!(refused("{").starts_with("not an OSV record"));
        assert!(
            refused(&RECORD.replace("7.88.1-10+deb12u1", "1 2")).contains("is not a deb version")
        );
        assert!(refused(&RECORD.replace("Debian:12", "Debian:11")).contains("no fixed version"));
        assert!(
            refused(&RECORD.replace("\"introduced\":\"0\"", "\"introduced\":\"7\""))
                .contains("start at 0")
        );
        assert!(refused(&RECORD.replace("DSA-1-1", "")).contains("id"));
    }
}
