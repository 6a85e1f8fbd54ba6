//! The portal's checks: its npm scripts, in a fixed order.

use crate::setup::node;
use crate::shell;
use crate::steps::Steps;
use crate::workspace::{self, Target};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;

/// Every one of these must exist in `web/package.json`.
const SCRIPTS: &[(&str, &str)] = &[
    ("drift", "generated types match gateway/schema.graphql"),
    ("typecheck", "types"),
    ("lint", "lint"),
    ("test", "unit tests"),
    ("build", "production build"),
    ("e2e", "a real Chromium against a real platform"),
];

/// Runs the scripts; a clone whose portal does not exist yet says so and passes.
pub(super) fn run(steps: &mut Steps, target: &Target) -> Result<()> {
    let manifest = workspace::root().join("web/package.json");
    if !manifest.exists() {
        eprintln!("==> web: there is no web/package.json yet");
        return Ok(());
    }
    let installed = steps.run("web: packages", "cd web && npm ci", || {
        node::install_packages()
    })?;
    if !installed {
        return Ok(());
    }
    let text = fs::read_to_string(&manifest).context("read web/package.json")?;
    let manifest: Value = serde_json::from_str(&text).context("parse web/package.json")?;
    for (script, what) in SCRIPTS {
        let repeat = format!("cd web && npm run {script}");
        steps.run(&format!("web: {what}"), &repeat, || {
            if manifest["scripts"][*script].is_null() {
                bail!("web/package.json has no script {script}");
            }
            let mut npm = node::npm()?;
            npm.args(["run", "--silent", script])
                .env("NETPATCH_BIN", target.program("netpatch"))
                .env("CHROMIUM", "/usr/bin/chromium");
            shell::run(&mut npm)
        })?;
    }
    Ok(())
}
