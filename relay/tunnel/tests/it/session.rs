use crate::world::*;
use netpatch_protocol::SubjectKind::{Host, Relay as RelayKind};
use netpatch_tunnel::{CarrierKind, SessionEvent};

#[tokio::test]
async fn an_agent_and_the_edge_talk_when_both_certificates_are_good() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let host = organization.identity(Host);
    let mut session = agent(vec![direct(edge.address)], &host, platform.trust());
    let SessionEvent::Up { carrier, welcome } = next(&mut session).await else {
        panic!("not up");
    };
    assert_eq!(carrier, CarrierKind::Direct);
    assert_eq!(welcome.resume_id.len(), 16);
    for name in ["one", "two"] {
        session.handle().send(facts(name)).expect("room");
        assert_eq!(next_reason(&mut session).await, name);
    }
}

#[tokio::test]
async fn a_strangers_certificate_is_refused() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let stranger = Authority::new().identity(Host);
    let mut session = agent(vec![direct(edge.address)], &stranger, platform.trust());
    let reason = next_down(&mut session).await;
    assert!(reason.contains("UNAUTHENTICATED"), "{reason}");
    assert!(edge.seen.hostnames.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_edge_of_another_platform_is_refused() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&Authority::new(), &organization);
    let host = organization.identity(Host);
    for trust in [platform.trust(), platform.fingerprint()] {
        let mut session = agent(vec![direct(edge.address)], &host, trust);
        let reason = next_down(&mut session).await;
        assert!(reason.contains("certificate"), "{reason}");
    }
}

#[tokio::test]
async fn a_session_moves_to_the_edge_when_the_relay_dies_and_back_when_it_lives() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let relay = Relay::start(loopback(), edge.address, &platform, &organization).await;
    let at = relay.address;
    let host = organization.identity(Host);
    let candidates = vec![via(at, &organization, &host), direct(edge.address)];
    let mut session = agent(candidates, &host, platform.trust());

    let up = async |session: &mut _| loop {
        if let SessionEvent::Up { carrier, welcome } = next(session).await {
            break (carrier, welcome.resume_id);
        }
    };
    let (first, id) = up(&mut session).await;
    assert_eq!(first, CarrierKind::Relay);
    session.handle().send(facts("before")).expect("room");
    assert_eq!(next_reason(&mut session).await, "before");

    drop(relay);
    session.handle().send(facts("between")).expect("room");
    assert_eq!(up(&mut session).await, (CarrierKind::Direct, id.clone()));
    assert_eq!(next_reason(&mut session).await, "between");

    let _relay = Relay::start(at, edge.address, &platform, &organization).await;
    assert_eq!(up(&mut session).await, (CarrierKind::Relay, id));
    session.handle().send(facts("after")).expect("room");
    assert_eq!(next_reason(&mut session).await, "after");
    let seen = edge.seen.hostnames.lock().unwrap().clone();
    assert_eq!(seen, ["before", "between", "after"]);
}

#[tokio::test]
async fn a_host_does_not_pass_for_a_relay_nor_a_relay_of_another_organization() {
    let (platform, organization, other) = (Authority::new(), Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let theirs = Edge::start(&platform, &other);
    let relay = Relay::start(loopback(), theirs.address, &platform, &other).await;
    let host = organization.identity(Host);
    let candidates = vec![via(relay.address, &organization, &host)];
    let mut session = agent(candidates, &host, platform.trust());
    next_down(&mut session).await;

    // A host's certificate on the relay's side.
    let endpoint = netpatch_tunnel::SiteEndpoint::bind(
        loopback(),
        &organization.identity(Host),
        organization.der.clone(),
        clock(),
        limits(),
    )
    .expect("bind");
    let at = endpoint.local_addr().expect("address");
    let accepting = tokio::spawn(async move {
        while let Some(handshake) = endpoint.accept().await {
            let _ = handshake.open().await;
        }
    });
    let mut session = agent(vec![via(at, &organization, &host)], &host, platform.trust());
    let reason = next_down(&mut session).await;
    assert!(reason.contains("not a relay"), "{reason}");
    accepting.abort();

    // A relay's certificate on the agent's side.
    let relay = Relay::start(loopback(), edge.address, &platform, &organization).await;
    let posing = organization.identity(RelayKind);
    let mut session = agent(
        vec![via(relay.address, &organization, &posing)],
        &posing,
        platform.trust(),
    );
    next_down(&mut session).await;
}

#[tokio::test]
async fn an_edge_that_drains_keeps_who_is_there_and_turns_others_away_at_once() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let (edge, other) = (
        Edge::start(&platform, &organization),
        Edge::start(&platform, &organization),
    );
    let host = organization.identity(Host);
    let mut there = agent(vec![direct(edge.address)], &host, platform.trust());
    next_up(&mut there).await;
    edge.endpoint.drain();

    for (way, next_way) in [
        (direct(edge.address), direct(other.address)),
        (over_tcp(edge.address), over_tcp(other.address)),
    ] {
        let mut refused = agent(vec![way.clone()], &host, platform.trust());
        let reason = next_down(&mut refused).await;
        assert!(!reason.contains("took longer"), "{reason}");
        let host = organization.identity(Host);
        let mut session = agent(vec![way, next_way], &host, platform.trust());
        next_up(&mut session).await;
        session.handle().send(facts("elsewhere")).expect("room");
        assert_eq!(next_reason(&mut session).await, "elsewhere");
    }
    there.handle().send(facts("still here")).expect("room");
    assert_eq!(next_reason(&mut there).await, "still here");
    assert_eq!(*edge.seen.hostnames.lock().unwrap(), ["still here"]);
}
