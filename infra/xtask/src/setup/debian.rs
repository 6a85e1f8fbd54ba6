//! Debian packages of the machine itself.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What the test hosts are made with.
pub(crate) const HOSTS: &[&str] = &[
    "mmdebstrap",
    "iproute2",
    "util-linux",
    "dpkg-dev",
    "apt-utils",
    "gnupg",
    "debian-archive-keyring",
];
/// What the platform's embedded default starts.
pub(crate) const PLATFORM: &[&str] = &["postgresql", "ca-certificates"];
/// What the demo driver itself calls.
pub(crate) const DRIVER: &[&str] = &["curl", "python3"];
/// What the tests start besides.
pub(crate) const TESTS: &[&str] = &[
    "redis-server",
    "systemd-container",
    "nftables",
    "iptables",
    "flatpak",
    "ostree",
    "python3-venv",
    "openssl",
    "rpm",
    "createrepo-c",
    "containerd",
    "squid",
    "dnsmasq-base",
];
/// What the load tests are measured beside.
pub(crate) const PEERS: &[&str] = &[
    "nginx",
    "squid",
    "apt-cacher-ng",
    "mosquitto",
    "nats-server",
    "stunnel4",
    "openssh-client",
    "openssh-server",
    "procps",
    "xdelta3",
    "debdelta",
    "iperf3",
];
/// The browser of the portal's tests.
pub(crate) const BROWSER: &[&str] = &["chromium"];
/// What a private Node needs.
pub(crate) const VENV: &[&str] = &["python3-venv"];

/// The release's code name (`bookworm`) when this is Debian.
pub(crate) fn code_name() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("read /etc/os-release")?;
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(|value| value.trim_matches('"').to_owned())
    };
    if value("ID").as_deref() != Some("debian") {
        bail!(
            "this is not Debian but {}",
            value("PRETTY_NAME").unwrap_or_default()
        );
    }
    value("VERSION_CODENAME").context("/etc/os-release has no VERSION_CODENAME")
}

/// Those of the packages that are not installed.
pub(crate) fn missing<'a>(wanted: &[&'a str]) -> Vec<&'a str> {
    wanted
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect()
}

fn is_installed(package: &str) -> bool {
    let status = shell::output(Command::new("dpkg-query").args([
        "--show",
        "--showformat=${db:Status-Status}",
        package,
    ]));
    status.is_ok_and(|status| status == "installed")
}

/// Installs what is missing; says what before it does. Without root it says what to install.
pub(crate) fn install(wanted: &[&str]) -> Result<()> {
    let missing = missing(wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    code_name().with_context(|| format!("cannot install {list}"))?;
    if !nix::unistd::geteuid().is_root() {
        bail!("missing Debian packages; as root: apt-get install {list}");
    }
    eprintln!("    installing Debian packages: {list}");
    if missing.contains(&"postgresql") {
        refuse_main_cluster()?;
    }
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    apt(&arguments)
}

/// Debian's postgresql would otherwise start a cluster of its own; NetPatch runs its private one.
fn refuse_main_cluster() -> Result<()> {
    let folder = Path::new("/etc/postgresql-common/createcluster.d");
    fs::create_dir_all(folder)?;
    fs::write(
        folder.join("netpatch.conf"),
        "create_main_cluster = false\n",
    )
    .with_context(|| format!("write into {}", folder.display()))
}

fn apt(arguments: &[&str]) -> Result<()> {
    shell::output(
        Command::new("apt-get")
            .args(["--quiet", "-o", "DPkg::Lock::Timeout=300"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C.UTF-8"),
    )
    .map(drop)
}
