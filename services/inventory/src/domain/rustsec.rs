//! One record of RustSec (rustsec.org, the front matter as JSON): it names the versions that are patched or unaffected, so what is
//! affected is the rest, in the order of versions, pre-releases included.

use crate::domain::affected::{Affected, End, Prereleases, Range, Release, Status};
use crate::domain::cve::is_cve;
use crate::domain::osv::{OsvRecord, cut, is_name};
use crate::domain::requirement::{Bound, Dialect, Span, parse, successor};
use chrono::{NaiveDate, NaiveTime};
use netpatch_types::{Ecosystem, Sha256};
use semver::Version;
use serde::Deserialize;
use std::cmp::Ordering;

/// Most requirements of one record. Real ones have up to 25.
const MAX_REQUIREMENTS: usize = 500;

#[derive(Deserialize)]
struct Raw {
    advisory: RawAdvisory,
    #[serde(default)]
    versions: RawVersions,
    #[serde(default, rename = "_title")]
    title: String,
}

#[derive(Deserialize)]
struct RawAdvisory {
    id: String,
    package: String,
    #[serde(default)]
    aliases: Vec<String>,
    cvss: Option<String>,
    date: Option<NaiveDate>,
    url: Option<String>,
    informational: Option<String>,
    withdrawn: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawVersions {
    patched: Vec<String>,
    unaffected: Vec<String>,
}

/// Reads one line.
pub fn read_record(line: &str) -> Result<OsvRecord, String> {
    let raw: Raw =
        serde_json::from_str(line).map_err(|error| format!("not a RustSec record: {error}"))?;
    let RawAdvisory { id, package, .. } = raw.advisory;
    if id.is_empty() || id.len() > 200 || id.chars().any(char::is_control) || !is_name(&package) {
        return Err("its id or its package cannot be one".to_owned());
    }
    let texts: Vec<_> = raw
        .versions
        .patched
        .iter()
        .chain(&raw.versions.unaffected)
        .collect();
    if texts.len() > MAX_REQUIREMENTS {
        return Err(format!(
            "{id} has more than {MAX_REQUIREMENTS} requirements"
        ));
    }
    let mut safe = Vec::new();
    for text in texts {
        safe.extend(parse(text, Dialect::Cargo).map_err(|reason| format!("{id}: {reason}"))?);
    }
    Ok(OsvRecord {
        digest: Sha256::of(line.as_bytes()),
        published_at: raw
            .advisory
            .date
            .map(|date| date.and_time(NaiveTime::MIN).and_utc()),
        cves: raw
            .advisory
            .aliases
            .into_iter()
            .filter(|name| is_cve(name))
            .collect(),
        summary: cut(&raw.title),
        cvss_vectors: raw.advisory.cvss.into_iter().collect(),
        withdrawn: raw.advisory.withdrawn.is_some(),
        informational: raw.advisory.informational.map(|kind| cut(&kind)),
        affected: vec![Affected {
            release: Release::registry(Ecosystem::Cargo),
            name: package,
            status: Status::Affected,
            ranges: rest(safe),
            versions: Vec::new(),
            note: String::new(),
        }],
        url: raw.advisory.url.map(|url| cut(&url)),
        ..OsvRecord::new(id)
    })
}

/// What the spans leave out.
fn rest(mut spans: Vec<Span>) -> Vec<Range> {
    let key = |span: &Span| {
        span.lower
            .as_ref()
            .map(|bound| (bound.version.clone(), !bound.inclusive))
    };
    spans.sort_by_cached_key(key);
    let mut ranges = Vec::new();
    // Where the part that is not covered yet begins; the outer `None` when nothing is left.
    let mut from: Option<Option<Version>> = Some(None);
    for span in spans {
        let Some(start) = &from else { break };
        if let Some(low) = &span.lower
            && begins_before(start.as_ref(), low)
        {
            ranges.push(Range {
                introduced: start.as_ref().map(ToString::to_string),
                end: if low.inclusive {
                    End::Fixed(low.version.to_string())
                } else {
                    End::LastAffected(low.version.to_string())
                },
                prereleases: Prereleases::Ordered,
            });
        }
        let end = span.upper.map(|bound| {
            if bound.inclusive {
                successor(&bound.version)
            } else {
                bound.version
            }
        });
        from = match (from, end) {
            (_, None) => None,
            (Some(Some(known)), Some(end)) if known.cmp_precedence(&end) == Ordering::Greater => {
                Some(Some(known))
            }
            (_, Some(end)) => Some(Some(end)),
        };
    }
    if let Some(start) = from {
        ranges.push(Range {
            introduced: start.as_ref().map(ToString::to_string),
            end: End::Open,
            prereleases: Prereleases::Ordered,
        });
    }
    ranges
}

/// Whether there is a version from `start` on that is still below the bound.
fn begins_before(start: Option<&Version>, low: &Bound) -> bool {
    match start.map(|start| start.cmp_precedence(&low.version)) {
        None | Some(Ordering::Less) => true,
        Some(Ordering::Equal) => !low.inclusive,
        Some(Ordering::Greater) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affected(versions: &str) -> Vec<(Option<String>, End)> {
        let line = format!(
            r#"{{"advisory":{{"id":"RUSTSEC-2026-0001","package":"a","date":"2026-01-02"}},"versions":{versions}}}"#
        );
        let record = read_record(&line).expect("readable");
        record.affected[0]
            .ranges
            .iter()
            .map(|range| (range.introduced.clone(), range.end.clone()))
            .collect()
    }

    #[test]
    fn what_is_not_patched_is_affected() {
        let fixed = |version: &str| End::Fixed(version.into());
        assert_eq!(
            affected(r#"{"patched":["^0.3.24",">= 0.4.2"]}"#),
            [
                (None, fixed("0.3.24")),
                (Some("0.4.0".into()), fixed("0.4.2"))
            ]
        );
        assert_eq!(
            affected(r#"{"patched":["> 0.7.19"],"unaffected":["< 0.3"]}"#),
            [(Some("0.3.0".into()), End::LastAffected("0.7.19".into()))]
        );
        assert_eq!(affected(r#"{"patched":[]}"#), [(None, End::Open)]);
        assert_eq!(
            affected(r#"{"patched":[],"unaffected":["< 1.4.1","> 1.4.1"]}"#),
            [(Some("1.4.1".into()), End::LastAffected("1.4.1".into()))]
        );
        assert_eq!(affected(r#"{"patched":["*"]}"#), []);
    }

    #[test]
    fn what_is_no_vulnerability_says_so() {
        let line = r#"{"advisory":{"id":"RUSTSEC-2026-0001","package":"a","informational":"unmaintained","withdrawn":"2026-01-01"}}"#;
        let record = read_record(line).expect("readable");
        assert_eq!(record.informational.as_deref(), Some("unmaintained"));
        assert!(record.withdrawn);
    }
}
