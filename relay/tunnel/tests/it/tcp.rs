//! TLS over TCP: agents, enrolments and relays where UDP does not get through.

use crate::network::{block_udp, in_own_network, unblock_udp};
use crate::world::*;
use netpatch_protocol::SubjectKind::{Host, Relay as RelayKind};
use netpatch_protocol::site::{SiteRequest, SiteSettings, stream_open};
use netpatch_tunnel::{CarrierKind, Over, RelayUplink, SessionEvent};
use prost::Message as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn an_agent_and_the_edge_talk_over_tcp_and_a_stranger_is_refused() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let host = organization.identity(Host);
    let mut session = agent(vec![over_tcp(edge.address)], &host, platform.trust());
    assert_eq!(next_up(&mut session).await.0, CarrierKind::Tcp);
    for name in ["one", "two"] {
        session.handle().send(facts(name)).expect("room");
        assert_eq!(next_reason(&mut session).await, name);
    }

    let stranger = Authority::new().identity(Host);
    let mut theirs = agent(vec![over_tcp(edge.address)], &stranger, platform.trust());
    let reason = next_down(&mut theirs).await;
    assert!(reason.contains("UNAUTHENTICATED"), "{reason}");

    let impostor = Edge::start(&Authority::new(), &organization);
    let mut fooled = agent(vec![over_tcp(impostor.address)], &host, platform.trust());
    let reason = next_down(&mut fooled).await;
    assert!(reason.contains("certificate"), "{reason}");
    assert!(impostor.seen.hostnames.lock().unwrap().is_empty());
}

#[test]
fn a_session_falls_back_to_tcp_when_udp_is_blocked_and_returns_and_loses_nothing() {
    let name = "tcp::a_session_falls_back_to_tcp_when_udp_is_blocked_and_returns_and_loses_nothing";
    in_own_network(name, async || {
        let (platform, organization) = (Authority::new(), Authority::new());
        let edge = Edge::start(&platform, &organization);
        let host = organization.identity(Host);
        let ways = || vec![direct(edge.address), over_tcp(edge.address)];

        block_udp(edge.address.port());
        let begun = std::time::Instant::now();
        let mut session = agent(ways(), &host, platform.trust());
        let (carrier, id) = next_up(&mut session).await;
        assert_eq!(carrier, CarrierKind::Tcp);
        println!("fell back to tcp after {:?}", begun.elapsed());
        session.handle().send(facts("blocked")).expect("room");
        assert_eq!(next_reason(&mut session).await, "blocked");

        unblock_udp();
        assert_eq!(
            next_up(&mut session).await,
            (CarrierKind::Direct, id.clone())
        );
        session.handle().send(facts("open")).expect("room");
        assert_eq!(next_reason(&mut session).await, "open");

        block_udp(edge.address.port());
        let sent: Vec<String> = (0..50).map(|number| format!("cut {number}")).collect();
        for name in &sent {
            session.handle().send(facts(name)).expect("room");
        }
        assert_eq!(next_up(&mut session).await, (CarrierKind::Tcp, id.clone()));
        for name in &sent {
            assert_eq!(&next_reason(&mut session).await, name);
        }

        unblock_udp();
        assert_eq!(next_up(&mut session).await, (CarrierKind::Direct, id));
        session.handle().send(facts("end")).expect("room");
        assert_eq!(next_reason(&mut session).await, "end");
        let mut expected = vec!["blocked".to_owned(), "open".to_owned()];
        expected.extend(sent);
        expected.push("end".to_owned());
        assert_eq!(*edge.seen.hostnames.lock().unwrap(), expected, "each once");
    });
}

#[test]
fn a_relay_carries_sessions_where_udp_is_blocked() {
    let name = "tcp::a_relay_carries_sessions_where_udp_is_blocked";
    in_own_network(name, async || {
        let (platform, organization) = (Authority::new(), Authority::new());
        let edge = Edge::start(&platform, &organization);
        block_udp(edge.address.port());
        let relay = Relay::start(loopback(), edge.address, &platform, &organization).await;
        assert_eq!(relay.carrier, CarrierKind::Tcp);
        crate::enrolment::works(&edge, &relay, &platform).await;
        let mut agents = tokio::task::JoinSet::new();
        for number in 0..40 {
            let host = organization.identity(Host);
            let way = via(relay.address, &organization, &host);
            let mut session = agent(vec![way], &host, platform.trust());
            agents.spawn(async move {
                assert_eq!(next_up(&mut session).await.0, CarrierKind::Relay);
                // More than a stream's first window.
                let long = format!("{number} {}", "plaintext-marker".repeat(40_000));
                session.handle().send(facts(&long)).expect("room");
                assert_eq!(next_reason(&mut session).await, long);
            });
        }
        while let Some(done) = agents.join_next().await {
            done.expect("served");
        }
        assert_eq!(edge.seen.hostnames.lock().unwrap().len(), 40);
        let captured = relay.captured.lock().unwrap();
        let needle = b"plaintext-marker";
        assert!(captured.len() > 40 * 600_000);
        assert!(
            !captured
                .windows(needle.len())
                .any(|window| window == needle)
        );
    });
}

#[tokio::test]
async fn a_relay_over_tcp_is_served_by_its_certificate_and_told_why_it_is_not() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let to = edge.address.to_string().into();
    let connect = async |identity| {
        let trust = platform.trust();
        RelayUplink::connect_over(Over::Tcp, &to, trust, &identity, &clock(), limits())
            .await
            .expect("connects")
    };
    let ours = connect(organization.identity(RelayKind)).await;
    assert_eq!(ours.carrier(), CarrierKind::Tcp);
    assert!(ours.round_trip() > Duration::ZERO);
    for _ in 0..200 {
        let asked = ours.open(stream_open::Kind::Site(SiteRequest {})).await;
        let settings = SiteSettings::decode(asked.expect("answered").0.body.as_slice());
        assert_eq!(settings.expect("settings").site_id, "site");
    }
    assert!(ours.is_alive());
    ours.close();
    assert!(ours.closed().await.contains("this side"));
    assert!(!ours.is_alive());
    assert!(
        ours.open(stream_open::Kind::Site(SiteRequest {}))
            .await
            .is_err()
    );

    let theirs = connect(Authority::new().identity(RelayKind)).await;
    assert!(
        theirs
            .open(stream_open::Kind::Site(SiteRequest {}))
            .await
            .is_err()
    );
    let reason = theirs.closed().await;
    assert!(reason.contains("not accepted"), "{reason}");
}

#[tokio::test]
async fn strangers_on_the_tcp_port_disturb_nobody() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let host = organization.identity(Host);
    let mut session = agent(vec![over_tcp(edge.address)], &host, platform.trust());
    next_up(&mut session).await;

    let mut silent = TcpStream::connect(edge.address).await.expect("connects");
    for junk in [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0u8; 100_000],
        vec![22, 3, 1, 255, 255],
    ] {
        let mut stranger = TcpStream::connect(edge.address).await.expect("connects");
        let _ = stranger.write_all(&junk).await;
        let _ = stranger.shutdown().await;
        let mut rest = Vec::new();
        let _ = stranger.read_to_end(&mut rest).await;
        assert!(rest.len() < 100, "an alert at most");
    }
    // Whoever says nothing is let go.
    assert_eq!(silent.read(&mut [0u8; 1]).await.unwrap_or(0), 0);

    session.handle().send(facts("still")).expect("room");
    assert_eq!(next_reason(&mut session).await, "still");
    assert!(edge.seen.errors.lock().unwrap().len() >= 4);
}

#[tokio::test]
async fn an_edge_comes_back_on_the_port_that_it_had() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let host = organization.identity(Host);
    let mut session = agent(vec![over_tcp(edge.address)], &host, platform.trust());
    next_up(&mut session).await;
    let at = edge.address;
    drop(edge);
    let SessionEvent::Down { .. } = next(&mut session).await else {
        panic!("not down");
    };
    let _edge = Edge::start_at(at, &platform, &organization).await;
    assert_eq!(next_up(&mut session).await.0, CarrierKind::Tcp);
}
