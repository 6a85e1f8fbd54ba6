//! Clients that ask as fast as they are answered, on connections that stay.

use super::peers::Peer;
use anyhow::{Context, Result, bail, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const BUFFER: usize = 256 << 10;
/// Longest answer head.
const MAX_HEAD: usize = 16 << 10;

pub(super) struct Load {
    pub(super) connections: usize,
    pub(super) time: Duration,
    pub(super) body_bytes: usize,
}

pub(super) struct Outcome {
    pub(super) requests: usize,
    pub(super) bytes: u64,
    pub(super) time: Duration,
    pub(super) p99: Duration,
}

impl Outcome {
    pub(super) fn mebibytes_per_second(&self) -> f64 {
        self.bytes as f64 / f64::from(1 << 20) / self.time.as_secs_f64()
    }
}

/// A connection that asks for one payload after the other.
pub(super) struct Client {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(super) async fn connect(peer: &Peer) -> Result<Self> {
        let address = peer.address();
        Ok(Self {
            address,
            stream: connect(address).await?,
            buffer: vec![0; BUFFER],
        })
    }

    /// Asks, and reads the body to its end; its length.
    pub(super) async fn get(&mut self, request: &[u8]) -> Result<usize> {
        if let Some(length) = self.try_get(request).await? {
            return Ok(length);
        }
        // A server may end a connection between two answers.
        self.stream = connect(self.address).await?;
        let length = self.try_get(request).await?;
        length.context("the server hung up on a new connection")
    }

    /// Nothing, when the server ended the connection before it answered.
    async fn try_get(&mut self, request: &[u8]) -> Result<Option<usize>> {
        if self.stream.write_all(request).await.is_err() {
            return Ok(None);
        }
        let mut filled = 0;
        let head = loop {
            ensure!(
                filled < MAX_HEAD,
                "the answer's head is longer than {MAX_HEAD} bytes"
            );
            let count = match self.stream.read(&mut self.buffer[filled..]).await {
                Ok(0) | Err(_) if filled == 0 => return Ok(None),
                read => read?,
            };
            ensure!(count > 0, "the server hung up in the head");
            filled += count;
            if let Some(at) = find(&self.buffer[..filled], b"\r\n\r\n") {
                break at + 4;
            }
        };
        let length = content_length(&self.buffer[..head])?;
        let mut rest = length
            .checked_sub(filled - head)
            .context("more bytes than the server says")?;
        while rest > 0 {
            let most = rest.min(BUFFER);
            let count = self.stream.read(&mut self.buffer[..most]).await?;
            ensure!(count > 0, "the server hung up in the body");
            rest -= count;
        }
        Ok(Some(length))
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await.context("connect")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head).context("head is not text")?;
    ensure!(
        head.starts_with("HTTP/1.1 200"),
        "the server answered {:?}",
        head.lines().next()
    );
    let line = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    let value = line.context("an answer without a length")?;
    value.trim().parse().context("length")
}

/// Asks for every payload, until the server answers each from what it holds.
pub(super) async fn warm(peer: &Peer, paths: &[String]) -> Result<()> {
    // Twice: some caches keep only what is asked for again.
    for _ in 0..2 {
        let mut client = Client::connect(peer).await?;
        for path in paths {
            client.get(&peer.request(path)).await?;
        }
    }
    Ok(())
}

/// As many requests as it takes the time.
pub(super) async fn load(peer: &Peer, paths: &[String], load: &Load) -> Result<Outcome> {
    let requests: Arc<Vec<Vec<u8>>> =
        Arc::new(paths.iter().map(|path| peer.request(path)).collect());
    let mut clients = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        clients.push(Client::connect(peer).await?);
    }
    let started = Instant::now();
    let end = started + load.time;
    let mut tasks = JoinSet::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        let (requests, expected) = (Arc::clone(&requests), load.body_bytes);
        tasks.spawn(async move {
            let mut latencies: Vec<u32> = Vec::new();
            let mut next = number;
            while Instant::now() < end {
                let asked = Instant::now();
                let length = client.get(&requests[next % requests.len()]).await?;
                if length != expected {
                    bail!("{length} bytes instead of {expected}");
                }
                latencies.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
                next += 1;
            }
            Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done??);
    }
    let time = started.elapsed();
    latencies.sort_unstable();
    let at = (latencies.len() * 99 / 100).min(latencies.len().saturating_sub(1));
    Ok(Outcome {
        requests: latencies.len(),
        bytes: (latencies.len() * load.body_bytes) as u64,
        time,
        p99: Duration::from_micros(latencies.get(at).copied().unwrap_or(0).into()),
    })
}
