//! libzypp's lock: a file with the number of the process that works. One that was killed leaves its number behind.

use crate::provider::services;
use std::fs;
use std::path::Path;

/// The lock, below the root.
const FILE: &str = "run/zypp.pid";

/// The process that works under the lock, if any.
pub(super) fn holder(root: &Path) -> Option<i32> {
    let text = fs::read_to_string(root.join(FILE)).ok()?;
    let pid: i32 = text.trim().parse().ok()?;
    let processes = services::processes(root);
    processes
        .iter()
        .any(|(other, _)| *other == pid)
        .then_some(pid)
}
