//! What CISA's Vulnrichment says of a CVE: SSVC decision points, and whether the CVE was rejected.
//!
//! A record is a CVE record (JSON 5) with CISA's own container beside the publisher's; SSVC stands in it as a metric of type `ssvc`
//! with one option a decision point, as the coordinator's tree of SSVC 2.0.3 has them.

use crate::domain::cve::is_cve;
use chrono::{DateTime, NaiveDateTime, Utc};
use netpatch_inventory_api::{Exploitation, Ssvc, TechnicalImpact};
use serde::Deserialize;
use serde_json::Value;

/// The container of CISA.
const PROVIDER: &str = "CISA-ADP";

/// What one record says.
#[derive(Clone, Debug, PartialEq)]
pub struct Enriched {
    /// Of which CVE.
    pub cve: String,
    /// The decision points, if all three are there.
    pub ssvc: Option<Ssvc>,
    /// The CVE was taken back: a duplicate, or no vulnerability.
    pub rejected: bool,
    /// When the record was changed last.
    pub updated_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    cve_metadata: RawMetadata,
    #[serde(default)]
    containers: RawContainers,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMetadata {
    cve_id: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    date_updated: String,
}

#[derive(Default, Deserialize)]
struct RawContainers {
    #[serde(default)]
    adp: Vec<RawContainer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawContainer {
    provider_metadata: RawProvider,
    #[serde(default)]
    metrics: Vec<RawMetric>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawProvider {
    #[serde(default)]
    short_name: String,
}

#[derive(Deserialize)]
struct RawMetric {
    other: Option<RawOther>,
}

#[derive(Deserialize)]
struct RawOther {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    content: Value,
}

/// Reads one record (a CVE record of one line).
pub fn read_record(line: &str) -> Result<Enriched, String> {
    let raw: Raw =
        serde_json::from_str(line).map_err(|error| format!("not a CVE record: {error}"))?;
    let cve = raw.cve_metadata.cve_id;
    if !is_cve(&cve) {
        return Err("its id is no CVE id".to_owned());
    }
    let metrics = raw
        .containers
        .adp
        .into_iter()
        .filter(|container| container.provider_metadata.short_name == PROVIDER)
        .flat_map(|container| container.metrics);
    let mut ssvc = None;
    for other in metrics.filter_map(|metric| metric.other) {
        if other.kind == "ssvc" {
            ssvc = Some(points(&other.content).map_err(|reason| format!("{cve}: {reason}"))?);
        }
    }
    Ok(Enriched {
        ssvc,
        rejected: raw.cve_metadata.state == "REJECTED",
        updated_at: time(&raw.cve_metadata.date_updated),
        cve,
    })
}

/// The decision points of one metric. A word that is not in the tree is refused: it must not be taken for a harmless one.
fn points(content: &Value) -> Result<Ssvc, String> {
    let options = content["options"]
        .as_array()
        .ok_or("SSVC without options")?;
    let word = |point: &str| {
        options
            .iter()
            .find_map(|option| option.get(point))
            .and_then(Value::as_str)
            .map(str::to_ascii_lowercase)
            .ok_or_else(|| format!("SSVC without {point}"))
    };
    let unknown = |point: &str, word: &str| {
        let word: String = word.chars().take(40).collect();
        format!("SSVC {point} is {word:?}")
    };
    Ok(Ssvc {
        exploitation: match word("Exploitation")?.as_str() {
            "none" => Exploitation::None,
            "poc" | "public poc" => Exploitation::Poc,
            "active" => Exploitation::Active,
            other => return Err(unknown("Exploitation", other)),
        },
        automatable: match word("Automatable")?.as_str() {
            "yes" => true,
            "no" => false,
            other => return Err(unknown("Automatable", other)),
        },
        technical_impact: match word("Technical Impact")?.as_str() {
            "partial" => TechnicalImpact::Partial,
            "total" => TechnicalImpact::Total,
            other => return Err(unknown("Technical Impact", other)),
        },
        decided_at: content["timestamp"].as_str().and_then(time),
    })
}

/// RFC 3339; CVE records leave the zone out at times, which then is UTC.
pub(crate) fn time(text: &str) -> Option<DateTime<Utc>> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
    zoned
        .or_else(|_| text.parse::<NaiveDateTime>().map(|at| at.and_utc()))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"dataType":"CVE_RECORD","cveMetadata":{"cveId":"CVE-2024-3400","state":"PUBLISHED","dateUpdated":"2025-01-21T16:00:00.000Z"},
        "containers":{"cna":{},"adp":[{"providerMetadata":{"shortName":"CVE"},"metrics":[{"other":{"type":"ssvc","content":{}}}]},
        {"title":"CISA ADP Vulnrichment","providerMetadata":{"orgId":"134c704f","shortName":"CISA-ADP"},"metrics":[
        {"cvssV3_1":{"vectorString":"x"}},{"other":{"type":"kev","content":{"dateAdded":"2024-04-12"}}},
        {"other":{"type":"ssvc","content":{"id":"CVE-2024-3400","role":"CISA Coordinator","version":"2.0.3","timestamp":"2024-04-17T04:00:05.107201Z",
        "options":[{"Exploitation":"active"},{"Automatable":"yes"},{"Technical Impact":"total"}]}}}]}]}}"#;

    #[test]
    fn the_three_points_of_cisa_are_read() {
        let read = read_record(RECORD).expect("readable");
        let ssvc = read.ssvc.expect("decided");
        assert_eq!(read.cve, "CVE-2024-3400");
        assert_eq!(ssvc.exploitation, Exploitation::Active);
        assert!(ssvc.automatable && ssvc.technical_impact == TechnicalImpact::Total);
        assert!(ssvc.decided_at.is_some() && read.updated_at.is_some() && !read.rejected);
    }

    #[test]
    fn a_rejected_cve_is_told_and_has_no_points() {
        let record = r#"{"cveMetadata":{"cveId":"CVE-2024-10001","state":"REJECTED"},"containers":{"cna":{}}}"#;
        let read = read_record(record).expect("readable");
        assert!(read.rejected && read.ssvc.is_none());
    }

    #[test]
    fn an_unknown_word_is_refused_and_not_taken_for_a_harmless_one() {
        for (from, to) in [
            ("\"active\"", "\"maybe\""),
            ("\"yes\"", "true"),
            ("Technical Impact", "Impact"),
            ("CVE-2024-3400\",\"state", "CVE-1\",\"state"),
            ("\"options\":[", "\"options\":[["),
        ] {
            assert!(RECORD.contains(from), "{from}");
            assert!(read_record(&RECORD.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_utc() {
        assert_eq!(
            time("2025-01-21T16:00:00").map(|at| at.to_rfc3339()),
            Some("2025-01-21T16:00:00+00:00".to_owned())
        );
        assert_eq!(time("yesterday"), None);
    }
}
