//! What the host is, read from its own files.

use netpatch_types::Sha256;
use std::collections::BTreeMap;
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
    /// os-release VERSION_CODENAME.
    pub os_release: String,
    /// os-release PRETTY_NAME.
    pub os_name: String,
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

/// Reads the facts of the host under `root`.
#[must_use]
pub fn read(root: &Path) -> Facts {
    let file = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let os = os_release(&file("etc/os-release"));
    let field = |name: &str| os.get(name).cloned().unwrap_or_default();
    let machine_id = file("etc/machine-id");
    Facts {
        hostname: nix::unistd::gethostname()
            .ok()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        machine_id: Sha256::of(format!("netpatch-machine/1{}", machine_id.trim()).as_bytes())
            .to_string(),
        os_id: field("ID"),
        os_version: field("VERSION_ID"),
        os_release: field("VERSION_CODENAME"),
        os_name: field("PRETTY_NAME"),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .unwrap_or_default()
            .trim()
            .to_owned(),
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

/// This boot of the kernel.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
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
}
