//! Which files of a pack are feeds of advisories, and how each is read.

use super::catalogue::{DEBIAN_TRACKER, MSRC};
use super::files::{PackFileError, PackFiles};
use super::{DEBIAN, feed_of, release};
use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::Release;
use crate::domain::alpine_secdb::{gather, read_repository};
use crate::domain::csaf::{MAX_DOCUMENT_BYTES, gather as gather_documents, read_document};
use crate::domain::debian_tracker::{self, read_list};
use crate::domain::enrich::Enrichment;
use crate::domain::lines::{Parsed, parse_lines, parse_lines_up_to};
use crate::domain::merge::single;
use crate::domain::osv::{OsvRecord, read_record};
use crate::domain::{msrc as domain_msrc, node_security, rustsec};
use netpatch_types::Ecosystem;

/// How a feed's lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Osv,
    NodeSecurity,
    RustSec,
    AlpineSecdb,
}

/// A feed whose records stand for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Feed {
    /// Its name, and its folder in the pack.
    pub(crate) name: &'static str,
    /// Start and end of its file's name.
    file: (&'static str, &'static str),
    format: Format,
    /// What it speaks of.
    pub(crate) ecosystem: Ecosystem,
    /// Of which distribution; empty for a registry.
    pub(crate) distribution: &'static str,
}

/// All but Debian's, whose unit is the CVE.
pub(crate) const OTHERS: [Feed; 5] = [
    Feed {
        name: "almalinux",
        file: ("advisories", ".osv.jsonl"),
        format: Format::Osv,
        ecosystem: Ecosystem::Rpm,
        distribution: "almalinux",
    },
    Feed {
        name: "alpine",
        file: ("secdb-", ".jsonl"),
        format: Format::AlpineSecdb,
        ecosystem: Ecosystem::Apk,
        distribution: "alpine",
    },
    Feed {
        name: "crates",
        file: ("rustsec", ".jsonl"),
        format: Format::RustSec,
        ecosystem: Ecosystem::Cargo,
        distribution: "",
    },
    Feed {
        name: "npm",
        file: ("nodejs-security-wg", ".jsonl"),
        format: Format::NodeSecurity,
        ecosystem: Ecosystem::Npm,
        distribution: "",
    },
    Feed {
        name: "pypi",
        file: ("pypa-", ".osv.jsonl"),
        format: Format::Osv,
        ecosystem: Ecosystem::Pypi,
        distribution: "",
    },
];

impl Feed {
    /// The feed's advisories; `None` when the pack does not have it.
    pub(crate) fn read(
        &self,
        files: &PackFiles,
        enrichment: &Enrichment,
    ) -> Result<Option<Parsed<AdvisoryRecord>>, PackFileError> {
        let mut records = Vec::new();
        let read = self.each(files, enrichment, |record| records.push(record))?;
        Ok(read.map(
            |Parsed {
                 skipped, problem, ..
             }| Parsed {
                records,
                skipped,
                problem,
            },
        ))
    }

    /// Whether a file of its folder is the feed's.
    pub(crate) fn has_file(&self, name: &str) -> bool {
        name.starts_with(self.file.0) && name.ends_with(self.file.1)
    }

    /// Hands over the feed's advisories one by one; `None` when the pack does not have it.
    pub(crate) fn each(
        &self,
        files: &PackFiles,
        enrichment: &Enrichment,
        mut each: impl FnMut(AdvisoryRecord),
    ) -> Result<Option<Parsed<()>>, PackFileError> {
        let Some(path) = files.newest(self.name, self.file.0, self.file.1)? else {
            return Ok(None);
        };
        let mut file = files.reader(&path)?;
        let wanted = |found: &Release| {
            found.ecosystem == self.ecosystem && found.distribution == self.distribution
        };
        let mut repositories = Vec::new();
        let mut one = |record: OsvRecord| each(single(self.name, record, enrichment));
        let read = parse_lines(&mut file, |line| {
            match self.format {
                Format::Osv => one(read_record(line, wanted)?),
                Format::NodeSecurity => one(node_security::read_record(line)?),
                Format::RustSec => one(rustsec::read_record(line)?),
                Format::AlpineSecdb => repositories.push(read_repository(line)?),
            }
            Ok(())
        });
        let parsed = file.check(read)?;
        for advisory in gather(self.name, repositories, enrichment) {
            each(advisory);
        }
        Ok(Some(named(parsed, file.path())))
    }
}

/// The feeds of a pack whose records stand for themselves, by name: those of [`OTHERS`], OSV's databases, CSAF providers.
pub(crate) fn others(
    files: &PackFiles,
    enrichment: &Enrichment,
) -> Result<Vec<(String, Parsed<AdvisoryRecord>)>, PackFileError> {
    let mut all = Vec::new();
    for feed in OTHERS {
        if let Some(parsed) = feed.read(files, enrichment)? {
            all.push((feed.name.to_owned(), parsed));
        }
    }
    if let Some(parsed) = msrc(files, enrichment)? {
        all.push((MSRC.to_owned(), parsed));
    }
    type Read =
        fn(&PackFiles, &str, &str, &Enrichment) -> Result<Parsed<AdvisoryRecord>, PackFileError>;
    let folders: [(&str, Read); 2] = [("osv", osv), ("csaf", csaf)];
    for (folder, read) in folders {
        for path in files.list(folder)? {
            if let Some(feed) = feed_of(&path) {
                let parsed = read(files, &feed, &path, enrichment)?;
                all.push((feed, parsed));
            }
        }
    }
    Ok(all)
}

/// A feed that is none of [`OTHERS`], by its name, without what other feeds say of its CVEs; `None` when the pack does not have it.
pub(crate) fn whole(
    files: &PackFiles,
    feed: &str,
) -> Result<Option<Parsed<AdvisoryRecord>>, PackFileError> {
    let enrichment = Enrichment::default();
    if feed == DEBIAN_TRACKER {
        return debian_tracker(files, &enrichment);
    }
    if feed == MSRC {
        return msrc(files, &enrichment);
    }
    let Some((folder @ ("osv" | "csaf"), _)) = feed.split_once('-') else {
        return Ok(None);
    };
    let paths = files.list(folder)?;
    let Some(path) = paths
        .iter()
        .find(|path| feed_of(path).as_deref() == Some(feed))
    else {
        return Ok(None);
    };
    if folder == "osv" {
        osv(files, feed, path, &enrichment).map(Some)
    } else {
        csaf(files, feed, path, &enrichment).map(Some)
    }
}

/// Microsoft's monthly documents; one that cannot be read is one that is skipped.
fn msrc(
    files: &PackFiles,
    enrichment: &Enrichment,
) -> Result<Option<Parsed<AdvisoryRecord>>, PackFileError> {
    let mut all: Option<Parsed<OsvRecord>> = None;
    for path in files.list("microsoft")? {
        if feed_of(&path).as_deref() != Some(MSRC) {
            continue;
        }
        let all = all.get_or_insert_default();
        match domain_msrc::read_document(&files.text(&path)?) {
            Ok(document) => all.records.extend(document.records.records),
            Err(reason) => all.skip(format_args!("{path}: {reason}")),
        }
    }
    Ok(all.map(|all| Parsed {
        skipped: all.skipped,
        problem: all.problem,
        records: domain_msrc::gather(MSRC, all.records, enrichment),
    }))
}

/// Debian's security tracker, as its raw lists; the CVE list may be absent, as it is large.
pub(crate) fn debian_tracker(
    files: &PackFiles,
    enrichment: &Enrichment,
) -> Result<Option<Parsed<AdvisoryRecord>>, PackFileError> {
    let (mut cves, mut notices) = (Vec::new(), Vec::new());
    let mut whole: Option<Parsed<AdvisoryRecord>> = None;
    for path in files.list(DEBIAN_TRACKER)? {
        if feed_of(&path).as_deref() != Some(DEBIAN_TRACKER) {
            continue;
        }
        let read = read_list(&files.text(&path)?);
        let whole = whole.get_or_insert_default();
        whole.skipped += read.skipped;
        let problem = read.problem.map(|problem| format!("{path}: {problem}"));
        whole.problem = whole.problem.take().or(problem);
        if path.ends_with("CVE.list") {
            cves.extend(read.records);
        } else {
            notices.extend(read.records);
        }
    }
    Ok(whole.map(|whole| Parsed {
        records: debian_tracker::gather(DEBIAN_TRACKER, cves, notices, enrichment),
        ..whole
    }))
}

/// OSV records of any ecosystem.
fn osv(
    files: &PackFiles,
    feed: &str,
    path: &str,
    enrichment: &Enrichment,
) -> Result<Parsed<AdvisoryRecord>, PackFileError> {
    let mut file = files.reader(path)?;
    let read = parse_lines(&mut file, |line| {
        Ok(single(feed, read_record(line, |_| true)?, enrichment))
    });
    Ok(named(file.check(read)?, file.path()))
}

/// CSAF documents of one provider.
fn csaf(
    files: &PackFiles,
    feed: &str,
    path: &str,
    enrichment: &Enrichment,
) -> Result<Parsed<AdvisoryRecord>, PackFileError> {
    let mut file = files.reader(path)?;
    let read = parse_lines_up_to(&mut file, MAX_DOCUMENT_BYTES, read_document);
    let read = named(file.check(read)?, file.path());
    let told = read.records.iter().find_map(|one| one.problem.clone());
    Ok(Parsed {
        skipped: read.skipped,
        problem: read.problem.or(told),
        records: gather_documents(feed, read.records, enrichment),
    })
}

/// Hands over the records of one of Debian's three files. Lines that `wants` does not want are not even read.
pub(crate) fn debian(
    files: &PackFiles,
    name: &str,
    mut wants: impl FnMut(&str) -> bool,
    mut each: impl FnMut(OsvRecord),
) -> Result<Parsed<()>, PackFileError> {
    let release = release();
    let mut file = files.reader(&format!("{DEBIAN}/{name}.osv.jsonl"))?;
    let read = parse_lines(&mut file, |line| {
        if wants(line) {
            each(read_record(line, |found| *found == release)?);
        }
        Ok(())
    });
    Ok(named(file.check(read)?, file.path()))
}

/// Says in which file the first problem is.
fn named<T>(parsed: Parsed<T>, path: &str) -> Parsed<T> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let file = file.strip_suffix(".zst").unwrap_or(file);
    Parsed {
        problem: parsed.problem.map(|problem| format!("{file} {problem}")),
        ..parsed
    }
}
