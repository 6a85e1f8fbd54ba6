//! Debian's security tracker, as its raw lists (`data/CVE/list`, `data/DSA/list`, `data/DLA/list`): what is fixed, not affected, open, and
//! ignored, per release.
//!
//! A line of a CVE speaks of unstable (`- curl 8.5.0-1`) or of a release (`[bookworm] - curl <no-dsa> (Minor issue)`). What is said of a
//! release goes before what is said of unstable; a notice's fix in a release goes before both. The lowest fix closes.

use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::{Affected, End, Prereleases, Range, Release, Status};
use crate::domain::cve::is_cve;
use crate::domain::enrich::Enrichment;
use crate::domain::lines::Parsed;
use crate::domain::merge::{enriched, first_fixes};
use crate::domain::osv::{OsvRecord, cut, is_name};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use netpatch_types::version::Version;
use netpatch_types::{Ecosystem, Sha256};
use std::collections::BTreeMap;

/// The releases that are matched.
const RELEASES: [&str; 3] = ["bullseye", "bookworm", "trixie"];
/// Most statements of one CVE or notice. Real ones have some 200.
const MAX_STATEMENTS: usize = 5_000;

/// What is said of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Fixed(String),
    NotAffected,
    /// No fix, or none that will come: `unfixed`, `no-dsa`, `postponed`, `ignored`, `end-of-life`, `removed`.
    Open(String),
    Undetermined,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    /// None for unstable.
    release: Option<String>,
    package: String,
    said: Said,
}

/// One CVE or one notice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// `CVE-…`, `DSA-5863-1`.
    pub id: String,
    /// Its description or title.
    summary: String,
    /// Of a notice.
    date: Option<DateTime<Utc>>,
    /// Of a notice: its CVEs.
    cves: Vec<String>,
    rejected: bool,
    statements: Vec<Statement>,
    digest: Sha256,
}

/// Reads a list. A line that cannot be read is left out and counted; lines of notes are not looked at.
#[must_use]
pub fn read_list(text: &str) -> Parsed<Entry> {
    let mut parsed = Parsed::default();
    let mut block = String::new();
    for line in text.lines().chain([""]) {
        let is_head = !line.starts_with(char::is_whitespace);
        if is_head && !block.is_empty() {
            entry(&block, &mut parsed);
            block.clear();
        }
        if is_head || !block.is_empty() {
            block.push_str(line);
            block.push('\n');
        }
    }
    parsed
}

fn entry(block: &str, parsed: &mut Parsed<Entry>) {
    let mut lines = block.lines();
    let head = lines.next().unwrap_or_default().trim();
    if head.is_empty() {
        return;
    }
    let Some(mut entry) = head_of(head) else {
        parsed.skip(format_args!("not a CVE or notice: {:?}", cut(head)));
        return;
    };
    for line in lines.map(str::trim) {
        if let Some(cves) = line
            .strip_prefix('{')
            .and_then(|rest| rest.split('}').next())
        {
            let names = cves.split_whitespace().filter(|name| is_cve(name));
            entry.cves.extend(names.map(str::to_owned));
        } else if line == "REJECTED" {
            entry.rejected = true;
        } else if line.starts_with('[') || line.starts_with("- ") {
            match statement(line) {
                Ok(Some(_)) if entry.statements.len() >= MAX_STATEMENTS => {}
                Ok(found) => entry.statements.extend(found),
                Err(reason) => parsed.skip(format_args!("{}: {reason}", entry.id)),
            }
        }
    }
    entry.digest = Sha256::of(block.as_bytes());
    parsed.records.push(entry);
}

/// `CVE-2024-1 (Text ...)`, `[12 Feb 2025] DSA-5865-1 webkit2gtk - security update`.
fn head_of(head: &str) -> Option<Entry> {
    if let Some((date, rest)) = head.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let (id, summary) = rest.trim().split_once(char::is_whitespace)?;
        let is_notice = id.starts_with("DSA-") || id.starts_with("DLA-");
        let date = NaiveDate::parse_from_str(date, "%d %b %Y").ok();
        return is_notice.then(|| Entry {
            id: cut(id),
            summary: cut(summary.trim()),
            date: date.map(|date| date.and_time(NaiveTime::MIN).and_utc()),
            ..Entry::default()
        });
    }
    let (id, rest) = head.split_once(char::is_whitespace).unwrap_or((head, ""));
    // `CVE-2024-XXXX` is a CVE that has no number yet.
    let is_id = is_cve(id) || (id.starts_with("CVE-") && id.ends_with("-XXXX"));
    is_id.then(|| Entry {
        id: id.to_owned(),
        summary: cut(rest.trim().trim_matches(['(', ')'])),
        ..Entry::default()
    })
}

/// One line; `None` for what says nothing of a package in an archive (`<itp>`).
fn statement(line: &str) -> Result<Option<Statement>, String> {
    let odd = || format!("cannot be read: {:?}", cut(line));
    let (release, rest) = match line.strip_prefix('[') {
        Some(rest) => {
            let (release, rest) = rest.split_once(']').ok_or_else(odd)?;
            (Some(release.trim().to_owned()), rest.trim())
        }
        None => (None, line),
    };
    let rest = rest.strip_prefix("- ").ok_or_else(odd)?.trim();
    let (package, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if !is_name(package) {
        return Err(odd());
    }
    let rest = rest.trim();
    let said = match rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some(("itp", _)) => return Ok(None),
        Some(("not-affected", _)) => Said::NotAffected,
        Some(("undetermined", _)) => Said::Undetermined,
        Some((word, _)) => Said::Open(cut(word)),
        None => {
            let version = rest.split_whitespace().next().unwrap_or_default();
            // A release whose versions are never matched may be written as it likes.
            let is_ours = release
                .as_deref()
                .is_none_or(|release| RELEASES.contains(&release));
            if !is_ours {
                return Ok(None);
            }
            Version::parse(Ecosystem::Deb, version).map_err(|error| error.to_string())?;
            Said::Fixed(version.to_owned())
        }
    };
    Ok(Some(Statement {
        release,
        package: package.to_owned(),
        said,
    }))
}

/// One advisory a CVE, and one for each notice that has none.
#[must_use]
pub fn gather(
    feed: &str,
    cves: Vec<Entry>,
    notices: Vec<Entry>,
    enrichment: &Enrichment,
) -> Vec<AdvisoryRecord> {
    let mut all = Vec::new();
    // By CVE: the notices, and what they fix.
    let mut fixes: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for notice in &notices {
        for cve in &notice.cves {
            fixes.entry(cve).or_default().push(notice);
        }
    }
    let mut known = std::collections::HashSet::new();
    for entry in cves.into_iter().filter(|entry| is_cve(&entry.id)) {
        let of_cve = fixes.get(entry.id.as_str()).map_or(&[][..], Vec::as_slice);
        known.insert(entry.id.clone());
        all.extend(advisory(feed, &entry, of_cve, enrichment));
    }
    for (cve, of_cve) in &fixes {
        if !known.contains(*cve) {
            let entry = Entry {
                id: (*cve).to_owned(),
                digest: of_cve[0].digest,
                summary: of_cve[0].summary.clone(),
                ..Entry::default()
            };
            all.extend(advisory(feed, &entry, of_cve, enrichment));
        }
    }
    for notice in notices.iter().filter(|notice| notice.cves.is_empty()) {
        all.extend(advisory(feed, notice, &[notice], enrichment));
    }
    all.sort_by(|left, right| left.name.cmp(&right.name));
    all.dedup_by(|left, right| left.name == right.name);
    all
}

fn advisory(
    feed: &str,
    entry: &Entry,
    notices: &[&Entry],
    enrichment: &Enrichment,
) -> Option<AdvisoryRecord> {
    let mut affected = Vec::new();
    for release in RELEASES {
        let mut packages: BTreeMap<&str, &Said> = BTreeMap::new();
        let of =
            |statement: &&Statement, release: Option<&str>| statement.release.as_deref() == release;
        for wanted in [None, Some(release)] {
            for statement in entry.statements.iter().filter(|one| of(one, wanted)) {
                packages.insert(&statement.package, &statement.said);
            }
        }
        let said: Vec<&Statement> = notices
            .iter()
            .flat_map(|notice| &notice.statements)
            .filter(|one| of(one, Some(release)) && matches!(one.said, Said::Fixed(_)))
            .collect();
        for statement in &said {
            packages.remove(statement.package.as_str());
        }
        let notices = said.iter().map(|one| (one.package.as_str(), &one.said));
        for (package, said) in packages.into_iter().chain(notices) {
            affected.push(of_release(release, package, said));
        }
    }
    let is_rejected = entry.rejected;
    if affected.is_empty() && !is_rejected {
        return None;
    }
    let is_notice = !is_cve(&entry.id);
    let mut vendor_refs: Vec<String> = notices.iter().map(|notice| notice.id.clone()).collect();
    vendor_refs.sort();
    vendor_refs.dedup();
    let record = OsvRecord {
        digest: entry.digest,
        published_at: notices.iter().filter_map(|notice| notice.date).min(),
        cves: if is_notice {
            Vec::new()
        } else {
            vec![entry.id.clone()]
        },
        summary: entry.summary.clone(),
        withdrawn: is_rejected,
        url: Some(format!(
            "https://security-tracker.debian.org/tracker/{}",
            entry.id
        )),
        vendor_refs,
        ..OsvRecord::new(entry.id.clone())
    };
    affected.sort();
    let affected = first_fixes(affected);
    Some(enriched(
        feed,
        entry.id.clone(),
        record,
        enrichment,
        affected,
    ))
}

fn of_release(release: &str, package: &str, said: &Said) -> Affected {
    let release = Release::os(Ecosystem::Deb, "debian", release);
    let (status, end, note) = match said {
        Said::Fixed(version) => (Status::Affected, End::Fixed(version.clone()), String::new()),
        Said::NotAffected => (Status::NotAffected, End::Open, "not-affected".to_owned()),
        Said::Open(word) => (Status::Affected, End::Open, word.clone()),
        Said::Undetermined => (Status::UnderInvestigation, End::Open, String::new()),
    };
    Affected {
        release,
        name: package.to_owned(),
        status,
        ranges: vec![Range {
            introduced: None,
            end,
            prereleases: Prereleases::Ordered,
        }],
        versions: Vec::new(),
        note,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CVES: &str = "CVE-2026-1001 (A heap overflow in curl ...)\n\t{DSA-9001-1}\n\t- curl 8.5.0-1 (bug #1)\n\t[trixie] - curl <not-affected> (Vulnerable code not present)\n\t[buster] - curl odd\n\tNOTE: https://example.org\n\
CVE-2026-1002 (Minor ...)\n\t- zip <unfixed>\n\t[bookworm] - zip <no-dsa> (Minor issue)\n\t[trixie] - zip 3.0-15\n\t- zap <itp> (bug #2)\n\
CVE-2026-1003\n\tREJECTED\nCVE-2026-1004\n\tRESERVED\nCVE-2026-XXXX [text]\n\t- tor <undetermined>\nCVE-2026-1005 (x)\n\t- bad 1 2\n\t- bad two\n";
    const NOTICES: &str = "[12 Feb 2026] DSA-9001-1 curl - security update\n\t{CVE-2026-1001}\n\t[bookworm] - curl 7.88.1-10+deb12u9\n[13 Feb 2026] DSA-9001-2 curl - regression update\n\t{CVE-2026-1001}\n\t[bookworm] - curl 7.88.1-10+deb12u10\n\
[13 Feb 2026] DSA-9002-1 tor - security update\n\t[bookworm] - tor 0.4.7.16-2\n\tNOTE: x\n[14 Feb 2026] DSA-9003-1 less - security update\n\t{CVE-2026-2001}\n\t[bookworm] - less 590-3\n";

    fn said(all: &[AdvisoryRecord], name: &str, release: &str) -> Vec<(Status, Option<String>)> {
        let advisory = all.iter().find(|one| one.name == name).expect("there");
        let entries = advisory.affected.iter();
        entries
            .filter(|entry| entry.release.codename == release)
            .map(|entry| (entry.status, entry.only_fix().map(str::to_owned)))
            .collect()
    }

    #[test]
    fn a_notice_goes_before_a_release_before_unstable() {
        let (cves, notices) = (read_list(CVES), read_list(NOTICES));
        assert_eq!(
            (cves.skipped, notices.skipped),
            (1, 0),
            "{:?}",
            cves.problem
        );
        let all = gather(
            "debian-tracker",
            cves.records,
            notices.records,
            &Enrichment::default(),
        );
        let fixed = |version: &str| (Status::Affected, Some(version.to_owned()));
        assert_eq!(
            said(&all, "CVE-2026-1001", "bookworm"),
            [fixed("7.88.1-10+deb12u9")]
        );
        assert_eq!(said(&all, "CVE-2026-1001", "bullseye"), [fixed("8.5.0-1")]);
        assert_eq!(
            said(&all, "CVE-2026-1001", "trixie"),
            [(Status::NotAffected, None)]
        );
        assert_eq!(
            said(&all, "CVE-2026-1002", "bookworm"),
            [(Status::Affected, None)]
        );
        assert_eq!(said(&all, "CVE-2026-1002", "trixie"), [fixed("3.0-15")]);
        assert_eq!(said(&all, "CVE-2026-2001", "bookworm"), [fixed("590-3")]);
        assert_eq!(said(&all, "DSA-9002-1", "bookworm"), [fixed("0.4.7.16-2")]);
        let names: Vec<_> = all
            .iter()
            .map(|one| (one.name.as_str(), one.withdrawn))
            .collect();
        assert!(names.contains(&("CVE-2026-1003", true)));
        assert!(
            !names
                .iter()
                .any(|(name, _)| name.contains("1004") || name.contains("XXXX"))
        );
        let curl = all
            .iter()
            .find(|one| one.name == "CVE-2026-1001")
            .expect("there");
        assert_eq!(curl.vendor_refs, ["DSA-9001-1", "DSA-9001-2"]);
        assert!(curl.published_at.is_some());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_list(text in "[-\\[\\]{}()<> \t\nCVEDSA0-9a-z.]{0,300}") {
            let parsed = read_list(&text);
            let _ = gather("x", parsed.records.clone(), parsed.records, &Enrichment::default());
        }
    }
}
