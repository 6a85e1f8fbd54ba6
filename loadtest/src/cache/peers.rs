//! Starting the caches, each with the settings that its own documentation gives to a cache of packages.

use crate::process;
use anyhow::{Context, Result, bail};
use std::fmt;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Kind {
    Relay,
    Nginx,
    Squid,
    AptCacherNg,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relay => "relay",
            Self::Nginx => "nginx",
            Self::Squid => "squid",
            Self::AptCacherNg => "apt-cacher-ng",
        })
    }
}

/// What a run wants otherwise than usual.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settings {
    /// nginx: one fill for all who wait.
    pub(super) lock: bool,
}

/// A cache that runs.
pub(super) struct Peer {
    kind: Kind,
    address: SocketAddr,
    origin: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Peer {
    pub(super) async fn start(kind: Kind, origin: SocketAddr, settings: &Settings) -> Result<Self> {
        // apt-cacher-ng serves nothing from a folder whose name begins with a dot.
        let folder = tempfile::Builder::new()
            .prefix("netpatch-cache-")
            .tempdir()?;
        let address = free_address()?;
        let command = match kind {
            Kind::Relay => relay(folder.path(), address, origin)?,
            Kind::Nginx => nginx(folder.path(), address, origin, settings)?,
            Kind::Squid => squid(folder.path(), address)?,
            Kind::AptCacherNg => apt_cacher_ng(folder.path(), address)?,
        };
        let child = spawn(command, folder.path(), kind)?;
        let mut peer = Self {
            kind,
            address,
            origin,
            child,
            _folder: folder,
        };
        peer.wait().await?;
        Ok(peer)
    }

    async fn wait(&mut self) -> Result<()> {
        for _ in 0..300 {
            if tokio::net::TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let log = fs::read_to_string(self._folder.path().join("log")).unwrap_or_default();
                bail!("{} ended with {status}: {log}", self.kind);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("{} does not listen after 30 s", self.kind)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a host sends for a path: nginx stands in the origin's place, the others are proxies.
    pub(super) fn request(&self, path: &str) -> Vec<u8> {
        let base = match self.kind {
            Kind::Nginx => String::new(),
            _ => format!("http://{}", self.origin),
        };
        format!(
            "GET {base}/{path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Debian APT-HTTP/1.3\r\n\r\n",
            self.origin
        )
        .into_bytes()
    }

    /// Processor time of the server and its workers.
    pub(super) fn cpu(&self) -> Result<Duration> {
        process::cpu_of_all(self.child.id())
    }

    pub(super) async fn stop(mut self) -> Result<()> {
        self.end();
        Ok(())
    }

    fn end(&mut self) {
        process::kill_all(&mut self.child);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

/// An address that is free now; apt-cacher-ng takes no port above 32767, and asks none.
pub(super) fn free_address() -> Result<SocketAddr> {
    let mut ports = 20_000..32_000;
    let address = ports.find_map(|port| {
        let listener = TcpListener::bind(("127.0.0.1", port)).ok()?;
        listener.local_addr().ok()
    });
    address.context("no port between 20000 and 32000 is free")
}

fn spawn(mut command: Command, folder: &Path, kind: Kind) -> Result<Child> {
    let log = fs::File::create(folder.join("log"))?;
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    command
        .spawn()
        .with_context(|| format!("start {kind}: cargo xtask bench --setup installs it"))
}

fn relay(folder: &Path, address: SocketAddr, origin: SocketAddr) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("front").arg(format!("--listen={address}"));
    command.arg(format!("--origin={origin}"));
    command.arg("--folder").arg(folder.join("cache"));
    Ok(command)
}

fn nginx(
    folder: &Path,
    address: SocketAddr,
    origin: SocketAddr,
    settings: &Settings,
) -> Result<Command> {
    let root = folder.display();
    // Waits as long as the longest fill takes, and asks the origin once.
    let lock = if settings.lock {
        "proxy_cache_lock on; proxy_cache_lock_timeout 1h; proxy_cache_lock_age 1h;"
    } else {
        ""
    };
    let text = format!(
        "user root; worker_processes auto; pid {root}/pid; error_log {root}/error.log; worker_rlimit_nofile 8192;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; sendfile on; keepalive_requests 100000000; keepalive_timeout 600s;\n\
         proxy_temp_path {root}/temp; client_body_temp_path {root}/body; fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;\n\
         proxy_cache_path {root}/cache levels=1:2 keys_zone=payloads:64m max_size=20g inactive=1d use_temp_path=off;\n\
         open_file_cache max=4096 inactive=60s;\n\
         server {{ listen {address} backlog=1024;\n\
         location / {{ proxy_pass http://{origin}; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
         proxy_cache payloads; proxy_cache_valid 200 1d; proxy_max_temp_file_size 4096m; {lock} }} }} }}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file).args(["-g", "daemon off;"]);
    Ok(command)
}

fn squid(folder: &Path, address: SocketAddr) -> Result<Command> {
    let root = folder.display();
    let text = format!(
        "http_port {address}\npid_filename {root}/squid.pid\ncoredump_dir {root}\ncache_log {root}/cache.log\naccess_log none\n\
         cache_effective_user proxy\ncache_effective_group proxy\n\
         cache_mem 512 MB\nmaximum_object_size 1 GB\nmaximum_object_size_in_memory 4 MB\ncache_dir aufs {root}/cache 20000 16 256\n\
         acl all_of_them src 127.0.0.1/32\nhttp_access allow all_of_them\nshutdown_lifetime 1 seconds\n\
         refresh_pattern . 1440 100% 1440\nmax_filedescriptors 8192\n"
    );
    let file = folder.join("squid.conf");
    fs::write(&file, text)?;
    // It does not keep anything as root.
    let given = Command::new("chown")
        .args(["-R", "proxy:proxy"])
        .arg(folder)
        .status();
    if !given.is_ok_and(|status| status.success()) {
        bail!("cannot give squid's folder to its user: run as root, with squid installed");
    }
    let output = Command::new("squid")
        .args(["-N", "-z", "-n", &service(address), "-f"])
        .arg(&file)
        .output()
        .context("start squid: cargo xtask bench --setup installs it")?;
    if !output.status.success() {
        bail!("squid -z: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut command = Command::new("squid");
    command
        .args(["-N", "-n", &service(address), "-f"])
        .arg(file);
    Ok(command)
}

/// What squid names its shared memory by; a killed one leaves it.
fn service(address: SocketAddr) -> String {
    format!("netpatch{}of{}", address.port(), std::process::id())
}

fn apt_cacher_ng(folder: &Path, address: SocketAddr) -> Result<Command> {
    let mut command = Command::new("apt-cacher-ng");
    command.args([
        "-c",
        "/etc/apt-cacher-ng",
        "ForeGround=1",
        "AllowUserPorts=0",
        "ExThreshold=4",
    ]);
    command
        .arg(format!("Port={}", address.port()))
        .arg("BindAddress=127.0.0.1");
    command.arg(format!("CacheDir={}", folder.join("cache").display()));
    command.arg(format!("LogDir={}", folder.join("logs").display()));
    fs::create_dir_all(folder.join("cache"))?;
    fs::create_dir_all(folder.join("logs"))?;
    Ok(command)
}
