//! The National Vulnerability Database (API 2.0 and its yearly files): the feed of last resort, by CPE name.
//!
//! A CPE name knows neither a distribution's packages nor its backported fixes, so what is read here affects only generic packages
//! (`vendor:product`), counts only where no other feed speaks of the CVE and the package ([`crate::domain::index::LAST_RESORT`]), and is
//! labelled by its feed. Configurations that need two products at once are left out: one alone is no finding.

use crate::domain::affected::{Affected, End, Prereleases, Range, Release, Status};
use crate::domain::cve::is_cve;
use crate::domain::lines::Parsed;
use crate::domain::osv::{OsvRecord, cut};
use crate::domain::ssvc::time;
use netpatch_types::version::Version;
use netpatch_types::{Ecosystem, Sha256};
use serde_json::Value;

/// Most CPE names of one CVE.
const MAX_MATCHES: usize = 10_000;

/// Reads an answer or a file. An error when the whole is none.
pub fn read(text: &str) -> Result<Parsed<OsvRecord>, String> {
    let whole: Value =
        serde_json::from_str(text).map_err(|error| format!("not an answer of the NVD: {error}"))?;
    let all = whole["vulnerabilities"]
        .as_array()
        .ok_or("not an answer of the NVD: no vulnerabilities")?;
    let mut parsed = Parsed::default();
    for (number, one) in all.iter().enumerate() {
        match record(&one["cve"]) {
            Ok(Some(record)) => parsed.records.push(record),
            Ok(None) => {}
            Err(reason) => parsed.skip(format_args!("entry {}: {reason}", number + 1)),
        }
    }
    Ok(parsed)
}

/// `None` for a CVE that names no software that is matched by it.
fn record(cve: &Value) -> Result<Option<OsvRecord>, String> {
    let id = cve["id"]
        .as_str()
        .filter(|id| is_cve(id))
        .ok_or("not a CVE id")?;
    let withdrawn = cve["vulnStatus"] == "Rejected";
    let list = |value: &'static str| cve[value].as_array().into_iter().flatten();
    let mut affected = Vec::new();
    for configuration in list("configurations") {
        if configuration["operator"] == "AND" {
            continue;
        }
        let nodes = configuration["nodes"].as_array().into_iter().flatten();
        for node in nodes.filter(|node| node["operator"] != "AND" && node["negate"] != true) {
            let matches = node["cpeMatch"].as_array().into_iter().flatten();
            affected.extend(matches.filter_map(of_match));
        }
    }
    if affected.len() > MAX_MATCHES {
        return Err(format!("{id} has more than {MAX_MATCHES} CPE names"));
    }
    if affected.is_empty() && !withdrawn {
        return Ok(None);
    }
    affected.sort();
    affected.dedup();
    let metrics = [
        "cvssMetricV40",
        "cvssMetricV31",
        "cvssMetricV30",
        "cvssMetricV2",
    ];
    let vectors = metrics
        .iter()
        .flat_map(|kind| cve["metrics"][kind].as_array().into_iter().flatten())
        .filter_map(|metric| metric["cvssData"]["vectorString"].as_str())
        .map(cut);
    let summary = list("descriptions")
        .find(|one| one["lang"] == "en")
        .and_then(|one| one["value"].as_str());
    Ok(Some(OsvRecord {
        digest: Sha256::of(cve.to_string().as_bytes()),
        published_at: cve["published"].as_str().and_then(time),
        cves: vec![id.to_owned()],
        summary: summary.map(cut).unwrap_or_default(),
        cvss_vectors: vectors.collect(),
        withdrawn,
        affected,
        url: Some(format!("https://nvd.nist.gov/vuln/detail/{id}")),
        ..OsvRecord::new(id.to_owned())
    }))
}

/// One CPE name with its range; none of hardware, and none without a version and a range: it would be every version.
fn of_match(one: &Value) -> Option<Affected> {
    if one["vulnerable"] != true {
        return None;
    }
    let rest = one["criteria"].as_str()?.strip_prefix("cpe:2.3:a:")?;
    let parts: Vec<&str> = rest.split(':').collect();
    let (vendor, product, version) = (parts.first()?, parts.get(1)?, *parts.get(2)?);
    let named = |key: &str| {
        let version = one[key].as_str()?;
        Version::parse(Ecosystem::Generic, version).ok()?;
        Some(version.to_owned())
    };
    let (from, before, last) = (
        named("versionStartIncluding"),
        named("versionEndExcluding"),
        named("versionEndIncluding"),
    );
    // An excluded beginning cannot be kept as a range; leaving the finding out would hide it, so the one version is counted too.
    let from = from.or_else(|| named("versionStartExcluding"));
    let end = match (before, last) {
        (Some(before), _) => Some(End::Fixed(before)),
        (None, Some(last)) => Some(End::LastAffected(last)),
        (None, None) => from.is_some().then_some(End::Open),
    };
    let is_version =
        !matches!(version, "*" | "-" | "") && Version::parse(Ecosystem::Generic, version).is_ok();
    let (ranges, versions) = match end {
        Some(end) => (
            vec![Range {
                introduced: from,
                end,
                prereleases: Prereleases::Ordered,
            }],
            Vec::new(),
        ),
        None if is_version => (Vec::new(), vec![version.to_owned()]),
        None => return None,
    };
    let name = format!("{vendor}:{product}").to_ascii_lowercase();
    crate::domain::osv::is_name(&name).then(|| Affected {
        release: Release::registry(Ecosystem::Generic),
        name,
        status: Status::Affected,
        ranges,
        versions,
        note: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"resultsPerPage":3,"format":"NVD_CVE","version":"2.0","vulnerabilities":[
        {"cve":{"id":"CVE-2026-1001","published":"2026-01-02T03:04:05.000","vulnStatus":"Analyzed",
          "descriptions":[{"lang":"es","value":"x"},{"lang":"en","value":"A flaw in 7-Zip."}],
          "metrics":{"cvssMetricV31":[{"cvssData":{"vectorString":"CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H"}}]},
          "configurations":[{"nodes":[{"operator":"OR","negate":false,"cpeMatch":[
            {"vulnerable":true,"criteria":"cpe:2.3:a:7-zip:7-zip:*:*:*:*:*:*:*:*","versionEndExcluding":"24.07"},
            {"vulnerable":true,"criteria":"cpe:2.3:a:7-zip:7-zip:25.00:*:*:*:*:*:*:*"},
            {"vulnerable":true,"criteria":"cpe:2.3:a:all:all:*:*:*:*:*:*:*:*"},
            {"vulnerable":false,"criteria":"cpe:2.3:a:other:other:1:*:*:*:*:*:*:*"},
            {"vulnerable":true,"criteria":"cpe:2.3:o:vendor:firmware:1:*:*:*:*:*:*:*"}]}]}]}},
        {"cve":{"id":"CVE-2026-1002","vulnStatus":"Rejected"}},
        {"cve":{"id":"CVE-2026-1003","configurations":[{"operator":"AND","nodes":[{"operator":"OR","cpeMatch":[
            {"vulnerable":true,"criteria":"cpe:2.3:a:x:y:1:*:*:*:*:*:*:*"}]}]}]}},
        {"cve":{"id":7}}]}"#;

    #[test]
    fn cpe_names_with_versions_are_generic_packages() {
        let read = read(ANSWER).expect("an answer");
        let ids: Vec<_> = read
            .records
            .iter()
            .map(|one| (one.id.as_str(), one.withdrawn))
            .collect();
        assert_eq!(ids, [("CVE-2026-1001", false), ("CVE-2026-1002", true)]);
        assert_eq!(read.skipped, 1);
        let record = &read.records[0];
        let names: Vec<_> = record
            .affected
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        assert_eq!(names, ["7-zip:7-zip", "7-zip:7-zip"]);
        let fixes: Vec<_> = record
            .affected
            .iter()
            .filter_map(Affected::only_fix)
            .collect();
        assert_eq!(fixes, ["24.07"]);
        assert_eq!(record.summary, "A flaw in 7-Zip.");
        assert_eq!(record.cvss_vectors.len(), 1);
        assert!(super::read("[]").is_err() && super::read("{}").is_err());
    }
}
