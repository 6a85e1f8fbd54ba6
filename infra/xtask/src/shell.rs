//! Running other programs: what is shown, what is captured, what is kept out of sight.
//!
//! Addresses of the machine's own package mirror never reach a log or the screen ([`mask`]).

use anyhow::{Context, Result, bail};
use regex::Regex;
use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Somebody pressed Ctrl-C (or sent SIGTERM).
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Turns Ctrl-C and SIGTERM into [`Interrupted`] errors, so that everything started is also removed.
pub(crate) fn catch_interrupts() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst)).context("handle Ctrl-C")
}

/// Fails with [`Interrupted`] once Ctrl-C was pressed.
pub(crate) fn check_interrupted() -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        Err(Interrupted.into())
    } else {
        Ok(())
    }
}

/// A command without the variables that `cargo run` adds; they would make a nested cargo compile anew.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_CRATE_",
            "CARGO_BIN_",
            "CARGO_PRIMARY_",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        {
            command.env_remove(name.as_ref());
        }
    }
    command
}

/// Replaces the host part of every URL.
pub(crate) fn mask(text: &str) -> String {
    static HOST: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"(https?://)[^ /"'\]]+"#).ok());
    match HOST.as_ref() {
        Some(host) => host.replace_all(text, "$1<mirror>").into_owned(),
        None => String::new(),
    }
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    mask(&words.join(" "))
}

/// Runs with our own input and output; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("start {}", shown(command)))?;
    if !status.success() {
        // Ctrl-C reaches the program too. One that succeeded all the same is no error: cleaning up goes on.
        check_interrupted()?;
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs unseen and returns what it wrote to stdout; on failure the error carries the end of its output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {}", shown(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        check_interrupted()?;
        let both = format!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
        bail!(
            "{} ended with {}\n{}",
            shown(command),
            output.status,
            tail(&both, 30)
        );
    }
    Ok(text)
}

/// Whether the command runs and succeeds; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The last lines of a text, masked.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    mask(&all[all.len().saturating_sub(lines)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_masked_but_its_path_is_not() {
        let line = "deb [signed-by=/k.gpg] http://mirror.example:3142/debian bookworm main";
        assert_eq!(
            mask(line),
            "deb [signed-by=/k.gpg] http://<mirror>/debian bookworm main"
        );
    }

    #[test]
    fn a_failed_command_reports_the_end_of_its_output() {
        let error = output(command("sh").args(["-c", "echo one; echo two >&2; exit 3"]));
        let text = error.expect_err("exit 3 is a failure").to_string();
        assert!(
            text.contains("exit status: 3") && text.contains("two"),
            "{text}"
        );
    }
}
