//! An agent to which no relay was named finds one by a real name server, past those that only say that they are one.

use crate::edge::{Edge, SECRET};
use crate::host::{Host, until};
use crate::relay::Relay;
use crate::session::{enrol_with, options};
use netpatch_agent::agent::{self, read_status};
use netpatch_agent::discovery::dns::Resolver;
use netpatch_agent::discovery::{CANDIDATES, search};
use netpatch_agent::state::StateFolder;
use netpatch_tunnel::{Limits, SiteClient};
use netpatch_types::{Clock as _, SystemClock};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use tokio_util::sync::CancellationToken;

const DOMAIN: &str = "office.test";

/// dnsmasq(8), with what it says of relays. Ended when dropped.
struct NameServer {
    child: Child,
    at: SocketAddr,
}

impl NameServer {
    /// `relays`: port and priority, all on this machine.
    async fn start(at: SocketAddr, relays: &[(u16, u16)]) -> Self {
        let mut command = Command::new("dnsmasq");
        command
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--pid-file=",
            ])
            .args([
                "--no-resolv",
                "--no-hosts",
                "--bind-interfaces",
                "--user=root",
            ])
            .arg(format!("--listen-address={}", at.ip()))
            .arg(format!("--port={}", at.port()));
        for (port, priority) in relays {
            command.arg(format!(
                "--srv-host=_netpatch-relay._udp.{DOMAIN},localhost,{port},{priority},0"
            ));
        }
        let child = command
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dnsmasq, of Debian's package dnsmasq-base");
        let this = Self { child, at };
        until(|| async { this.resolver().relays().await.is_ok().then_some(()) }).await;
        this
    }

    fn resolver(&self) -> Resolver {
        Resolver {
            servers: vec![self.at],
            domains: vec![DOMAIN.to_owned()],
        }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("an address")
}

#[tokio::test]
async fn the_agent_finds_its_relay_past_a_silent_one_and_one_of_others() {
    let host = Host::with(&[]).await;
    let (edge, others) = (Edge::start(), Edge::start());
    let (relay, foreign) = (Relay::start(&edge).await, Relay::start(&others).await);
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let silent = silent.local_addr().expect("an address").port();
    let known = [
        (silent, 0),
        (foreign.address.port(), 1),
        (relay.address.port(), 2),
    ];
    // Port 53, as resolv.conf can say no other, on an address that nobody else has.
    let [a, b] = std::process::id().to_be_bytes()[2..] else {
        unreachable!("four bytes")
    };
    let at = SocketAddr::from(([127, 77, a, b.max(1)], 53));
    let _server = NameServer::start(at, &known).await;
    let resolv_conf = format!("search {DOMAIN}\nnameserver {}\n", at.ip());
    std::fs::write(host.root().join("etc/resolv.conf"), resolv_conf).expect("written");

    let state = StateFolder::open(&host.root().join("var/lib/netpatch-agent")).expect("state");
    let server = edge.address.to_string();
    enrol_with(&state, &server, None, &host, &edge.token(SECRET))
        .await
        .expect("enrols");
    let stop = CancellationToken::new();
    let running = tokio::spawn(agent::run(options(&state, &host), stop.clone()));
    let status = until(|| async {
        let status = read_status(&state).ok()??;
        (status.carrier.as_deref() == Some("relay")).then_some(status)
    })
    .await;
    let found = format!("localhost:{}", relay.address.port());
    assert_eq!(status.relay, Some(found.clone()));
    assert_eq!(status.relay_found_by.as_deref(), Some("dns"));
    let refused: Vec<&str> = status
        .relays_refused
        .iter()
        .map(|refused| refused.address.as_str())
        .collect();
    let before = known[..2]
        .iter()
        .map(|(port, _)| format!("localhost:{port}"));
    assert_eq!(refused, before.collect::<Vec<_>>());
    let text = status.to_text(SystemClock::default().now());
    assert!(text.contains(&format!("{found}, found by DNS")), "{text}");
    assert!(text.contains(&format!("not localhost:{silent}")), "{text}");
    stop.cancel();
    running
        .await
        .expect("no panic")
        .expect("ends in good order");
}

fn client(edge: &Edge) -> impl Fn(String) -> SiteClient {
    let (identity, ca, _) = edge.host_identity();
    move |address| {
        let (clock, limits) = (SystemClock::shared(), Limits::default());
        SiteClient::new(address, ca.clone(), identity.clone(), clock, limits)
    }
}

#[tokio::test]
async fn a_flood_of_candidates_is_cut_and_no_server_is_told() {
    let edge = Edge::start();
    let rogues: Vec<(u16, u16)> = (1..=20).map(|port| (port, port)).collect();
    let server = NameServer::start(free(), &rogues).await;
    let found = search(&server.resolver(), None, client(&edge)).await;
    assert!(found.relay.is_none());
    assert_eq!(found.refused.len(), CANDIDATES);
    assert_eq!(found.problem, None);

    // A domain without relays is no problem; a server that is not there is one.
    let nowhere = Resolver {
        domains: vec!["elsewhere.test".into()],
        ..server.resolver()
    };
    let found = search(&nowhere, None, client(&edge)).await;
    assert!(found.relay.is_none() && found.refused.is_empty());
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let absent = Resolver {
        servers: vec![silent.local_addr().expect("an address")],
        ..server.resolver()
    };
    let found = search(&absent, None, client(&edge)).await;
    assert!(
        found
            .problem
            .is_some_and(|problem| problem.contains("no name server answers"))
    );
}

#[tokio::test]
async fn a_name_server_that_sends_anything_is_heard_out_once_and_left() {
    let edge = Edge::start();
    let rogue = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let at = rogue.local_addr().expect("an address");
    let sending = tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((length, from)) = rogue.recv_from(&mut question).await {
            let mut echo = question[..length].to_vec();
            for answer in [&b""[..], &[0xff; 600], &echo.clone()] {
                let _ = rogue.send_to(answer, from).await;
            }
            // It says that it answers, with a million records.
            echo[2] |= 0x80;
            echo[6..8].copy_from_slice(&[0xff, 0xff]);
            let _ = rogue.send_to(&echo, from).await;
        }
    });
    let resolver = Resolver {
        servers: vec![at],
        domains: vec![DOMAIN.to_owned()],
    };
    let found = search(&resolver, None, client(&edge)).await;
    assert!(found.relay.is_none());
    assert!(found.problem.is_some());
    sending.abort();
}
