//! Reads the files of feeds into what may replace the advisories that are held. Everything is bounded: a file that unpacks to more than its
//! limit is refused, a record that cannot be read is skipped and counted, and a feed that broke or shrank refuses the whole.
//!
//! A pack is a folder with the layout of the data pack; any of its feeds may be absent.

mod catalogue;
mod enrichment;
pub mod explain;
mod feeds;
mod files;
pub mod offline;

pub(crate) use catalogue::has_many_files;
pub use catalogue::{about, feed_of};
pub use files::{FileSet, MAX_FILE_BYTES, PackFileError, PackFiles};

use crate::domain::accept::{FeedRefused, accept};
use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::Release;
use crate::domain::enrich::Enrichment;
use crate::domain::lines::Parsed;
use crate::domain::merge::{Merger, single, unique};
use crate::domain::osv::OsvRecord;
use crate::domain::subject::Aliases;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::CveFacts;
use netpatch_types::Ecosystem;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The Debian feed's name.
pub const DEBIAN: &str = "debian-bookworm";

/// The release that the Debian feed speaks about.
#[must_use]
pub fn release() -> Release {
    Release::os(Ecosystem::Deb, "debian", "bookworm")
}

/// Feeds that were read and may replace what is held.
#[derive(Clone, Debug, Default)]
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
    pub name: String,
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

/// What new files are measured by.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// How many records of each feed are held now.
    pub held: HashMap<String, u64>,
    /// Feeds that a person has accepted as they are: they may be broken or have shrunk, but not be empty.
    pub accepted: HashSet<String>,
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
        feed: String,
        /// Why.
        reason: String,
    },
    /// None of the files is a feed's.
    #[error("there is no feed in it that is known here")]
    Nothing,
}

impl PackError {
    /// The feed that is to blame, if it is one.
    #[must_use]
    pub fn feed(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::File(error) => feed_of(error.path()?.trim_end_matches(".zst")),
            Self::Refused(
                FeedRefused::Empty { feed, .. }
                | FeedRefused::Broken { feed, .. }
                | FeedRefused::Shrank { feed, .. },
            )
            | Self::Unreadable { feed, .. } => Some(feed.clone()),
        }
    }

    /// Whether a person may overrule it: the feed is readable, and only looks wrong.
    #[must_use]
    pub fn may_be_accepted(&self) -> bool {
        matches!(
            self,
            Self::Refused(FeedRefused::Broken { .. } | FeedRefused::Shrank { .. })
        )
    }
}

/// What is said of the feeds so far.
struct Facts<'a> {
    rules: &'a Rules,
    all: Vec<FeedFacts>,
}

impl Facts<'_> {
    fn add<T>(
        &mut self,
        feed: &str,
        read: &Parsed<T>,
        data_as_of: Option<DateTime<Utc>>,
    ) -> Result<(), FeedRefused> {
        let records = u64::try_from(read.records.len()).unwrap_or(u64::MAX);
        let problem = read.problem.as_deref();
        if self.rules.accepted.contains(feed) && records > 0 {
            tracing::info!(feed, records, "a person accepted the feed as it is");
        } else {
            let held = self.rules.held.get(feed).copied().unwrap_or(0);
            accept(feed, records, read.skipped, problem, held)?;
        }
        let (licence, limits) = about(feed);
        self.all.push(FeedFacts {
            name: feed.to_owned(),
            records,
            skipped: read.skipped,
            problem: read.problem.clone(),
            data_as_of,
            licence,
            limits,
        });
        Ok(())
    }
}

/// Reads the feeds of these files.
pub fn read(files: &PackFiles, rules: &Rules) -> Result<Pack, PackError> {
    let mut facts = Facts {
        rules,
        all: Vec::new(),
    };
    let mut enrichment = enrichment::read(files, &mut facts)?;
    let nvd = enrichment::nvd(files, &mut facts, &mut enrichment)?;
    let (mut advisories, aliases) = debian(files, &enrichment, &mut facts)?.unwrap_or_default();
    for (feed, parsed) in feeds::others(files, &enrichment)? {
        let newest = parsed.records.iter().filter_map(|one| one.published_at);
        facts.add(&feed, &parsed, newest.max())?;
        advisories.extend(parsed.records);
    }
    if let Some(tracker) = feeds::debian_tracker(files, &enrichment)? {
        let newest = tracker.records.iter().filter_map(|one| one.published_at);
        facts.add(catalogue::DEBIAN_TRACKER, &tracker, newest.max())?;
        prefer(&mut advisories, tracker.records);
    }
    advisories.extend(
        nvd.into_iter()
            .map(|one| single(catalogue::NVD, one, &enrichment)),
    );
    if facts.all.is_empty() {
        return Err(PackError::Nothing);
    }
    let advisories = unique(advisories);
    let cves = advisories
        .iter()
        .flat_map(|advisory| &advisory.cves)
        .filter_map(|cve| Some((cve.clone(), enrichment.of(cve)?)))
        .collect();
    Ok(Pack {
        advisories,
        cves,
        aliases,
        feeds: facts.all,
    })
}

/// The tracker's own lists say more than the pack's table made of them: what both have, only the tracker says.
fn prefer(advisories: &mut Vec<AdvisoryRecord>, tracker: Vec<AdvisoryRecord>) {
    let release = release();
    let told: HashSet<&str> = tracker
        .iter()
        .filter(|one| one.withdrawn || one.affected.iter().any(|entry| entry.release == release))
        .map(|one| one.name.as_str())
        .collect();
    advisories.retain(|one| one.feed != DEBIAN || !told.contains(one.name.as_str()));
    advisories.extend(tracker);
}

/// Debian's feed, whose unit is the CVE; `None` when the pack does not have it.
fn debian(
    files: &PackFiles,
    enrichment: &Enrichment,
    facts: &mut Facts<'_>,
) -> Result<Option<(Vec<AdvisoryRecord>, Aliases)>, PackError> {
    if !files.has_folder(DEBIAN) {
        return Ok(None);
    }
    let read = |name: &str| -> Result<Parsed<OsvRecord>, PackError> {
        let mut records = Vec::new();
        let read = feeds::debian(files, name, |_| true, |record| records.push(record))?;
        Ok(Parsed {
            records,
            skipped: read.skipped,
            problem: read.problem,
        })
    };
    let [notices, cves, uploads] = [read("advisories")?, read("cves")?, read("uploads")?];
    let aliases = Aliases::parse(&files.text(&format!("{DEBIAN}/source-aliases.tsv"))?);
    let parts = [&notices, &cves, &uploads];
    let all = parts.iter().flat_map(|part| &part.records);
    let newest = all.clone().filter_map(|record| record.published_at).max();
    let whole = Parsed {
        records: all.map(|_| ()).collect(),
        skipped: parts.iter().map(|part| part.skipped).sum(),
        problem: parts.iter().find_map(|part| part.problem.clone()),
    };
    facts.add(DEBIAN, &whole, newest)?;
    let mut merger = Merger::new(DEBIAN, enrichment);
    for record in cves.records {
        merger.cve(record);
    }
    for record in notices.records {
        merger.notice(record);
    }
    for record in uploads.records {
        merger.upload(record);
    }
    Ok(Some((merger.finish().collect(), aliases)))
}
