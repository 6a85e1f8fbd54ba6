//! A clock that is moved by hand.

use chrono::{DateTime, TimeZone as _, Utc};
use netpatch_types::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Stands still until it is moved. Wall clock and monotonic clock move apart when only one is set.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<(DateTime<Utc>, Duration)>,
}

impl ManualClock {
    /// Stands at a time.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        Self {
            state: Mutex::new((now, Duration::ZERO)),
        }
    }

    /// Stands at noon of 15 January 2026, a Thursday, to hand around. `Arc<ManualClock>` becomes a `SharedClock` by coercion.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        Arc::new(Self::at(
            Utc.with_ymd_and_hms(2026, 1, 15, 12, 0, 0)
                .single()
                .unwrap_or_default(),
        ))
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += by;
        state.1 += by;
    }

    /// Sets the wall clock only, also backwards, as NTP or an operator does.
    pub fn set_wall(&self, now: DateTime<Utc>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn monotonic(&self) -> Duration {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_only_by_hand() {
        let clock = ManualClock::shared();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        clock.advance(Duration::from_secs(90));
        assert_eq!((clock.now() - before).num_seconds(), 90);
        clock.set_wall(before);
        assert_eq!(clock.now(), before);
        assert_eq!(clock.monotonic(), Duration::from_secs(90));
    }
}
