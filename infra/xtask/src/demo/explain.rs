//! What scripts see of findings: `netpatch finding` and `netpatch host` against the platform, and an explanation without it.

use super::api::text;
use super::platform::{People, Platform};
use super::show::Show;
use crate::shell;
use crate::workspace::{self, Target};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Lists who is affected by the worst finding's CVE, and decides the finding again from the pack, offline.
pub(crate) fn worst(
    show: &mut Show,
    target: &Target,
    platform: &Platform,
    people: &People,
    folder: &Path,
) -> Result<()> {
    show.step("Explain the worst finding from the command line", |line| {
        let program = target.program("netpatch");
        let ask = |words: &[&str]| -> Result<String> {
            let mut command: Command = shell::command(&program);
            command
                .args(words)
                .args(["--url", &platform.http])
                .env("NETPATCH_TOKEN", people.requester.api.token());
            shell::output(&mut command)
        };
        let found = ask(&["finding", "list", "--limit", "1", "-o", "ndjson"])?;
        let finding: Value = serde_json::from_str(&found).context("finding list printed no JSON")?;
        let (advisory, host) = (text(&finding, "/advisory/name")?, text(&finding, "/hostname")?);
        let affected = ask(&[
            "finding", "list", "--cve", &advisory, "--by", "host", "--limit", "1000", "-o", "json",
        ])?;
        let affected: Value = serde_json::from_str(&affected)?;
        let hosts = affected["groups"].as_array().map_or(0, Vec::len);
        let shown = ask(&["host", "show", &host])?;
        if hosts == 0 || !shown.contains(&host) {
            bail!("{host} is exposed to {advisory}, but the command line does not say so");
        }

        let evidence = folder.join("finding.json");
        fs::write(&evidence, &found)?;
        let pack = workspace::root().join("services/inventory/data/pack");
        let mut offline = shell::command(&program);
        offline
            .args(["finding", "explain", "--evidence"])
            .arg(&evidence)
            .arg("--pack")
            .arg(&pack);
        for text in shell::output(&mut offline)?.lines() {
            line.say(text);
        }
        Ok((
            (),
            format!("{advisory} affects {hosts} hosts; offline, its evidence and the pack give the same answer"),
        ))
    })
}
