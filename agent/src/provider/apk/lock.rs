//! apk's lock: an flock on a file beside the database. It goes with the process that holds it.

use crate::provider::services;
use std::fs::{File, TryLockError};
use std::path::Path;

/// The lock, below the root: of old, and since apk 3.
const FILES: [&str; 2] = ["lib/apk/db/lock", "usr/lib/apk/db/lock"];

/// The process that changes packages, if any. Whether somebody holds an flock is only known by trying it, which another apk
/// would notice if it came in that moment: without a process of apk's nothing is tried.
pub(super) fn holder(root: &Path) -> Option<i32> {
    let processes = services::processes(root);
    let (pid, _) = processes.iter().find(|(_, name)| name == "apk")?;
    let is_held = FILES.iter().any(|file| {
        File::open(root.join(file))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    });
    is_held.then_some(*pid)
}
