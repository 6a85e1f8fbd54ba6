//! Installing what the commands need and the machine lacks: Debian packages,
//! Node, cargo-deny.
//!
//! Nothing is installed without a line that says so first, and nothing that is already there is touched.

pub(crate) mod debian;
pub(crate) mod deny;
pub(crate) mod node;
pub(crate) mod rathole;

use nix::sched::CloneFlags;

/// Whether we may create namespaces: effective root that is allowed to unshare.
pub(crate) fn has_namespaces() -> bool {
    nix::unistd::geteuid().is_root()
        && std::thread::spawn(|| {
            nix::sched::unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS).is_ok()
        })
        .join()
        .unwrap_or(false)
}
