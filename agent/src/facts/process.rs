//! The processes of the host: who owns a socket, and who still uses replaced files.
//!
//! Invariants: only processes whose root is the host's count, so a container's are left out; one walk answers both questions;
//! every count and every size is bounded, and a process that ends meanwhile is left out.

use crate::provider::services::replaced_files;
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Most processes that are looked at.
const MAX_PROCESSES: usize = 20_000;
/// Most open files of all processes that are looked at.
const MAX_DESCRIPTORS: usize = 200_000;
/// Most bytes of one process's map.
const MAX_MAPS_BYTES: u64 = 8 << 20;
/// A walk takes no longer.
const MAX_TIME: Duration = Duration::from_secs(5);

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) id: u32,
    /// comm.
    pub(crate) name: String,
    /// `nginx.service`; empty outside of any.
    pub(crate) unit: String,
    /// Path of its program; empty when unreadable.
    pub(crate) program: String,
    /// Which of the wanted sockets it holds, by inode.
    pub(crate) sockets: BTreeSet<u64>,
    /// Replaced files that it has mapped.
    pub(crate) replaced: BTreeSet<String>,
}

/// Processes under a root, with those of the wanted sockets that they hold. `proc` is where proc(5) is mounted.
pub(crate) fn processes(proc: &Path, root: &Path, wanted: &HashSet<u64>) -> Vec<Process> {
    let mut all = Vec::new();
    // The kernel names files as this process sees them: of a root folder its own path stands before.
    let prefix = root.to_string_lossy();
    let prefix = prefix.trim_end_matches('/');
    let inside = |text: &str| {
        if prefix.is_empty() {
            text.to_owned()
        } else {
            text.replace(prefix, "")
        }
    };
    let Ok(root) = fs::metadata(root) else {
        return all;
    };
    let began = Instant::now();
    let mut descriptors = MAX_DESCRIPTORS;
    for entry in fs::read_dir(proc).into_iter().flatten().flatten() {
        if all.len() >= MAX_PROCESSES || began.elapsed() > MAX_TIME {
            break;
        }
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let place = entry.path();
        let same_root = fs::metadata(place.join("root"))
            .is_ok_and(|other| (other.dev(), other.ino()) == (root.dev(), root.ino()));
        if !same_root {
            continue;
        }
        let text = |name: &str| read_limited(&place.join(name)).unwrap_or_default();
        let program = fs::read_link(place.join("exe")).unwrap_or_default();
        let program = inside(&program.to_string_lossy());
        all.push(Process {
            id,
            name: one_line(&text("comm")),
            unit: unit_of(&text("cgroup")).to_owned(),
            program: program
                .strip_suffix(" (deleted)")
                .unwrap_or(&program)
                .to_owned(),
            sockets: sockets(&place.join("fd"), wanted, &mut descriptors),
            replaced: replaced_files(&inside(&text("maps")))
                .into_iter()
                .map(one_line)
                .collect(),
        });
    }
    all
}

/// A file of proc(5), which has no size of its own.
fn read_limited(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .ok()?
        .take(MAX_MAPS_BYTES)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Trimmed, without control characters, at most 255 bytes.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for c in text.trim().chars() {
        let c = if c.is_control() { ' ' } else { c };
        if line.len() + c.len_utf8() > 255 {
            break;
        }
        line.push(c);
    }
    line
}

fn sockets(folder: &Path, wanted: &HashSet<u64>, left: &mut usize) -> BTreeSet<u64> {
    let mut held = BTreeSet::new();
    if wanted.is_empty() {
        return held;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if *left == 0 {
            break;
        }
        *left -= 1;
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let inode = target
            .to_str()
            .and_then(|target| target.strip_prefix("socket:[")?.strip_suffix(']'))
            .and_then(|inode| inode.parse().ok());
        held.extend(inode.filter(|inode| wanted.contains(inode)));
    }
    held
}

/// The service of a cgroup(7) file: the innermost part that is one. Containers and sessions have none.
fn unit_of(cgroup: &str) -> &str {
    let path = |line: &str| -> Option<usize> {
        let (head, path) = line.split_once("::").or_else(|| {
            let (head, path) = line.split_once(":name=systemd:")?;
            Some((head, path))
        })?;
        head.parse::<u32>().ok()?;
        Some(line.len() - path.len())
    };
    let Some(path) = cgroup
        .lines()
        .find_map(|line| path(line).map(|at| &line[at..]))
    else {
        return "";
    };
    path.rsplit('/')
        .find(|part| part.ends_with(".service") && part.len() <= 255)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_innermost_service() {
        for (cgroup, unit) in [
            ("0::/system.slice/nginx.service\n", "nginx.service"),
            (
                "12:pids:/x\n1:name=systemd:/system.slice/ssh.service\n",
                "ssh.service",
            ),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app.service\n",
                "app.service",
            ),
            ("0::/user.slice/user-0.slice/session-1.scope\n", ""),
            ("0::/\n", ""),
            ("garbage", ""),
            ("", ""),
        ] {
            assert_eq!(unit_of(cgroup), unit, "{cgroup}");
        }
    }

    #[test]
    fn names_are_one_short_line() {
        assert_eq!(one_line(" a\u{1b}[0m\nb "), "a [0m b");
        assert_eq!(one_line(&"ü".repeat(300)).len(), 254);
    }

    #[test]
    fn a_process_of_this_test_is_found_with_its_socket() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let inode = {
            use std::os::fd::AsRawFd as _;
            let link = format!("/proc/self/fd/{}", listener.as_raw_fd());
            fs::read_link(link)
                .expect("proc")
                .to_string_lossy()
                .into_owned()
        };
        let inode: u64 = inode
            .trim_start_matches("socket:[")
            .trim_end_matches(']')
            .parse()
            .expect("an inode");
        let all = processes(Path::new("/proc"), Path::new("/"), &HashSet::from([inode]));
        let own = all
            .iter()
            .find(|process| process.id == std::process::id())
            .expect("itself");
        assert_eq!(own.sockets, BTreeSet::from([inode]));
        let program = std::env::current_exe().expect("a program");
        assert_eq!(Path::new(&own.program), program);
    }
}
