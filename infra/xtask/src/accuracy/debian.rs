//! Debian hosts: recorded findings, and the kernels that the recording tool does not know.

use super::{Bench, Score, unpacked};
use crate::shell;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The recorded hosts.
pub(super) const HOSTS: [&str; 4] = [
    "all-newest-in-archive",
    "point-release-12.15",
    "real-container",
    "release-day-2023-06",
];

/// cve, binary, source, source version, fixed.
pub(super) type Row = [String; 5];

/// What was found on a host.
pub(super) struct Judged {
    pub(super) score: Score,
    /// All of it.
    pub(super) found: BTreeSet<Row>,
    /// Those of signed kernels.
    pub(super) signed: BTreeSet<Row>,
    /// The status file.
    pub(super) status: String,
}

/// Compares whole rows.
pub(super) fn judge(bench: &Bench, host: &str) -> Result<Judged> {
    let status = bench.fixture(&format!("hosts/{host}.status"))?;
    let mut expected = rows(&bench.fixture(&format!("hosts/{host}.expected.tsv"))?);
    let signed = signed_kernels(bench, &status)?;
    expected.extend(signed.iter().cloned());
    let printed = bench.matches(&bench.debian_pack, &["--dpkg-status", "-"], &status)?;
    let found = rows(&printed);
    let name = if signed.is_empty() {
        host.to_owned()
    } else {
        format!("{host} + signed kernels")
    };
    Ok(Judged {
        score: Score::of(name, &expected, &found),
        found,
        signed,
        status,
    })
}

fn rows(text: &str) -> BTreeSet<Row> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut columns = line.split('\t').map(str::to_owned);
            std::array::from_fn(|_| columns.next().unwrap_or_default())
        })
        .collect()
}

/// What the unsigned kernel's advisories say of signed kernel packages, by their binary version. dpkg itself compares.
fn signed_kernels(bench: &Bench, status: &str) -> Result<BTreeSet<Row>> {
    let kernels: Vec<(&str, &str)> = status
        .split("\n\n")
        .filter_map(|paragraph| {
            let field = |name: &str| {
                paragraph
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            };
            let source = field("Source")?;
            let is_kernel = source.starts_with("linux-signed-amd64")
                || source.starts_with("linux-signed-arm64");
            let is_installed = field("Status")?.ends_with(" installed");
            (is_kernel && is_installed).then_some(())?;
            Some((field("Package")?, field("Version")?))
        })
        .collect();
    let mut found = BTreeSet::new();
    if kernels.is_empty() {
        return Ok(found);
    }
    let fixes = fixes(bench)?;
    let mut answers: BTreeMap<(String, String), bool> = BTreeMap::new();
    for (package, version) in kernels {
        for (cve, source, fixed) in fixes.iter().filter(|(_, source, _)| source == "linux") {
            let key = (version.to_owned(), fixed.clone());
            let is_older = *answers.entry(key).or_insert_with(|| {
                shell::succeeds(Command::new("dpkg").args([
                    "--compare-versions",
                    version,
                    "lt",
                    fixed,
                ]))
            });
            if is_older {
                found.insert([cve, package, source, version, fixed].map(str::to_owned));
            }
        }
    }
    Ok(found)
}

/// CVE, source and fixing version, as the feed has them.
pub(super) fn fixes(bench: &Bench) -> Result<Vec<(String, String, String)>> {
    fixes_in(&bench.debian_pack)
}

/// The same of a pack.
pub(super) fn fixes_in(pack: &std::path::Path) -> Result<Vec<(String, String, String)>> {
    let text = unpacked(&pack.join("debian-bookworm/cves.osv.jsonl.zst"))?;
    let mut all = Vec::new();
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line)?;
        let cve = record["upstream"][0]
            .as_str()
            .context("a record without its CVE")?;
        for affected in record["affected"].as_array().into_iter().flatten() {
            let source = affected["package"]["name"].as_str().unwrap_or_default();
            let events = affected["ranges"][0]["events"]
                .as_array()
                .into_iter()
                .flatten();
            for fixed in events.filter_map(|event| event["fixed"].as_str()) {
                all.push((cve.to_owned(), source.to_owned(), fixed.to_owned()));
            }
        }
    }
    Ok(all)
}
