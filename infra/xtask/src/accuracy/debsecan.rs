//! debsecan beside us: its own program, with a feed made from the pack (its format is read in `fetch_data` of the program).

use super::debian::{Judged, fixes_in};
use crate::shell;
use crate::workspace::cache;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that debsecan takes for its server.
pub(super) struct Feed {
    folder: PathBuf,
}

impl Feed {
    /// Writes the pack's CVEs as debsecan's server would.
    pub(super) fn of(pack: &Path) -> Result<Self> {
        let fixes = fixes_in(pack)?;
        let names: BTreeSet<&str> = fixes.iter().map(|(cve, ..)| cve.as_str()).collect();
        let numbers: BTreeMap<&str, usize> = names
            .iter()
            .enumerate()
            .map(|(number, cve)| (*cve, number))
            .collect();
        let mut text = String::from("VERSION 1\n");
        for cve in &names {
            text.push_str(&format!("{cve},,\n"));
        }
        text.push('\n');
        for (cve, source, fixed) in &fixes {
            // Of a source, urgency and remoteness unknown, a fix exists.
            text.push_str(&format!(
                "{source},{},S ?F,{fixed},\n",
                numbers[cve.as_str()]
            ));
        }
        text.push_str("\n\n");
        let folder = cache()?.join("accuracy");
        fs::create_dir_all(&folder)?;
        let plain = folder.join("bookworm.txt");
        fs::write(&plain, text)?;
        let packed = folder.join("bookworm");
        shell::run(Command::new("python3").args([
            "-c",
            "import sys, zlib; open(sys.argv[2], 'wb').write(zlib.compress(open(sys.argv[1], 'rb').read()))",
        ]).arg(&plain).arg(&packed))?;
        Ok(Self { folder })
    }

    /// CVE and binary package.
    fn ask(&self, status: &str) -> Result<BTreeSet<(String, String)>> {
        let path = self.folder.join("status");
        fs::write(&path, status)?;
        let printed = shell::output(
            Command::new("debsecan")
                .args(["--suite", "bookworm", "--format", "simple"])
                .arg(format!("--source=file://{}", self.folder.display()))
                .arg(format!("--status={}", path.display())),
        )?;
        Ok(printed
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(cve, package)| (cve.to_owned(), package.trim().to_owned()))
            .collect())
    }
}

/// Prints what differs on a host; how many differences have no reason.
pub(super) fn compare(feed: &Feed, host: &str, judged: &Judged) -> Result<usize> {
    let theirs = feed.ask(&judged.status).context("ask debsecan")?;
    let pair = |row: &super::debian::Row| (row[0].clone(), row[1].clone());
    let ours: BTreeSet<_> = judged.found.iter().map(pair).collect();
    let signed: BTreeSet<_> = judged.signed.iter().map(pair).collect();
    let only_ours: Vec<_> = ours.difference(&theirs).collect();
    let only_theirs: Vec<_> = theirs.difference(&ours).collect();
    if only_ours.is_empty() && only_theirs.is_empty() {
        println!("{host}: identical to debsecan, {} findings", theirs.len());
        return Ok(0);
    }
    println!(
        "{host}: {} findings here, {} of debsecan",
        ours.len(),
        theirs.len()
    );
    let mut reasons: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    let mut unexplained = 0;
    let all = only_ours
        .into_iter()
        .map(|found| ("only here", found))
        .chain(
            only_theirs
                .into_iter()
                .map(|found| ("only debsecan", found)),
        );
    for (side, found) in all {
        let reason = if side == "only here" && signed.contains(found) {
            "signed kernel: its source is not in the feed, the unsigned one's advisories hold for it"
        } else {
            unexplained += 1;
            "no reason known"
        };
        *reasons.entry((side, &found.1, reason)).or_default() += 1;
    }
    for ((side, package, reason), count) in reasons {
        println!("  {side:<14} {package:<34} {count:>6}  {reason}");
    }
    Ok(unexplained)
}
