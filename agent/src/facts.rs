//! What the host is, read from its own files; and what can be seen of it while it runs ([`observe`]).

mod firewall;
mod hardware;
mod kernel;
mod process;
mod replaced;
mod sockets;

pub(crate) use kernel::is_newer_installed;

use crate::command::Runner;
use crate::provider::Providers;
use firewall::Firewall;
use netpatch_protocol::session;
use netpatch_protocol::session::{FirewallVerdict, Hardware, ListeningSocket, StaleService};
use netpatch_types::Sha256;
use process::Process;
use sockets::Listener;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What the host is; see `HostFacts` of the protocol for units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The host's name.
    pub hostname: String,
    /// Salted hash of /etc/machine-id, hexadecimal.
    pub machine_id: String,
    /// os-release ID, e.g. `debian`.
    pub os_id: String,
    /// os-release VERSION_ID.
    pub os_version: String,
    /// The release's word for components and advisories; see [`release_word`].
    pub os_release: String,
    /// os-release PRETTY_NAME.
    pub os_name: String,
    /// Whose relative it is.
    pub family: Family,
    /// The running kernel's release.
    pub kernel: String,
    /// IANA name; empty when unknown.
    pub time_zone: String,
    /// Processors that may be used.
    pub cpu_count: u32,
    /// Memory.
    pub memory_bytes: u64,
    /// Free on the file system of /var.
    pub disk_free_bytes: u64,
    /// This boot.
    pub boot_id: String,
}

/// Families of operating systems: each has its own package manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// dpkg and apt.
    Debian,
    /// rpm and dnf.
    RedHat,
    /// rpm and zypper.
    Suse,
    /// pacman.
    Arch,
    /// apk.
    Alpine,
    /// None of these.
    #[default]
    Other,
}

impl Family {
    /// From os-release ID and ID_LIKE.
    fn of(id: &str, like: &str) -> Self {
        std::iter::once(id)
            .chain(like.split_whitespace())
            .map(|word| match word {
                "debian" | "ubuntu" => Self::Debian,
                "rhel" | "fedora" | "centos" | "almalinux" | "rocky" | "ol" | "amzn" => {
                    Self::RedHat
                }
                "suse" | "sles" | "opensuse" | "opensuse-leap" | "opensuse-tumbleweed" => {
                    Self::Suse
                }
                "arch" => Self::Arch,
                "alpine" => Self::Alpine,
                _ => Self::Other,
            })
            .find(|family| *family != Self::Other)
            .unwrap_or_default()
    }
}

/// How vendors name the release in their advisories: Debian and Ubuntu by code name, Red Hat's relatives by major
/// version (`9`), Alpine by branch (`3.19`), SUSE and the rest by version (`15.5`), `rolling` without any.
fn release_word(family: Family, id: &str, version: &str, codename: &str) -> String {
    let parts: Vec<&str> = version.split('.').collect();
    let word = match family {
        Family::Debian if !codename.is_empty() => codename.to_owned(),
        Family::RedHat if id != "fedora" => parts[0].to_owned(),
        Family::Alpine => parts[..parts.len().min(2)].join("."),
        _ if version.is_empty() => codename.to_owned(),
        _ => version.to_owned(),
    };
    if word.is_empty() {
        "rolling".to_owned()
    } else {
        word
    }
}

/// Reads the facts of the host under `root`.
#[must_use]
pub fn read(root: &Path) -> Facts {
    let file = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let os = os_release(&file("etc/os-release"));
    let field = |name: &str| os.get(name).cloned().unwrap_or_default();
    let machine_id = file("etc/machine-id");
    let family = Family::of(&field("ID"), &field("ID_LIKE"));
    Facts {
        hostname: nix::unistd::gethostname()
            .ok()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        machine_id: Sha256::of(format!("netpatch-machine/1{}", machine_id.trim()).as_bytes())
            .to_string(),
        os_id: field("ID"),
        os_version: field("VERSION_ID"),
        os_release: release_word(
            family,
            &field("ID"),
            &field("VERSION_ID"),
            &field("VERSION_CODENAME"),
        ),
        os_name: field("PRETTY_NAME"),
        family,
        kernel: running_kernel(),
        time_zone: time_zone(root),
        cpu_count: std::thread::available_parallelism()
            .ok()
            .and_then(|count| u32::try_from(count.get()).ok())
            .unwrap_or(1),
        memory_bytes: memory_bytes(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
        disk_free_bytes: disk_free_bytes(&root.join("var")),
        boot_id: boot_id(),
    }
}

/// The distribution and the release's word of an os-release(5), as components name them.
#[must_use]
pub fn distribution(text: &str) -> (String, String) {
    let os = os_release(text);
    let field = |name: &str| os.get(name).cloned().unwrap_or_default();
    let (id, version) = (field("ID"), field("VERSION_ID"));
    let family = Family::of(&id, &field("ID_LIKE"));
    let release = release_word(family, &id, &version, &field("VERSION_CODENAME"));
    (id, release)
}

/// Most sockets of a host.
const MAX_SOCKETS: usize = 512;

/// What can be seen of the running host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Sockets that wait for others; sorted.
    pub listening: Vec<ListeningSocket>,
    /// How the packet filter was read.
    pub firewall: session::Firewall,
    /// The machine.
    pub hardware: Hardware,
    /// Newest kernel on the disk; empty without any.
    pub installed_kernel: String,
    /// What still runs replaced files; sorted.
    pub stale_services: Vec<StaleService>,
}

/// Looks at the running host. What only root may see is empty for others.
pub async fn observe(runner: &Runner, providers: &Providers) -> Observed {
    let proc = Path::new("/proc");
    let listeners = sockets::listeners(proc);
    let wanted = listeners.iter().map(|listener| listener.inode).collect();
    let processes = process::processes(proc, runner.root(), &wanted);
    let firewall = Firewall::read(runner).await;
    let programs: BTreeSet<String> = processes
        .iter()
        .filter(|process| !process.sockets.is_empty() && !process.program.is_empty())
        .map(|process| process.program.clone())
        .collect();
    let packages = providers.owners(&programs).await;
    Observed {
        listening: listening(&listeners, &processes, &firewall, &packages),
        firewall: session::Firewall {
            reader: firewall.reader.to_owned(),
            problem: firewall.problem,
        },
        hardware: hardware::hardware(proc, Path::new("/sys")),
        installed_kernel: kernel::newest(runner.root()),
        stale_services: replaced::stale_services(&processes),
    }
}

/// Sorted, each once; what others can reach comes first when there are too many.
fn listening(
    listeners: &[Listener],
    processes: &[Process],
    firewall: &Firewall,
    packages: &BTreeMap<String, String>,
) -> Vec<ListeningSocket> {
    let mut all: Vec<ListeningSocket> = listeners
        .iter()
        .map(|listener| {
            // Children inherit a socket: the first process that holds it is its oldest owner.
            let owner = processes
                .iter()
                .filter(|process| process.sockets.contains(&listener.inode))
                .min_by_key(|process| process.id);
            let verdict = match firewall.allows(listener) {
                Some(true) => FirewallVerdict::Allowed,
                Some(false) => FirewallVerdict::Blocked,
                None => FirewallVerdict::Unspecified,
            };
            ListeningSocket {
                protocol: listener.transport.as_str().to_owned(),
                address: listener.address.to_string(),
                port: listener.port.into(),
                not_loopback: listener.is_reachable(),
                firewall: verdict.into(),
                process: owner.map(|owner| owner.name.clone()).unwrap_or_default(),
                unit: owner.map(|owner| owner.unit.clone()).unwrap_or_default(),
                package: owner
                    .and_then(|owner| packages.get(&owner.program).cloned())
                    .unwrap_or_default(),
            }
        })
        .collect();
    let order = |socket: &ListeningSocket| {
        (
            !socket.not_loopback,
            socket.protocol.clone(),
            socket.port,
            socket.address.clone(),
            socket.process.clone(),
        )
    };
    all.sort_by_key(order);
    all.dedup();
    all.truncate(MAX_SOCKETS);
    all
}

/// This boot of the kernel.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The running kernel's release.
#[must_use]
pub fn running_kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Free bytes for root on the file system of a path; 0 when unknown.
#[must_use]
pub fn disk_free_bytes(path: &Path) -> u64 {
    nix::sys::statvfs::statvfs(path)
        .map(|stat| stat.blocks_available() * stat.fragment_size())
        .unwrap_or(0)
}

/// os-release(5): shell-like assignments.
fn os_release(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| {
            (
                name.trim().to_owned(),
                value.trim().trim_matches(['"', '\'']).to_owned(),
            )
        })
        .collect()
}

fn memory_bytes(meminfo: &str) -> u64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

fn time_zone(root: &Path) -> String {
    let named = fs::read_to_string(root.join("etc/timezone"))
        .unwrap_or_default()
        .trim()
        .to_owned();
    if !named.is_empty() {
        return named;
    }
    fs::read_link(root.join("etc/localtime"))
        .ok()
        .and_then(|target| {
            target
                .to_str()?
                .split_once("zoneinfo/")
                .map(|(_, zone)| zone.to_owned())
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_from_the_root() {
        let root = tempfile::tempdir().expect("folder");
        fs::create_dir(root.path().join("etc")).expect("etc");
        fs::write(
            root.path().join("etc/os-release"),
            "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n",
        )
        .expect("os-release");
        fs::write(root.path().join("etc/machine-id"), "abc\n").expect("machine-id");
        std::os::unix::fs::symlink(
            "/usr/share/zoneinfo/Europe/Berlin",
            root.path().join("etc/localtime"),
        )
        .expect("localtime");
        let facts = read(root.path());
        assert_eq!(
            (facts.os_id.as_str(), facts.os_version.as_str()),
            ("debian", "12")
        );
        assert_eq!(facts.time_zone, "Europe/Berlin");
        assert_eq!(facts.machine_id.len(), 64);
        assert!(facts.memory_bytes > 0 && !facts.boot_id.is_empty());
    }

    #[test]
    fn releases_have_their_vendors_words() {
        for (text, family, word) in [
            (
                "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm",
                Family::Debian,
                "bookworm",
            ),
            (
                "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=24.04\nVERSION_CODENAME=noble",
                Family::Debian,
                "noble",
            ),
            ("ID=debian\nPRETTY_NAME=sid", Family::Debian, "rolling"),
            (
                "ID=almalinux\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"",
                Family::RedHat,
                "9",
            ),
            (
                "ID=fedora\nVERSION_ID=41\nVERSION_CODENAME=\"\"",
                Family::RedHat,
                "41",
            ),
            (
                "ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\nVERSION_ID=15.5",
                Family::Suse,
                "15.5",
            ),
            ("ID=arch\nBUILD_ID=rolling", Family::Arch, "rolling"),
            ("ID=alpine\nVERSION_ID=3.19.1", Family::Alpine, "3.19"),
            ("", Family::Other, "rolling"),
        ] {
            let root = tempfile::tempdir().expect("folder");
            fs::create_dir(root.path().join("etc")).expect("etc");
            fs::write(root.path().join("etc/os-release"), text).expect("os-release");
            let facts = read(root.path());
            assert_eq!(
                (facts.family, facts.os_release.as_str()),
                (family, word),
                "{text}"
            );
        }
    }
}
