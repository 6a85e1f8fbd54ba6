//! A LAN for hosts: a bridge in a network namespace of its own.
//!
//! One virtual cable leads from the bridge to the machine, where a relay may listen on it. Nothing is
//! forwarded or translated, and the hosts have no route beyond the LAN.

use super::host::Host;
use super::sweep;
use crate::shell;
use anyhow::{Context, Result, bail};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder per LAN, a folder per host inside it. On tmpfs: gone after a reboot, as the namespaces are.
pub(crate) const RUN: &str = "/run/netpatch-hosts";

/// A bridge, its cable to the machine, and a folder that names the hosts on it.
pub(crate) struct Lan {
    /// Part of the names of namespaces and folder.
    pub(crate) name: String,
    /// Everything about this LAN.
    pub(crate) folder: PathBuf,
    /// Third byte of the addresses 10.77.N.0/24.
    subnet: u8,
}

impl Lan {
    /// Makes the bridge and the cable. Fails if a LAN of this name exists. When the owning process is
    /// gone, the next run removes the LAN; without an owner it stays until it is removed by name.
    pub(crate) fn create(name: &str, owner: Option<u32>) -> Result<Self> {
        let _lock = sweep::lock()?;
        let folder = Path::new(RUN).join(name);
        if folder.exists() {
            bail!("the LAN {name} is up already; cargo xtask hosts down removes it");
        }
        let lan = Self {
            name: name.to_owned(),
            folder,
            subnet: free_subnet()?,
        };
        fs::create_dir_all(&lan.folder)?;
        fs::write(lan.folder.join("subnet"), lan.subnet.to_string())?;
        if let Some(process) = owner {
            fs::write(lan.folder.join("owner"), sweep::identity(process)?)?;
        }
        if let Err(error) = lan.connect() {
            sweep::remove(name)?;
            return Err(error).context("make the hosts' LAN");
        }
        Ok(lan)
    }

    fn connect(&self) -> Result<()> {
        let (namespace, cable) = (self.namespace(), self.cable());
        let gateway = format!("{}/24", self.gateway());
        ip(&["netns", "add", &namespace])?;
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        ip(&["-n", &namespace, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &namespace, "link", "set", "br0", "up"])?;
        ip(&[
            "link", "add", &cable, "type", "veth", "peer", "name", "relay", "netns", &namespace,
        ])?;
        ip(&[
            "-n", &namespace, "link", "set", "relay", "master", "br0", "up",
        ])?;
        ip(&["addr", "add", &gateway, "dev", &cable])?;
        ip(&["link", "set", &cable, "up"])
    }

    /// One that [`Lan::create`] made earlier.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let folder = Path::new(RUN).join(name);
        let subnet = fs::read_to_string(folder.join("subnet"))
            .with_context(|| format!("there is no LAN {name}; cargo xtask hosts up makes one"))?;
        let subnet = subnet.trim().parse().context("read the LAN's subnet")?;
        Ok(Self {
            name: name.to_owned(),
            folder,
            subnet,
        })
    }

    /// Address of the machine's end of the cable: where a relay listens.
    pub(crate) fn gateway(&self) -> Ipv4Addr {
        self.address(1)
    }

    pub(crate) fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.subnet, last)
    }

    pub(crate) fn namespace(&self) -> String {
        format!("np-{}", self.name)
    }

    fn cable(&self) -> String {
        format!("np-lan{}", self.subnet)
    }

    /// The running hosts, in the order of their names.
    pub(crate) fn hosts(&self) -> Result<Vec<Host>> {
        let mut hosts = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.path().join("init").exists() {
                hosts.push(self.host(&entry.file_name().to_string_lossy())?);
            }
        }
        hosts.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(hosts)
    }

    /// A running host by its name.
    pub(crate) fn host(&self, name: &str) -> Result<Host> {
        Host::open(self, name)
    }
}

/// The first 10.77.N.0/24 that no interface of the machine uses.
fn free_subnet() -> Result<u8> {
    let used = shell::output(Command::new("ip").args(["-o", "-4", "addr", "show"]))?;
    (0..=255)
        .find(|number| !used.contains(&format!(" 10.77.{number}.")))
        .context("every 10.77.N.0/24 is in use")
}

pub(crate) fn ip(arguments: &[&str]) -> Result<()> {
    shell::output(Command::new("ip").args(arguments)).map(drop)
}
