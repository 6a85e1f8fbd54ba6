//! The portal's checks: its npm scripts, in a fixed order.

use super::{portal, rust};
use crate::setup::node;
use crate::steps::Steps;
use crate::workspace::{self, Target};
use crate::{demo, shell};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;

/// Every one of these must exist in `web/package.json`.
const SCRIPTS: &[(&str, &str)] = &[
    ("check", "types, against the gateway's schema"),
    ("lint", "lint"),
    ("test", "unit tests"),
    ("build", "production build"),
    ("e2e", "a real Chromium"),
];

/// What the demo's platform shows, as it is in this clone.
pub(super) fn build() -> Result<()> {
    node::install_packages()?;
    shell::output(node::npm()?.args(["run", "--silent", "build"])).map(drop)
}

/// Runs the scripts, then graphql-http's audits and the first steps of an organization against the platform itself.
pub(super) fn run(steps: &mut Steps, target: &Target) -> Result<()> {
    let installed = steps.run("web: packages", "cd web && npm ci", || {
        node::install_packages()
    })?;
    if !installed {
        return Ok(());
    }
    let manifest = workspace::root().join("web/package.json");
    let text = fs::read_to_string(&manifest).context("read web/package.json")?;
    let manifest: Value = serde_json::from_str(&text).context("parse web/package.json")?;
    for (script, what) in SCRIPTS {
        let repeat = format!("cd web && npm run {script}");
        steps.run(&format!("web: {what}"), &repeat, || {
            if manifest["scripts"][*script].is_null() {
                bail!("web/package.json has no script {script}");
            }
            shell::run(node::npm()?.args(["run", "--silent", script]))
        })?;
    }
    steps.run(
        "web: GraphQL over HTTP and a new organization, on the platform itself",
        "cargo xtask test --only web",
        || {
            rust::build(target)?;
            demo::with_platform(target, |alone| {
                let mut npm = node::npm()?;
                npm.args(["run", "--silent", "audit:http"])
                    .env("AUDIT_URL", format!("{}/graphql", alone.url))
                    .env("AUDIT_TOKEN", alone.token);
                shell::run(&mut npm)?;
                portal::set_up(alone, &target.program("netpatch-relay"))
            })
        },
    )?;
    Ok(())
}
