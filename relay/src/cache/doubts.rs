//! Payloads that are held and that hosts expect to be others: which of the two is right is told by fetching anew, and not again and again.

use super::{Inner, lock};
use netpatch_relay_core::{Entry, KeyId, PayloadKey};
use netpatch_types::Sha256;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A payload that is held is fetched anew, because hosts expect other bytes, so often in vain in so long.
const DOUBTED: u32 = 3;
const DOUBT: Duration = Duration::from_secs(600);
/// Payloads that are remembered for it. With so many, nothing is fetched anew for that reason.
const MAX_DOUBTS: usize = 10_000;

/// Since when a payload was fetched anew, and how often.
#[derive(Default)]
pub(super) struct Doubts(Mutex<HashMap<KeyId, (Instant, u32)>>);

impl Inner {
    /// Whether what is held should be other bytes, in the words of a host, and it is worth asking for them.
    pub(super) fn is_doubtful(&self, key: &PayloadKey, expected: Sha256) -> bool {
        let id = key.id();
        let is_other = |held: &Entry| held.sha256 != expected;
        if !self.index().look(id).is_some_and(is_other) {
            return false;
        }
        let mut doubts = lock(&self.doubts.0);
        if doubts.len() >= MAX_DOUBTS {
            doubts.retain(|_, (since, _)| since.elapsed() < DOUBT);
        }
        let is_tried =
            |(since, times): &(Instant, u32)| since.elapsed() < DOUBT && *times >= DOUBTED;
        doubts.len() < MAX_DOUBTS && !doubts.get(&id).is_some_and(is_tried)
    }

    /// What was fetched is not what a host expects.
    pub(super) fn doubt(&self, id: KeyId) {
        let mut doubts = lock(&self.doubts.0);
        let (since, times) = doubts.entry(id).or_insert((Instant::now(), 0));
        if since.elapsed() >= DOUBT {
            (*since, *times) = (Instant::now(), 0);
        }
        *times += 1;
    }
}
