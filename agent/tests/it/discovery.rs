//! An agent to which no relay was named finds one by a real name server, past those that only say that they are one.

use crate::edge::{Edge, SECRET};
use crate::host::{Host, until};
use crate::relay::Relay;
use crate::session::{enrol_with, options};
use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};
use netpatch_agent::agent::{self, read_status};
use netpatch_agent::discovery::dns::Resolver;
use netpatch_agent::discovery::mdns::Links;
use netpatch_agent::discovery::{CANDIDATES, Way, search};
use netpatch_agent::state::StateFolder;
use netpatch_protocol::RELAY_SERVICE;
use netpatch_tunnel::{Limits, SiteClient};
use netpatch_types::{Clock as _, SystemClock};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
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
    assert_eq!(status.relay_found_by, Some(Way::Dns));
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

#[tokio::test]
async fn a_host_that_does_not_reach_the_edge_enrols_through_a_relay_that_it_finds() {
    let host = Host::with(&[]).await;
    let edge = Edge::start();
    let relay = Relay::start(&edge).await;
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let silent = silent.local_addr().expect("an address").port();
    let [a, b] = std::process::id().to_be_bytes()[2..] else {
        unreachable!("four bytes")
    };
    let at = SocketAddr::from(([127, 78, a, b.max(1)], 53));
    let _server = NameServer::start(at, &[(silent, 0), (relay.address.port(), 1)]).await;
    let resolv_conf = format!("search {DOMAIN}\nnameserver {}\n", at.ip());
    std::fs::write(host.root().join("etc/resolv.conf"), resolv_conf).expect("written");

    // Nobody listens there: the edge is out of reach but for the relay.
    let server = "127.0.0.1:9";
    let state = StateFolder::open(&host.root().join("var/lib/netpatch-agent")).expect("state");
    enrol_with(&state, server, None, &host, &edge.token(SECRET))
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
    assert_eq!(status.relay, Some(found));
    stop.cancel();
    running
        .await
        .expect("no panic")
        .expect("ends in good order");
}

#[tokio::test]
async fn a_relay_named_at_enrolment_is_given_up_for_another_while_it_is_lost_and_returned_to() {
    let host = Host::with(&[]).await;
    let edge = Edge::start();
    let (named, other) = (Relay::start(&edge).await, Relay::start(&edge).await);
    let state = StateFolder::open(&host.root().join("var/lib/netpatch-agent")).expect("state");
    let at = named.address;
    let (first, second) = (at.to_string(), other.address.to_string());
    let server = edge.address.to_string();
    enrol_with(&state, &server, Some(&first), &host, &edge.token(SECRET))
        .await
        .expect("enrols");
    edge.tell_of_relays(vec![second.clone()]);
    let stop = CancellationToken::new();
    let running = tokio::spawn(agent::run(options(&state, &host), stop.clone()));
    let through = async |relay: &str| {
        until(|| async {
            let status = read_status(&state).ok()??;
            let is_through = status.carrier.as_deref() == Some("relay");
            (is_through && status.relay.as_deref() == Some(relay)).then_some(status)
        })
        .await
    };
    let status = through(&first).await;
    assert_eq!(status.relay_found_by, None, "it was named");
    drop(named);
    let status = through(&second).await;
    assert_eq!(status.relay_found_by, Some(Way::Platform));
    assert_eq!(status.relays_refused[0].address, first);
    let _back = Relay::start_at(&edge, at).await;
    let status = through(&first).await;
    assert_eq!(status.relay_found_by, None);
    stop.cancel();
    running
        .await
        .expect("no panic")
        .expect("ends in good order");
}

#[tokio::test]
async fn a_host_that_gets_through_no_other_way_goes_through_a_relay_of_another_site() {
    let host = Host::with(&[]).await;
    let edge = Edge::start();
    edge.forbid_direct();
    let (named, elsewhere) = (Relay::start(&edge).await, Relay::start(&edge).await);
    let state = StateFolder::open(&host.root().join("var/lib/netpatch-agent")).expect("state");
    let at = named.address;
    let (first, second) = (at.to_string(), elsewhere.address.to_string());
    let server = edge.address.to_string();
    enrol_with(&state, &server, Some(&first), &host, &edge.token(SECRET))
        .await
        .expect("enrols");
    edge.tell_of_other_sites_relays(vec![second.clone()]);
    let stop = CancellationToken::new();
    let running = tokio::spawn(agent::run(options(&state, &host), stop.clone()));
    let through = async |relay: &str| {
        until(|| async {
            let status = read_status(&state).ok()??;
            let is_through = status.carrier.as_deref() == Some("relay");
            (is_through && status.relay.as_deref() == Some(relay)).then_some(status)
        })
        .await
    };
    assert!(through(&first).await.relay_found_by.is_none());
    drop(named);
    let status = through(&second).await;
    assert_eq!(status.relay_found_by, Some(Way::Elsewhere));
    // Its own site's relay comes first as soon as it is back.
    let _back = Relay::start_at(&edge, at).await;
    assert!(through(&first).await.relay_found_by.is_none());
    stop.cancel();
    running
        .await
        .expect("no panic")
        .expect("ends in good order");
}

/// Nobody is asked on links.
const NO_LINKS: Links = Links {
    own: Vec::new(),
    port: 0,
};

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
    let found = search(
        None,
        &[],
        &server.resolver(),
        &NO_LINKS,
        None,
        client(&edge),
    )
    .await;
    assert!(found.relay.is_none());
    assert_eq!(found.refused.len(), CANDIDATES);
    assert_eq!(found.problem, None);

    // A domain without relays is no problem; a server that is not there is one.
    let nowhere = Resolver {
        domains: vec!["elsewhere.test".into()],
        ..server.resolver()
    };
    let found = search(None, &[], &nowhere, &NO_LINKS, None, client(&edge)).await;
    assert!(found.relay.is_none() && found.refused.is_empty());
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let absent = Resolver {
        servers: vec![silent.local_addr().expect("an address")],
        ..server.resolver()
    };
    let found = search(None, &[], &absent, &NO_LINKS, None, client(&edge)).await;
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
    let found = search(None, &[], &resolver, &NO_LINKS, None, client(&edge)).await;
    assert!(found.relay.is_none());
    assert!(found.problem.is_some());
    sending.abort();
}

/// A real responder on the loopback, on a port of its own.
struct Responder {
    daemon: ServiceDaemon,
    port: u16,
}

impl Responder {
    fn start() -> Self {
        let port = free().port();
        let daemon = ServiceDaemon::new_with_port(port).expect("a responder");
        daemon.disable_interface(IfKind::All).expect("quiet");
        daemon
            .enable_interface(IfKind::LoopbackV4)
            .expect("the loopback");
        Self { daemon, port }
    }

    fn say(&self, service: &str, name: &str, port: u16) {
        let kind = format!("{service}.local.");
        let host = format!("{name}.local.");
        let info = ServiceInfo::new(&kind, name, &host, "127.0.0.1", port, None);
        let info = info.expect("a service");
        self.daemon.register(info).expect("told");
    }

    fn links(&self) -> Links {
        Links {
            own: vec![Ipv4Addr::LOCALHOST],
            port: self.port,
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.daemon.shutdown();
    }
}

#[tokio::test]
async fn a_relay_on_the_link_is_found_where_no_name_server_knows_one_that_proves_itself() {
    let (edge, others) = (Edge::start(), Edge::start());
    let (relay, foreign) = (Relay::start(&edge).await, Relay::start(&others).await);
    let responder = Responder::start();
    let links = responder.links();
    responder.say(RELAY_SERVICE, "ours", relay.address.port());
    responder.say(RELAY_SERVICE, "foreign", foreign.address.port());
    responder.say("_ipp._tcp", "printer", 631);
    // A responder asks first whether nobody else has its name.
    let heard = until(|| async {
        let heard = links.relays().await;
        (heard.len() == 2).then_some(heard)
    })
    .await;
    assert!(heard.contains(&relay.address.to_string()), "{heard:?}");

    let nobody = Resolver::default();
    let found = search(None, &[], &nobody, &links, None, client(&edge)).await;
    let (way, site) = found.relay.expect("the relay");
    assert_eq!(
        (way, site.address()),
        (Way::Mdns, &*relay.address.to_string())
    );
    let foreign_is_first = foreign.address.port() < relay.address.port();
    assert_eq!(found.refused.len(), usize::from(foreign_is_first));

    // What a name server knows, and proves itself, comes first.
    let server = NameServer::start(free(), &[(relay.address.port(), 0)]).await;
    let found = search(None, &[], &server.resolver(), &links, None, client(&edge)).await;
    assert!(matches!(found.relay, Some((Way::Dns, _))));
    // To hosts of nobody here none of both is a relay.
    let strangers = Edge::start();
    let found = search(None, &[], &nobody, &links, None, client(&strangers)).await;
    assert!(found.relay.is_none());
    assert_eq!(found.refused.len(), 2);
}

#[tokio::test]
async fn the_agent_goes_through_the_relay_that_the_platform_tells_of() {
    let host = Host::with(&[]).await;
    let edge = Edge::start();
    let relay = Relay::start(&edge).await;
    let state = StateFolder::open(&host.root().join("var/lib/netpatch-agent")).expect("state");
    let server = edge.address.to_string();
    enrol_with(&state, &server, None, &host, &edge.token(SECRET))
        .await
        .expect("enrols");
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let silent = silent.local_addr().expect("an address").to_string();
    let address = relay.address.to_string();
    edge.tell_of_relays(vec!["no address".into(), silent.clone(), address.clone()]);
    let stop = CancellationToken::new();
    let running = tokio::spawn(agent::run(options(&state, &host), stop.clone()));
    let status = until(|| async {
        let status = read_status(&state).ok()??;
        (status.carrier.as_deref() == Some("relay")).then_some(status)
    })
    .await;
    assert_eq!(status.relay_found_by, Some(Way::Platform));
    assert_eq!(status.relay, Some(address.clone()));
    let refused = status.relays_refused.iter().map(|one| one.address.as_str());
    assert_eq!(refused.collect::<Vec<_>>(), ["no address", &silent]);
    let text = status.to_text(SystemClock::default().now());
    assert!(
        text.contains(&format!("{address}, found by the platform")),
        "{text}"
    );
    stop.cancel();
    running
        .await
        .expect("no panic")
        .expect("ends in good order");
}
