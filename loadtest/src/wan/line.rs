//! Two network namespaces with an emulated line between them, gone afterwards.

use super::quality::Quality;
use crate::process;
use anyhow::{Context as _, Result, bail};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where the one who asks is.
pub(super) const NEAR: Ipv4Addr = Ipv4Addr::new(10, 93, 0, 1);
/// Where the one who answers is.
pub(super) const FAR: Ipv4Addr = Ipv4Addr::new(10, 93, 0, 2);
/// The core of the emulator.
const EMULATOR_CORE: &str = "1";
/// The core of everything else.
const CORE: &str = "0";
const PREFIX: &str = "npline-";

/// A line.
pub(super) struct Line {
    near: String,
    far: String,
    emulator: Child,
}

impl Line {
    /// Needs root.
    pub(super) fn start(quality: &Quality, seed: u64) -> Result<Self> {
        let own = std::process::id();
        let (near, far) = (format!("npn{own}"), format!("npf{own}"));
        let mut emulator = Command::new("taskset")
            .args(["-c", EMULATOR_CORE])
            .arg(std::env::current_exe()?)
            .args(["--seed", &seed.to_string(), "wan-line"])
            .args(["--near", &near, "--far", &far])
            .args(quality.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the emulator")?;
        let output = emulator.stdout.take().context("its output")?;
        let line = Self {
            near: format!("{PREFIX}{own}-near"),
            far: format!("{PREFIX}{own}-far"),
            emulator,
        };
        let mut first = String::new();
        BufReader::new(output).read_line(&mut first)?;
        if first.trim() != "ready" {
            bail!("the emulator does not start");
        }
        connect(&line.near, &near, NEAR)?;
        connect(&line.far, &far, FAR)?;
        Ok(line)
    }

    /// A program on the side that asks.
    pub(super) fn near(&self, program: impl AsRef<OsStr>) -> Command {
        inside(&self.near, program.as_ref())
    }

    /// A program on the side that answers.
    pub(super) fn far(&self, program: impl AsRef<OsStr>) -> Command {
        inside(&self.far, program.as_ref())
    }

    /// What TCP connections of both sides follow from now on.
    pub(super) fn set_congestion(&self, name: &str) -> Result<()> {
        for namespace in [&self.near, &self.far] {
            let setting = format!("net.ipv4.tcp_congestion_control={name}");
            let output = inside(namespace, OsStr::new("sysctl"))
                .args(["-qw", &setting])
                .output()?;
            if !output.status.success() {
                let reason = String::from_utf8_lossy(&output.stderr);
                bail!("this kernel has no {name}: {}", reason.trim());
            }
        }
        Ok(())
    }

    /// Processor time of the emulator so far.
    pub(super) fn cpu(&self) -> Result<Duration> {
        process::cpu(self.emulator.id())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
        for namespace in [&self.near, &self.far] {
            let _ = ip(&["netns", "del", namespace]);
        }
    }
}

fn connect(namespace: &str, device: &str, address: Ipv4Addr) -> Result<()> {
    ip(&["netns", "add", namespace])?;
    ip(&["link", "set", device, "netns", namespace])?;
    let address = format!("{address}/30");
    ip(&["-n", namespace, "addr", "add", &address, "dev", device])?;
    for device in ["lo", device] {
        ip(&["-n", namespace, "link", "set", device, "up"])?;
    }
    Ok(())
}

fn inside(namespace: &str, program: &OsStr) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", namespace, "taskset", "-c", CORE])
        .arg(program)
        .stdin(Stdio::null());
    command
}

fn ip(words: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(words).output().context("run ip")?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("ip {}: {}", words.join(" "), reason.trim());
    }
    Ok(())
}

const ALLOWED: &str = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";

/// Lets namespaces choose among these congestion controls, for as long as it lives: a kernel allows them only what it allows everybody.
pub(super) struct Allowed(String);

impl Allowed {
    pub(super) fn all(names: &[&str]) -> Result<Self> {
        let before = fs::read_to_string(ALLOWED).with_context(|| format!("read {ALLOWED}"))?;
        let mut all: Vec<&str> = before.split_whitespace().collect();
        all.extend(names);
        fs::write(ALLOWED, all.join(" "))
            .with_context(|| format!("allow {} in {ALLOWED}", names.join(" and ")))?;
        Ok(Self(before))
    }
}

impl Drop for Allowed {
    fn drop(&mut self) {
        let _ = fs::write(ALLOWED, &self.0);
    }
}

/// Removes namespaces of runs that were killed.
pub(super) fn sweep() -> Result<()> {
    let output = Command::new("ip").args(["netns", "list"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    for name in text.lines().filter_map(|line| line.split(' ').next()) {
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            ip(&["netns", "del", name])?;
        }
    }
    Ok(())
}
