//! One record of the Node.js security working group (github.com/nodejs/security-wg, `vuln/npm`): the vulnerable versions are an
//! npm requirement, so a pre-release counts only where npm's `satisfies` counts it.

use crate::domain::affected::{Affected, End, Prereleases, Range, Release, Status};
use crate::domain::cve::is_cve;
use crate::domain::name::canonical_name;
use crate::domain::osv::{OsvRecord, cut, is_name};
use crate::domain::requirement::{Bound, Dialect, Span, parse};
use chrono::{NaiveDate, NaiveTime};
use netpatch_types::{Ecosystem, Sha256};
use serde::Deserialize;

#[derive(Deserialize)]
struct Raw {
    id: u64,
    module_name: String,
    vulnerable_versions: String,
    #[serde(default)]
    title: String,
    publish_date: Option<NaiveDate>,
    cves: Option<Vec<String>>,
    cvss_vector: Option<String>,
}

/// Reads one line.
pub fn read_record(line: &str) -> Result<OsvRecord, String> {
    let raw: Raw = serde_json::from_str(line)
        .map_err(|error| format!("not a record of the working group: {error}"))?;
    let id = format!("NSWG-ECO-{}", raw.id);
    if !is_name(&raw.module_name) {
        return Err(format!("{id} names a package that cannot be one"));
    }
    let spans = parse(&raw.vulnerable_versions, Dialect::Npm)
        .map_err(|reason| format!("{id}: {reason}"))?;
    let cves = raw.cves.unwrap_or_default();
    Ok(OsvRecord {
        digest: Sha256::of(line.as_bytes()),
        published_at: raw
            .publish_date
            .map(|date| date.and_time(NaiveTime::MIN).and_utc()),
        cves: cves.into_iter().filter(|cve| is_cve(cve)).collect(),
        summary: cut(&raw.title),
        cvss_vectors: raw.cvss_vector.into_iter().collect(),
        affected: vec![Affected {
            release: Release::registry(Ecosystem::Npm),
            name: canonical_name(Ecosystem::Npm, &raw.module_name).into_owned(),
            status: Status::Affected,
            ranges: spans.into_iter().map(range_of).collect(),
            versions: Vec::new(),
            note: String::new(),
        }],
        ..OsvRecord::new(id)
    })
}

fn range_of(span: Span) -> Range {
    let introduced = |bound: Bound| {
        let mut version = bound.version;
        if !bound.inclusive && version.pre.is_empty() {
            // Between the two there are pre-releases only, which npm leaves out.
            version.patch = version.patch.saturating_add(1);
        } else if !bound.inclusive {
            version = crate::domain::requirement::successor(&version);
        }
        version.to_string()
    };
    Range {
        introduced: span.lower.map(introduced),
        end: match span.upper {
            None => End::Open,
            Some(bound) if bound.inclusive => End::LastAffected(bound.version.to_string()),
            Some(bound) => End::Fixed(bound.version.to_string()),
        },
        prereleases: Prereleases::Named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read() {
        let record = read_record(
            r#"{"id":7,"title":"t","module_name":"bassmaster","publish_date":"2014-09-27","cves":["CVE-2014-7205","x"],
            "vulnerable_versions":">1.0.0 <=1.5.1 || >=2.0.0 <2.0.3","cvss_vector":null}"#,
        )
        .expect("readable");
        assert_eq!(record.id, "NSWG-ECO-7");
        assert_eq!(record.cves, ["CVE-2014-7205"]);
        let ranges: Vec<_> = record.affected[0]
            .ranges
            .iter()
            .map(|range| (range.introduced.as_deref(), &range.end))
            .collect();
        assert_eq!(
            ranges,
            [
                (Some("1.0.1"), &End::LastAffected("1.5.1".into())),
                (Some("2.0.0"), &End::Fixed("2.0.3".into()))
            ]
        );
        assert!(read_record(r#"{"id":7}"#).is_err());
        assert!(read_record(r#"{"id":7,"module_name":"a b","vulnerable_versions":"*"}"#).is_err());
    }
}
