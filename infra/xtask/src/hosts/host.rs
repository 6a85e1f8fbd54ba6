//! One host: start it, run commands in it, stop it.

use super::lan::{Lan, ip};
use super::sources::Sources;
use super::sweep;
use crate::shell;
use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What a host is to be, besides a clone of the base.
#[derive(Default)]
pub(crate) struct Spec {
    /// Its host name.
    pub(crate) name: String,
    /// Programs of the machine that appear under /usr/local/bin, read-only.
    pub(crate) programs: Vec<PathBuf>,
    /// More lines for its `sources.list`.
    pub(crate) sources: Vec<String>,
    /// The host dies with this process instead of staying.
    pub(crate) dies_with_us: bool,
}

impl Spec {
    /// A plain clone that stays.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

/// A running host. Dropping it stops it, unless it is left running.
pub(crate) struct Host {
    /// Its host name.
    pub(crate) name: String,
    /// Its address on the LAN.
    pub(crate) address: Ipv4Addr,
    /// Its root file system as the machine sees it.
    pub(crate) root: PathBuf,
    lan: String,
    init: u32,
    child: Option<Child>,
}

impl Host {
    /// Clones the base, connects the clone to the LAN at `.last` and starts its first process.
    pub(crate) fn start(lan: &Lan, base: &Path, spec: &Spec, last: u8) -> Result<Self> {
        let result = Self::try_start(lan, base, spec, last);
        if result.is_err() {
            sweep::remove_host(&lan.name, &spec.name)?;
        }
        result.with_context(|| format!("start the host {}", spec.name))
    }

    fn try_start(lan: &Lan, base: &Path, spec: &Spec, last: u8) -> Result<Self> {
        let folder = lan.folder.join(&spec.name);
        let address = lan.address(last);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("address"), address.to_string())?;
        let root = clone_root(base, &folder)?;
        personalise(&root, &spec.name, address)?;
        write_sources(&root, &spec.sources)?;
        let namespace = connect(lan, &spec.name, address, last)?;

        // A host that stays must not hold our own output open.
        let log = File::create(folder.join("log"))?;
        let mut first = first_process(&namespace, &root, spec)?;
        let mut child = first.stderr(log).spawn().context("start unshare")?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        if line != "ready\n" {
            child.kill().ok();
            child.wait().ok();
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            bail!(
                "its first process did not come up: {}",
                shell::tail(&log, 5)
            );
        }
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        let init: u32 = fs::read_to_string(children)?
            .trim()
            .parse()
            .context("find its process 1")?;
        let record = format!(
            "{}\n{}\n",
            sweep::identity(child.id())?,
            sweep::identity(init)?
        );
        fs::write(folder.join("init"), record)?;
        let name = spec.name.clone();
        Ok(Self {
            name,
            address,
            root,
            lan: lan.name.clone(),
            init,
            child: Some(child),
        })
    }

    pub(super) fn open(lan: &Lan, name: &str) -> Result<Self> {
        let folder = lan.folder.join(name);
        let text = |file: &str| {
            fs::read_to_string(folder.join(file))
                .with_context(|| format!("there is no host {name}"))
        };
        let init = text("init")?;
        let init = init
            .lines()
            .nth(1)
            .and_then(|line| line.split(' ').next()?.parse().ok());
        Ok(Self {
            name: name.to_owned(),
            address: text("address")?.trim().parse()?,
            root: folder.join("root"),
            lan: lan.name.clone(),
            init: init.context("read the host's process id")?,
            child: None,
        })
    }

    /// A command inside the host, as root, with a clean environment.
    pub(crate) fn exec<S: AsRef<str>>(&self, words: &[S]) -> Command {
        let mut command = shell::command("nsenter");
        command
            .args(["--target", &self.init.to_string()])
            .args([
                "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--",
            ])
            .args([
                "/usr/bin/env",
                "--ignore-environment",
                "HOME=/root",
                "TERM=dumb",
            ])
            .args(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
            .args(["LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"])
            .args(words.iter().map(AsRef::as_ref));
        command
    }

    /// Runs a command inside the host and returns its output.
    pub(crate) fn output(&self, words: &[&str]) -> Result<String> {
        shell::output(&mut self.exec(words)).with_context(|| format!("on {}", self.name))
    }

    /// Lets the host outlive this process.
    pub(crate) fn leave_running(mut self) {
        self.child = None;
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        if let Err(error) = sweep::remove_host(&self.lan, &self.name) {
            eprintln!("warning: the host {} was not removed: {error:#}", self.name);
        }
        child.wait().ok();
    }
}

/// Mounts an overlay of the base whose changes live on tmpfs.
fn clone_root(base: &Path, folder: &Path) -> Result<PathBuf> {
    let (changes, root) = (folder.join("changes"), folder.join("root"));
    fs::create_dir_all(&changes)?;
    fs::create_dir_all(&root)?;
    let flags = MsFlags::empty();
    mount(
        Some("tmpfs"),
        &changes,
        Some("tmpfs"),
        flags,
        Some("mode=755,size=3g"),
    )?;
    let (upper, work) = (changes.join("upper"), changes.join("work"));
    fs::create_dir(&upper)?;
    fs::create_dir(&work)?;
    let escaped = |path: &Path| {
        path.to_string_lossy()
            .replace('\\', "\\\\")
            .replace(':', "\\:")
    };
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        escaped(base),
        escaped(&upper),
        escaped(&work)
    );
    mount(
        Some("overlay"),
        &root,
        Some("overlay"),
        flags,
        Some(options.as_str()),
    )
    .context("mount the overlay")?;
    Ok(root)
}

/// What distinguishes one installation from another.
fn personalise(root: &Path, name: &str, address: Ipv4Addr) -> Result<()> {
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")?.replace('-', "");
    fs::write(root.join("etc/machine-id"), id)?;
    fs::write(root.join("etc/hostname"), format!("{name}\n"))?;
    fs::write(
        root.join("etc/hosts"),
        format!("127.0.0.1 localhost\n{address} {name}\n"),
    )?;
    // A resolver of the machine would not answer here, and programs would wait for it.
    fs::remove_file(root.join("etc/resolv.conf")).ok();
    fs::write(root.join("etc/resolv.conf"), "")?;
    // Nobody supervises services here; a package's upgrade must not start them.
    let policy = root.join("usr/sbin/policy-rc.d");
    fs::write(&policy, "#!/bin/sh\nexit 101\n")?;
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The machine's own package sources, and those that only this host has.
fn write_sources(root: &Path, more: &[String]) -> Result<()> {
    let sources = Sources::of_this_machine()?;
    for entry in fs::read_dir(root.join("etc/apt/sources.list.d"))? {
        fs::remove_file(entry?.path())?;
    }
    let mut list = sources.host_list();
    list.extend(more.iter().map(|line| format!("{line}\n")));
    fs::write(root.join("etc/apt/sources.list"), list)?;
    fs::write(
        root.join("etc/apt/apt.conf.d/90host"),
        sources.host_options(),
    )?;
    Ok(())
}

/// A network namespace with one interface on the LAN and no default route.
fn connect(lan: &Lan, name: &str, address: Ipv4Addr, last: u8) -> Result<String> {
    let bridge = lan.namespace();
    let namespace = format!("{bridge}-{name}");
    let (port, address) = (format!("port{last}"), format!("{address}/24"));
    ip(&["netns", "add", &namespace])?;
    ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
    ip(&[
        "-n", &bridge, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns",
        &namespace,
    ])?;
    ip(&["-n", &bridge, "link", "set", &port, "master", "br0", "up"])?;
    ip(&["-n", &namespace, "addr", "add", &address, "dev", "eth0"])?;
    ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
    Ok(namespace)
}

/// `unshare` makes the namespaces and waits; its only child is this program again, as process 1.
fn first_process(namespace: &str, root: &Path, spec: &Spec) -> Result<Command> {
    let mut command = shell::command("setpriv");
    // The signal is tied to the thread that starts the process: start hosts from the main thread.
    command.args(if spec.dies_with_us {
        ["--pdeathsig=KILL"]
    } else {
        ["--pdeathsig=clear"]
    });
    command
        .args([
            "--",
            "nsenter",
            &format!("--net=/run/netns/{namespace}"),
            "--",
            "unshare",
        ])
        .args([
            "--mount",
            "--pid",
            "--uts",
            "--ipc",
            "--fork",
            "--kill-child",
        ])
        .args(["--propagation=slave", "--"])
        .arg(std::env::current_exe()?)
        .args(["hosts", "init", "--name", &spec.name, "--root"])
        .arg(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0);
    for program in &spec.programs {
        command.arg("--program").arg(std::path::absolute(program)?);
    }
    Ok(command)
}
