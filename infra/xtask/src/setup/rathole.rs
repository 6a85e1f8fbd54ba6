//! rathole, which the load tests are measured beside: compiled once into the cache.

use crate::{shell, workspace};
use anyhow::Result;
use std::path::PathBuf;

const VERSION: &str = "0.5.0";

/// Installs it unless it is there.
pub(crate) fn install() -> Result<()> {
    let own = folder()?.join("rathole");
    if own.exists() || shell::succeeds(shell::command("rathole").arg("--version")) {
        return Ok(());
    }
    eprintln!(
        "    compiling rathole {VERSION} into {} (once)",
        own.display()
    );
    // Without --locked: what it was released with does not compile any more. Its own encryption stays out: ssh and stunnel have theirs.
    shell::output(
        shell::command("cargo")
            .args(["install", "--quiet", "rathole"])
            .args(["--version", VERSION, "--no-default-features"])
            .args(["--features", "server,client", "--root"])
            .arg(workspace::cache()?.join("tools"))
            .env_remove("CARGO_TARGET_DIR"),
    )?;
    Ok(())
}

/// Where it is.
pub(crate) fn folder() -> Result<PathBuf> {
    Ok(workspace::cache()?.join("tools/bin"))
}
