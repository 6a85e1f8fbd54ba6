//! Sessions and bulk over bad lines.

use crate::line::{Line, Quality, Way};
use crate::world::*;
use netpatch_protocol::SubjectKind::{Host, Relay as RelayKind};
use netpatch_protocol::site::{PayloadRequest, StreamAnswer, stream_open};
use netpatch_tunnel::{
    CarrierKind, Congestion, Limits, SessionEvent, SiteClient, SiteEndpoint, site,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::task::AbortOnDropHandle;

#[tokio::test]
async fn a_session_lives_on_a_line_that_loses_doubles_and_swaps() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let quality = Quality {
        delay: Duration::from_millis(10),
        lost: 20,
        doubled: 20,
        swapped: 20,
        rate: 0,
    };
    let way = Way::to(edge.address, Line::new(7, quality)).await;
    let host = organization.identity(Host);
    let mut session = agent(vec![direct(way.address)], &host, platform.trust());
    next_up(&mut session).await;
    let sent: Vec<String> = (0..100).map(|number| format!("message {number}")).collect();
    for name in &sent {
        session.handle().send(facts(name)).expect("room");
    }
    for name in &sent {
        assert_eq!(&next_reason(&mut session).await, name);
    }
    assert_eq!(
        *edge.seen.hostnames.lock().unwrap(),
        sent,
        "each once, in order"
    );
}

#[tokio::test]
async fn a_session_goes_on_when_its_address_changes() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let way = Way::to(edge.address, Line::new(1, Quality::default())).await;
    let host = organization.identity(Host);
    let mut session = agent(vec![direct(way.address)], &host, platform.trust());
    assert_eq!(next_up(&mut session).await.0, CarrierKind::Direct);
    let mut ports = Vec::new();
    for number in 0..5 {
        session
            .handle()
            .send(facts(&number.to_string()))
            .expect("room");
        match next(&mut session).await {
            SessionEvent::Message(message) => session.handle().durable(message.number),
            other => panic!("the carrier was changed: {other:?}"),
        }
        ports.extend(way.ports());
        way.rebind();
    }
    ports.sort_unstable();
    ports.dedup();
    assert!(ports.len() > 3, "the edge saw {ports:?}");
    assert_eq!(edge.seen.hostnames.lock().unwrap().len(), 5);
}

/// The repository of what yields.
const YIELDS: &str = "yields";

/// A server that sends for as long as it is listened to.
struct Source {
    address: SocketAddr,
    ca: Vec<u8>,
    host: netpatch_tunnel::Identity,
    _task: AbortOnDropHandle<()>,
}

impl Source {
    fn start(congestion: Congestion) -> Self {
        let organization = Authority::new();
        let limits = Limits {
            congestion,
            ..limits()
        };
        let identity = organization.identity(RelayKind);
        let ca = organization.der.clone();
        let endpoint = SiteEndpoint::bind(loopback(), &identity, ca.clone(), clock(), limits);
        let endpoint = endpoint.expect("binds");
        let address = endpoint.local_addr().expect("address");
        let task = tokio::spawn(async move {
            let mut peers = tokio::task::JoinSet::new();
            while let Some(handshake) = endpoint.accept().await {
                peers.spawn(async move {
                    let agent = handshake.open().await.expect("a host");
                    let (kind, mut stream) = agent
                        .accept()
                        .await
                        .expect("a stream")
                        .open()
                        .await
                        .expect("opens");
                    let stream_open::Kind::Payload(request) = kind else {
                        panic!("{kind:?}");
                    };
                    let answer = StreamAnswer {
                        status: 200,
                        ..StreamAnswer::default()
                    };
                    if request.repository == YIELDS {
                        stream.yield_to_others();
                    }
                    site::send_answer(&mut stream, &answer).await.expect("sent");
                    let bytes = vec![7u8; 65_536];
                    while stream.write_all(&bytes).await.is_ok() {}
                });
            }
        });
        Self {
            address,
            ca,
            host: organization.identity(Host),
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// How many bytes arrive over a line until `enough` says so.
    async fn fetch(
        &self,
        line: std::sync::Arc<Line>,
        enough: impl Fn(usize, Instant) -> bool,
    ) -> usize {
        self.fetch_from("", line, enough).await
    }

    async fn fetch_from(
        &self,
        repository: &str,
        line: std::sync::Arc<Line>,
        enough: impl Fn(usize, Instant) -> bool,
    ) -> usize {
        let request = PayloadRequest {
            repository: repository.to_owned(),
            ..PayloadRequest::default()
        };
        let way = Way::to(self.address, line).await;
        let at = way.address.to_string();
        let client = SiteClient::new(at, self.ca.clone(), self.host.clone(), clock(), limits());
        let connection = client.connection().await.expect("connects");
        let (_, mut stream) = connection.payload(request).await.expect("answered");
        let (mut got, begun) = (0, Instant::now());
        let mut bytes = vec![0u8; 65_536];
        while !enough(got, begun) {
            got += stream.read(&mut bytes).await.expect("bytes");
        }
        got
    }
}

/// 50 ms there and back, 40 Mbit/s.
fn far(lost: u64) -> Quality {
    Quality {
        delay: Duration::from_millis(25),
        lost,
        rate: 5_000_000,
        ..Quality::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_loss_does_not_slow_bulk_down_as_it_does_with_cubic() {
    let size = 2_000_000;
    let mut rates = Vec::new();
    for congestion in [Congestion::Cubic, Congestion::Tolerant] {
        let source = Source::start(congestion);
        let begun = Instant::now();
        source
            .fetch(Line::new(3, far(2)), |got, _| got >= size)
            .await;
        let rate = f64::from(size as u32) / begun.elapsed().as_secs_f64();
        println!(
            "{congestion:?} at 2 % loss and 50 ms: {:.2} Mbit/s",
            rate * 8e-6
        );
        rates.push(rate);
    }
    assert!(
        rates[1] > 2.0 * rates[0],
        "cubic {} and ours {} bytes a second",
        rates[0],
        rates[1]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_leaves_its_share_of_the_line_to_others() {
    let line = Line::new(5, far(0));
    let (others, ours) = (
        Source::start(Congestion::Cubic),
        Source::start(Congestion::Tolerant),
    );
    let enough = |_, begun: Instant| begun.elapsed() > Duration::from_secs(10);
    let (cubic, tolerant) = tokio::join!(
        others.fetch(line.clone(), enough),
        ours.fetch(line.clone(), enough)
    );
    let share = cubic as f64 / (cubic + tolerant) as f64;
    println!(
        "cubic beside ours gets {:.0} % of the line, together {:.1} MB in 10 s",
        share * 100.0,
        (cubic + tolerant) as f64 * 1e-6
    );
    assert!((0.2..=0.8).contains(&share), "cubic gets {share}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_yields_leaves_the_line_to_what_does_not_and_fills_it_alone() {
    let enough = |_, begun: Instant| begun.elapsed() > Duration::from_secs(8);
    let alone = Source::start(Congestion::Tolerant);
    let alone = alone.fetch_from(YIELDS, Line::new(7, far(0)), enough).await;
    let line = Line::new(7, far(0));
    let (others, yielding) = (
        Source::start(Congestion::Tolerant),
        Source::start(Congestion::Tolerant),
    );
    let (theirs, beside) = tokio::join!(
        others.fetch(line.clone(), enough),
        yielding.fetch_from(YIELDS, line.clone(), enough)
    );
    println!("alone {alone} bytes, beside {theirs} only {beside}");
    assert!(alone > 3 * beside, "{alone} alone, {beside} beside another");
    assert!(theirs > 3 * beside, "{beside} beside {theirs}");
}
