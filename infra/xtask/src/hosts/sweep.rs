//! Removing LANs and hosts, also those that a killed run left behind.
//!
//! A process is known by its id **and** its start time, so that a reused id is never signalled.

use super::lan::{RUN, ip};
use anyhow::{Context, Result};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

/// `PID START`: names one process for all time since boot.
pub(crate) fn identity(process: u32) -> Result<String> {
    let start = start_time(process).with_context(|| format!("process {process} is gone"))?;
    Ok(format!("{process} {start}"))
}

/// Clock ticks from boot to the start of the process.
fn start_time(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    // proc(5): field 3 is the first after the name, field 22 the start time.
    let mut fields = after_name.split_ascii_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(start)
}

/// Whether the process that [`identity`] named still runs.
pub(crate) fn is_alive(identity: &str) -> bool {
    let mut words = identity.split_ascii_whitespace();
    let (Some(process), Some(start)) = (words.next(), words.next()) else {
        return false;
    };
    let process = process.parse().ok().and_then(start_time);
    process.is_some_and(|now| start.parse() == Ok(now))
}

/// Held while LANs are made or swept, so that two runs neither take the same subnet nor remove the same
/// LAN. Released when dropped.
pub(super) fn lock() -> Result<File> {
    let lock = File::create(format!("{RUN}.lock")).context("create the lock of the hosts' LANs")?;
    lock.lock().context("lock the hosts' LANs")?;
    Ok(lock)
}

/// Removes every LAN whose owner is gone.
pub(crate) fn dead_runs() -> Result<()> {
    let _lock = lock()?;
    let Ok(entries) = fs::read_dir(RUN) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let owner = fs::read_to_string(entry.path().join("owner"));
        if owner.is_ok_and(|owner| !is_alive(&owner)) {
            remove(&entry.file_name().to_string_lossy())?;
        }
    }
    Ok(())
}

/// Stops all hosts of a LAN and removes it. Fine if it does not exist.
pub(crate) fn remove(lan: &str) -> Result<()> {
    let folder = Path::new(RUN).join(lan);
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_host(lan, &entry.file_name().to_string_lossy())?;
        }
    }
    remove_namespace(&format!("np-{lan}"))?;
    fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))
}

/// Stops one host and removes its mounts, namespace and folder, however far its start had come.
pub(super) fn remove_host(lan: &str, name: &str) -> Result<()> {
    let folder = Path::new(RUN).join(lan).join(name);
    if let Ok(record) = fs::read_to_string(folder.join("init")) {
        for identity in record.lines() {
            stop(identity)?;
        }
    }
    unmount_below(&folder)?;
    remove_namespace(&format!("np-{lan}-{name}"))?;
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Kills the process (a namespace's first process takes all others along) and waits until it is gone.
fn stop(identity: &str) -> Result<()> {
    let Some(process) = identity
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
    else {
        return Ok(());
    };
    let began = Instant::now();
    while is_alive(identity) {
        kill(Pid::from_raw(process), Signal::SIGKILL).ok();
        if began.elapsed() > Duration::from_secs(20) {
            anyhow::bail!("process {process} of a host does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn unmount_below(folder: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("read the mounts")?;
    let below: Vec<_> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|target| Path::new(target).starts_with(folder))
        .collect();
    for target in below.into_iter().rev() {
        umount2(target, MntFlags::MNT_DETACH).with_context(|| format!("unmount {target}"))?;
    }
    Ok(())
}

fn remove_namespace(name: &str) -> Result<()> {
    if Path::new("/run/netns").join(name).exists() {
        ip(&["netns", "del", name])
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_only_under_its_own_start_time() {
        let own = identity(std::process::id()).expect("this process runs");
        assert!(is_alive(&own));
        let (process, start) = own.split_once(' ').expect("two words");
        let other: u64 = start.parse::<u64>().expect("a number") + 1;
        assert!(!is_alive(&format!("{process} {other}")));
        assert!(!is_alive("") && !is_alive("nonsense"));
    }
}
