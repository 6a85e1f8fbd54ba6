//! What the relay counts, since it was set up. A relay that starts goes on from what an earlier run wrote down last.

use crate::data::DataDir;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What was counted is written down so often, if it changed: that much is lost when the relay is killed.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// Upper bounds of the histogram of fill times, milliseconds; slower ones are counted beyond the last.
pub const FILL_MILLIS: [u64; 12] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000,
];

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
    /// Payloads that the platform had where mirrors did not.
    pub stored: AtomicU64,
    /// Fills that brought their payload, by how long they took: up to each bound, and beyond the last.
    pub fills: [AtomicU64; FILL_MILLIS.len() + 1],
    /// Milliseconds of all of them.
    pub fill_millis: AtomicU64,
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
    /// See [`Counters::stored`].
    pub stored: u64,
    /// See [`Counters::fills`].
    pub fills: [u64; FILL_MILLIS.len() + 1],
    /// See [`Counters::fill_millis`].
    pub fill_millis: u64,
    /// See [`Counters::sessions`].
    pub sessions: u64,
    /// See [`Counters::agents`].
    pub agents: u64,
}

impl Counters {
    /// Goes on from what an earlier run of this relay counted; from nothing when that cannot be read.
    #[must_use]
    pub fn of(data: &DataDir) -> Self {
        let read = data.read("counters.json").unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read what was counted; counting from 0");
            None
        });
        let kept = read.and_then(|text| {
            let kept = serde_json::from_slice::<Counted>(&text);
            kept.inspect_err(
                |error| tracing::warn!(%error, "what was counted is damaged; counting from 0"),
            )
            .ok()
        });
        let kept = kept.unwrap_or_default();
        let at = AtomicU64::new;
        Self {
            hits: at(kept.hits),
            misses: at(kept.misses),
            bytes_served: at(kept.bytes_served),
            bytes_fetched: at(kept.bytes_fetched),
            recipe_bytes: at(kept.recipe_bytes),
            deltas: at(kept.deltas),
            delta_saved_bytes: at(kept.delta_saved_bytes),
            stored: at(kept.stored),
            fills: kept.fills.map(at),
            fill_millis: at(kept.fill_millis),
            // Who is there comes again.
            sessions: at(0),
            agents: at(0),
        }
    }

    /// Writes down what was counted.
    pub(crate) fn write(&self, data: &DataDir) {
        // Plain data always becomes JSON.
        let text = serde_json::to_vec(&self.now()).unwrap_or_default();
        if let Err(error) = data.write("counters.json", &text, 0o600) {
            tracing::warn!(%error, "cannot write down what was counted");
        }
    }

    /// A fill has brought its payload.
    pub(crate) fn note_fill(&self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let at = FILL_MILLIS.iter().position(|bound| millis <= *bound);
        if let Some(fills) = self.fills.get(at.unwrap_or(FILL_MILLIS.len())) {
            add(fills, 1);
        }
        add(&self.fill_millis, millis);
    }

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
            stored: read(&self.stored),
            fills: self.fills.each_ref().map(read),
            fill_millis: read(&self.fill_millis),
            sessions: read(&self.sessions),
            agents: read(&self.agents),
        }
    }
}

/// Writes down what was counted from time to time; never ends.
pub(crate) async fn keep(counters: Arc<Counters>, data: DataDir) {
    let mut written = counters.now();
    loop {
        tokio::time::sleep(WRITE_EVERY).await;
        let now = counters.now();
        if now != written {
            counters.write(&data);
            written = now;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_that_starts_goes_on_counting_and_a_damaged_file_costs_only_the_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataDir::open(folder.path()).expect("opened");
        assert_eq!(Counters::of(&data).now(), Counted::default());
        let counters = Counters::default();
        add(&counters.bytes_served, 900);
        add(&counters.delta_saved_bytes, 7);
        add(&counters.sessions, 3);
        counters.note_fill(Duration::from_millis(120));
        counters.note_fill(Duration::from_secs(7_200));
        counters.write(&data);
        let again = Counters::of(&data).now();
        assert_eq!((again.bytes_served, again.delta_saved_bytes), (900, 7));
        assert_eq!((again.fills[2], again.fills[12]), (1, 1));
        assert_eq!((again.fill_millis, again.sessions), (7_200_120, 0));
        // What a newer program would write, and what none would.
        for (text, served) in [
            (r#"{"bytes_served":5,"new":1}"#, 5),
            (r#"{"bytes_served":-5}"#, 0),
            (r#"{"fills":[1]}"#, 0),
            ("{", 0),
            ("", 0),
        ] {
            data.write("counters.json", text.as_bytes(), 0o600)
                .expect("written");
            assert_eq!(Counters::of(&data).now().bytes_served, served, "{text}");
        }
    }
}
