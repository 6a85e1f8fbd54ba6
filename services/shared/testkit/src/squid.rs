//! A real squid, as a customer's forward proxy: with and without Basic authentication, with and without TLS to itself.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// What `openssl passwd -apr1` makes of `open:sesame%`.
const USERS: &str = "agent:$apr1$abcdefgh$GU7saCEXNIZDZVCmTiL4B1\n";

/// A running squid that lets through to a few ports only.
pub struct Squid {
    /// Where it listens.
    pub address: SocketAddr,
    authority: Option<String>,
    child: Child,
    folder: tempfile::TempDir,
}

impl Squid {
    /// `user:password@` of the one user that it lets in where it wants one.
    pub const KNOWN: &str = "agent:open%3asesame%25@";

    /// Lets everybody of this machine through to these ports, or only [`Self::KNOWN`].
    pub async fn start(ports: &[u16], authenticates: bool) -> Self {
        Self::with(ports, authenticates, false).await
    }

    /// The same, wanting TLS to itself; its certificate is for its address, by an authority of its own.
    pub async fn secured(ports: &[u16], authenticates: bool) -> Self {
        Self::with(ports, authenticates, true).await
    }

    #[allow(clippy::expect_used, reason = "a test may fail")]
    async fn with(ports: &[u16], authenticates: bool, is_secured: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().display().to_string();
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let authority = is_secured.then(|| certified(folder.path()));
        let listen = match is_secured {
            true => {
                format!("https_port {address} tls-cert={root}/proxy.pem tls-key={root}/proxy.key")
            }
            false => format!("http_port {address}"),
        };
        let allowed = if authenticates {
            format!(
                "auth_param basic program /usr/lib/squid/basic_ncsa_auth {root}/users\n\
                 auth_param basic children 1\nacl known proxy_auth REQUIRED\nhttp_access allow known\n"
            )
        } else {
            "http_access allow localhost\n".into()
        };
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        let text = format!(
            "{listen}\npid_filename none\ncoredump_dir {root}\ncache_log {root}/cache.log\n\
             access_log stdio:{root}/access.log\ncache deny all\nmemory_cache_shared off\nshutdown_lifetime 0 seconds\n\
             acl open port {}\nhttp_access deny !open\n{allowed}http_access deny all\n",
            ports.join(" ")
        );
        fs::write(folder.path().join("squid.conf"), text).expect("written");
        fs::write(folder.path().join("users"), USERS).expect("written");
        // Started by root it becomes another user.
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(folder.path(), open).expect("set");
        let name = format!("netpatchtest{}", address.port());
        let mut child = Command::new("squid")
            .args(["-N", "-n", &name, "-f", &format!("{root}/squid.conf")])
            .stderr(Stdio::null())
            .spawn()
            .expect("squid");
        while TcpStream::connect(address).await.is_err() {
            let ended = child.try_wait().expect("a child");
            let log = || fs::read_to_string(folder.path().join("cache.log"));
            assert!(ended.is_none(), "squid ended: {:?}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self {
            address,
            authority,
            child,
            folder,
        }
    }

    /// As a customer names it, with `user:password@` or nothing.
    #[must_use]
    pub fn url(&self, user: &str) -> String {
        let scheme = match self.authority {
            Some(_) => "https",
            None => "http",
        };
        format!("{scheme}://{user}{}", self.address)
    }

    /// Who made its certificate, in PEM; empty where it has none.
    #[must_use]
    pub fn authority(&self) -> &[u8] {
        self.authority.as_deref().unwrap_or_default().as_bytes()
    }

    /// What it has done so far, once this is in it.
    pub async fn log_with(&self, words: &str) -> String {
        loop {
            let log = fs::read_to_string(self.folder.path().join("access.log"));
            match log {
                Ok(log) if log.contains(words) => return log,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

impl Drop for Squid {
    fn drop(&mut self) {
        // Killed it would leave its shared memory behind.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

/// Writes a certificate for 127.0.0.1 and its key; who made it.
#[allow(clippy::expect_used, reason = "a test may fail")]
fn certified(folder: &std::path::Path) -> String {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
    let authority = authority.expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::IpAddress(Ipv4Addr::LOCALHOST.into())];
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    fs::write(folder.join("proxy.pem"), certificate.pem()).expect("written");
    fs::write(folder.join("proxy.key"), key.serialize_pem()).expect("written");
    authority.pem()
}
