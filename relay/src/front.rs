//! An ordinary HTTP proxy over the payload cache, for hosts that have no agent: `http_proxy`, or apt's and dnf's own setting.
//!
//! ```text
//! host ──GET http://repository/path──► front.rs ──► connection.rs ─┬─ at hand ─► memory, or sendfile from an open file
//!                                                                  └─ else ────► Cache::respond ─► disk, fill, upstream
//! ```
//!
//! Invariants: off unless the relay's configuration has an address for it **and** the site allows it; only repositories of the site
//! are served, by GET and HEAD in absolute form; CONNECT is refused, since what is encrypted past the cache is no business of a
//! cache; a request with a body, or one that two readers could understand differently, is refused and its connection closed.
//! The front has no sign-in: who reaches it may read the site's repositories, whose packages are signed and public to the site.
//!
//! Why not hyper, which serves `/metrics`: a hit of 4 KiB costs here one read, one parse in place and one write, and a large one
//! goes by `sendfile(2)` from the page cache to the socket without a copy through this process. hyper offers neither, as it owns
//! the socket and takes bodies as buffers. What is left of HTTP/1.1 for a cache that takes no bodies is small, and `httparse` reads it.
//!
//! A relay needs a cloud to run; a benchmark needs none of it:
//!
//! ```no_run
//! # async fn bench(upstreams: netpatch_relay_core::Upstreams) -> Result<(), Box<dyn std::error::Error>> {
//! use netpatch_relay::{cache::{Cache, store::Store}, front};
//! use std::sync::{Arc, atomic::AtomicBool};
//! let store = Store::open(std::path::Path::new("/var/tmp/cache"))?;
//! let (budget_bytes, fresh_seconds) = (10 << 30, 10);
//! let clock = netpatch_types::SystemClock::shared();
//! let cache = Arc::new(Cache::open(store, budget_bytes, fresh_seconds, Arc::default(), clock)?);
//! // From a `SiteSettings` that lists the repository of the test's own server.
//! cache.set_upstreams(upstreams);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3142").await?;
//! front::serve(cache, listener, Arc::new(AtomicBool::new(true))).await;
//! # Ok(()) }
//! ```

mod answer;
mod connection;
mod request;
mod send;

use crate::cache::{Cache, lock};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

/// Connections at once; who comes then is told to come later.
const CONNECTIONS: usize = 2_048;
/// A host that sends no whole request, or takes no byte of an answer, for so long is hung up on.
const PATIENCE_SECONDS: u64 = 60;

/// What all connections share.
pub(crate) struct Front {
    cache: Arc<Cache>,
    allowed: Arc<AtomicBool>,
    /// Seconds since the start; a connection notes it when it gets on.
    tick: AtomicU64,
    connections: Mutex<HashMap<u64, Watched>>,
}

/// A connection as it is watched from outside.
struct Watched {
    alive: Arc<AtomicU64>,
    task: AbortHandle,
}

impl Front {
    fn is_allowed(&self) -> bool {
        self.allowed.load(Ordering::Relaxed)
    }

    /// Once a second: hangs up on who does not get on.
    fn watch(&self) {
        let now = self.tick.fetch_add(1, Ordering::Relaxed) + 1;
        for watched in lock(&self.connections).values() {
            if now.saturating_sub(watched.alive.load(Ordering::Relaxed)) > PATIENCE_SECONDS {
                watched.task.abort();
            }
        }
    }
}

/// Listens, if it is wanted and the port is free; where. A port that is taken costs hosts without an agent their cache, not the site
/// its relay.
pub(crate) fn listen(
    at: Option<SocketAddr>,
    cache: &Arc<Cache>,
    allowed: &Arc<AtomicBool>,
    tasks: &mut JoinSet<()>,
) -> Option<SocketAddr> {
    let at = at?;
    let bound = std::net::TcpListener::bind(at).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    match bound.and_then(|listener| Ok((listener.local_addr()?, listener))) {
        Ok((address, listener)) => {
            tasks.spawn(serve(cache.clone(), listener, allowed.clone()));
            Some(address)
        }
        Err(error) => {
            tracing::error!(%at, %error, "cannot listen as a proxy; running without it");
            None
        }
    }
}

/// Serves hosts for as long as it is polled; `allowed` is what the site says at the moment.
pub async fn serve(cache: Arc<Cache>, listener: TcpListener, allowed: Arc<AtomicBool>) {
    let front = Arc::new(Front {
        cache,
        allowed,
        tick: AtomicU64::new(0),
        connections: Mutex::default(),
    });
    let mut tasks = JoinSet::new();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut next = 0;
    loop {
        tokio::select! {
            _ = seconds.tick() => front.watch(),
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if tasks.len() >= CONNECTIONS => connection::turn_away(&stream),
                Ok((stream, remote)) => {
                    let alive = Arc::new(AtomicU64::new(front.tick.load(Ordering::Relaxed)));
                    let (front, id) = (front.clone(), next);
                    next += 1;
                    let (shared, noted) = (front.clone(), alive.clone());
                    // Entered before it can end.
                    let mut connections = lock(&front.connections);
                    let task = tasks.spawn(async move {
                        let _leave = Leave(shared.clone(), id);
                        if let Err(error) = connection::run(&shared, stream, &noted).await {
                            tracing::debug!(%remote, %error, "connection of a host ended");
                        }
                    });
                    connections.insert(id, Watched { alive, task });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a host");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

/// Takes a connection off the list when it ends, however it ends.
struct Leave(Arc<Front>, u64);

impl Drop for Leave {
    fn drop(&mut self) {
        lock(&self.0.connections).remove(&self.1);
    }
}
