//! Customers' forward proxies: a real squid with and without authentication, and some that lie.

use crate::world::*;
use netpatch_protocol::SubjectKind::{Host, Relay as RelayKind};
use netpatch_protocol::site::{SiteRequest, stream_open};
use netpatch_testkit::Squid;
use netpatch_tunnel::enrol::{EnrolTarget, enrol};
use netpatch_tunnel::{
    Candidate, CarrierKind, EdgeAddress, Limits, Over, Proxies, Proxy, RelayUplink,
};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// The way to an edge through it, with `user:password@` or nothing.
fn leading(squid: &Squid, edge: SocketAddr, user: &str) -> EdgeAddress {
    let proxies = Proxies::through(squid.url(user).parse().expect("a proxy"));
    let known = match squid.authority() {
        b"" => Ok(proxies),
        pem => proxies.with_authorities(pem),
    };
    known.expect("an authority").edge(&edge.to_string())
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
    let squid = Squid::start(&[edge.address.port()], false).await;
    let to = leading(&squid, edge.address, "");
    everything_works(&edge, &platform, &organization, &to).await;

    // With UDP blocked an enrolment is over TCP; an edge without UDP is one to which UDP is blocked.
    let blocked = TcpOnly::start(edge.address).await;
    let way = through(squid.address, "", blocked.address);
    let refused = refusal(&platform, &organization, &way).await;
    assert!(refused.contains("does not allow connections"), "{refused}");
    assert!(refused.contains("(403)"), "{refused}");
    let squid = Squid::start(&[blocked.address.port()], false).await;
    let target = EnrolTarget::Edge(leading(&squid, blocked.address, ""));
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
    let squid = Squid::start(&[edge.address.port()], true).await;
    let to = leading(&squid, edge.address, Squid::KNOWN);
    everything_works(&edge, &platform, &organization, &to).await;
    let log = squid.log_with("agent").await;
    assert!(log.contains("TCP_TUNNEL/200"), "{log}");

    let none = refusal(&platform, &organization, &leading(&squid, edge.address, "")).await;
    assert!(none.contains("wants a user and password (407)"), "{none}");
    for user in ["agent:sesame@", "nobody:open%3asesame%25@", "agent@"] {
        let wrong = refusal(
            &platform,
            &organization,
            &leading(&squid, edge.address, user),
        )
        .await;
        assert!(
            wrong.contains("does not accept the user and password (407)"),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_proxy_that_wants_tls_to_itself_shows_who_it_is_before_it_hears_a_password() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    for authenticates in [false, true] {
        let squid = Squid::secured(&[edge.address.port()], authenticates).await;
        let user = if authenticates { Squid::KNOWN } else { "" };
        let to = leading(&squid, edge.address, user);
        everything_works(&edge, &platform, &organization, &to).await;
        let log = squid.log_with("TCP_TUNNEL/200").await;
        assert!(log.contains(&format!("CONNECT {}", edge.address)), "{log}");
    }
    let squid = Squid::secured(&[edge.address.port()], true).await;
    let none = refusal(&platform, &organization, &leading(&squid, edge.address, "")).await;
    assert!(none.contains("wants a user and password (407)"), "{none}");

    // Nobody vouches for it, or somebody else does, or it has another name.
    let address = squid.address;
    let unknown = Proxies::through(squid.url(Squid::KNOWN).parse().expect("a proxy"));
    let other = Squid::secured(&[1], false).await;
    let others = unknown.clone().with_authorities(other.authority());
    let named = format!("https://{}localhost:{}", Squid::KNOWN, address.port());
    let named = Proxies::through(named.parse().expect("a proxy"));
    let named = named.with_authorities(squid.authority());
    for proxies in [unknown, others.expect("one"), named.expect("one")] {
        let to = proxies.edge(&edge.address.to_string());
        let refused = refusal(&platform, &organization, &to).await;
        assert!(refused.contains("no TLS with it"), "{refused}");
        assert!(refused.contains("certificate"), "{refused}");
    }
    // One that speaks no TLS, and one that says nothing.
    let plain = TcpOnly::answers(b"HTTP/1.1 400 Bad Request\r\n\r\n", false).await;
    let silent = TcpOnly::serve(|mut stream| async move {
        let _ = stream.read(&mut [0u8; 1]).await;
        std::future::pending::<()>().await;
    });
    for (proxy, expected) in [(plain, "no TLS with it"), (silent.await, "took longer")] {
        let text = format!("https://u:sesame@{}", proxy.address);
        let proxies = Proxies::through(text.parse().expect("a proxy"));
        let to = proxies.edge(&edge.address.to_string());
        let refused = refusal(&platform, &organization, &to).await;
        assert!(refused.contains(expected), "{refused}");
    }
    // Who wants no TLS gets none.
    let squid = Squid::start(&[edge.address.port()], false).await;
    let text = format!("https://{}", squid.address);
    let to = Proxies::through(text.parse().expect("a proxy")).edge(&edge.address.to_string());
    let refused = refusal(&platform, &organization, &to).await;
    assert!(refused.contains("no TLS with it"), "{refused}");
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
