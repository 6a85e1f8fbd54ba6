//! The state before, the install, the way back, and what differs afterwards.
//!
//! apk writes its database once, at the end: one that was cut off has new files under an old database. The way back from there
//! lets apk finish first, without scripts, so that it knows every file that it brought.

use super::database::{Installed, Package, compare};
use super::plan::WORLD;
use super::{Apk, diagnose, lock};
use crate::command::CommandLine;
use crate::provider::files::io_failure;
use crate::provider::{Installer as _, Step, Verification, services};
use crate::supervisor::Script;
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::journal::{ProcessRecord, Purpose};
use netpatch_agent_core::plan::{Change, ContentItem, Plan, fixed_version};
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::Sha256;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Most differences, and most replaced files, that are named.
const MAX_LINES: usize = 50;
/// Most files below /etc that are looked at, and the deepest folder.
const MAX_ENTRIES: usize = 50_000;
const MAX_DEPTH: usize = 10;
/// How apk names a package's configuration beside one that a person changed.
const NEW_CONFIGURATION: &str = ".apk-new";
/// Packages of a kernel, which runs only after a restart.
const KERNELS: [&str; 5] = [
    "linux-lts",
    "linux-virt",
    "linux-stable",
    "linux-edge",
    "linux-rpi",
];
/// Runs apk and lets the database tell what became of it: the code counts errors, those of packages that were broken before among
/// them. 99 means that apk could not begin, more that it was killed.
const RUN: &str = r#""$@"
c=$?
echo "apk ended with $c"
[ $c -ge 99 ] || c=0
exit $c"#;
/// Gives a file the text of another, and keeps its owner and mode.
const RESTORE: &str = r#"cat "$1" >"$2" && sync "$2""#;

/// What is kept of the state before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Before {
    packages: Vec<Package>,
    world: String,
    plan: Plan,
    new_configuration: BTreeSet<String>,
    services: BTreeSet<String>,
    in_use: BTreeSet<String>,
}

impl Before {
    fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("before.json");
        let bytes = fs::read(&path).map_err(|error| io_failure("read", &path, &error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::new(FailureCause::SnapshotFailed, [error.to_string()]))
    }

    fn get(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// Packages that are broken now and were not.
    fn newly_broken<'a>(&self, now: &'a Installed) -> Vec<&'a Package> {
        let is_new = |package: &&Package| {
            !package.broken.is_empty()
                && self
                    .get(&package.name)
                    .is_none_or(|before| before.broken.is_empty())
        };
        now.packages.iter().filter(is_new).collect()
    }
}

impl Apk {
    fn world(&self) -> Result<String, Failure> {
        let path = self.runner.outside(WORLD);
        fs::read_to_string(&path).map_err(|error| io_failure("read", &path, &error))
    }

    pub(super) async fn write_snapshot(
        &self,
        plan: &Plan,
        folder: &Path,
    ) -> Result<Sha256, Failure> {
        if let Some(pid) = lock::holder(self.runner.root()) {
            let line = format!("apk's lock is held by process {pid}");
            return Err(Failure::new(FailureCause::PackageManagerLocked, [line]));
        }
        let failed = |failure: Failure| Failure {
            cause: FailureCause::SnapshotFailed,
            ..failure
        };
        let local = self.installed().map_err(failed)?;
        if let Some(gap) = local.gap() {
            return Err(Failure::new(FailureCause::SnapshotFailed, [gap]));
        }
        let before = Before {
            packages: local.packages,
            world: self.world().map_err(failed)?,
            plan: plan.clone(),
            new_configuration: new_configuration(self.runner.root()),
            services: services::running(&self.runner).await,
            in_use: services::files_in_use(self.runner.root()),
        };
        let json = serde_json::to_vec(&before)
            .map_err(|error| Failure::new(FailureCause::SnapshotFailed, [error.to_string()]))?;
        for (name, bytes) in [("world", before.world.as_bytes()), ("before.json", &json)] {
            let path = folder.join(name);
            crate::state::write_durably(&path, bytes)
                .map_err(|error| failed(io_failure("write", &path, &error)))?;
        }
        Ok(Sha256::of(&json))
    }

    pub(super) fn begin_install(
        &self,
        plan: &Plan,
        folder: &Path,
    ) -> Result<ProcessRecord, Failure> {
        let mut script = Script::default();
        if !plan.items.is_empty() {
            let command = self.upgrade_from_files(plan, folder, &[]);
            script.main(&judged_by_the_database(command));
        }
        self.supervise(folder, Step::Install, &script, Purpose::Install)
    }

    /// The kept files over whatever is there, which takes out what was not there before; then world as it was.
    pub(super) async fn begin_rollback(
        &self,
        folder: &Path,
        attempt: usize,
    ) -> Result<ProcessRecord, Failure> {
        let (before, now) = (Before::read(folder)?, self.installed()?);
        let mut files = Vec::new();
        for package in &before.packages {
            let name = package.file_name().unwrap_or_default();
            let file = folder.join("kept").join(&name);
            let is_same = |other: &Package| other.identity == package.identity;
            if file.is_file() {
                files.push(self.inside(&file));
            } else if !now.get(&package.name).is_some_and(is_same) {
                let line = format!("the kept file of {} {name} is gone", package.name);
                return Err(Failure::new(FailureCause::SnapshotFailed, [line]));
            }
        }
        let mut script = Script::default();
        if self.was_cut_off(folder, attempt).await? {
            script.also(&self.upgrade_from_files(&before.plan, folder, &["--no-scripts"]));
        }
        if !files.is_empty() {
            let none = self.work.join("none");
            let empty = none.join("repositories");
            fs::create_dir_all(&none).map_err(|error| io_failure("create", &none, &error))?;
            fs::write(&empty, "").map_err(|error| io_failure("write", &empty, &error))?;
            let mut words = vec!["add".to_owned()];
            words.extend(self.wait());
            words.push("--".to_owned());
            let command = self.over(&none, &empty, words.into_iter().chain(files));
            script.main(&judged_by_the_database(command));
        }
        let world = self.inside(&folder.join("world"));
        script.also(&CommandLine::new(
            "sh",
            ["-c", RESTORE, "sh", &world, WORLD],
        ));
        let now = new_configuration(self.runner.root());
        let brought = now.difference(&before.new_configuration);
        let brought: Vec<String> = brought.map(|path| format!("/{path}")).collect();
        if !brought.is_empty() {
            let words = ["-f".to_owned(), "--".to_owned()];
            script.also(&CommandLine::new("rm", words.into_iter().chain(brought)));
        }
        self.supervise(folder, Step::Rollback(attempt), &script, Purpose::Rollback)
    }

    /// Whether the install or an earlier way back ended before apk did.
    async fn was_cut_off(&self, folder: &Path, attempt: usize) -> Result<bool, Failure> {
        for step in std::iter::once(Step::Install).chain((1..attempt).map(Step::Rollback)) {
            match self.transaction(folder, step).await? {
                Transaction::Lost => return Ok(true),
                Transaction::Ended(code) if code > 99 => return Ok(true),
                _ => {}
            }
        }
        Ok(false)
    }

    fn supervise(
        &self,
        folder: &Path,
        step: Step,
        script: &Script,
        purpose: Purpose,
    ) -> Result<ProcessRecord, Failure> {
        step.supervised(folder)
            .start(&self.runner, script, purpose)
            .map_err(|error| io_failure("start apk in", folder, &error))
    }

    pub(super) async fn compare_with_plan(
        &self,
        plan: &Plan,
        content: &[ContentItem],
        folder: &Path,
    ) -> Result<Verification, Failure> {
        let (local, before) = (self.installed()?, Before::read(folder)?);
        let mut wrong = wrong_versions(&local, plan, content);
        wrong.extend(local.gap());
        if self.transaction(folder, Step::Install).await? == Transaction::Lost {
            wrong.push("apk was cut off: a script may not have run to its end".to_owned());
        }
        let log = fs::read(Step::Install.supervised(folder).log()).unwrap_or_default();
        let logged = diagnose::diagnose(&String::from_utf8_lossy(&log), None);
        let broken: Vec<String> = before
            .newly_broken(&local)
            .iter()
            .map(|package| {
                format!(
                    "{} {} is installed but broken",
                    package.name, package.version
                )
            })
            .collect();
        let running = services::running(&self.runner).await;
        let stopped: Vec<String> = before.services.difference(&running).cloned().collect();
        let failure = if !broken.is_empty() {
            let cause = FailureCause::MaintainerScriptFailed;
            Some(Failure::new(
                cause,
                broken.into_iter().chain(wrong).chain(logged.evidence),
            ))
        } else if !wrong.is_empty() {
            Some(Failure::new(
                match logged.cause {
                    FailureCause::Unknown(_) => FailureCause::Unknown(None),
                    cause => cause,
                },
                wrong.into_iter().chain(logged.evidence),
            ))
        } else {
            let unhealthy = services::failed(&self.runner, &stopped).await;
            (!unhealthy.is_empty())
                .then(|| Failure::new(FailureCause::ServiceUnhealthyAfter, unhealthy))
        };
        let mut in_use: Vec<String> = services::files_in_use(self.runner.root())
            .difference(&before.in_use)
            .take(MAX_LINES)
            .cloned()
            .collect();
        let is_kernel = |name: &str| KERNELS.contains(&name);
        if plan.items.iter().any(|item| is_kernel(&item.name)) {
            in_use.push("a new kernel is installed".to_owned());
        }
        let notes = new_configuration(self.runner.root())
            .difference(&before.new_configuration)
            .take(MAX_LINES)
            .map(|path| {
                format!(
                    "/{path}: the package's new configuration, beside one that was changed here"
                )
            })
            .collect();
        Ok(Verification {
            failure,
            in_use,
            audit_clean: local
                .packages
                .iter()
                .all(|package| package.broken.is_empty()),
            notes,
        })
    }

    pub(super) fn compare_with_snapshot(&self, folder: &Path) -> Result<Vec<String>, Failure> {
        let (before, now) = (Before::read(folder)?, self.installed()?);
        let only_in = |left: &[Package], right: &[Package], word: &str| -> Vec<String> {
            let key = |package: &Package| (package.name.clone(), package.identity.clone());
            let right: BTreeSet<_> = right.iter().map(key).collect();
            let differing = left.iter().filter(|package| !right.contains(&key(package)));
            differing
                .map(|package| format!("{} {}: {word}", package.name, package.version))
                .collect()
        };
        let mut lines = only_in(&before.packages, &now.packages, "installed before, not now");
        lines.extend(only_in(
            &now.packages,
            &before.packages,
            "installed now, not before",
        ));
        for package in before.newly_broken(&now) {
            lines.push(format!(
                "{} {}: broken now, not before",
                package.name, package.version
            ));
        }
        if self.world()? != before.world {
            lines.push(format!("{WORLD} is not as it was"));
        }
        lines.extend(now.gap());
        lines.truncate(MAX_LINES);
        Ok(lines)
    }
}

fn judged_by_the_database(command: CommandLine) -> CommandLine {
    let run = ["-c", RUN, "sh", &command.program].map(str::to_owned);
    CommandLine::new("sh", run.into_iter().chain(command.arguments))
}

fn wrong_versions(local: &Installed, plan: &Plan, content: &[ContentItem]) -> Vec<String> {
    let mut wrong = Vec::new();
    for item in &plan.items {
        let (name, fixed) = (&item.name, fixed_version(item, content));
        match (item.change, local.get(name)) {
            (Change::Remove, Some(_)) => wrong.push(format!("{name} should be removed but is not")),
            (Change::Remove, None) => {}
            (_, None) => wrong.push(format!("{name} should be installed but is not")),
            (_, Some(package)) if compare(&package.version, fixed) == Ordering::Less => {
                let version = &package.version;
                wrong.push(format!(
                    "{name} is {version} but should be at least {fixed}"
                ));
            }
            _ => {}
        }
    }
    wrong
}

/// Files below /etc that apk laid beside changed ones; paths from the root.
fn new_configuration(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![(root.join("etc"), 0)];
    let mut looked_at = 0;
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            looked_at += 1;
            if looked_at > MAX_ENTRIES {
                return found;
            }
            let path = entry.path();
            let kind = entry.file_type();
            if kind.as_ref().is_ok_and(|kind| kind.is_dir()) && depth < MAX_DEPTH {
                folders.push((path, depth + 1));
            } else if kind.is_ok_and(|kind| kind.is_file())
                && let Some(text) = path
                    .to_str()
                    .filter(|text| text.ends_with(NEW_CONFIGURATION))
                && let Ok(inside) = Path::new(text).strip_prefix(root)
            {
                found.insert(inside.to_string_lossy().into_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn apks_count_of_errors_is_no_outcome() {
        for (code, expected) in [(0, 0), (1, 0), (98, 0), (99, 99), (137, 137)] {
            let apk = CommandLine::new("sh", ["-c".to_owned(), format!("exit {code}")]);
            let run = judged_by_the_database(apk);
            let output = Command::new(&run.program).args(&run.arguments).output();
            let output = output.expect("sh");
            assert_eq!(output.status.code(), Some(expected), "{code}");
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(said, format!("apk ended with {code}\n"));
        }
    }

    #[test]
    fn configuration_beside_changed_one_is_found() {
        let root = tempfile::tempdir().expect("folder");
        let etc = root.path().join("etc");
        fs::create_dir_all(etc.join("a/b")).expect("folders");
        for name in ["a/b/x.conf.apk-new", "a/x.conf", "y.apk-new.bak"] {
            fs::write(etc.join(name), "").expect("a file");
        }
        std::os::unix::fs::symlink("/nowhere", etc.join("z.apk-new")).expect("a link");
        let found: Vec<String> = new_configuration(root.path()).into_iter().collect();
        assert_eq!(found, ["etc/a/b/x.conf.apk-new"]);
    }
}
