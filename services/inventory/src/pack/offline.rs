//! Matching straight from a pack, without a database: each feed is read when it is first asked for, record by record, and only what
//! matching needs is kept. The rules are those of the platform ([`crate::domain::index`]).

use super::feeds::{self, Feed};
use super::files::{PackFileError, PackFiles};
use super::{DEBIAN, feed_of};
use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::{Release, Status};
use crate::domain::enrich::Enrichment;
use crate::domain::index::{IndexBuilder, MatchIndex};
use crate::domain::lines::{Parsed, for_each_line};
use crate::domain::merge::{Merger, of_cve};
use crate::domain::subject::{Aliases, Rule};
use netpatch_types::version::InvalidVersion;
use netpatch_types::{ComponentKey, Ecosystem, Sha256};
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

    /// The pack's feeds that may speak of any release or registry: OSV's databases, CSAF providers, Microsoft.
    pub fn further_feeds(&self) -> Result<Vec<String>, PackFileError> {
        let mut found = Vec::new();
        for folder in ["osv", "csaf", "microsoft"] {
            let paths = self.files.list(folder)?;
            found.extend(paths.iter().filter_map(|path| feed_of(path)));
        }
        found.dedup();
        Ok(found)
    }

    /// Reads a feed; `None` when the pack does not have it.
    pub fn load(&self, feed: &str) -> Result<Option<Matcher>, PackFileError> {
        if feed == DEBIAN {
            return self.debian(|_, _| true).map(Some);
        }
        let Some(known) = feeds::OTHERS.iter().find(|known| known.name == feed) else {
            let read = feeds::whole(&self.files, feed)?;
            return Ok(read.map(|read| {
                let mut collected = Collected::default();
                for advisory in read.records {
                    collected.add(advisory, self.informational);
                }
                collected.finish(Aliases::default(), read.skipped, read.problem)
            }));
        };
        self.other(known)
    }

    /// Reads what Debian's feed says of these components only; with `all`, the notices and uploads too that no CVE stands for.
    pub fn load_debian(
        &self,
        components: &[ComponentKey],
        all: bool,
    ) -> Result<Matcher, PackFileError> {
        let mut wanted: Option<HashSet<String>> = None;
        let mut wants = |aliases: &Aliases, line: &str| {
            let wanted = wanted.get_or_insert_with(|| {
                let subject = |one| aliases.subject(one).source.into_owned();
                components.iter().map(subject).collect()
            });
            names_any(line, wanted)
        };
        if !all && let Some(matcher) = self.debian_cves(&mut wants)? {
            return Ok(matcher);
        }
        self.debian(wants)
    }

    /// The CVEs alone, none of which is held longer than it is read; `None` when two records are of the same CVE, which then have to
    /// be merged.
    fn debian_cves(
        &self,
        mut wants: impl FnMut(&Aliases, &str) -> bool,
    ) -> Result<Option<Matcher>, PackFileError> {
        let aliases = self.aliases()?;
        let enrichment = Enrichment::default();
        let mut collected = Collected::default();
        let mut seen = HashSet::new();
        let mut is_once = true;
        let wanted = |line: &str| wants(&aliases, line);
        let read = feeds::debian(&self.files, "cves", wanted, |record| {
            if !record.withdrawn {
                let advisory = of_cve(DEBIAN, record, &enrichment);
                is_once &= seen.insert(advisory.name.clone());
                collected.add(advisory, self.informational);
            }
        })?;
        Ok(is_once.then(|| collected.finish(aliases, read.skipped, read.problem)))
    }

    fn aliases(&self) -> Result<Aliases, PackFileError> {
        let text = self.files.text(&format!("{DEBIAN}/source-aliases.tsv"))?;
        Ok(Aliases::parse(&text))
    }

    fn debian(
        &self,
        mut wants: impl FnMut(&Aliases, &str) -> bool,
    ) -> Result<Matcher, PackFileError> {
        let aliases = self.aliases()?;
        let enrichment = Enrichment::default();
        let mut merger = Merger::new(DEBIAN, &enrichment);
        let (mut skipped, mut problem) = (0, None);
        for name in ["cves", "advisories", "uploads"] {
            let wants = |line: &str| wants(&aliases, line);
            let read = feeds::debian(&self.files, name, wants, |mut record| {
                // Matching does not look at them, and there are many.
                record.url = None;
                record.vendor_refs = Vec::new();
                match name {
                    "cves" => merger.cve(record),
                    "advisories" => merger.notice(record),
                    _ => merger.upload(record),
                }
            })?;
            skipped += read.skipped;
            problem = problem.or(read.problem);
        }
        let mut collected = Collected::default();
        for advisory in merger.finish() {
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

    /// The digests of a feed's records of this id; `None` when the pack does not have the feed.
    pub fn digests(&self, feed: &str, record: &str) -> Result<Option<Vec<Sha256>>, PackFileError> {
        let mut digests = Vec::new();
        if feed == DEBIAN {
            for name in ["cves", "advisories", "uploads"] {
                // A line that hides the id behind an escape is read too.
                let wants = |line: &str| line.contains(record) || line.contains('\\');
                feeds::debian(&self.files, name, wants, |found| {
                    if found.id == record {
                        digests.push(found.digest);
                    }
                })?;
            }
            return Ok(Some(digests));
        }
        let Some(feed) = feeds::OTHERS.iter().find(|known| known.name == feed) else {
            let read = feeds::whole(&self.files, feed)?;
            let of_record = |read: Parsed<AdvisoryRecord>| {
                let found = read.records.into_iter().filter(|one| one.record == record);
                found.map(|one| one.record_digest).collect()
            };
            return Ok(read.map(of_record));
        };
        let read = feed.each(&self.files, &Enrichment::default(), |found| {
            if found.record == record {
                digests.push(found.record_digest);
            }
        })?;
        Ok(read.map(|_| digests))
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

/// Whether an OSV line has a member `"name"` of one of these values, told without reading the line as JSON: most lines of a feed are of
/// packages that a host does not have. A line that may hide a name (an escape, no name at all) is wanted.
fn names_any(line: &str, wanted: &HashSet<String>) -> bool {
    const MEMBER: &str = "\"name\"";
    let mut rest = line;
    let mut is_clear = !line.contains('\\');
    let mut has_name = false;
    while let Some(at) = rest.find(MEMBER) {
        rest = &rest[at + MEMBER.len()..];
        let value = rest.trim_start().strip_prefix(':').map(str::trim_start);
        match value
            .and_then(|value| value.strip_prefix('"'))
            .and_then(|value| value.split_once('"'))
        {
            Some((name, _)) if wanted.contains(name) => return true,
            Some(_) => has_name = true,
            None => is_clear = false,
        }
    }
    !(is_clear && has_name)
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

    /// Whether the feed speaks of a release or registry; of any release of a distribution when none is named.
    #[must_use]
    pub fn speaks_of(&self, release: &Release) -> bool {
        let is_it = |known: &Release| {
            known.ecosystem == release.ecosystem
                && known.distribution == release.distribution
                && (release.codename.is_empty() || known.codename == release.codename)
        };
        self.index.releases().any(is_it)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_left_out_only_when_its_names_are_plain_and_others() {
        let wanted = HashSet::from(["curl".to_owned()]);
        for (line, is_wanted) in [
            (
                r#"{"affected":[{"package":{"name":"zip"}},{"package":{"name" : "curl"}}]}"#,
                true,
            ),
            (r#"{"affected":[{"package":{"name":"zip"}}]}"#, false),
            (r#"{"affected":[{"package":{"name":"c\u0075rl"}}]}"#, true),
            (r#"{"affected":[{"package":{"name":7}}]}"#, true),
            (r#"{"id":"x"}"#, true),
            ("", true),
        ] {
            assert_eq!(names_any(line, &wanted), is_wanted, "{line}");
        }
    }
}
