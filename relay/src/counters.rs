//! What the relay counts, since it started.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests answered from what is held, or from a fill that another request began.
    pub hits: AtomicU64,
    /// Requests that began a fill.
    pub misses: AtomicU64,
    /// Payload bytes sent to agents.
    pub bytes_served: AtomicU64,
    /// Payload bytes received from upstreams.
    pub bytes_fetched: AtomicU64,
    /// Sessions carried now.
    pub sessions: AtomicU64,
    /// Agents connected now.
    pub agents: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// See [`Counters::hits`].
    pub hits: u64,
    /// See [`Counters::misses`].
    pub misses: u64,
    /// See [`Counters::bytes_served`].
    pub bytes_served: u64,
    /// See [`Counters::bytes_fetched`].
    pub bytes_fetched: u64,
    /// See [`Counters::sessions`].
    pub sessions: u64,
    /// See [`Counters::agents`].
    pub agents: u64,
}

impl Counters {
    /// All of them now.
    #[must_use]
    pub fn now(&self) -> Counted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            hits: read(&self.hits),
            misses: read(&self.misses),
            bytes_served: read(&self.bytes_served),
            bytes_fetched: read(&self.bytes_fetched),
            sessions: read(&self.sessions),
            agents: read(&self.agents),
        }
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// Counts one for as long as it lives.
pub(crate) struct Present<'a>(&'a AtomicU64);

impl<'a> Present<'a> {
    pub(crate) fn new(counter: &'a AtomicU64) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
