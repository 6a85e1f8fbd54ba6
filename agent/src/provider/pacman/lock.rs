//! pacman's lock: a file that says nothing of its holder and stays behind when pacman is killed.

use crate::provider::files::io_failure;
use crate::provider::services;
use netpatch_agent_core::Failure;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The lock, below the root.
pub(super) const FILE: &str = "var/lib/pacman/db.lck";
/// Programs that take it.
const HOLDERS: [&str; 4] = ["pacman", "pamac", "pamac-daemon", "packagekitd"];
/// How often a working package manager is looked at.
const POLL: Duration = Duration::from_millis(500);

/// The process that works under the lock, if any.
pub(super) fn holder(root: &Path) -> Option<i32> {
    if !root.join(FILE).exists() {
        return None;
    }
    services::processes(root)
        .into_iter()
        .find(|(_, name)| HOLDERS.contains(&name.as_str()))
        .map(|(pid, _)| pid)
}

/// Waits for whoever works, then takes away a lock that nobody holds.
pub(super) async fn wait_and_clear(root: &Path) -> Result<(), Failure> {
    while holder(root).is_some() {
        tokio::time::sleep(POLL).await;
    }
    let place = root.join(FILE);
    match fs::remove_file(&place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io_failure("remove", &place, &error))
        }
        _ => Ok(()),
    }
}
