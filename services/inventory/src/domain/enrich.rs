//! What other feeds say about CVEs: CVSS vectors, EPSS scores, known exploitation, SSVC decision points, rejection.

use crate::domain::cve::is_cve;
use crate::domain::lines::Parsed;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{CveFacts, Kev, Ssvc};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

/// All of them, by CVE.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Enrichment {
    /// EPSS, 0–1.
    pub epss: HashMap<String, f64>,
    /// Known exploited.
    pub kev: HashMap<String, Kev>,
    /// Highest base score with its vector.
    pub cvss: HashMap<String, (f64, String)>,
    /// The same of the National Vulnerability Database, for CVEs of which nobody else has a vector.
    pub last_resort_cvss: HashMap<String, (f64, String)>,
    /// CISA's decision points.
    pub ssvc: HashMap<String, Ssvc>,
    /// CVEs that were taken back.
    pub rejected: HashSet<String>,
}

impl Enrichment {
    /// What is known of one CVE; `None` when nothing is.
    #[must_use]
    pub fn of(&self, cve: &str) -> Option<CveFacts> {
        let facts = CveFacts {
            epss: self.epss.get(cve).copied(),
            kev: self.kev.get(cve).cloned(),
            ssvc: self.ssvc.get(cve).copied(),
            rejected: self.rejected.contains(cve),
        };
        (facts != CveFacts::default()).then_some(facts)
    }

    /// Whether there is nothing left of these CVEs: there are some, and all were taken back.
    #[must_use]
    pub fn all_rejected(&self, cves: &[String]) -> bool {
        !cves.is_empty() && cves.iter().all(|cve| self.rejected.contains(cve))
    }
}

/// The base score of a CVSS vector, 2.0 to 4.0; `None` for anything else.
#[must_use]
pub fn base_score(vector: &str) -> Option<f64> {
    let scores = netpatch_types::cvss::scores(vector).ok()?;
    Some(scores.base.value())
}

/// Reads `cve,epss,percentile` lines; comment lines are left out.
#[must_use]
pub fn parse_epss(text: &str) -> Parsed<(String, f64)> {
    parse_csv(text, |row| {
        let score: f64 = row
            .get(1)
            .unwrap_or_default()
            .parse()
            .map_err(|_| "no score".to_owned())?;
        if (0.0..=1.0).contains(&score) {
            Ok(score)
        } else {
            Err(format!("the score {score} is not a probability"))
        }
    })
}

/// Reads `cve,vector,source` lines.
#[must_use]
pub fn parse_cvss(text: &str) -> Parsed<(String, (f64, String))> {
    parse_csv(text, |row| {
        let vector = row.get(1).unwrap_or_default();
        let score = base_score(vector).ok_or_else(|| {
            format!(
                "not a CVSS vector: {:?}",
                vector.chars().take(80).collect::<String>()
            )
        })?;
        Ok((score, vector.to_owned()))
    })
}

fn parse_csv<T>(
    text: &str,
    read: impl Fn(&csv::StringRecord) -> Result<T, String>,
) -> Parsed<(String, T)> {
    let mut parsed = Parsed::default();
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .flexible(true)
        .from_reader(text.as_bytes());
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                parsed.skip(error);
                continue;
            }
        };
        let line = row.position().map_or(0, csv::Position::line);
        let cve = row.get(0).unwrap_or_default();
        let outcome = if is_cve(cve) {
            read(&row)
        } else {
            Err("not a CVE id".to_owned())
        };
        match outcome {
            Ok(value) => parsed.records.push((cve.to_owned(), value)),
            Err(reason) => parsed.skip(format_args!("line {line}: {reason}")),
        }
    }
    parsed
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCatalogue {
    date_released: Option<DateTime<Utc>>,
    vulnerabilities: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEntry {
    #[serde(rename = "cveID")]
    cve_id: String,
    #[serde(default)]
    vulnerability_name: String,
    #[serde(default)]
    known_ransomware_campaign_use: String,
    // As text: a broken date is no reason to lose the entry.
    #[serde(default)]
    date_added: String,
    #[serde(default)]
    due_date: String,
}

/// CISA's catalogue, and when it was released.
pub type Catalogue = (Parsed<(String, Kev)>, Option<DateTime<Utc>>);

/// Reads CISA's catalogue. An error when the whole is no catalogue.
pub fn parse_kev(text: &str) -> Result<Catalogue, String> {
    let raw: RawCatalogue =
        serde_json::from_str(text).map_err(|error| format!("not a KEV catalogue: {error}"))?;
    let mut parsed = Parsed::default();
    for (number, entry) in raw.vulnerabilities.into_iter().enumerate() {
        match serde_json::from_value::<RawEntry>(entry) {
            Ok(entry) if is_cve(&entry.cve_id) => parsed.records.push((
                entry.cve_id,
                Kev {
                    title: entry.vulnerability_name.chars().take(300).collect(),
                    ransomware: entry.known_ransomware_campaign_use == "Known",
                    added: entry.date_added.parse().ok(),
                    due: entry.due_date.parse().ok(),
                },
            )),
            Ok(_) => parsed.skip(format_args!("entry {}: not a CVE id", number + 1)),
            Err(error) => parsed.skip(format_args!("entry {}: {error}", number + 1)),
        }
    }
    Ok((parsed, raw.date_released))
}

/// The highest score of each CVE.
#[must_use]
pub fn highest(rows: Vec<(String, (f64, String))>) -> HashMap<String, (f64, String)> {
    let mut best: HashMap<String, (f64, String)> = HashMap::new();
    for (cve, (score, vector)) in rows {
        match best.get(&cve) {
            Some((known, _)) if *known >= score => {}
            _ => {
                best.insert(cve, (score, vector));
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_all_versions_are_computed() {
        for (vector, score) in [
            ("AV:N/AC:L/Au:N/C:P/I:P/A:P", 7.5),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
            (
                "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
                9.3,
            ),
        ] {
            assert_eq!(base_score(vector), Some(score), "{vector}");
        }
        assert_eq!(base_score("high"), None);
    }

    #[test]
    fn facts_are_those_of_the_cve_and_only_if_there_are_any() {
        let mut enrichment = Enrichment::default();
        enrichment.epss.insert("CVE-2026-1001".into(), 0.5);
        enrichment.rejected.insert("CVE-2026-1002".into());
        assert_eq!(
            enrichment.of("CVE-2026-1001").and_then(|facts| facts.epss),
            Some(0.5)
        );
        assert!(
            enrichment
                .of("CVE-2026-1002")
                .is_some_and(|facts| facts.rejected)
        );
        assert_eq!(enrichment.of("CVE-2026-1003"), None);
        let cves = ["CVE-2026-1002".to_owned(), "CVE-2026-1001".to_owned()];
        assert!(enrichment.all_rejected(&cves[..1]));
        assert!(!enrichment.all_rejected(&cves) && !enrichment.all_rejected(&[]));
    }

    #[test]
    fn bad_rows_are_counted() {
        let parsed = parse_epss(
            "#model:x\ncve,epss,percentile\nCVE-2026-1234,0.5,0.9\nCVE-1,0.5,0\nCVE-2026-1235,7,0\n",
        );
        assert_eq!((parsed.records.len(), parsed.skipped), (1, 2));
        assert_eq!(parsed.problem.as_deref(), Some("line 4: not a CVE id"));
        let rows = parse_cvss(
            "cve,vector,source\nCVE-2026-1234,CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H,a\nCVE-2026-1234,x,b\n",
        );
        assert_eq!(rows.skipped, 1);
        assert!((highest(rows.records)["CVE-2026-1234"].0 - 9.8).abs() < f64::EPSILON);
    }

    #[test]
    fn a_catalogue_is_read_entry_by_entry() {
        let text = r#"{"dateReleased":"2026-08-07T16:45:47.0648Z","vulnerabilities":[
            {"cveID":"CVE-2026-8037","vulnerabilityName":"n","knownRansomwareCampaignUse":"Known","dateAdded":"2026-08-07","dueDate":"soon"},{"cveID":1}]}"#;
        let (parsed, released) = parse_kev(text).expect("a catalogue");
        let kev = &parsed.records[0].1;
        assert!(kev.ransomware && kev.due.is_none());
        assert_eq!(kev.added, chrono::NaiveDate::from_ymd_opt(2026, 8, 7));
        assert_eq!(parsed.skipped, 1);
        assert!(released.is_some());
        assert!(parse_kev("[]").is_err());
    }
}
