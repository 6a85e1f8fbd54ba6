//! Matching straight from a pack, without a database: each feed is read when it is first asked for, record by record, and only what
//! matching needs is kept. The rules are those of the platform ([`crate::domain::index`]).

use super::DEBIAN;
use super::feeds::{self, Feed};
use super::files::{PackFileError, PackFiles};
use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::{Release, Status};
use crate::domain::enrich::Enrichment;
use crate::domain::index::{IndexBuilder, MatchIndex};
use crate::domain::lines::for_each_line;
use crate::domain::merge::merge;
use crate::domain::osv::OsvRecord;
use crate::domain::subject::{Aliases, Rule};
use netpatch_types::version::InvalidVersion;
use netpatch_types::{ComponentKey, Ecosystem};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Longest line of the table of binary packages, bytes.
const MAX_LINE_BYTES: usize = 4_096;

/// A pack that is matched against.
#[derive(Debug)]
pub struct Offline {
    files: PackFiles,
    informational: bool,
}

/// The advisories of one feed, ready to match.
#[derive(Debug)]
pub struct Matcher {
    index: MatchIndex,
    names: Vec<Names>,
    /// Records that could not be read.
    pub skipped: u64,
    /// Why the first could not.
    pub problem: Option<String>,
}

#[derive(Debug)]
struct Names {
    name: Box<str>,
    cves: Box<[Box<str>]>,
    informational: Option<Box<str>>,
}

/// An advisory that applies to a component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Match<'a> {
    /// `CVE-…`, `ALSA-…`, …
    pub advisory: &'a str,
    /// Its CVEs.
    pub cves: &'a [Box<str>],
    /// What the advisories call the package.
    pub package: String,
    /// The version that was compared.
    pub version: &'a str,
    /// The fixing version; none when there is no fix yet or it is not said.
    pub fixed: Option<&'a str>,
    /// How it was matched.
    pub rule: Rule,
    /// What kind of record it is, if it is no vulnerability.
    pub informational: Option<&'a str>,
}

impl Offline {
    /// Opens the pack in a folder. With `informational`, records that are no vulnerabilities (unmaintained, …) match too.
    pub fn open(dir: &Path, informational: bool) -> Result<Self, PackFileError> {
        Ok(Self {
            files: PackFiles::open(dir)?,
            informational,
        })
    }

    /// The name of the feed that speaks of a release or registry, whether the pack has it or not.
    #[must_use]
    pub fn feed_of(release: &Release) -> Option<&'static str> {
        if release.ecosystem == Ecosystem::Deb && release.distribution == "debian" {
            return Some(DEBIAN);
        }
        feeds::OTHERS
            .iter()
            .find(|feed| {
                feed.ecosystem == release.ecosystem && feed.distribution == release.distribution
            })
            .map(|feed| feed.name)
    }

    /// Reads a feed; `None` when the pack does not have it.
    pub fn load(&self, feed: &str) -> Result<Option<Matcher>, PackFileError> {
        if feed == DEBIAN {
            return self.debian(|_, _| true).map(Some);
        }
        let Some(feed) = feeds::OTHERS.iter().find(|known| known.name == feed) else {
            return Ok(None);
        };
        self.other(feed)
    }

    /// Reads what Debian's feed says of these components only.
    pub fn load_debian(&self, components: &[ComponentKey]) -> Result<Matcher, PackFileError> {
        let mut wanted: Option<HashSet<String>> = None;
        self.debian(|aliases, source| {
            let wanted = wanted.get_or_insert_with(|| {
                let subject = |one| aliases.subject(one).source.into_owned();
                components.iter().map(subject).collect()
            });
            wanted.contains(source)
        })
    }

    fn debian(
        &self,
        mut wants: impl FnMut(&Aliases, &str) -> bool,
    ) -> Result<Matcher, PackFileError> {
        let aliases = Aliases::parse(&self.files.text(&format!("{DEBIAN}/source-aliases.tsv"))?);
        let mut keep = |record: &mut OsvRecord| {
            // Matching does not look at them, and there are many.
            record.url = None;
            record.vendor_refs = Vec::new();
            record
                .affected
                .iter()
                .any(|entry| wants(&aliases, &entry.name))
        };
        let mut read = |name| feeds::debian(&self.files, name, &mut keep);
        let [notices, cves, uploads] = [read("advisories")?, read("cves")?, read("uploads")?];
        let skipped = notices.skipped + cves.skipped + uploads.skipped;
        let problem = notices.problem.or(cves.problem).or(uploads.problem);
        let mut collected = Collected::default();
        for advisory in merge(
            DEBIAN,
            notices.records,
            cves.records,
            uploads.records,
            &Enrichment::default(),
        ) {
            collected.add(advisory, self.informational);
        }
        Ok(collected.finish(aliases, skipped, problem))
    }

    fn other(&self, feed: &Feed) -> Result<Option<Matcher>, PackFileError> {
        let mut collected = Collected::default();
        let read = feed.each(&self.files, &Enrichment::default(), |advisory| {
            collected.add(advisory, self.informational);
        })?;
        Ok(read.map(|read| collected.finish(Aliases::default(), read.skipped, read.problem)))
    }

    /// Which source each of Debian's binary packages is built from; empty when the pack does not say.
    pub fn binaries(&self) -> Result<Binaries, PackFileError> {
        let mut binaries = Binaries::default();
        let mut file = match self.files.reader(&format!("{DEBIAN}/packages.tsv")) {
            Ok(file) => file,
            Err(PackFileError::Absent { .. }) => return Ok(binaries),
            Err(error) => return Err(error),
        };
        let read = for_each_line(&mut file, MAX_LINE_BYTES, |_, line| {
            if let Some(Ok(line)) = line.map(std::str::from_utf8) {
                binaries.add(line);
            }
        });
        file.check(read)?;
        Ok(binaries)
    }
}

#[derive(Default)]
struct Collected {
    builder: IndexBuilder,
    names: Vec<Names>,
}

impl Collected {
    fn add(&mut self, mut advisory: AdvisoryRecord, with_informational: bool) {
        let informational = advisory.informational.take_if(|_| with_informational);
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.builder.add(number, &advisory);
        self.names.push(Names {
            name: advisory.name.into(),
            cves: advisory.cves.into_iter().map(Into::into).collect(),
            informational: informational.map(Into::into),
        });
    }

    fn finish(self, aliases: Aliases, skipped: u64, problem: Option<String>) -> Matcher {
        Matcher {
            index: self.builder.finish(aliases),
            names: self.names,
            skipped,
            problem,
        }
    }
}

impl Matcher {
    /// The advisories that apply to a component, in the order of their fixing versions.
    pub fn matches<'a>(
        &'a self,
        component: &'a ComponentKey,
    ) -> Result<Vec<Match<'a>>, InvalidVersion> {
        let hits = self.index.affected(component)?;
        let subject = self.index.subject(component);
        let affected = hits
            .intervals
            .into_iter()
            .filter(|interval| interval.status == Status::Affected);
        Ok(affected
            .filter_map(|interval| {
                let names = self.names.get(usize::try_from(interval.advisory).ok()?)?;
                Some(Match {
                    advisory: &names.name,
                    cves: &names.cves,
                    package: subject.source.clone().into_owned(),
                    version: subject.version,
                    fixed: interval.fixed_version(),
                    rule: subject.rule,
                    informational: names.informational.as_deref(),
                })
            })
            .collect())
    }

    /// The only release that the feed speaks of, if it is only one.
    #[must_use]
    pub fn only_release(&self) -> Option<&Release> {
        let mut releases = self.index.releases();
        releases.next().filter(|_| releases.next().is_none())
    }
}

/// Debian's binary packages and their sources.
#[derive(Clone, Debug, Default)]
pub struct Binaries(HashMap<Box<str>, Vec<Built>>);

#[derive(Clone, Debug)]
struct Built {
    version: Box<str>,
    source: Box<str>,
    source_version: Box<str>,
}

impl Binaries {
    /// suite, binary, version, architecture, source, source version.
    fn add(&mut self, line: &str) {
        let mut columns = line.split('\t').skip(1);
        let (Some(binary), Some(version), Some(_), Some(source), Some(source_version)) = (
            columns.next(),
            columns.next(),
            columns.next(),
            columns.next(),
            columns.next(),
        ) else {
            return;
        };
        self.0.entry(binary.into()).or_default().push(Built {
            version: version.into(),
            source: source.into(),
            source_version: source_version.into(),
        });
    }

    /// Puts a component under its source: that of the same version, else of any, whose version is then the component's own.
    pub fn resolve(&self, component: &mut ComponentKey) {
        let Some(all) = self.0.get(component.name.as_str()) else {
            return;
        };
        match all.iter().find(|one| *one.version == *component.version) {
            Some(same) => {
                component.source = same.source.to_string();
                component.source_version = same.source_version.to_string();
            }
            None => {
                if let Some(any) = all.first() {
                    component.source = any.source.to_string();
                }
            }
        }
    }
}
