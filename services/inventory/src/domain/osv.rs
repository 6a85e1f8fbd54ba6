//! One OSV record (OSV schema 1.7) of any ecosystem, read strictly: what cannot be compared later is refused here.

pub mod ecosystem;
mod range;

use crate::domain::affected::{Affected, Release, Status};
use crate::domain::cve::is_cve;
use crate::domain::name::canonical_name;
use chrono::{DateTime, Utc};
use ecosystem::release_of;
use netpatch_types::Sha256;
use range::{RawRange, ranges_of};
use serde::Deserialize;
use std::borrow::Cow;

/// Longest text that is kept of a record's field, characters.
const MAX_TEXT: usize = 500;
/// Most CVEs, packages, versions or events of one record. Real ones have up to 1,200.
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
    /// Its author took it back.
    pub withdrawn: bool,
    /// `unmaintained`, `notice`, …: no vulnerability.
    pub informational: Option<String>,
    /// What it affects, sorted.
    pub affected: Vec<Affected>,
    /// The tracker's page.
    pub url: Option<String>,
    /// Vendor's notices that the record names.
    pub vendor_refs: Vec<String>,
    /// EPSS as the record says.
    pub epss: Option<f64>,
    /// KEV as the record says.
    pub kev: Option<RecordKev>,
}

impl OsvRecord {
    /// A record that says nothing yet.
    #[must_use]
    pub fn new(id: String) -> Self {
        Self {
            id,
            digest: Sha256::default(),
            published_at: None,
            cves: Vec::new(),
            summary: String::new(),
            cvss_vectors: Vec::new(),
            withdrawn: false,
            informational: None,
            affected: Vec::new(),
            url: None,
            vendor_refs: Vec::new(),
            epss: None,
            kev: None,
        }
    }
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
struct Raw<'a> {
    id: String,
    published: Option<DateTime<Utc>>,
    withdrawn: Option<DateTime<Utc>>,
    #[serde(default)]
    upstream: Vec<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    related: Vec<String>,
    #[serde(default, borrow)]
    summary: Cow<'a, str>,
    #[serde(default, borrow)]
    details: Cow<'a, str>,
    #[serde(default)]
    severity: Vec<RawSeverity>,
    #[serde(default)]
    #[serde(borrow)]
    affected: Vec<RawAffected<'a>>,
    #[serde(default, borrow)]
    references: Vec<RawReference<'a>>,
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
struct RawAffected<'a> {
    // A record may speak of a repository only.
    #[serde(borrow)]
    package: Option<RawPackage<'a>>,
    #[serde(default)]
    ranges: Vec<RawRange>,
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default)]
    severity: Vec<RawSeverity>,
}

#[derive(Deserialize)]
struct RawPackage<'a> {
    #[serde(borrow)]
    ecosystem: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct RawReference<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
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

/// Reads one line of an OSV feed; packages of releases that are not `wanted` are no concern of the feed.
pub fn read_record(line: &str, wanted: impl Fn(&Release) -> bool) -> Result<OsvRecord, String> {
    let raw: Raw =
        serde_json::from_str(line).map_err(|error| format!("not an OSV record: {error}"))?;
    let id = raw.id;
    if id.is_empty() || id.len() > 200 || id.chars().any(char::is_control) {
        return Err("its id is empty, too long or holds a control character".to_owned());
    }
    let too_many = || format!("{id} has more than {MAX_ITEMS} CVEs or packages");
    if raw.affected.len() > MAX_ITEMS {
        return Err(too_many());
    }
    let mut affected = Vec::new();
    let mut severities = raw.severity;
    for entry in raw.affected {
        let Some(package) = entry.package else {
            continue;
        };
        let Some(release) = release_of(&package.ecosystem).filter(&wanted) else {
            continue;
        };
        severities.extend(entry.severity);
        affected.extend(entry_of(
            &id,
            release,
            &package.name,
            &entry.ranges,
            entry.versions,
        )?);
    }
    if affected.is_empty() && raw.withdrawn.is_none() {
        return Err(format!("{id} names no version of a package of this feed"));
    }
    affected.sort();
    // A distribution's notice names its CVEs as related, not as other names of itself.
    let related = affected
        .first()
        .filter(|entry| !entry.release.distribution.is_empty())
        .map_or(Vec::new(), |_| raw.related);
    let mut cves: Vec<String> = raw
        .upstream
        .into_iter()
        .chain(raw.aliases)
        .chain(related)
        .filter(|name| is_cve(name))
        .collect();
    cves.sort();
    cves.dedup();
    if cves.len() > MAX_ITEMS {
        return Err(too_many());
    }
    let of_kind = |references: &[RawReference<'_>], kind: &str| {
        references
            .iter()
            .find(|reference| reference.kind == kind)
            .map(|reference| cut(&reference.url))
    };
    Ok(OsvRecord {
        digest: Sha256::of(line.as_bytes()),
        published_at: raw.published,
        cves,
        summary: match raw.summary.as_ref() {
            "" => cut(raw.details.lines().next().unwrap_or_default()),
            summary => cut(summary),
        },
        cvss_vectors: severities
            .into_iter()
            .filter(|severity| severity.kind.starts_with("CVSS"))
            .map(|severity| severity.score)
            .collect(),
        withdrawn: raw.withdrawn.is_some(),
        informational: None,
        affected,
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

/// What is said of one package; `None` when no version is named that can be compared (a range of commits).
fn entry_of(
    id: &str,
    release: Release,
    name: &str,
    ranges: &[RawRange],
    versions: Vec<String>,
) -> Result<Option<Affected>, String> {
    if !is_name(name) {
        return Err(format!("{id} names a package that cannot be one"));
    }
    if versions.len() > MAX_ITEMS || versions.iter().any(|version| version.len() > MAX_TEXT) {
        return Err(format!(
            "{id} names too many or too long versions of {name}"
        ));
    }
    let mut all = Vec::new();
    for range in ranges {
        match ranges_of(release.ecosystem, range) {
            Ok(read) => all.extend(read),
            // The list names what the range spans; what stands in neither cannot be judged.
            Err(_) if !versions.is_empty() => {}
            Err(reason) => return Err(format!("{id}: {name}: {reason}")),
        }
    }
    all.sort();
    all.dedup();
    Ok((!all.is_empty() || !versions.is_empty()).then(|| Affected {
        name: canonical_name(release.ecosystem, name).into_owned(),
        release,
        status: Status::Affected,
        ranges: all,
        versions,
        note: String::new(),
    }))
}

/// Whether a text can be a package's name.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 300
        && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// The text, up to the most that is kept of a field.
pub(crate) fn cut(text: &str) -> String {
    // Bytes are never fewer than characters.
    if text.len() <= MAX_TEXT {
        text.to_owned()
    } else {
        text.chars().take(MAX_TEXT).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::affected::{End, Range};
    use netpatch_types::{Ecosystem, version::Version};

    fn bookworm(release: &Release) -> bool {
        *release == Release::os(Ecosystem::Deb, "debian", "bookworm")
    }

    const RECORD: &str = r#"{"id":"DSA-1-1","published":"2026-01-02T00:00:00Z","upstream":["CVE-2026-100001"],
        "affected":[{"package":{"ecosystem":"Debian:12","name":"curl"},"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/x"}],
        "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"7.88.1-10+deb12u1"}]}]}]}"#;

    #[test]
    fn a_record_is_read_with_the_severity_of_its_package() {
        let record = read_record(RECORD, bookworm).expect("readable");
        assert_eq!(record.cves, ["CVE-2026-100001"]);
        assert_eq!(record.affected[0].only_fix(), Some("7.88.1-10+deb12u1"));
        assert_eq!(record.cvss_vectors, ["CVSS:3.1/x"]);
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in ".{0,200}", fixed in "[0-9a-z.:~+ -]{0,30}", id in ".{0,30}") {
            let _ = read_record(&line, bookworm);
            let record = serde_json::json!({"id": id, "affected": [{"package": {"ecosystem": "Debian:12", "name": "a"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]});
            if let Ok(read) = read_record(&record.to_string(), bookworm) {
                let fixed = read.affected[0].only_fix().expect("a fix");
                proptest::prop_assert!(Version::parse(Ecosystem::Deb, fixed).is_ok());
            }
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused_with_a_reason() {
        let refused = |record: &str| read_record(record, bookworm).expect_err("refused");
        assert!(refused("{").starts_with("not an OSV record"));
        assert!(
            refused(&RECORD.replace("7.88.1-10+deb12u1", "1 2")).contains("is not a deb version")
        );
        assert!(
            refused(&RECORD.replace("Debian:12", "Debian:11")).contains("no version of a package")
        );
        assert!(refused(&RECORD.replace("DSA-1-1", "")).contains("id"));
    }

    #[test]
    fn a_withdrawn_record_is_read_as_such() {
        let record = RECORD.replace(
            "\"published\"",
            "\"withdrawn\":\"2026-02-02T00:00:00Z\",\"published\"",
        );
        assert!(read_record(&record, bookworm).expect("readable").withdrawn);
    }

    #[test]
    fn only_ranges_of_versions_count() {
        let record = RECORD.replace("\"ranges\":[", "\"ranges\":[{\"type\":\"GIT\",\"repo\":\"r\",\"events\":[{\"introduced\":\"0\"},{\"fixed\":\"b42dd4ba\"}]},");
        let record = read_record(&record, bookworm).expect("readable");
        assert_eq!(record.affected[0].only_fix(), Some("7.88.1-10+deb12u1"));
        let since = RECORD.replace("\"introduced\":\"0\"", "\"introduced\":\"7\"");
        let since = read_record(&since, bookworm).expect("readable");
        assert!(matches!(
            since.affected[0].ranges.as_slice(),
            [Range { introduced: Some(seven), end: End::Fixed(_), .. }] if seven == "7"
        ));
    }
}
