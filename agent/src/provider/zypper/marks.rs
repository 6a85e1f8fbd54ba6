//! Which packages a person wanted: libzypp keeps the names of the others in a file.
//!
//! An install by exact version counts as a person's wish; what was automatic before stays so.

use super::Zypper;
use crate::command::CommandLine;
use crate::provider::files::io_failure;
use netpatch_agent_core::Failure;
use netpatch_agent_core::plan::{Change, Plan};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// One name a line; `#` begins a comment.
const AUTOMATIC: &str = "/var/lib/zypp/AutoInstalled";

impl Zypper {
    fn automatic(&self) -> Result<String, Failure> {
        let place = self.runner.outside(AUTOMATIC);
        match fs::read(&place) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(io_failure("read", &place, &error)),
        }
    }

    /// `name.arch` of the packages that a person wanted.
    pub(super) async fn wanted_by_a_person(&self) -> Result<BTreeSet<String>, Failure> {
        let text = self.automatic()?;
        let automatic = names(&text);
        let database = self.rpm.database().await?;
        Ok(database
            .packages
            .iter()
            .filter(|package| !automatic.contains(package.name.as_str()))
            .map(|package| format!("{}.{}", package.name, package.arch))
            .collect())
    }

    /// Keeps the marks of before in the run's folder.
    pub(super) fn keep_marks(&self, folder: &Path) -> Result<(), Failure> {
        write(&folder.join("automatic.before"), &self.automatic()?)
    }

    /// Puts the marks of before back.
    pub(super) fn marks_of_before(&self, folder: &Path) -> CommandLine {
        self.copy(&folder.join("automatic.before"))
    }

    /// Sets the marks of before, and marks what is new as wanted only by others.
    pub(super) async fn marks_of_after(
        &self,
        plan: &Plan,
        folder: &Path,
    ) -> Result<CommandLine, Failure> {
        let before = folder.join("automatic.before");
        let text =
            fs::read_to_string(&before).map_err(|error| io_failure("read", &before, &error))?;
        let database = self.rpm.database().await?;
        let mut all: BTreeSet<&str> = names(&text);
        let new = plan.items.iter().filter(|item| {
            item.change == Change::Install && database.versions(&item.name, &item.arch).is_empty()
        });
        all.extend(new.map(|item| item.name.as_str()));
        let after = folder.join("automatic.after");
        let lines: String = all.iter().map(|name| format!("{name}\n")).collect();
        write(&after, &lines)?;
        Ok(self.copy(&after))
    }

    /// The file is there when zypper has ever installed anything.
    fn copy(&self, from: &Path) -> CommandLine {
        CommandLine::new("cp", [self.inside(from), AUTOMATIC.to_owned()])
    }
}

fn names(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

fn write(place: &Path, text: &str) -> Result<(), Failure> {
    crate::state::write_durably(place, text.as_bytes())
        .map_err(|error| io_failure("write", place, &error))
}
