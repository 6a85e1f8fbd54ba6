//! What another process of this machine uses, as the kernel counts it.

use anyhow::{Context as _, Result};
use std::process::{Child, Command};
use std::time::Duration;

/// The kernel's clock tick for programs, on every architecture that we build for (`_SC_CLK_TCK`).
const TICK: Duration = Duration::from_millis(10);

/// Resident memory, bytes.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    kibibytes(&text, "VmRSS")
        .map(|count| count * 1024)
        .with_context(|| format!("{path} has no VmRSS"))
}

fn kibibytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let words = line.strip_prefix(':')?.trim().strip_suffix("kB")?;
    words.trim().parse().ok()
}

/// Processor time so far, of all threads, in user and kernel mode.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    ticks(&text)
        .map(|ticks| TICK * ticks)
        .with_context(|| format!("{path} has no times"))
}

/// The same, with all processes below it that still run.
pub(crate) fn cpu_of_all(pid: u32) -> Result<Duration> {
    let mut sum = cpu(pid)?;
    for child in children(pid)? {
        // It may end just now.
        sum += cpu_of_all(child).unwrap_or_default();
    }
    Ok(sum)
}

/// Processes whose parent is this one.
fn children(parent: u32) -> Result<Vec<u32>> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    Ok(text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect())
}

/// Kills a process that this one has started, and all below it.
pub(crate) fn kill_all(child: &mut Child) {
    kill_below(child.id());
    let _ = child.kill();
    let _ = child.wait();
}

fn kill_below(parent: u32) {
    for child in children(parent).unwrap_or_default() {
        kill_below(child);
        let _ = Command::new("kill")
            .args(["-9", &child.to_string()])
            .status();
    }
}

/// Fields 14 and 15; the name before them may hold blanks and brackets.
fn ticks(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    user.checked_add(system)
}

/// Refuses to begin with fewer open files than are needed.
pub(crate) fn need_open_files(wanted: usize) -> Result<()> {
    let path = "/proc/self/limits";
    let text = std::fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let allowed = open_files(&text).with_context(|| format!("{path} has no open files"))?;
    anyhow::ensure!(
        wanted <= allowed,
        "{wanted} open files are needed and {allowed} are allowed: raise it (ulimit -n {wanted}), or take fewer agents"
    );
    Ok(())
}

/// The limit that counts: the first number.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        let status = "Name:\tnetpatch\nVmPeak:\t  100 kB\nVmRSS:\t   5124 kB\n";
        assert_eq!(kibibytes(status, "VmRSS"), Some(5124));
        assert_eq!(kibibytes("VmRSS: x kB\n", "VmRSS"), None);
        assert_eq!(kibibytes("", "VmRSS"), None);
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 31 0 0 20 0 9 0 1 1 1";
        assert_eq!(ticks(stat), Some(281));
        assert_eq!(ticks("7 (a) S 1"), None);
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 20000                files     \n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(
            open_files("Max open files  unlimited unlimited files\n"),
            Some(usize::MAX)
        );
        assert_eq!(open_files("Max cpu time unlimited\n"), None);
        let here = std::process::id();
        assert!(resident(here).expect("resident") > 1 << 20);
        cpu(here).expect("processor time");
    }
}
