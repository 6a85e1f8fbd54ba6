//! Whether the host is as ordered.

use super::database::compare;
use super::state::Before;
use super::{READ_LIMIT, Rpm, diagnose};
use crate::command::CommandLine;
use crate::provider::{Step, Verification, services};
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::plan::{Change, ContentItem, Plan, PlanItem, fixed_version};
use netpatch_agent_core::{Failure, FailureCause};
use std::cmp::Ordering;
use std::fs;
use std::path::Path;

/// What the program around dnf or zypper says at last when all went well.
const ENDED: &str = r#"{"code": 0}"#;
/// Most replaced files that are named.
const MAX_IN_USE: usize = 50;

impl Rpm {
    /// Compares the database with the plan, and the log with what scripts say when they fail.
    pub(crate) async fn verify(
        &self,
        plan: &Plan,
        content: &[ContentItem],
        folder: &Path,
    ) -> Result<Verification, Failure> {
        let database = self.database().await?;
        let before = Before::read(folder)?;
        let mut wrong = Vec::new();
        for item in &plan.items {
            let place = format!("{}.{}", item.name, item.arch);
            let versions = database.versions(&item.name, &item.arch);
            match (item.change, versions.last()) {
                (Change::Remove, _) => {
                    let gone = item.before.as_deref();
                    if versions
                        .iter()
                        .any(|package| Some(package.version.as_str()) == gone)
                    {
                        wrong.push(format!("{place} should be removed but is installed"));
                    }
                }
                (_, None) => wrong.push(format!("{place} should be installed but is not")),
                (change, Some(package)) => {
                    let fixed = fixed_version(item, content);
                    if compare(&package.version, fixed) == Ordering::Less {
                        let version = &package.version;
                        wrong.push(format!(
                            "{place} is {version} but should be at least {fixed}"
                        ));
                    }
                    if change == Change::Upgrade
                        && versions.len() > before.versions(&item.name, &item.arch)
                    {
                        wrong.push(format!("{place} is installed twice: rpm was interrupted"));
                    }
                }
            }
        }
        let unmet = self.unmet(plan).await?;
        wrong.extend(unmet.iter().cloned());
        let log = fs::read(Step::Install.supervised(folder).log()).unwrap_or_default();
        let is_lost = self.transaction(folder, Step::Install)? == Transaction::Lost;
        if is_lost && !String::from_utf8_lossy(&log).contains(ENDED) {
            wrong.push("rpm was cut off: a script may not have run to its end".to_owned());
        }
        let logged = diagnose::failed_scripts(&String::from_utf8_lossy(&log));
        let stopped: Vec<String> = before
            .services
            .difference(&services::running(&self.runner).await)
            .cloned()
            .collect();
        let failure = if !logged.is_empty() {
            // rpm counts a package whose script failed as installed and ends with 0.
            Some(Failure::new(
                FailureCause::MaintainerScriptFailed,
                logged.into_iter().chain(wrong),
            ))
        } else if !wrong.is_empty() {
            Some(named(&String::from_utf8_lossy(&log), wrong))
        } else {
            let unhealthy = services::failed(&self.runner, &stopped).await;
            (!unhealthy.is_empty())
                .then(|| Failure::new(FailureCause::ServiceUnhealthyAfter, unhealthy))
        };
        let mut in_use: Vec<String> = services::files_in_use(self.runner.root())
            .difference(&before.in_use)
            .take(MAX_IN_USE)
            .cloned()
            .collect();
        if plan.items.iter().any(is_kernel) {
            in_use.push("a new kernel is installed".to_owned());
        }
        Ok(Verification {
            failure,
            in_use,
            audit_clean: unmet.is_empty(),
            notes: Vec::new(),
        })
    }

    /// Dependencies of the plan's packages that nothing meets, as `rpm -V` says.
    async fn unmet(&self, plan: &Plan) -> Result<Vec<String>, Failure> {
        let installed = plan
            .items
            .iter()
            .filter(|item| item.change != Change::Remove);
        let names: Vec<String> = installed
            .map(|item| format!("{}.{}", item.name, item.arch))
            .collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let words = [
            "-V",
            "--nofiles",
            "--nodigest",
            "--nosignature",
            "--noscripts",
        ];
        let words = words.map(str::to_owned).into_iter().chain(names);
        let output = self
            .runner
            .run(&CommandLine::new("rpm", words), READ_LIMIT)
            .await?;
        let is_unmet = |line: &&str| {
            line.contains("Unsatisfied dependencies") || line.contains("is needed by")
        };
        Ok(output
            .stdout
            .lines()
            .filter(is_unmet)
            .map(str::to_owned)
            .collect())
    }
}

/// Packages of a kernel itself, which runs only after a restart.
fn is_kernel(item: &PlanItem) -> bool {
    item.change != Change::Remove
        && [
            "kernel",
            "kernel-core",
            "kernel-default",
            "kernel-rt-core",
            "kernel-uek-core",
        ]
        .contains(&item.name.as_str())
}

/// A wrong state after an interruption: the log may know the cause.
fn named(log: &str, wrong: Vec<String>) -> Failure {
    let logged = diagnose::diagnose(log, None);
    match logged.cause {
        FailureCause::Unknown(_) => Failure::new(FailureCause::Unknown(None), wrong),
        cause => Failure::new(cause, wrong.into_iter().chain(logged.evidence)),
    }
}
