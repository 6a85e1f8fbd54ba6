//! Asks macOS. **Not run here**: no test of this repository starts these programs; what they print is read by tested code.

use super::Said;
use crate::command::{CommandLine, Runner};
use std::path::Path;
use std::time::Duration;

/// A program that only reads has so long.
const LIMIT: Duration = Duration::from_secs(120);
/// Longest output, bytes.
const MAX_BYTES: usize = 32 << 20;
/// Where Homebrew lies on Apple's own processors and on Intel's.
const BREW: [&str; 2] = ["/opt/homebrew/bin/brew", "/usr/local/bin/brew"];

/// Everything that there is to know.
pub(super) async fn macos(runner: &Runner) -> Said {
    let brew = BREW.iter().find(|path| Path::new(path).exists());
    let (formulae, casks) = match brew {
        Some(brew) => (
            printed(runner, brew, &["list", "--formula", "--versions"]).await,
            printed(runner, brew, &["list", "--cask", "--versions"]).await,
        ),
        None => (Ok(String::new()), Ok(String::new())),
    };
    Said {
        system: printed(runner, "sw_vers", &[]).await,
        receipts: printed(
            runner,
            "sh",
            &["-c", "pkgutil --pkgs | head -n 5000 | while read -r id; do pkgutil --pkg-info \"$id\"; done"],
        )
        .await,
        formulae,
        casks,
    }
}

async fn printed(runner: &Runner, program: &str, arguments: &[&str]) -> Result<String, String> {
    let command = CommandLine::new(program, arguments.iter().copied());
    let output = runner.run(&command, LIMIT).await;
    let output = output.map_err(|failure| failure.to_string())?;
    if !output.ok() {
        return Err(format!("{program} ends with {:?}", output.code));
    }
    if output.stdout.len() > MAX_BYTES {
        return Err(format!("{program} prints more than {MAX_BYTES} bytes"));
    }
    Ok(output.stdout)
}
