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
    /// Payload bytes received from upstreams, and bytes of recipes: what came over the line.
    pub bytes_fetched: AtomicU64,
    /// Of these, bytes of recipes.
    pub recipe_bytes: AtomicU64,
    /// Payloads that were rebuilt from an older version.
    pub deltas: AtomicU64,
    /// How much shorter the recipes of these were than the payloads.
    pub delta_saved_bytes: AtomicU64,
    /// Sessions carried now.
    pub sessions: AtomicU64,
    /// Agents connected now.
    pub agents: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counted {
    /// See [`Counters::hits`].
    pub hits: u64,
    /// See [`Counters::misses`].
    pub misses: u64,
    /// See [`Counters::bytes_served`].
    pub bytes_served: u64,
    /// See [`Counters::bytes_fetched`].
    pub bytes_fetched: u64,
    /// See [`Counters::recipe_bytes`].
    pub recipe_bytes: u64,
    /// See [`Counters::deltas`].
    pub deltas: u64,
    /// See [`Counters::delta_saved_bytes`].
    pub delta_saved_bytes: u64,
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
            recipe_bytes: read(&self.recipe_bytes),
            deltas: read(&self.deltas),
            delta_saved_bytes: read(&self.delta_saved_bytes),
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
