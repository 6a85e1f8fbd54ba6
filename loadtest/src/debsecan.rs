//! debsecan beside us: Debian's own program, with a feed made from the pack in the form that it takes from its server.

use anyhow::{Context, Result, bail};
use netpatch_inventory::pack::{self, Pack};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A folder that debsecan takes for its server.
pub(crate) struct Feed {
    folder: PathBuf,
}

impl Feed {
    /// Writes the pack's CVEs; `None` when there is no debsecan.
    pub(crate) fn of(pack: &Pack, folder: &Path) -> Result<Option<Self>> {
        let is_there = Command::new("debsecan")
            .arg("--help")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !is_there {
            return Ok(None);
        }
        let release = pack::release();
        let mut fixes = BTreeSet::new();
        for advisory in pack
            .advisories
            .iter()
            .filter(|one| one.name.starts_with("CVE-"))
        {
            for affected in advisory
                .affected
                .iter()
                .filter(|one| one.release == release)
            {
                if let Some(fixed) = affected.only_fix() {
                    fixes.insert((advisory.name.as_str(), affected.name.as_str(), fixed));
                }
            }
        }
        let names: BTreeSet<&str> = fixes.iter().map(|(cve, ..)| *cve).collect();
        let numbers: BTreeMap<&str, usize> = names.iter().copied().zip(0..).collect();
        let mut text = String::from("VERSION 1\n");
        for cve in &names {
            text.push_str(&format!("{cve},,\n"));
        }
        text.push('\n');
        for (cve, source, fixed) in &fixes {
            text.push_str(&format!("{source},{},S ?F,{fixed},\n", numbers[cve]));
        }
        text.push_str("\n\n");
        let plain = folder.join("feed.txt");
        std::fs::write(&plain, text)?;
        let pack = "import sys, zlib; open(sys.argv[2], 'wb').write(zlib.compress(open(sys.argv[1], 'rb').read()))";
        let packed = Command::new("python3")
            .args(["-c", pack])
            .arg(&plain)
            .arg(folder.join("bookworm"))
            .status()
            .context("start python3")?;
        if !packed.success() {
            bail!("python3 could not pack debsecan's feed: {packed}");
        }
        Ok(Some(Self {
            folder: folder.to_owned(),
        }))
    }

    /// How long it takes on a host, and how many findings it prints.
    pub(crate) fn ask(&self, status: &Path) -> Result<(Duration, usize)> {
        let started = Instant::now();
        let output = Command::new("debsecan")
            .args(["--suite", "bookworm", "--format", "simple"])
            .arg(format!("--source=file://{}", self.folder.display()))
            .arg(format!("--status={}", status.display()))
            .output()
            .context("start debsecan")?;
        let time = started.elapsed();
        if !output.status.success() {
            bail!("debsecan: {}", String::from_utf8_lossy(&output.stderr));
        }
        let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
        Ok((time, lines))
    }
}
