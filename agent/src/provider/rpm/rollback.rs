//! The way back: the kept files over whatever is there, then out with what was not there before.
//!
//! rpm itself does it, without any repository. The kept files go in even where their version is installed already: a
//! transaction that was cut off leaves newer files under an older entry.

use super::Rpm;
use super::database::{Package, file_name};
use super::state::Before;
use crate::command::CommandLine;
use crate::provider::Step;
use crate::provider::files::io_failure;
use crate::supervisor::Script;
use netpatch_agent_core::journal::{ProcessRecord, Purpose};
use netpatch_agent_core::{Failure, FailureCause};
use std::path::Path;

/// Older over newer, the same over itself, whatever the files of a half-done transaction say.
const OVER: [&str; 4] = ["-U", "--oldpackage", "--replacepkgs", "--replacefiles"];

impl Rpm {
    /// Starts the n-th way back; at its end the package manager's own marks are put back by these commands. From the second
    /// on, scripts of what goes are left out: one of them may be the reason.
    pub(crate) async fn start_rollback(
        &self,
        folder: &Path,
        attempt: usize,
        afterwards: &[CommandLine],
    ) -> Result<ProcessRecord, Failure> {
        let before = Before::read(folder)?;
        let now = self.database().await?;
        let kept = folder.join("kept");
        let mut files = Vec::new();
        let mut replaced: Vec<&Package> = Vec::new();
        for package in &before.packages {
            let file = kept.join(file_name(&package.name, &package.version, &package.arch));
            if file.exists() {
                files.push(self.runner.inside(&file).to_string_lossy().into_owned());
                replaced.push(package);
            } else if !now.packages.contains(package) {
                let line = format!("the kept {} is gone", file.display());
                return Err(Failure::new(FailureCause::SnapshotFailed, [line]));
            }
        }
        let is_new = |package: &&Package| {
            !before.packages.contains(package)
                && !replaced
                    .iter()
                    .any(|old| (&old.name, &old.arch) == (&package.name, &package.arch))
        };
        let gone: Vec<String> = now
            .packages
            .iter()
            .filter(is_new)
            .map(Package::nevra)
            .collect();
        let without = |words: &mut Vec<String>| {
            if attempt > 1 {
                words.extend(["--nopreun", "--nopostun"].map(str::to_owned));
            }
        };
        let mut script = Script::default();
        let mut erase: Vec<String> = vec!["-e".into(), "--nodeps".into(), "--allmatches".into()];
        without(&mut erase);
        erase.extend(gone.iter().cloned());
        if files.is_empty() && !gone.is_empty() {
            script.main(&CommandLine::new("rpm", erase));
        } else if !files.is_empty() {
            let mut words: Vec<String> = OVER.map(str::to_owned).to_vec();
            without(&mut words);
            words.extend(files);
            script.main(&CommandLine::new("rpm", words));
            if !gone.is_empty() {
                script.also(&CommandLine::new("rpm", erase));
            }
        }
        for command in afterwards {
            script.also(command);
        }
        Step::Rollback(attempt)
            .supervised(folder)
            .start(&self.runner, &script, Purpose::Rollback)
            .map_err(|error| io_failure("start rpm in", folder, &error))
    }
}
