//! rustfmt, clippy and cargo-deny.

use super::cargo;
use crate::setup::deny;
use crate::shell;
use crate::steps::Steps;
use crate::workspace::Target;
use anyhow::Result;

const REPEAT: &str = "cargo xtask test --only lint";

/// Formatting, lints, and what may be linked at all (`deny.toml`: bans, licences, sources).
pub(super) fn run(steps: &mut Steps, target: &Target) -> Result<()> {
    steps.run("rustfmt", "cargo fmt --all --check", || {
        shell::run(cargo(target).args(["fmt", "--all", "--check"]))
    })?;
    steps.run("clippy", REPEAT, || {
        shell::run(
            cargo(target)
                .args([
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--locked",
                    "--keep-going",
                ])
                .args(["--", "-D", "warnings"]),
        )
    })?;
    steps.run("cargo-deny", REPEAT, || {
        shell::run(deny::command()?.args(["check", "bans", "licenses", "sources"]))
    })?;
    Ok(())
}
