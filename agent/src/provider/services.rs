//! Services and running programs, for the health of a host after a transaction.

use crate::command::{CommandLine, Runner};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// Limit of a question to systemd.
const LIMIT: Duration = Duration::from_secs(60);

/// Services that run now; empty where systemd does not.
pub(crate) async fn running(runner: &Runner) -> BTreeSet<String> {
    if !runner.outside("/run/systemd/system").is_dir() {
        return BTreeSet::new();
    }
    let words = [
        "list-units",
        "--type=service",
        "--state=running",
        "--no-legend",
        "--plain",
        "--no-pager",
    ];
    let Ok(output) = runner
        .run(&CommandLine::new("systemctl", words), LIMIT)
        .await
    else {
        return BTreeSet::new();
    };
    output
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// Of the services that ran before and do not now: those that failed. A oneshot that ended is fine.
pub(crate) async fn failed(runner: &Runner, stopped: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for unit in stopped {
        let command = CommandLine::new("systemctl", ["is-failed", unit]);
        let Ok(output) = runner.run(&command, LIMIT).await else {
            continue;
        };
        if output.ok() {
            lines.push(format!("{unit} ran before and has failed"));
        }
    }
    lines
}

/// Replaced files that programs under `root` still have mapped, one line each: `name[pid,start] path`. The agent's own
/// process is left out: it starts itself anew.
pub(crate) fn files_in_use(root: &Path) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (pid, name) in processes(root) {
        let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else {
            continue;
        };
        for path in replaced_files(&maps) {
            lines.insert(format!("{name}[{pid}] {path}"));
        }
    }
    lines
}

/// Processes under a root with their names, but for the agent's own.
pub(crate) fn processes(root: &Path) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    let Ok(root) = fs::metadata(root) else {
        return found;
    };
    let own = std::process::id();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok());
        let Some(pid) = pid.filter(|pid| u32::try_from(*pid) != Ok(own)) else {
            continue;
        };
        let same_root = fs::metadata(entry.path().join("root"))
            .is_ok_and(|other| (other.dev(), other.ino()) == (root.dev(), root.ino()));
        if same_root {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push((pid, name.trim().to_owned()));
        }
    }
    found
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
