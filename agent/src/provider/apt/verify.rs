//! Whether the host is as ordered, and as before after a rollback.

use super::Apt;
use crate::provider::Verification;
use crate::provider::services::{self, files_in_use};
use netpatch_agent_core::plan::{Change, ContentItem, Plan, fixed_version};
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::{Ecosystem, version};
use std::cmp::Ordering;
use std::fs;
use std::path::Path;

impl Apt {
    pub(super) async fn compare_with_plan(
        &self,
        plan: &Plan,
        content: &[ContentItem],
        folder: &Path,
    ) -> Result<Verification, Failure> {
        let status = self.status()?;
        let audit = self.read("dpkg", &["--audit"]).await?;
        let audit_lines: Vec<&str> = audit
            .stdout
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let mut wrong = Vec::new();
        for item in &plan.items {
            let place = format!("{}:{}", item.name, item.arch);
            let package = status
                .get(&item.name, &item.arch)
                .filter(|package| package.is_present());
            match (item.change, package) {
                (Change::Remove, None) => {}
                (Change::Remove, Some(_)) => {
                    wrong.push(format!("{place} should be removed but is installed"))
                }
                (_, None) => wrong.push(format!("{place} should be installed but is not")),
                (_, Some(package)) => {
                    let fixed = fixed_version(item, content);
                    let order = version::compare(Ecosystem::Deb, &package.version, fixed);
                    if !matches!(order, Ok(Ordering::Equal | Ordering::Greater)) {
                        wrong.push(format!(
                            "{place} is {} but should be at least {fixed}",
                            package.version
                        ));
                    } else if !package.is_configured() {
                        wrong.push(format!("{place} {} is {}", package.version, package.state));
                    }
                }
            }
        }
        wrong.extend(
            audit_lines
                .iter()
                .map(|line| format!("dpkg --audit: {line}")),
        );
        let (_, before) = self.before(folder)?;
        let stopped: Vec<String> = before
            .services
            .difference(&services::running(&self.runner).await)
            .cloned()
            .collect();
        let failure = if wrong.is_empty() {
            let unhealthy = services::failed(&self.runner, &stopped).await;
            (!unhealthy.is_empty())
                .then(|| Failure::new(FailureCause::ServiceUnhealthyAfter, unhealthy))
        } else {
            Some(self.failed_as_logged(folder, wrong))
        };
        let mut in_use: Vec<String> = files_in_use(self.runner.root())
            .difference(&before.in_use)
            .take(50)
            .cloned()
            .collect();
        if plan
            .items
            .iter()
            .any(|item| item.name.starts_with("linux-image-"))
        {
            in_use.push("a new kernel is installed".to_owned());
        }
        Ok(Verification {
            failure,
            in_use,
            audit_clean: audit_lines.is_empty(),
            notes: Vec::new(),
        })
    }

    /// A wrong state after an interruption: the log knows more than the comparison.
    fn failed_as_logged(&self, folder: &Path, wrong: Vec<String>) -> Failure {
        let mut text = String::new();
        for name in ["install.log", "mend.log"] {
            text.push_str(&String::from_utf8_lossy(
                &fs::read(folder.join(name)).unwrap_or_default(),
            ));
        }
        let logged = super::diagnose::diagnose(&text, None);
        let cause = match logged.cause {
            FailureCause::Unknown(_) => FailureCause::Unknown(None),
            cause => cause,
        };
        Failure::new(cause, wrong.into_iter().chain(logged.evidence))
    }

    pub(super) async fn compare_with_snapshot(
        &self,
        folder: &Path,
    ) -> Result<Vec<String>, Failure> {
        let (before, kept) = self.before(folder)?;
        let mut lines = before.differences(&self.status()?);
        let audit = self.read("dpkg", &["--audit"]).await?;
        lines.extend(
            audit
                .stdout
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(|line| format!("dpkg --audit: {line}")),
        );
        let automatic = self.automatic().await?;
        lines.extend(
            kept.automatic
                .symmetric_difference(&automatic)
                .map(|name| format!("{name}: automatic mark differs")),
        );
        Ok(lines)
    }
}
