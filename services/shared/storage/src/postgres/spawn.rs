//! Starting a child that dies with the thread that started it.

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Uid, User, getpid, getppid};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};

/// A command with a clean environment, as `user` if that is another one than ours.
pub(super) fn command(program: &Path, user: Option<&User>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .current_dir("/");
    if let Some(user) = user.filter(|user| user.uid != Uid::effective()) {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    // A terminal's Ctrl-C is for us; we stop the child in order.
    command.process_group(0);
    command
}

/// Spawns; the child gets `signal` when the calling **thread** ends, so call it from a thread that lives as long as the child.
#[allow(
    unsafe_code,
    reason = "pre_exec is the only place after the change of user, which clears the signal"
)]
pub(super) fn spawn_bound(command: &mut Command, signal: Signal) -> io::Result<Child> {
    let parent = getpid();
    // SAFETY: between fork and exec only prctl and getppid are called; both are async-signal-safe and allocate nothing.
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(signal)?;
            // The parent may have died before the signal was set.
            if getppid() == parent {
                Ok(())
            } else {
                Err(io::Error::from_raw_os_error(nix::libc::ESRCH))
            }
        });
    }
    command.spawn()
}
