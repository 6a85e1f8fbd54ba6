//! The Rust tests: one `cargo test` over the workspace, crate edges first.

use super::{UNPRIVILEGED, cargo};
use crate::setup::node;
use crate::shell;
use crate::steps::Steps;
use crate::workspace::{self, Target};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

const REPEAT: &str = "cargo xtask test --only rust";

/// Crate edges, then a build of its own (so that a compile error shows as one), then all tests.
pub(super) fn run(steps: &mut Steps, target: &Target, unprivileged: bool) -> Result<()> {
    steps.run("crate edges", "cargo test --package xtask", || {
        shell::run(cargo(target).args(["test", "--package", "xtask", "--locked"]))
    })?;
    if steps.run("build", REPEAT, || build(target))? {
        steps.run("cargo test", REPEAT, || {
            let mut cargo = cargo(target);
            cargo.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
            // The agent's tests install packages with npm.
            node::put_on_path(&mut cargo)?;
            if unprivileged {
                cargo.env(UNPRIVILEGED, "1");
            }
            shell::run(&mut cargo)
        })?;
    }
    Ok(())
}

/// Builds the programs and the tests together, so that the dependencies get one set of features.
pub(super) fn build(target: &Target) -> Result<()> {
    shell::run(cargo(target).args(["build", "--workspace", "--bins", "--tests", "--locked"]))
}

/// Makes the shared folder safe to reuse, and keeps other runs out of it until the lock is dropped.
///
/// Cargo decides by modification time whether a crate of this workspace changed. A clone unpacked at the
/// path of an earlier one may carry older times than what was compiled from the other, so every source
/// is marked as new. Dependencies are told apart by version and stay compiled.
pub(super) fn prepare_shared(target: &Target) -> Result<File> {
    fs::create_dir_all(&target.folder)
        .with_context(|| format!("create {}", target.folder.display()))?;
    let lock = File::create(target.folder.join(".netpatch-test.lock"))?;
    if lock.try_lock().is_err() {
        eprintln!(
            "waiting for another run that uses {}",
            target.folder.display()
        );
        lock.lock().context("lock the shared target folder")?;
    }
    if workspace::in_ci() {
        #[allow(clippy::disallowed_methods, reason = "file times are the real clock's")]
        let now = SystemTime::now();
        for part in ["services", "gateway", "relay", "agent", "infra"] {
            mark_as_new(&workspace::root().join(part), now)?;
        }
    }
    Ok(lock)
}

fn mark_as_new(folder: &Path, now: SystemTime) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            mark_as_new(&entry.path(), now)?;
        } else if kind.is_file() {
            File::options()
                .append(true)
                .open(entry.path())?
                .set_modified(now)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn marking_reaches_nested_files() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("a/b.rs");
        fs::create_dir(folder.path().join("a")).expect("a folder");
        fs::write(&file, "x").expect("a file");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        mark_as_new(folder.path(), time).expect("marked");
        assert_eq!(
            fs::metadata(&file)
                .and_then(|meta| meta.modified())
                .expect("a time"),
            time
        );
        assert_eq!(fs::read(&file).expect("content"), b"x");
    }
}
