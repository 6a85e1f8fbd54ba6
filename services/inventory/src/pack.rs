//! Reads an offline pack from a folder. Everything is bounded: a file that unpacks to more than its limit is refused,
//! a record that cannot be read is skipped and counted, and a feed that broke or shrank refuses the whole pack.
//!
//! Debian, KEV, EPSS and CVSS must be there; the feeds of other ecosystems are taken when they are.

pub mod explain;
mod feeds;
mod files;
pub mod offline;

pub use files::PackFileError;

use files::PackFiles;

use crate::domain::accept::{FeedRefused, accept};
use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::Release;
use crate::domain::enrich::{self, Enrichment};
use crate::domain::lines::{Parsed, parse_lines};
use crate::domain::merge::Merger;
use crate::domain::osv::OsvRecord;
use crate::domain::ssvc;
use crate::domain::subject::Aliases;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use netpatch_inventory_api::CveFacts;
use netpatch_types::Ecosystem;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

/// The Debian feed's name.
pub const DEBIAN: &str = "debian-bookworm";

/// The release that the Debian feed speaks about.
#[must_use]
pub fn release() -> Release {
    Release::os(Ecosystem::Deb, "debian", "bookworm")
}

/// A pack that was read and may replace what is held.
#[derive(Clone, Debug)]
pub struct Pack {
    /// Its advisories, by feed and name.
    pub advisories: Vec<AdvisoryRecord>,
    /// What is known of the CVEs that the advisories name.
    pub cves: BTreeMap<String, CveFacts>,
    /// Signed sources.
    pub aliases: Aliases,
    /// What is said of each feed.
    pub feeds: Vec<FeedFacts>,
}

/// What is said of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedFacts {
    /// `debian-bookworm`, `kev`, `almalinux`, …
    pub name: &'static str,
    /// Readable records.
    pub records: u64,
    /// Broken ones.
    pub skipped: u64,
    /// Why the first was.
    pub problem: Option<String>,
    /// Newest date in the data.
    pub data_as_of: Option<DateTime<Utc>>,
    /// Licence and origin.
    pub licence: &'static str,
    /// What the feed does not say.
    pub limits: &'static str,
}

/// Why a pack was refused.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file is absent, damaged or too large.
    #[error(transparent)]
    File(#[from] PackFileError),
    /// A feed broke or shrank.
    #[error(transparent)]
    Refused(#[from] FeedRefused),
    /// A file as a whole is not what it should be.
    #[error("feed {feed}: {reason}")]
    Unreadable {
        /// Which feed.
        feed: &'static str,
        /// Why.
        reason: String,
    },
}

impl PackError {
    /// The feed that is to blame, if it is one.
    #[must_use]
    pub fn feed(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::Refused(
                FeedRefused::Empty { feed, .. }
                | FeedRefused::Broken { feed, .. }
                | FeedRefused::Shrank { feed, .. },
            ) => Some(feed),
            Self::Unreadable { feed, .. } => Some(feed),
        }
    }
}

/// Reads the pack in a folder; `held` says how many records of each feed are held now.
pub fn read(dir: &Path, held: &HashMap<String, u64>) -> Result<Pack, PackError> {
    let files = PackFiles::open(dir)?;
    let held = |feed: &str| held.get(feed).copied().unwrap_or(0);
    let mut feeds = Vec::new();

    let debian = |name: &str| -> Result<Parsed<OsvRecord>, PackError> {
        let mut records = Vec::new();
        let read = feeds::debian(&files, name, |_| true, |record| records.push(record))?;
        Ok(Parsed {
            records,
            skipped: read.skipped,
            problem: read.problem,
        })
    };
    let [notices, cves, uploads] = [debian("advisories")?, debian("cves")?, debian("uploads")?];
    let parts = [&notices, &cves, &uploads];
    let newest = parts
        .iter()
        .flat_map(|part| &part.records)
        .filter_map(|record| record.published_at)
        .max();
    feeds.push(facts(
        DEBIAN,
        parts.iter().map(|part| part.records.len()).sum(),
        parts.iter().map(|part| part.skipped).sum(),
        parts.iter().find_map(|part| part.problem.clone()),
        newest,
        held(DEBIAN),
    )?);
    let aliases = Aliases::parse(&files.text(&format!("{DEBIAN}/source-aliases.tsv"))?);

    let (kev, released) = enrich::parse_kev(
        &files.text(&files.needed("enrich", "kev-", ".json")?)?,
    )
    .map_err(|reason| PackError::Unreadable {
        feed: "kev",
        reason,
    })?;
    feeds.push(facts(
        "kev",
        kev.records.len(),
        kev.skipped,
        kev.problem,
        released,
        held("kev"),
    )?);

    let name = files.needed("enrich", "epss-", ".csv")?;
    let epss = enrich::parse_epss(&files.text(&name)?);
    feeds.push(facts(
        "epss",
        epss.records.len(),
        epss.skipped,
        epss.problem,
        date_in(&name),
        held("epss"),
    )?);

    let cvss = enrich::parse_cvss(&files.text("enrich/cvss.csv")?);
    feeds.push(facts(
        "cvss",
        cvss.records.len(),
        cvss.skipped,
        cvss.problem,
        None,
        held("cvss"),
    )?);

    let (mut ssvc, mut rejected) = (HashMap::new(), HashSet::new());
    if let Some(name) = files.newest("enrich", "ssvc-", ".jsonl")? {
        let mut file = files.reader(&name)?;
        let read = parse_lines(&mut file, ssvc::read_record);
        let read = file.check(read)?;
        feeds.push(facts(
            "ssvc",
            read.records.len(),
            read.skipped,
            read.problem,
            read.records.iter().filter_map(|one| one.updated_at).max(),
            held("ssvc"),
        )?);
        for one in read.records {
            if one.rejected {
                rejected.insert(one.cve);
            } else if let Some(points) = one.ssvc {
                ssvc.insert(one.cve, points);
            }
        }
    }

    let enrichment = Enrichment {
        ssvc,
        rejected,
        epss: epss.records.into_iter().collect(),
        kev: kev.records.into_iter().collect(),
        cvss: enrich::highest(cvss.records),
    };
    let mut merger = Merger::new(DEBIAN, &enrichment);
    cves.records
        .into_iter()
        .for_each(|record| merger.cve(record));
    notices
        .records
        .into_iter()
        .for_each(|record| merger.notice(record));
    uploads
        .records
        .into_iter()
        .for_each(|record| merger.upload(record));
    let mut advisories: Vec<_> = merger.finish().collect();
    for feed in feeds::OTHERS {
        let Some(parsed) = feed.read(&files, &enrichment)? else {
            continue;
        };
        let newest = parsed.records.iter().filter_map(|one| one.published_at);
        feeds.push(facts(
            feed.name,
            parsed.records.len(),
            parsed.skipped,
            parsed.problem,
            newest.max(),
            held(feed.name),
        )?);
        advisories.extend(parsed.records);
    }
    let cves = advisories
        .iter()
        .flat_map(|advisory| &advisory.cves)
        .filter_map(|cve| Some((cve.clone(), enrichment.of(cve)?)))
        .collect();
    Ok(Pack {
        advisories,
        cves,
        aliases,
        feeds,
    })
}

fn facts(
    name: &'static str,
    records: usize,
    skipped: u64,
    problem: Option<String>,
    data_as_of: Option<DateTime<Utc>>,
    held: u64,
) -> Result<FeedFacts, FeedRefused> {
    let records = u64::try_from(records).unwrap_or(u64::MAX);
    accept(name, records, skipped, problem.as_deref(), held)?;
    let (licence, limits) = about(name);
    Ok(FeedFacts {
        name,
        records,
        skipped,
        problem,
        data_as_of,
        licence,
        limits,
    })
}

/// Licence and limits of a feed.
fn about(feed: &str) -> (&'static str, &'static str) {
    match feed {
        "kev" => (
            "CISA Known Exploited Vulnerabilities catalogue, CC0-1.0",
            "exploitation that CISA has not confirmed is absent",
        ),
        "ssvc" => (
            "CISA Vulnrichment (SSVC decision points), CC0-1.0",
            "only CVEs that CISA has looked at; none of most CVEs before 2024",
        ),
        "epss" => (
            "FIRST EPSS, free use with citation: https://www.first.org/epss",
            "CVEs published after its date have no score",
        ),
        "almalinux" => (
            "AlmaLinux OSV database (ALSA, ALBA, ALEA), MIT",
            "module streams are not in the records: a package of another stream of the same module may be named",
        ),
        "alpine" => (
            "Alpine security database, facts",
            "to June 2020, releases 3.3 to 3.11",
        ),
        "crates" => (
            "RustSec advisory database, CC0-1.0 (a few records CC-BY-4.0)",
            "unmaintained and unsound crates open no finding",
        ),
        "npm" => (
            "Node.js security working group, MIT",
            "to 2020; the registry's later advisories are absent",
        ),
        "pypi" => ("PyPA advisory database, CC-BY-4.0", "to 2024-10-10"),
        "cvss" => (
            "CVE records (CVE Program terms, © The MITRE Corporation), bitnami/vulndb (Apache-2.0), RustSec (CC0-1.0), PyPA (CC-BY-4.0)",
            "covers about one in ten of Debian's CVEs; most CVEs of 2026 have no vector",
        ),
        _ => (
            "Debian security tracker (DSA, DLA; reuse endorsed by the Debian security team) and Debian changelogs",
            "only fixed vulnerabilities: no unfixed, no-dsa or not-affected entries, no end of security support per source",
        ),
    }
}

/// The date in a file name, `epss-2026-08-16.csv`.
fn date_in(name: &str) -> Option<DateTime<Utc>> {
    let start = name.find(|c: char| c.is_ascii_digit())?;
    let date = NaiveDate::parse_from_str(name.get(start..start + 10)?, "%Y-%m-%d").ok()?;
    Some(date.and_time(NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_stands_in_the_name() {
        assert_eq!(
            date_in("epss-2026-08-16.csv")
                .map(|at| at.to_rfc3339())
                .as_deref(),
            Some("2026-08-16T00:00:00+00:00")
        );
        assert_eq!(date_in("epss-now.csv"), None);
    }
}
