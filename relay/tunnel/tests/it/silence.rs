//! A carrier through which nothing comes any more is left long before QUIC's idle timeout, and only then.

use crate::line::{Line, Quality, Way};
use crate::network::{block_all, block_udp, blocked_over_tcp, in_own_network, unblock_udp};
use crate::world::*;
use netpatch_protocol::SubjectKind::Host;
use netpatch_tunnel::{CarrierKind, Limits, Over, SessionClient, SessionEvent};
use std::time::{Duration, Instant};

/// Whoever waits for the idle timeout waits longer than any test.
fn patient() -> Limits {
    Limits {
        idle_timeout: Duration::from_secs(600),
        ..limits()
    }
}

/// Sends these and waits for their echo, whatever the carrier. The kinds of the carriers that came up meanwhile.
async fn told(session: &mut SessionClient, names: &[String]) -> Vec<CarrierKind> {
    for name in names {
        session.handle().send(facts(name)).expect("room");
    }
    let (mut carriers, mut left) = (Vec::new(), names.iter());
    let mut awaited = left.next();
    while let Some(name) = awaited {
        match next(session).await {
            SessionEvent::Up { carrier, .. } => carriers.push(carrier),
            SessionEvent::Down { reason } => println!("left: {reason}"),
            SessionEvent::Message(message) => {
                let number = message.number;
                assert_eq!(&reason_of(message).expect("a scan"), name);
                session.handle().durable(number);
                awaited = left.next();
            }
        }
    }
    carriers
}

fn numbered(what: &str) -> Vec<String> {
    (0..50).map(|number| format!("{what} {number}")).collect()
}

#[test]
fn a_session_whose_udp_is_blocked_moves_to_tcp_and_loses_and_doubles_nothing() {
    let name = "silence::a_session_whose_udp_is_blocked_moves_to_tcp_and_loses_and_doubles_nothing";
    in_own_network(name, async || {
        let (platform, organization) = (Authority::new(), Authority::new());
        let edge = Edge::start_with(patient(), &platform, &organization);
        let host = organization.identity(Host);
        let ways = vec![direct(edge.address), over_tcp(edge.address)];
        let mut session = agent_with(patient(), ways, &host, platform.trust());
        assert_eq!(next_up(&mut session).await.0, CarrierKind::Direct);
        let before = numbered("before");
        assert_eq!(told(&mut session, &before).await, []);

        block_udp(edge.address.port());
        let (begun, cut) = (Instant::now(), numbered("cut"));
        assert_eq!(told(&mut session, &cut).await, [CarrierKind::Tcp]);
        println!(
            "answered over tcp {:?} after udp was blocked",
            begun.elapsed()
        );

        unblock_udp();
        assert_eq!(next_up(&mut session).await.0, CarrierKind::Direct);
        let seen = edge.seen.hostnames.lock().unwrap().clone();
        assert_eq!(seen, [before, cut].concat(), "each once, in order");
    });
}

#[test]
fn a_session_leaves_a_relay_that_does_not_answer_any_more() {
    let name = "silence::a_session_leaves_a_relay_that_does_not_answer_any_more";
    in_own_network(name, async || {
        let (platform, organization) = (Authority::new(), Authority::new());
        let edge = Edge::start_with(patient(), &platform, &organization);
        let (at, to) = (loopback(), edge.address);
        let relay =
            Relay::start_with(patient(), Over::Quic, at, to, &platform, &organization).await;
        let host = organization.identity(Host);
        let through = via_with(patient(), relay.address, &organization, &host);
        let ways = vec![through, direct(edge.address)];
        let mut session = agent_with(patient(), ways, &host, platform.trust());
        assert_eq!(next_up(&mut session).await.0, CarrierKind::Relay);
        assert_eq!(told(&mut session, &numbered("before")).await, []);

        block_udp(relay.address.port());
        let (begun, cut) = (Instant::now(), numbered("cut"));
        assert_eq!(told(&mut session, &cut).await, [CarrierKind::Direct]);
        println!(
            "answered directly {:?} after the relay was cut off",
            begun.elapsed()
        );
        assert_eq!(edge.seen.hostnames.lock().unwrap().len(), 100, "each once");
    });
}

#[test]
fn a_line_that_comes_back_before_there_is_another_way_is_not_left() {
    let name = "silence::a_line_that_comes_back_before_there_is_another_way_is_not_left";
    in_own_network(name, async || {
        let (platform, organization) = (Authority::new(), Authority::new());
        let edge = Edge::start_with(patient(), &platform, &organization);
        let host = organization.identity(Host);
        let ways = vec![direct(edge.address), over_tcp(edge.address)];
        let mut session = agent_with(patient(), ways, &host, platform.trust());
        assert_eq!(next_up(&mut session).await.0, CarrierKind::Direct);

        block_all(edge.address.port());
        session.handle().send(facts("cut")).expect("room");
        let begun = Instant::now();
        while blocked_over_tcp() == 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "nobody looked");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        unblock_udp();
        assert_eq!(next_reason_on_same(&mut session).await, "cut");
        assert_eq!(told(&mut session, &numbered("after")).await, []);
    });
}

/// The reason of the next scan; the carrier must stay.
async fn next_reason_on_same(session: &mut SessionClient) -> String {
    match next(session).await {
        SessionEvent::Message(message) => {
            session.handle().durable(message.number);
            reason_of(message).expect("a scan")
        }
        other => panic!("the carrier was left: {other:?}"),
    }
}

#[tokio::test]
async fn a_session_comes_back_at_once_when_its_edge_was_killed_and_started_anew() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let life = tokio::runtime::Runtime::new().expect("a runtime");
    let edge = {
        let _in_it = life.enter();
        Edge::start_with(patient(), &platform, &organization)
    };
    let (at, host) = (edge.address, organization.identity(Host));
    let mut session = agent_with(patient(), vec![direct(at)], &host, platform.trust());
    next_up(&mut session).await;
    // Its tasks end where they are and say nothing to anybody, as those of a process that is killed.
    life.shutdown_background();
    drop(edge);
    let edge = Edge::start_at(at, &platform, &organization).await;
    next_down(&mut session).await;
    assert_eq!(
        told(&mut session, &["after".into()]).await,
        [CarrierKind::Direct]
    );
    assert_eq!(*edge.seen.hostnames.lock().unwrap(), ["after"]);
}

#[tokio::test]
async fn a_slow_line_is_not_left() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start_with(patient(), &platform, &organization);
    let slow = Quality {
        delay: Duration::from_millis(600),
        ..Quality::default()
    };
    let way = Way::to(edge.address, Line::new(1, slow)).await;
    let host = organization.identity(Host);
    let ways = vec![direct(way.address), over_tcp(edge.address)];
    let unhurried = Limits {
        handshake_timeout: Duration::from_secs(10),
        ..patient()
    };
    let mut session = agent_with(unhurried, ways, &host, platform.trust());
    while next_up(&mut session).await.0 != CarrierKind::Direct {}
    for round in 0..3 {
        let sent = numbered(&round.to_string());
        assert_eq!(told(&mut session, &sent).await, [], "round {round}");
    }
}
