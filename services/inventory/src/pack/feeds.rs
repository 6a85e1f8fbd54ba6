//! Which files of a pack are feeds of advisories, and how each is read.

use super::files::{PackFileError, PackFiles};
use super::{DEBIAN, release};
use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::Release;
use crate::domain::alpine_secdb::{gather, read_repository};
use crate::domain::enrich::Enrichment;
use crate::domain::lines::{Parsed, parse_lines};
use crate::domain::merge::single;
use crate::domain::osv::{OsvRecord, read_record};
use crate::domain::{node_security, rustsec};
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
