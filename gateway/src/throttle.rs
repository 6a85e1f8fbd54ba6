//! Leaky buckets of points: one per (principal, organization), restored steadily. In memory, per process: a restart forgives.

use netpatch_types::SharedClock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// More buckets than this are swept of full ones.
const SWEEP_AT: usize = 10_000;

/// Size of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Points of a full bucket.
    pub maximum: u32,
    /// Points that come back each second.
    pub restore_rate: u32,
}

/// How a bucket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Points of a full bucket.
    pub maximum: u32,
    /// Points left.
    pub available: u32,
    /// Points that come back each second.
    pub restore_rate: u32,
}

/// Points in thousandths, and when they were counted.
#[derive(Clone, Copy, Debug)]
struct Level {
    milli: u64,
    at: Duration,
}

/// All buckets of one kind.
#[derive(Clone)]
pub struct Buckets {
    levels: Arc<Mutex<HashMap<String, Level>>>,
    clock: SharedClock,
    rate: Rate,
}

impl std::fmt::Debug for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buckets")
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

impl Buckets {
    /// Full buckets.
    #[must_use]
    pub fn new(rate: Rate, clock: SharedClock) -> Self {
        Self {
            levels: Arc::default(),
            clock,
            rate,
        }
    }

    /// The bucket of somebody.
    #[must_use]
    pub fn bucket(&self, owner: String) -> Bucket {
        Bucket {
            buckets: self.clone(),
            owner,
        }
    }

    fn with<T>(&self, owner: &str, change: impl FnOnce(&mut u64) -> T) -> T {
        let now = self.clock.monotonic();
        let full = u64::from(self.rate.maximum) * 1000;
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if levels.len() > SWEEP_AT {
            levels.retain(|_, level| refilled(*level, now, self.rate) < full);
        }
        let level = levels.entry(owner.to_owned()).or_insert(Level {
            milli: full,
            at: now,
        });
        *level = Level {
            milli: refilled(*level, now, self.rate),
            at: now,
        };
        change(&mut level.milli)
    }
}

fn refilled(level: Level, now: Duration, rate: Rate) -> u64 {
    let passed_ms = u64::try_from(now.saturating_sub(level.at).as_millis()).unwrap_or(u64::MAX);
    level
        .milli
        .saturating_add(passed_ms.saturating_mul(u64::from(rate.restore_rate)))
        .min(u64::from(rate.maximum) * 1000)
}

/// Somebody's bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    buckets: Buckets,
    owner: String,
}

impl Bucket {
    /// Takes points, at most a full bucket's; if there are too few, takes none and says after how many milliseconds there will be enough.
    pub fn take(&self, points: u32) -> Result<(), u64> {
        let rate = self.buckets.rate;
        let wanted = u64::from(points.min(rate.maximum)) * 1000;
        self.buckets
            .with(&self.owner, |milli| match milli.checked_sub(wanted) {
                Some(left) => {
                    *milli = left;
                    Ok(())
                }
                None => Err((wanted - *milli).div_ceil(u64::from(rate.restore_rate.max(1)))),
            })
    }

    /// Gives points back.
    pub fn give_back(&self, points: u32) {
        let full = u64::from(self.buckets.rate.maximum) * 1000;
        self.buckets.with(&self.owner, |milli| {
            *milli = milli.saturating_add(u64::from(points) * 1000).min(full)
        });
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let rate = self.buckets.rate;
        let available = self.buckets.with(&self.owner, |milli| *milli / 1000);
        Standing {
            maximum: rate.maximum,
            available: u32::try_from(available).unwrap_or(rate.maximum),
            restore_rate: rate.restore_rate,
        }
    }
}
