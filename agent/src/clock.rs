//! Time that the edge has confirmed, carried on by the machine's uptime.
//!
//! Windows open only on confirmed time; a wall clock that jumps changes nothing. Uptime counts suspended time and is
//! the same for every process of a boot, so a restarted agent keeps what an earlier one was told.

use crate::state::StateFolder;
use chrono::{DateTime, TimeDelta, Utc};
use netpatch_types::{Clock, SharedClock};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const FILE: &str = "clock.json";

/// What the edge said, and the uptime at that moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Confirmed {
    boot_id: String,
    uptime_ms: u64,
    edge_ms: i64,
}

/// How long the machine has been up, suspended time included.
pub type Uptime = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The agent's clock. Before a confirmation it is the wall clock, but never behind the last edge-signed time.
pub struct EdgeClock {
    system: SharedClock,
    state: StateFolder,
    boot_id: String,
    uptime: Uptime,
    confirmed: Mutex<Option<Confirmed>>,
}

impl EdgeClock {
    /// The clock of this boot.
    #[must_use]
    pub fn new(state: &StateFolder, system: SharedClock) -> Self {
        Self::carried_by(state, system, Arc::new(uptime))
    }

    /// The same, carried on by another count of uptime than the machine's own.
    #[must_use]
    pub fn carried_by(state: &StateFolder, system: SharedClock, uptime: Uptime) -> Self {
        Self::with_uptime(state, system, crate::facts::boot_id(), uptime)
    }

    fn with_uptime(
        state: &StateFolder,
        system: SharedClock,
        boot_id: String,
        uptime: Uptime,
    ) -> Self {
        let held = state
            .read(FILE)
            .ok()
            .flatten()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            system,
            state: state.clone(),
            boot_id,
            uptime,
            confirmed: Mutex::new(held),
        }
    }

    /// Takes a time that the edge has signed.
    pub fn confirm(&self, at: DateTime<Utc>) {
        let now = Confirmed {
            boot_id: self.boot_id.clone(),
            uptime_ms: millis((self.uptime)()),
            edge_ms: at.timestamp_millis(),
        };
        let mut confirmed = self
            .confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // The network's delay makes it late by less than a second each time: written only when it matters.
        let known = confirmed.as_ref().is_some_and(|held| {
            held.boot_id == now.boot_id
                && carried(held, now.uptime_ms)
                    .is_some_and(|at_ms| (at_ms - now.edge_ms).abs() < 5_000)
        });
        if !known
            && let Ok(json) = serde_json::to_vec(&now)
            && let Err(error) = self.state.write(FILE, &json)
        {
            tracing::warn!(%error, "cannot keep the confirmed time");
        }
        *confirmed = Some(now);
    }

    /// Whether the edge has confirmed the time since boot.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        let confirmed = self
            .confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        confirmed
            .as_ref()
            .is_some_and(|held| held.boot_id == self.boot_id)
    }

    /// How far the wall clock is ahead of the confirmed time; `None` before a confirmation.
    #[must_use]
    pub fn wall_clock_ahead(&self) -> Option<TimeDelta> {
        self.is_confirmed().then(|| self.system.now() - self.now())
    }
}

impl Clock for EdgeClock {
    fn now(&self) -> DateTime<Utc> {
        let confirmed = self
            .confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let wall = self.system.now();
        let Some(held) = confirmed.as_ref() else {
            return wall;
        };
        let edge = |at_ms| DateTime::from_timestamp_millis(at_ms).unwrap_or(wall);
        if held.boot_id == self.boot_id {
            carried(held, millis((self.uptime)())).map_or(wall, edge)
        } else {
            wall.max(edge(held.edge_ms))
        }
    }

    fn monotonic(&self) -> Duration {
        (self.uptime)()
    }
}

fn carried(held: &Confirmed, uptime_ms: u64) -> Option<i64> {
    held.edge_ms
        .checked_add(i64::try_from(uptime_ms.checked_sub(held.uptime_ms)?).ok()?)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// proc(5) uptime.
#[must_use]
pub fn uptime() -> Duration {
    std::fs::read_to_string("/proc/uptime")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Wall(i64);
    impl Clock for Wall {
        fn now(&self) -> DateTime<Utc> {
            at(self.0)
        }
        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
    }

    static UPTIME: AtomicU64 = AtomicU64::new(0);
    fn up() -> Duration {
        Duration::from_secs(UPTIME.load(Ordering::Relaxed))
    }

    #[test]
    fn confirmed_time_goes_on_and_the_wall_clock_does_not_matter() {
        let folder = tempfile::tempdir().expect("folder");
        let state = StateFolder::open(folder.path()).expect("state");
        let ten_years = 315_360_000;
        let open = |wall, boot: &str| {
            EdgeClock::with_uptime(&state, Arc::new(Wall(wall)), boot.into(), Arc::new(up))
        };
        let clock = open(-ten_years, "one");
        assert!(!clock.is_confirmed());
        UPTIME.store(100, Ordering::Relaxed);
        clock.confirm(at(0));
        UPTIME.store(160, Ordering::Relaxed);
        assert!(clock.is_confirmed());
        assert_eq!(clock.now(), at(60));
        assert_eq!(
            open(ten_years, "one").now(),
            at(60),
            "another process of the same boot"
        );
        let rebooted = open(-ten_years, "two");
        assert!(!rebooted.is_confirmed());
        assert_eq!(rebooted.now(), at(0), "never behind what the edge signed");
    }
}
