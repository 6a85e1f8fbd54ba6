//! Package URLs against the feeds of their ecosystems, line by line; a feed is read when the first package URL needs it.

use super::Told;
use netpatch_inventory::domain::affected::Release;
use netpatch_inventory::domain::lines::for_each_line;
use netpatch_inventory::pack::offline::{Binaries, Matcher, Offline};
use netpatch_types::purl::{MAX_PURL_BYTES, Purl};
use netpatch_types::{ComponentKey, Ecosystem};
use std::collections::HashMap;
use std::io::{BufRead, BufWriter, Write};

pub(super) fn run(
    pack: &Offline,
    from: impl BufRead,
    cves: bool,
    told: &mut Told,
) -> anyhow::Result<()> {
    let mut feeds = Feeds {
        pack,
        further: pack.further_feeds()?,
        matchers: HashMap::new(),
        binaries: None,
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut failed = None;
    for_each_line(from, MAX_PURL_BYTES + 2, |number, line| {
        if failed.is_some() {
            return;
        }
        let line = match line.map(std::str::from_utf8) {
            Some(Ok(line)) => line.trim(),
            Some(Err(_)) => return told.tell(format_args!("line {number}: not UTF-8")),
            None => return told.tell(format_args!("line {number}: too long for a package URL")),
        };
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        match feeds.judge(line, cves, &mut out) {
            Ok(()) => {}
            Err(Failure::Line(reason)) => told.tell(format_args!("line {number}: {reason}")),
            Err(Failure::All(error)) => failed = Some(error),
        }
    })?;
    out.flush()?;
    feeds.note();
    failed.map_or(Ok(()), Err)
}

enum Failure {
    /// This line cannot be judged.
    Line(String),
    /// Nothing can.
    All(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::All(error.into())
    }
}

struct Feeds<'a> {
    pack: &'a Offline,
    /// The feeds that are asked about everything.
    further: Vec<String>,
    /// `None` for a feed that the pack does not have.
    matchers: HashMap<String, Option<Matcher>>,
    binaries: Option<Binaries>,
}

impl Feeds<'_> {
    fn judge(&mut self, line: &str, cves: bool, out: &mut impl Write) -> Result<(), Failure> {
        let refuse = |reason: String| Failure::Line(reason);
        let purl: Purl = line.parse().map_err(|error| refuse(format!("{error}")))?;
        let mut component =
            ComponentKey::from_purl(&purl).map_err(|error| refuse(error.to_string()))?;
        let release = Release::os(
            component.ecosystem,
            &component.distribution,
            &component.release,
        );
        let world = if release.distribution.is_empty() {
            release.ecosystem.as_str()
        } else {
            &release.distribution
        };
        if component.ecosystem == Ecosystem::Deb
            && purl.qualifier("upstream").is_none()
            && purl.qualifier("arch") != Some("source")
        {
            if self.binaries.is_none() {
                self.binaries = Some(self.pack.binaries()?);
            }
            if let Some(binaries) = &self.binaries {
                binaries.resolve(&mut component);
            }
        }
        let own = Offline::feed_of(&release);
        let asked = || {
            own.into_iter()
                .chain(self.further.iter().map(String::as_str))
        };
        for feed in asked() {
            if !self.matchers.contains_key(feed) {
                let matcher = self.pack.load(feed)?;
                self.matchers.insert(feed.to_owned(), matcher);
            }
        }
        let held = asked().filter_map(|feed| self.matchers.get(feed)?.as_ref());
        let matchers: Vec<&Matcher> = held.filter(|one| one.speaks_of(&release)).collect();
        if matchers.is_empty() {
            let is_absent = |feed: &&str| matches!(self.matchers.get(*feed), Some(None));
            return Err(refuse(match own.filter(is_absent) {
                Some(feed) => format!("the pack has no feed {feed}"),
                None => format!("no feed of the pack speaks of {world} {}", release.codename)
                    .trim_end()
                    .to_owned(),
            }));
        }
        if component.release.is_empty() && !component.distribution.is_empty() {
            let only = matchers.iter().find_map(|matcher| matcher.only_release());
            let only = only.ok_or_else(|| {
                refuse(format!(
                    "package URL does not say which release of {world} (distro=…)"
                ))
            })?;
            component.release.clone_from(&only.codename);
        }
        let mut matches = Vec::new();
        for matcher in matchers {
            let found = matcher.matches(&component);
            matches.extend(found.map_err(|error| refuse(error.to_string()))?);
        }
        let mut rows: Vec<(&str, Option<&str>)> = Vec::new();
        for one in &matches {
            if cves {
                rows.extend(one.cves.iter().map(|cve| (&**cve, one.informational)));
            } else {
                rows.push((one.advisory, one.informational));
            }
        }
        rows.sort_unstable();
        rows.dedup();
        for (id, informational) in rows {
            match informational {
                None => writeln!(out, "{line}\t{id}")?,
                Some(kind) => writeln!(out, "{line}\t{id}\t{kind}")?,
            }
        }
        Ok(())
    }

    /// Says what the feeds that were read could not say. It is no fault of the input.
    fn note(&self) {
        for matcher in self.matchers.values().flatten() {
            super::note(matcher);
        }
    }
}
