//! Whether the host is as ordered, and as before after a rollback.

use super::Apt;
use crate::provider::Verification;
use netpatch_agent_core::plan::{Change, ContentItem, Plan};
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::{Ecosystem, version};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
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
            .difference(&self.running_services().await)
            .cloned()
            .collect();
        let failure = if wrong.is_empty() {
            let unhealthy = self.unhealthy(&stopped).await;
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

    /// Of the services that ran before and do not now: those that failed. A oneshot that ended is fine.
    async fn unhealthy(&self, stopped: &[String]) -> Vec<String> {
        let mut lines = Vec::new();
        for unit in stopped {
            let Ok(output) = self.read("systemctl", &["is-failed", unit]).await else {
                continue;
            };
            if output.ok() {
                lines.push(format!("{unit} ran before and has failed"));
            }
        }
        lines
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

fn fixed_version<'a>(
    item: &'a netpatch_agent_core::plan::PlanItem,
    content: &'a [ContentItem],
) -> &'a str {
    content
        .iter()
        .find(|listed| {
            listed.name == item.name && listed.arch == item.arch && !listed.fixed_version.is_empty()
        })
        .map_or_else(
            || item.version.as_deref().unwrap_or_default(),
            |listed| listed.fixed_version.as_str(),
        )
}

/// Replaced files that programs under `root` still have mapped, one line each: `name[pid,start] path`. The agent's own
/// process is left out: it starts itself anew.
pub(super) fn files_in_use(root: &Path) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let Ok(root) = fs::metadata(root) else {
        return lines;
    };
    let own = std::process::id();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let same_root = fs::metadata(entry.path().join("root"))
            .is_ok_and(|other| (other.dev(), other.ino()) == (root.dev(), root.ino()));
        if pid == own || !same_root {
            continue;
        }
        let Ok(maps) = fs::read_to_string(entry.path().join("maps")) else {
            continue;
        };
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        for path in replaced_files(&maps) {
            lines.insert(format!("{}[{pid}] {path}", name.trim()));
        }
    }
    lines
}

/// Deleted program files and libraries of a proc(5) maps file.
pub(crate) fn replaced_files(maps: &str) -> BTreeSet<&str> {
    const PLACES: [&str; 6] = ["/usr/", "/lib", "/bin/", "/sbin/", "/opt/", "/etc/"];
    maps.lines()
        .filter_map(|line| line.strip_suffix(" (deleted)"))
        .filter_map(|line| line.find('/').map(|at| &line[at..]))
        .map(|path| path.strip_suffix(".dpkg-tmp").unwrap_or(path))
        .filter(|path| PLACES.iter().any(|place| path.starts_with(place)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_and_libraries_count_as_replaced() {
        let maps = "7f00-7f01 r-xp 00000000 08:01 17    /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)\n7f02-7f03 rw-s 00000000 00:01 18    /dev/shm/x (deleted)\n7f04-7f05 rw-p 00000000 00:01 19    /memfd:x (deleted)\n7f06-7f07 r-xp 00000000 08:01 20    /usr/bin/bash\n";
        assert_eq!(
            replaced_files(maps).into_iter().collect::<Vec<_>>(),
            ["/usr/lib/x86_64-linux-gnu/libssl.so.3"]
        );
    }
}
