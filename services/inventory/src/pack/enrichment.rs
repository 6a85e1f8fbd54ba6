//! The feeds that say something of CVEs, whoever's advisory names them: KEV, EPSS, CVSS, SSVC. Each is taken when the pack has it.

use super::catalogue::{NVD, feed_of};
use super::files::PackFiles;
use super::{Facts, PackError};
use crate::domain::enrich::{self, Enrichment};
use crate::domain::lines::{Parsed, parse_lines};
use crate::domain::osv::OsvRecord;
use crate::domain::{nvd, ssvc};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

/// Reads them.
pub(super) fn read(files: &PackFiles, facts: &mut Facts<'_>) -> Result<Enrichment, PackError> {
    let mut enrichment = Enrichment::default();
    if let Some(name) = files.newest("enrich", "kev-", ".json")? {
        let read = enrich::parse_kev(&files.text(&name)?);
        let (kev, released) = read.map_err(|reason| PackError::Unreadable {
            feed: "kev".to_owned(),
            reason,
        })?;
        facts.add("kev", &kev, released)?;
        enrichment.kev = kev.records.into_iter().collect();
    }
    if let Some(name) = files.newest("enrich", "epss-", ".csv")? {
        let text = files.text(&name)?;
        let epss = enrich::parse_epss(&text);
        facts.add("epss", &epss, date_in(&name).or_else(|| scored_at(&text)))?;
        enrichment.epss = epss.records.into_iter().collect();
    }
    if let Some(name) = files.newest("enrich", "cvss", ".csv")? {
        let cvss = enrich::parse_cvss(&files.text(&name)?);
        facts.add("cvss", &cvss, None)?;
        enrichment.cvss = enrich::highest(cvss.records);
    }
    if let Some(name) = files.newest("enrich", "ssvc-", ".jsonl")? {
        let mut file = files.reader(&name)?;
        let read = parse_lines(&mut file, ssvc::read_record);
        let read = file.check(read)?;
        let newest = read.records.iter().filter_map(|one| one.updated_at).max();
        facts.add("ssvc", &read, newest)?;
        for one in read.records {
            if one.rejected {
                enrichment.rejected.insert(one.cve);
            } else if let Some(points) = one.ssvc {
                enrichment.ssvc.insert(one.cve, points);
            }
        }
    }
    Ok(enrichment)
}

/// Reads the National Vulnerability Database: its records, and its scores for where nobody else has one.
pub(super) fn nvd(
    files: &PackFiles,
    facts: &mut Facts<'_>,
    enrichment: &mut Enrichment,
) -> Result<Vec<OsvRecord>, PackError> {
    let mut all: Option<Parsed<OsvRecord>> = None;
    for path in files.list(NVD)? {
        if feed_of(&path).as_deref() != Some(NVD) {
            continue;
        }
        let all = all.get_or_insert_default();
        match nvd::read(&files.text(&path)?) {
            Ok(read) => {
                all.records.extend(read.records);
                all.skipped += read.skipped;
                all.problem = all.problem.take().or(read.problem);
            }
            Err(reason) => all.skip(format_args!("{path}: {reason}")),
        }
    }
    let Some(all) = all else {
        return Ok(Vec::new());
    };
    let newest = all.records.iter().filter_map(|one| one.published_at).max();
    facts.add(NVD, &all, newest)?;
    for one in &all.records {
        if one.withdrawn {
            enrichment.rejected.extend(one.cves.iter().cloned());
        }
        let scores = one.cvss_vectors.iter();
        let best = scores
            .filter_map(|vector| Some((enrich::base_score(vector)?, vector.clone())))
            .max_by(|left, right| left.0.total_cmp(&right.0));
        if let Some(best) = best {
            enrichment.last_resort_cvss.insert(one.id.clone(), best);
        }
    }
    Ok(all.records)
}

/// The date in a file name, `epss-2026-08-16.csv`.
fn date_in(name: &str) -> Option<DateTime<Utc>> {
    let start = name.find(|c: char| c.is_ascii_digit())?;
    day(name.get(start..start + 10)?)
}

/// The date in EPSS's own first line, `#model_version:v2025.03.14,score_date:2026-08-16T12:00:00Z`.
fn scored_at(text: &str) -> Option<DateTime<Utc>> {
    let (_, rest) = text.lines().next()?.split_once("score_date:")?;
    day(rest.get(..10)?)
}

fn day(text: &str) -> Option<DateTime<Utc>> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_time(NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_stands_in_the_name_or_in_the_first_line() {
        let day = Some("2026-08-16T00:00:00+00:00".to_owned());
        let text = |at: Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339());
        assert_eq!(text(date_in("epss-2026-08-16.csv")), day);
        assert_eq!(date_in("epss-now.csv"), None);
        let line = "#model_version:v2025.03.14,score_date:2026-08-16T12:00:00Z\ncve,epss\n";
        assert_eq!(text(scored_at(line)), day);
        assert_eq!(scored_at("cve,epss"), None);
    }
}
