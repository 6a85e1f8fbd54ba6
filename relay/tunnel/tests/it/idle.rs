//! Connections on which nobody says anything: who keeps them alive, and what a probe of the round trip tells.

use crate::frames::raw;
use crate::world::*;
use netpatch_protocol::SubjectKind::{Host, Relay as RelayKind};
use netpatch_tunnel::{Limits, RelayUplink, SessionEvent};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// What happens on one client's wire: every packet is counted, delayed and, towards the server, perhaps dropped.
#[derive(Default)]
struct Seen {
    there: AtomicU64,
    back: AtomicU64,
    is_cut: AtomicBool,
    /// One way.
    delay_ms: AtomicU64,
}

/// The client's end of a wire to a server.
struct Wire {
    address: SocketAddr,
    seen: Arc<Seen>,
    _task: AbortOnDropHandle<()>,
}

impl Wire {
    async fn to(server: SocketAddr) -> Self {
        let near = Arc::new(UdpSocket::bind(loopback()).await.unwrap());
        let far = Arc::new(UdpSocket::bind(loopback()).await.unwrap());
        far.connect(server).await.unwrap();
        let (address, seen) = (near.local_addr().unwrap(), Arc::<Seen>::default());
        let task = tokio::spawn(carry(near, far, seen.clone()));
        Self {
            address,
            seen,
            _task: AbortOnDropHandle::new(task),
        }
    }

    fn there(&self) -> u64 {
        self.seen.there.load(Ordering::SeqCst)
    }

    fn back(&self) -> u64 {
        self.seen.back.load(Ordering::SeqCst)
    }

    fn delay(&self, delay_ms: u64) {
        self.seen.delay_ms.store(delay_ms, Ordering::SeqCst);
    }
}

async fn carry(near: Arc<UdpSocket>, far: Arc<UdpSocket>, seen: Arc<Seen>) {
    let (mut out, mut home) = (vec![0; 65_536], vec![0; 65_536]);
    let (mut client, mut late) = (None, JoinSet::new());
    loop {
        let delay = Duration::from_millis(seen.delay_ms.load(Ordering::SeqCst));
        tokio::select! {
            Ok((bytes, from)) = near.recv_from(&mut out) => {
                client = Some(from);
                seen.there.fetch_add(1, Ordering::SeqCst);
                if !seen.is_cut.load(Ordering::SeqCst) {
                    let (packet, far) = (out[..bytes].to_vec(), far.clone());
                    late.spawn(async move {
                        tokio::time::sleep(delay).await;
                        let _ = far.send(&packet).await;
                    });
                }
            }
            Ok(bytes) = far.recv(&mut home) => {
                seen.back.fetch_add(1, Ordering::SeqCst);
                if let Some(client) = client {
                    let (packet, near) = (home[..bytes].to_vec(), near.clone());
                    late.spawn(async move {
                        tokio::time::sleep(delay).await;
                        let _ = near.send_to(&packet, client).await;
                    });
                }
            }
            Some(_) = late.join_next() => {}
        }
    }
}

/// Waits until it is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(120), waited).await;
    assert!(in_time.is_ok(), "{what} did not happen");
}

#[tokio::test]
async fn only_who_connected_keeps_an_idle_connection_alive_and_it_lives_on() {
    let limits = Limits {
        idle_timeout: Duration::from_secs(2),
        keep_alive: Duration::from_millis(250),
        ..limits()
    };
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start_with(limits, &platform, &organization);
    let wire = Wire::to(edge.address).await;
    let host = organization.identity(Host);
    let ways = vec![direct(wire.address)];
    let mut session = agent_with(limits, ways, &host, platform.trust());
    next_up(&mut session).await;
    // Ten seconds of nothing else, five times what kills a silent connection.
    let begun = wire.there();
    until("forty signs of life", || wire.there() >= begun + 40).await;
    session.handle().send(facts("still here")).expect("room");
    let SessionEvent::Message(message) = next(&mut session).await else {
        panic!("the carrier did not live on");
    };
    assert_eq!(reason_of(message).as_deref(), Some("still here"));

    // The edge hears nothing any more, and could be heard: it says nothing by itself until the connection is dead.
    let acknowledged = wire.there();
    until("the next sign of life", || wire.there() > acknowledged + 1).await;
    wire.seen.is_cut.store(true, Ordering::SeqCst);
    let cut = wire.there();
    until("a sign that is lost", || wire.there() > cut).await;
    let said = wire.back();
    next_down(&mut session).await;
    assert_eq!(wire.back(), said);
}

#[tokio::test]
async fn a_probe_measures_the_round_trip_of_now() {
    let quiet = Limits {
        idle_timeout: Duration::from_secs(600),
        keep_alive: Duration::from_secs(600),
        ..limits()
    };
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start_with(quiet, &platform, &organization);
    let wire = Wire::to(edge.address).await;
    let relay = organization.identity(RelayKind);
    let (to, clock) = (wire.address.to_string().into(), clock());
    let link = RelayUplink::connect(&to, platform.trust(), &relay, &clock, quiet).await;
    let link = link.expect("connected");
    let probe = || link.probe().expect("over QUIC");
    // Nothing else is sent: only the answers to probes tell.
    for (delay_ms, is_it) in [
        (60, (|took| took >= 100) as fn(u128) -> bool),
        (5, |took| took <= 40),
        (40, |took| (70..=200).contains(&took)),
    ] {
        wire.delay(delay_ms);
        until("the round trip of now", || is_it(probe().as_millis())).await;
    }
    assert!(link.is_alive());
}

#[tokio::test]
async fn datagrams_of_garbage_are_answered_by_nothing_and_end_nobody_elses_connection() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let (host, key) = organization.identity_with_key(Host);
    let connection = raw(&edge, &platform, Some((&host, key))).await;
    let before = connection.stats().frame_rx.acks;
    for number in 0..2000_usize {
        let size = number * 7919 % 17;
        let garbage = vec![u8::try_from(number % 256).unwrap(); size];
        connection
            .send_datagram_wait(garbage.into())
            .await
            .expect("taken");
    }
    until("acknowledgements", || {
        connection.stats().frame_rx.acks > before || connection.close_reason().is_some()
    })
    .await;
    assert_eq!(connection.close_reason(), None);
    assert_eq!(
        connection.stats().frame_rx.datagram,
        0,
        "nothing is answered"
    );
    // More than is ever kept of probes: no probe of ours.
    let most = connection.max_datagram_size().expect("it takes some");
    let large = vec![7; most].into();
    connection.send_datagram_wait(large).await.expect("sent");
    let ended = connection.closed().await;
    assert!(
        matches!(ended, quinn::ConnectionError::ConnectionClosed(_)),
        "{ended}"
    );
    let mut session = agent(vec![direct(edge.address)], &host, platform.trust());
    session.handle().send(facts("next")).expect("room");
    assert_eq!(next_reason(&mut session).await, "next");
}
