//! Customers' forward proxies: a real squid with and without authentication, and some that lie.

use crate::world::*;
use netpatch_protocol::SubjectKind::{Host, Relay as RelayKind};
use netpatch_protocol::site::{SiteRequest, stream_open};
use netpatch_tunnel::enrol::{EnrolTarget, enrol};
use netpatch_tunnel::{
    Candidate, CarrierKind, EdgeAddress, Limits, Over, Proxies, Proxy, RelayUplink,
};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// What `openssl passwd -apr1` makes of `open:sesame%`.
const USERS: &str = "agent:$apr1$abcdefgh$GU7saCEXNIZDZVCmTiL4B1\n";
const KNOWN: &str = "agent:open%3asesame%25@";

/// A running squid that lets through to one port only.
struct Squid {
    address: SocketAddr,
    child: Child,
    folder: tempfile::TempDir,
}

impl Squid {
    async fn start(edge: SocketAddr, authenticates: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().display().to_string();
        let free = TcpListener::bind(loopback()).await.expect("binds");
        let address = free.local_addr().expect("address");
        drop(free);
        let allowed = if authenticates {
            format!(
                "auth_param basic program /usr/lib/squid/basic_ncsa_auth {root}/users\n\
                 auth_param basic children 1\nacl known proxy_auth REQUIRED\nhttp_access allow known\n"
            )
        } else {
            "http_access allow localhost\n".into()
        };
        let text = format!(
            "http_port {address}\npid_filename none\ncoredump_dir {root}\ncache_log {root}/cache.log\n\
             access_log stdio:{root}/access.log\ncache deny all\nmemory_cache_shared off\nshutdown_lifetime 0 seconds\n\
             acl edge port {}\nhttp_access deny !edge\n{allowed}http_access deny all\n",
            edge.port()
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
            child,
            folder,
        }
    }

    /// The way to an edge through it, with `user:password@` or nothing.
    fn way(&self, edge: SocketAddr, user: &str) -> EdgeAddress {
        through(self.address, user, edge)
    }

    /// What it has done so far, once this is in it.
    async fn log_with(&self, words: &str) -> String {
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

fn through(proxy: SocketAddr, user: &str, edge: SocketAddr) -> EdgeAddress {
    let proxy: Proxy = format!("http://{user}{proxy}").parse().expect("a proxy");
    Proxies::through(proxy).edge(&edge.to_string())
}

/// Session, enrolment and uplink get through.
async fn everything_works(
    edge: &Edge,
    platform: &Authority,
    organization: &Authority,
    way: &EdgeAddress,
) {
    let host = organization.identity(Host);
    let candidate = Candidate::Tcp {
        address: way.clone(),
    };
    let mut session = agent(vec![candidate], &host, platform.trust());
    assert_eq!(next_up(&mut session).await.0, CarrierKind::Tcp);
    // More than any buffer between.
    let long = "x".repeat(900_000);
    session.handle().send(facts(&long)).expect("room");
    assert_eq!(next_reason(&mut session).await, long);
    assert!(edge.seen.hostnames.lock().unwrap().contains(&long));

    let identity = organization.identity(RelayKind);
    let (trust, clock) = (platform.trust(), clock());
    let connecting = RelayUplink::connect_over(Over::Tcp, way, trust, &identity, &clock, limits());
    let uplink = connecting.await.expect("connects");
    for _ in 0..20 {
        let asked = uplink.open(stream_open::Kind::Site(SiteRequest {})).await;
        assert_eq!(asked.expect("answered").0.status, 200);
    }
}

/// Why nothing gets through.
async fn refusal(platform: &Authority, organization: &Authority, way: &EdgeAddress) -> String {
    let identity = organization.identity(RelayKind);
    let limits = Limits {
        handshake_timeout: Duration::from_secs(1),
        ..limits()
    };
    let (trust, clock) = (platform.trust(), clock());
    let connecting = RelayUplink::connect_over(Over::Tcp, way, trust, &identity, &clock, limits);
    let refused = connecting
        .await
        .map(|_| ())
        .expect_err("refused")
        .to_string();
    assert!(!refused.contains("sesame"), "{refused}");
    refused
}

#[tokio::test]
async fn a_proxy_is_honoured_by_sessions_enrolments_and_uplinks() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let squid = Squid::start(edge.address, false).await;
    let way = squid.way(edge.address, "");
    everything_works(&edge, &platform, &organization, &way).await;

    // With UDP blocked an enrolment is over TCP; an edge without UDP is one to which UDP is blocked.
    let blocked = TcpOnly::start(edge.address).await;
    let way = through(squid.address, "", blocked.address);
    let refused = refusal(&platform, &organization, &way).await;
    assert!(refused.contains("does not allow connections"), "{refused}");
    assert!(refused.contains("(403)"), "{refused}");
    let squid = Squid::start(blocked.address, false).await;
    let target = EnrolTarget::Edge(squid.way(blocked.address, ""));
    let (trust, request) = (platform.fingerprint(), crate::enrolment::request());
    enrol(&target, &trust, &request, &clock(), &limits())
        .await
        .expect("answered");
    let log = squid.log_with("TCP_TUNNEL").await;
    assert!(
        log.contains(&format!("CONNECT {}", blocked.address)),
        "{log}"
    );
}

#[tokio::test]
async fn a_proxy_that_wants_a_password_gets_it_and_says_so_when_it_is_wrong() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let squid = Squid::start(edge.address, true).await;
    let way = squid.way(edge.address, KNOWN);
    everything_works(&edge, &platform, &organization, &way).await;
    let log = squid.log_with("agent").await;
    assert!(log.contains("TCP_TUNNEL/200"), "{log}");

    let none = refusal(&platform, &organization, &squid.way(edge.address, "")).await;
    assert!(none.contains("wants a user and password (407)"), "{none}");
    for user in ["agent:sesame@", "nobody:open%3asesame%25@", "agent@"] {
        let wrong = refusal(&platform, &organization, &squid.way(edge.address, user)).await;
        assert!(
            wrong.contains("does not accept the user and password (407)"),
            "{wrong}"
        );
    }
}

/// A port of TCP that leads to another one.
struct TcpOnly {
    address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl TcpOnly {
    async fn start(to: SocketAddr) -> Self {
        Self::serve(move |mut stream| async move {
            let mut edge = TcpStream::connect(to).await.expect("connects");
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut edge).await;
        })
        .await
    }

    async fn serve<F: Future<Output = ()> + Send + 'static>(
        peer: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(loopback()).await.expect("binds");
        let address = listener.local_addr().expect("address");
        let task = tokio::spawn(async move {
            let mut peers = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                peers.spawn(peer(stream));
            }
        });
        Self {
            address,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// A proxy that answers every request with these bytes, again and again.
    async fn answers(with: &'static [u8], again: bool) -> Self {
        Self::serve(move |mut stream| async move {
            let mut request = [0u8; 4096];
            let _ = stream.read(&mut request).await;
            while stream.write_all(with).await.is_ok() && again {}
            let _ = stream.shutdown().await;
            while stream.read(&mut request).await.is_ok_and(|count| count > 0) {}
        })
        .await
    }
}

#[tokio::test]
async fn a_proxy_that_lies_or_stalls_costs_little_and_is_named() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    for (answer, again, expected) in [
        (&b""[..], false, "ended the connection instead of an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", false, "does not answer in HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", false, "does not answer in HTTP"),
        (
            b"HTTP/1.1 200\xff\r\n\r\n",
            false,
            "does not answer in HTTP",
        ),
        (
            b"HTTP/1.1",
            false,
            "ended the connection instead of an answer",
        ),
        (
            b"HTTP/1.1 200 OK\r\nX: y\r\n",
            true,
            "head is over 16384 bytes",
        ),
        (
            b"HTTP/1.1 200 OK\r\n\r\nGET / HTTP/1.1\r\n",
            false,
            "bytes of its own",
        ),
        (
            b"HTTP/1.1 502 Bad\r\n\r\n<html>password</html>",
            false,
            "cannot connect to",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n", false, "(100)"),
        // Says yes and then speaks for itself: the edge's certificate is missing.
        (b"HTTP/1.1 200 OK\r\n\r\n", false, "through the proxy"),
    ] {
        let proxy = TcpOnly::answers(answer, again).await;
        let way = through(proxy.address, "u:sesame@", edge.address);
        let refused = refusal(&platform, &organization, &way).await;
        let shown = String::from_utf8_lossy(answer).into_owned();
        assert!(refused.contains(expected), "{shown:?}: {refused}");
        assert!(refused.contains(&proxy.address.to_string()), "{refused}");
        assert!(!refused.contains("html"), "{refused}");
    }
    // Takes the request and says nothing.
    let silent = TcpOnly::serve(|mut stream| async move {
        let _ = stream.read(&mut [0u8; 1]).await;
        std::future::pending::<()>().await;
    });
    let silent = silent.await;
    let way = through(silent.address, "", edge.address);
    let refused = refusal(&platform, &organization, &way).await;
    assert!(refused.contains("took longer"), "{refused}");
    // Nobody is there.
    let gone = TcpOnly::answers(b"", false).await.address;
    let refused = refusal(&platform, &organization, &through(gone, "", edge.address)).await;
    assert!(refused.contains("cannot be reached"), "{refused}");
    let nowhere = Proxies::through("http://proxy.invalid:1".parse().expect("a proxy"));
    let refused = refusal(&platform, &organization, &nowhere.edge("edge.invalid:443")).await;
    assert!(
        refused.contains("cannot be reached: cannot resolve proxy.invalid"),
        "{refused}"
    );
    // An address that would become a header.
    let way = Proxies::through(format!("{gone}").parse().expect("a proxy"));
    let refused = refusal(&platform, &organization, &way.edge("x:1\r\nX: y")).await;
    assert!(refused.contains("not host:port"), "{refused}");
}

/// Whoever sits in the way and speaks TLS himself is no edge.
#[tokio::test]
async fn a_proxy_that_plays_the_edge_is_refused() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let impostor = Edge::start(&Authority::new(), &organization);
    let at = impostor.address;
    let proxy = TcpOnly::serve(move |mut stream| async move {
        let _ = stream.read(&mut [0u8; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let mut edge = TcpStream::connect(at).await.expect("connects");
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut edge).await;
    });
    let proxy = proxy.await;
    let way = through(proxy.address, "", edge.address);
    let refused = refusal(&platform, &organization, &way).await;
    assert!(refused.contains("certificate"), "{refused}");
}
