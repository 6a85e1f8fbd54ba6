//! Counts failures in memory, per somebody: guessing becomes slow. A restart forgives.
//!
//! Invariant: an attempt counts as failed from its start until it is forgiven, so that attempts made at once do not slip through.

use chrono::{DateTime, Duration, Utc};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Failed attempts by key. Clones share the count.
#[derive(Clone)]
pub(crate) struct Attempts<K> {
    times: Arc<Mutex<HashMap<K, Vec<DateTime<Utc>>>>>,
    limit: usize,
    window: Duration,
}

impl<K: Eq + Hash + Clone> Attempts<K> {
    /// Allows so many failures within the window.
    pub(crate) fn new(limit: usize, window: Duration) -> Self {
        Self {
            times: Arc::default(),
            limit,
            window,
        }
    }

    /// Begins an attempt; `None` when there were too many.
    pub(crate) fn begin(&self, key: &K, now: DateTime<Utc>) -> Option<Attempt<K>> {
        let since = now - self.window;
        let mut all = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, times| {
            times.retain(|at| *at > since);
            !times.is_empty()
        });
        let times = all.entry(key.clone()).or_default();
        (times.len() < self.limit).then(|| {
            times.push(now);
            Attempt {
                of: self.clone(),
                key: key.clone(),
                at: now,
            }
        })
    }
}

/// An attempt that counts as failed.
pub(crate) struct Attempt<K: Eq + Hash> {
    of: Attempts<K>,
    key: K,
    at: DateTime<Utc>,
}

impl<K: Eq + Hash> Attempt<K> {
    /// It did not fail.
    pub(crate) fn forgive(self) {
        let mut all = self.of.times.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = all.get_mut(&self.key)
            && let Some(index) = times.iter().position(|at| *at == self.at)
        {
            times.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_at_once_count_and_the_window_frees() {
        let attempts = Attempts::new(2, Duration::minutes(1));
        let start = DateTime::UNIX_EPOCH;
        let first = attempts.begin(&"a", start);
        let second = attempts.begin(&"a", start + Duration::seconds(30));
        assert!(first.is_some() && second.is_some());
        let later = start + Duration::seconds(40);
        assert!(attempts.begin(&"a", later).is_none());
        assert!(attempts.begin(&"b", later).is_some());
        second.unwrap().forgive();
        assert!(attempts.begin(&"a", later).is_some());
        assert!(attempts.begin(&"a", later).is_none());
        assert!(
            attempts
                .begin(&"a", start + Duration::seconds(61))
                .is_some()
        );
    }
}
