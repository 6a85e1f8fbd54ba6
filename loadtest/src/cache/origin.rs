//! The vendor's mirror: makes payloads of any size, counts what it sends, and sends no faster than its line.

use anyhow::Result;
use netpatch_types::SystemClock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

const PIECE: usize = 16 << 10;

pub(crate) struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    _task: AbortOnDropHandle<()>,
}

struct Shared {
    requests: AtomicU64,
    bytes: AtomicU64,
    /// When the line is free again, and its bytes a second.
    line: Option<(Mutex<Instant>, f64)>,
}

/// Where a payload lies. Its name is a package's, so that every cache takes it for one.
pub(crate) fn path(bytes: usize, number: usize) -> String {
    format!("pool/main/t/thing/thing{number}_{bytes}_all.deb")
}

/// How large the payload of this path is.
fn size(path: &str) -> Option<usize> {
    let name = path.rsplit('/').next()?;
    name.strip_prefix("thing")?.split('_').nth(1)?.parse().ok()
}

impl Origin {
    /// `line`: bits a second that all connections share.
    pub(super) async fn start(line: Option<f64>) -> Result<Self> {
        Self::listen(super::peers::free_address()?, line).await
    }

    pub(crate) async fn listen(address: SocketAddr, line: Option<f64>) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            line: line.map(|bits| (Mutex::new(Instant::now()), bits / 8.0)),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let shared = Arc::clone(&serving);
                connections.spawn(async move { shared.serve(stream).await });
            }
        });
        Ok(Self {
            address,
            shared,
            _task: AbortOnDropHandle::new(task),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Bytes of bodies so far.
    pub(super) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// One connection; what goes wrong on it ends it.
    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut buffer = vec![0u8; 16 << 10];
        loop {
            let mut filled = 0;
            while !buffer[..filled].ends_with(b"\r\n\r\n") {
                let count = stream.read(buffer.get_mut(filled..)?).await.ok()?;
                if count == 0 {
                    return None;
                }
                filled += count;
            }
            self.requests.fetch_add(1, Ordering::Relaxed);
            let head = std::str::from_utf8(&buffer[..filled]).ok()?;
            let path = head.split(' ').nth(1)?;
            let (is_head, size) = (head.starts_with("HEAD"), size(path));
            // Each payload has bytes of its own.
            let first = path.bytes().map(usize::from).sum::<usize>();
            let piece: Vec<u8> = (first..first + PIECE).map(|n| (n % 251) as u8).collect();
            let status = if size.is_some() {
                "200 OK"
            } else {
                "404 Not Found"
            };
            let length = size.unwrap_or(0);
            let date = SystemClock::shared()
                .now()
                .format("%a, %d %b %Y %H:%M:%S GMT");
            let answer = format!(
                "HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Type: application/vnd.debian.binary-package\r\nContent-Length: {length}\r\nETag: \"{length}\"\r\nLast-Modified: Sat, 01 Nov 2025 10:00:00 GMT\r\nCache-Control: max-age=86400\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.ok()?;
            let mut rest = if is_head { 0 } else { length };
            while rest > 0 {
                let count = rest.min(PIECE);
                self.turn(count).await;
                stream.write_all(&piece[..count]).await.ok()?;
                self.bytes.fetch_add(count as u64, Ordering::Relaxed);
                rest -= count;
            }
        }
    }

    /// Waits until the line has carried what was sent before, and takes it for this piece.
    async fn turn(&self, bytes: usize) {
        let Some((free, rate)) = &self.line else {
            return;
        };
        let wait_until = {
            let mut free = free.lock().await;
            let begin = (*free).max(Instant::now());
            *free = begin + Duration::from_secs_f64(bytes as f64 / rate);
            *free
        };
        tokio::time::sleep_until(wait_until.into()).await;
    }
}
