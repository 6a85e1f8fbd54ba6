//! A bad line: a forwarder of UDP that delays, drops, doubles and swaps packets, with a rate and a queue; from a seed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// What happens to each packet, in both directions.
#[derive(Clone, Copy, Default)]
pub(crate) struct Quality {
    /// One way.
    pub(crate) delay: Duration,
    /// Of a hundred.
    pub(crate) lost: u64,
    /// Of a hundred.
    pub(crate) doubled: u64,
    /// Of a hundred; they come this much later than those behind them.
    pub(crate) swapped: u64,
    /// Bytes a second towards clients; 0 for as many as come.
    pub(crate) rate: u64,
}

/// How long a packet waits for the rate at most; then it is dropped.
const QUEUE: Duration = Duration::from_millis(100);

/// What several ways share.
pub(crate) struct Line {
    quality: Quality,
    state: Mutex<(u64, Option<Instant>)>,
}

impl Line {
    pub(crate) fn new(seed: u64, quality: Quality) -> Arc<Self> {
        Arc::new(Self {
            quality,
            state: Mutex::new((seed, None)),
        })
    }

    /// When each copy of a packet arrives, and whether behind its turn.
    fn arrivals(&self, bytes: usize, to_client: bool) -> Vec<(Instant, bool)> {
        let mut state = self.state.lock().unwrap();
        let mut in_a_hundred = || {
            state.0 = state.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = state.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (mixed ^ (mixed >> 31)) % 100
        };
        let quality = &self.quality;
        let (lost, doubled, swapped) = (
            in_a_hundred() < quality.lost,
            in_a_hundred() < quality.doubled,
            in_a_hundred() < quality.swapped,
        );
        if lost {
            return Vec::new();
        }
        let mut after = quality.delay;
        if to_client && quality.rate > 0 {
            let now = Instant::now();
            let free = state.1.unwrap_or(now).max(now);
            if free - now > QUEUE {
                return Vec::new();
            }
            let gone = free + Duration::from_nanos(bytes as u64 * 1_000_000_000 / quality.rate);
            state.1 = Some(gone);
            after += gone - now;
        }
        if swapped {
            after += quality.delay / 2 + Duration::from_millis(5);
        }
        vec![(Instant::now() + after, swapped); if doubled { 2 } else { 1 }]
    }
}

type Ways = Arc<Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>>;

/// A way over a line to one server.
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    ways: Ways,
    _task: AbortOnDropHandle<()>,
}

impl Way {
    pub(crate) async fn to(server: SocketAddr, line: Arc<Line>) -> Self {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("binds"));
        let address = front.local_addr().expect("address");
        let ways = Ways::default();
        let task = tokio::spawn(forward(front, server, line, ways.clone()));
        Self {
            address,
            ways,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Like a router that has forgotten: from now on the server sees every client at another port.
    pub(crate) fn rebind(&self) {
        self.ways.lock().unwrap().clear();
    }

    /// At how many ports the server sees clients now.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let ways = self.ways.lock().unwrap();
        ways.values()
            .map(|back| back.local_addr().expect("address").port())
            .collect()
    }
}

/// Sends packets when they are due: in order, but for those that are behind their turn.
#[derive(Clone)]
struct Sender(
    mpsc::UnboundedSender<(Instant, Vec<u8>)>,
    Arc<UdpSocket>,
    SocketAddr,
);

impl Sender {
    fn start(socket: Arc<UdpSocket>, to: SocketAddr, tasks: &mut JoinSet<()>) -> Self {
        let (sender, mut due) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
        let from = socket.clone();
        tasks.spawn(async move {
            while let Some((at, packet)) = due.recv().await {
                tokio::time::sleep_until(at).await;
                let _ = from.send_to(&packet, to).await;
            }
        });
        Self(sender, socket, to)
    }

    fn send(&self, arrivals: Vec<(Instant, bool)>, packet: &[u8], tasks: &mut JoinSet<()>) {
        for (at, is_behind) in arrivals {
            let packet = packet.to_vec();
            if !is_behind {
                let _ = self.0.send((at, packet));
                continue;
            }
            let (socket, to) = (self.1.clone(), self.2);
            tasks.spawn(async move {
                tokio::time::sleep_until(at).await;
                let _ = socket.send_to(&packet, to).await;
            });
        }
    }
}

async fn forward(front: Arc<UdpSocket>, server: SocketAddr, line: Arc<Line>, ways: Ways) {
    let mut tasks = JoinSet::new();
    let mut senders: HashMap<u16, Sender> = HashMap::new();
    let mut packet = vec![0u8; 65_536];
    loop {
        let Ok((count, client)) = front.recv_from(&mut packet).await else {
            continue;
        };
        while tasks.try_join_next().is_some() {}
        let known = ways.lock().unwrap().get(&client).cloned();
        let back = match known {
            Some(back) => back,
            None => {
                let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("binds"));
                ways.lock().unwrap().insert(client, back.clone());
                let front = front.clone();
                tasks.spawn(answers(front, back.clone(), client, line.clone()));
                back
            }
        };
        let port = back.local_addr().expect("address").port();
        let sender = senders
            .entry(port)
            .or_insert_with(|| Sender::start(back, server, &mut tasks))
            .clone();
        sender.send(line.arrivals(count, false), &packet[..count], &mut tasks);
    }
}

async fn answers(front: Arc<UdpSocket>, back: Arc<UdpSocket>, client: SocketAddr, line: Arc<Line>) {
    let mut tasks = JoinSet::new();
    let sender = Sender::start(front, client, &mut tasks);
    let mut packet = vec![0u8; 65_536];
    while let Ok(count) = back.recv(&mut packet).await {
        while tasks.try_join_next().is_some() {}
        sender.send(line.arrivals(count, true), &packet[..count], &mut tasks);
    }
}
