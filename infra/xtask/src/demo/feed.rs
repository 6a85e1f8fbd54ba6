//! Advisories: the bundled Debian data pack, imported by the command line.

use super::api::{list, number, text};
use super::platform::Platform;
use super::show::Show;
use crate::shell;
use crate::workspace::{self, Target};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::Stdio;

/// The pack's folder in the repository.
const PACK: &str = "services/inventory/data/pack";

/// `netpatch feed import` ends with this when it left out records that it could not read.
const PARTLY: i32 = 3;

/// Imports the pack that stands in the repository.
pub(crate) fn import(show: &mut Show, target: &Target, platform: &Platform) -> Result<()> {
    show.step("Import Debian's advisories from the bundled pack", |line| {
        let output = shell::command(target.program("netpatch"))
            .args(["feed", "import", "--output", "json", "--data-dir"])
            .arg(&platform.data)
            .arg(workspace::root().join(PACK))
            .stdin(Stdio::null())
            .output()
            .context("start netpatch feed import")?;
        shell::check_interrupted()?;
        if !matches!(output.status.code(), Some(0 | PARTLY)) {
            let problem = String::from_utf8_lossy(&output.stderr);
            bail!(
                "netpatch feed import ended with {}: {problem}",
                output.status
            );
        }
        let answer: Value = serde_json::from_slice(&output.stdout).context("parse its answer")?;
        let mut parts = Vec::new();
        for feed in list(&answer, "/feeds")? {
            let (name, records) = (text(feed, "/name")?, number(&feed["records"]));
            if records == 0 {
                bail!("the feed {name} brought no record");
            }
            let skipped = number(&feed["skipped"]);
            if skipped > 0 {
                line.say(&format!("{name}: {skipped} records could not be read"));
            }
            parts.push(format!("{name} {records}"));
        }
        if parts.is_empty() {
            bail!("no feed was imported");
        }
        Ok((
            (),
            format!("Advisories are imported; records: {}", parts.join(", ")),
        ))
    })
}
