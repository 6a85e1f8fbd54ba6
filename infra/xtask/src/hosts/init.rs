//! A host's process 1: enters its root file system, then reaps.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{chdir, pivot_root, sethostname, setsid};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Its host name
    #[arg(long)]
    name: String,
    /// Its root file system
    #[arg(long)]
    root: PathBuf,
    /// Programs to show under /usr/local/bin
    #[arg(long)]
    program: Vec<PathBuf>,
}

/// Never returns in normal operation: the host ends when this process is killed.
pub(super) fn run(options: &Options) -> Result<()> {
    setsid().ok();
    sethostname(&options.name).context("set the host name")?;
    let root = &options.root;
    bind(root, root, MsFlags::empty())?;
    for program in &options.program {
        let name = program.file_name().context("a program without a name")?;
        let target = root.join("usr/local/bin").join(name);
        File::create(&target)?;
        bind(program, &target, MsFlags::MS_RDONLY)?;
    }
    // The bind above lies over the directory we were started in; enter it anew.
    chdir(root).context("enter the root file system")?;
    system_mounts()?;
    fs::create_dir("run/old-root")?;
    pivot_root(".", "run/old-root").context("change the root file system")?;
    chdir("/")?;
    umount2("/run/old-root", MntFlags::MNT_DETACH).context("leave the machine's file system")?;
    fs::remove_dir("/run/old-root")?;
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.thread_block()?;
    println!("ready");
    loop {
        signals.wait()?;
        reap();
    }
}

fn reap() {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return,
            Ok(_) | Err(_) => {}
        }
    }
}

/// Relative to the current directory, which becomes the root.
fn system_mounts() -> Result<()> {
    special("proc", "proc", MsFlags::empty(), None)?;
    special("sysfs", "sys", MsFlags::MS_RDONLY, None)?;
    special("tmpfs", "dev", MsFlags::MS_NOSUID, Some("mode=755"))?;
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        let target = Path::new("dev").join(device);
        File::create(&target)?;
        bind(&Path::new("/dev").join(device), &target, MsFlags::empty())?;
    }
    fs::create_dir("dev/pts")?;
    fs::create_dir("dev/shm")?;
    special(
        "devpts",
        "dev/pts",
        MsFlags::empty(),
        Some("newinstance,ptmxmode=0666"),
    )?;
    special("tmpfs", "dev/shm", MsFlags::MS_NOSUID, Some("mode=1777"))?;
    for (target, link) in [
        ("pts/ptmx", "dev/ptmx"),
        ("/proc/self/fd", "dev/fd"),
        ("fd/0", "dev/stdin"),
        ("fd/1", "dev/stdout"),
        ("fd/2", "dev/stderr"),
    ] {
        symlink(target, link)?;
    }
    special("tmpfs", "run", MsFlags::MS_NOSUID, Some("mode=755"))?;
    fs::create_dir("run/lock")?;
    Ok(())
}

fn special(kind: &str, target: &str, flags: MsFlags, options: Option<&str>) -> Result<()> {
    mount(Some(kind), target, Some(kind), flags, options)
        .with_context(|| format!("mount {kind} on {target}"))
}

fn bind(source: &Path, target: &Path, flags: MsFlags) -> Result<()> {
    let none = None::<&str>;
    let all = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(source), target, none, all, none)
        .with_context(|| format!("show {} on {}", source.display(), target.display()))?;
    if flags.is_empty() {
        return Ok(());
    }
    mount(
        none,
        target,
        none,
        MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags,
        none,
    )
    .with_context(|| format!("protect {}", target.display()))
}
