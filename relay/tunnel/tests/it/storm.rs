//! Many at once at an edge that does few handshakes at a time.

use crate::world::*;
use netpatch_protocol::SubjectKind::Host;
use netpatch_tunnel::{CarrierKind, Limits};
use tokio::net::TcpStream;

fn few() -> Limits {
    Limits {
        handshakes: 2,
        ..limits()
    }
}

#[tokio::test]
async fn a_fleet_that_comes_at_once_is_let_in() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start_with(few(), &platform, &organization);
    let ways = [direct(edge.address), over_tcp(edge.address)];
    let mut fleet = tokio::task::JoinSet::new();
    for number in 0..60 {
        let host = organization.identity(Host);
        let way = ways[number % 2].clone();
        let mut session = agent(vec![way], &host, platform.trust());
        fleet.spawn(async move {
            session
                .handle()
                .send(facts(&number.to_string()))
                .expect("room");
            assert_eq!(next_reason(&mut session).await, number.to_string());
        });
    }
    while let Some(done) = fleet.join_next().await {
        done.expect("let in");
    }
}

#[tokio::test]
async fn strangers_that_say_nothing_over_tcp_keep_nobody_waiting_over_quic() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start_with(few(), &platform, &organization);
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(edge.address).await.expect("connects"));
    }
    let host = organization.identity(Host);
    let mut session = agent(vec![direct(edge.address)], &host, platform.trust());
    assert_eq!(next_up(&mut session).await.0, CarrierKind::Direct);
    assert!(
        edge.seen.errors.lock().unwrap().len() < 20,
        "the silent ones still wait"
    );
}
