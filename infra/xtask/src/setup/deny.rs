//! cargo-deny: from the path, else compiled once into the cache.

use crate::{shell, workspace};
use anyhow::Result;
use std::process::Command;

/// No registry offers it compiled; other versions of it read `deny.toml` differently.
const VERSION: &str = "0.20.2";

/// `cargo deny`, run from the root of the clone.
pub(crate) fn command() -> Result<Command> {
    let tools = workspace::cache()?.join("tools");
    let own = tools.join("bin/cargo-deny");
    let on_path = shell::succeeds(shell::command("cargo-deny").arg("--version"));
    if !on_path && !own.exists() {
        eprintln!(
            "    compiling cargo-deny {VERSION} into {} (once)",
            tools.display()
        );
        shell::output(
            shell::command("cargo")
                .args([
                    "install",
                    "--quiet",
                    "--locked",
                    "cargo-deny",
                    "--version",
                    VERSION,
                ])
                .arg("--root")
                .arg(&tools)
                .env_remove("CARGO_TARGET_DIR"),
        )?;
    }
    let mut command = if on_path {
        shell::command("cargo-deny")
    } else {
        shell::command(own)
    };
    command.current_dir(workspace::root());
    Ok(command)
}
