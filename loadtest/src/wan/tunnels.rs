//! What carries the bytes over a line: our tunnel, and the programs that people use for it, as their documentation says.

use super::line::{FAR, Line, NEAR};
use crate::process;
use anyhow::{Context as _, Result, bail};
use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where our tunnel listens, on the far side.
pub(super) const TUNNEL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(FAR), 4433);
/// Where the mirror listens.
pub(super) const ORIGIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(FAR), 8080);
/// Where everything else is answered, on the far side.
pub(super) const PLAIN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5201);
/// Where the other tunnels begin, on the near side.
pub(super) const ENTRY: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5202);
/// Where the other tunnels end, on the side that listens.
const PORT: u16 = 7000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Netpatch,
    Rathole,
    Stunnel,
    Ssh,
}

/// What the others are measured with.
pub(super) const CONGESTION: [&str; 2] = ["cubic", "bbr"];

/// A program and what its TCP connections follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contender {
    pub(super) kind: Kind,
    /// `cubic` or `bbr`; of no meaning for ours.
    pub(super) congestion: &'static str,
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Netpatch => f.write_str("netpatch"),
            Kind::Rathole => write!(f, "rathole, {}", self.congestion),
            Kind::Stunnel => write!(f, "stunnel, {}", self.congestion),
            Kind::Ssh => write!(f, "ssh -L, {}", self.congestion),
        }
    }
}

/// All that are wished, ours first.
pub(super) fn contenders(only: &[Kind]) -> Vec<Contender> {
    let wished = |kind: Kind| only.is_empty() || only.contains(&kind);
    let contender = |kind, congestion| Contender { kind, congestion };
    let mut all = vec![contender(Kind::Netpatch, "cubic")];
    for kind in [Kind::Rathole, Kind::Stunnel, Kind::Ssh] {
        all.extend(CONGESTION.map(|congestion| contender(kind, congestion)));
    }
    all.retain(|contender| wished(contender.kind));
    all
}

/// The programs of a tunnel; killed when dropped. Ours needs none beside the two ends.
pub(super) struct Tunnel(Vec<Child>);

impl Tunnel {
    pub(super) fn start(kind: Kind, line: &Line, folder: &Path) -> Result<Self> {
        let commands = match kind {
            Kind::Netpatch => Vec::new(),
            Kind::Rathole => rathole(line, folder)?,
            Kind::Stunnel => stunnel(line, folder)?,
            Kind::Ssh => ssh(line, folder)?,
        };
        let mut tunnel = Self(Vec::new());
        for mut command in commands {
            let log = fs::File::create(folder.join("log"))?;
            command.stdout(log.try_clone()?).stderr(log);
            tunnel.0.push(command.spawn()?);
        }
        Ok(tunnel)
    }

    /// Processor time so far.
    pub(super) fn cpu(&self) -> Result<Duration> {
        self.0
            .iter()
            .map(|child| process::cpu_of_all(child.id()))
            .sum()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        for child in &mut self.0 {
            process::kill_all(child);
        }
    }
}

/// It is made for services behind a firewall: the service's side calls the one where it is to be seen.
fn rathole(line: &Line, folder: &Path) -> Result<Vec<Command>> {
    let (server, client) = (folder.join("server.toml"), folder.join("client.toml"));
    fs::write(
        &server,
        format!(
            "[server]\nbind_addr = \"{NEAR}:{PORT}\"\ndefault_token = \"load\"\n[server.services.load]\nbind_addr = \"{ENTRY}\"\n"
        ),
    )?;
    fs::write(
        &client,
        format!(
            "[client]\nremote_addr = \"{NEAR}:{PORT}\"\ndefault_token = \"load\"\n[client.services.load]\nlocal_addr = \"{PLAIN}\"\n"
        ),
    )?;
    need("rathole", "--version")?;
    let (mut near, mut far) = (line.near("rathole"), line.far("rathole"));
    near.arg(server);
    far.arg(client);
    Ok(vec![near, far])
}

fn stunnel(line: &Line, folder: &Path) -> Result<Vec<Command>> {
    let (server, client) = (folder.join("server.conf"), folder.join("client.conf"));
    let common = "foreground = yes\npid =\ndebug = err\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n";
    let identity = folder.join("relay.pem");
    fs::write(
        &server,
        format!(
            "{common}[load]\naccept = {FAR}:{PORT}\nconnect = {PLAIN}\ncert = {}\n",
            identity.display()
        ),
    )?;
    fs::write(
        &client,
        format!("{common}[load]\nclient = yes\naccept = {ENTRY}\nconnect = {FAR}:{PORT}\n"),
    )?;
    need("stunnel", "-version")?;
    let (mut near, mut far) = (line.near("stunnel"), line.far("stunnel"));
    near.arg(client);
    far.arg(server);
    Ok(vec![far, near])
}

fn ssh(line: &Line, folder: &Path) -> Result<Vec<Command>> {
    need("ssh", "-V")?;
    for name in ["host", "client"] {
        if !folder.join(name).exists() {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.join(name))
                .status();
            if !made.is_ok_and(|status| status.success()) {
                bail!("cannot make a key for ssh");
            }
        }
    }
    fs::create_dir_all("/run/sshd").context("make the folder that sshd wants")?;
    let root = folder.display();
    fs::write(
        folder.join("sshd_config"),
        format!(
            "ListenAddress {FAR}:{PORT}\nHostKey {root}/host\nAuthorizedKeysFile {root}/client.pub\nStrictModes no\n\
             PidFile none\nPermitRootLogin yes\nLogLevel ERROR\nUsePAM no\n"
        ),
    )?;
    let (mut near, mut far) = (line.near("ssh"), line.far("/usr/sbin/sshd"));
    far.args(["-D", "-e", "-f"]).arg(folder.join("sshd_config"));
    near.args(["-N", "-F", "none", "-o", "StrictHostKeyChecking=no"])
        .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
        .args(["-o", "ConnectionAttempts=20", "-L"])
        .arg(format!("{ENTRY}:{PLAIN}"))
        .args(["-p", &PORT.to_string(), "-i"])
        .arg(folder.join("client"))
        .arg(format!("root@{FAR}"));
    Ok(vec![far, near])
}

fn need(program: &str, version: &str) -> Result<()> {
    Command::new(program)
        .arg(version)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("start {program}: cargo xtask bench --setup installs it"))?;
    Ok(())
}
