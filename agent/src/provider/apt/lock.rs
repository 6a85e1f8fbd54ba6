//! Whether another program holds dpkg's locks. They are fcntl locks: asking needs no lock of one's own.

use nix::fcntl::{FcntlArg, fcntl};
use std::fs::File;
use std::path::Path;

/// The process that holds dpkg's frontend lock or its database lock under a root, if any.
pub(crate) fn holder(root: &Path) -> Option<i32> {
    ["var/lib/dpkg/lock-frontend", "var/lib/dpkg/lock"]
        .iter()
        .find_map(|path| holder_of(&root.join(path)))
}

pub(crate) fn holder_of(path: &Path) -> Option<i32> {
    let file = File::options().write(true).open(path).ok()?;
    let mut lock = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_GETLK(&mut lock)).ok()?;
    (lock.l_type != nix::libc::F_UNLCK as i16).then_some(lock.l_pid)
}
