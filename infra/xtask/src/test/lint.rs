//! rustfmt, clippy and cargo-deny.

use super::cargo;
use crate::shell;
use crate::steps::Steps;
use crate::workspace::Target;
use anyhow::Result;

const REPEAT: &str = "cargo xtask test --only lint";

/// Runs the lints. cargo-deny takes minutes to compile and no registry offers a current binary, so it
/// runs where it is installed; the edge tests read the same `deny.toml` and enforce its bans, licences
/// and sources everywhere.
pub(super) fn run(steps: &mut Steps, target: &Target) -> Result<()> {
    steps.run("rustfmt", "cargo fmt --all --check", || {
        shell::run(cargo(target).args(["fmt", "--all", "--check"]))
    })?;
    steps.run("clippy", REPEAT, || {
        let lints = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--keep-going",
            "--locked",
            "--",
            "-D",
            "warnings",
        ];
        shell::run(cargo(target).args(lints))
    })?;
    if shell::succeeds(cargo(target).args(["deny", "--version"])) {
        steps.run(
            "cargo-deny",
            "cargo deny check bans licenses sources",
            || shell::run(cargo(target).args(["deny", "check", "bans", "licenses", "sources"])),
        )?;
    } else {
        eprintln!("    cargo-deny is not installed; deny.toml is enforced by the edge tests");
    }
    Ok(())
}
