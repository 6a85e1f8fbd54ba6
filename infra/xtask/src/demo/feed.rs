//! Advisories: the bundled Debian data pack, imported by the command line.

use super::api::{list, number, text};
use super::platform::Platform;
use super::show::Show;
use crate::shell;
use crate::workspace::{self, Target};
use anyhow::{Result, bail};

/// Imports the pack that stands in the repository.
pub(crate) fn import(show: &mut Show, target: &Target, platform: &Platform) -> Result<()> {
    show.step("Import Debian's advisories from the bundled pack", |_| {
        let pack = workspace::root().join("services/inventory/data/pack");
        let mut netpatch = shell::command(target.program("netpatch"));
        netpatch
            .args(["feed", "import"])
            .arg(&pack)
            .arg("--data-dir")
            .arg(&platform.data);
        shell::output(&mut netpatch)?;
        let mut netpatch = shell::command(target.program("netpatch"));
        netpatch
            .args(["feed", "status", "-o", "json", "--data-dir"])
            .arg(&platform.data);
        let status: serde_json::Value = serde_json::from_str(&shell::output(&mut netpatch)?)?;
        let feeds = list(&status, "/feeds").or_else(|_| list(&status, ""))?;
        let mut parts = Vec::new();
        for feed in feeds {
            parts.push(format!(
                "{} {}",
                number(&feed["records"]),
                text(feed, "/name")?
            ));
        }
        if parts.is_empty() {
            bail!("no feed was imported");
        }
        Ok((
            (),
            format!("Advisories are imported: {} records", parts.join(", ")),
        ))
    })
}
