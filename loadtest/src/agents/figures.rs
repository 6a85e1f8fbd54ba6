//! What the sessions tell while they live.

use crate::report::{Report, figure, ms};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counts and times of one phase.
#[derive(Default)]
pub(crate) struct Figures {
    /// Sessions that are up.
    pub(crate) up: AtomicUsize,
    /// Sessions that were welcomed since the phase began, each once.
    pub(crate) welcomed: AtomicUsize,
    /// The number of the phase.
    pub(crate) phase: AtomicUsize,
    /// Manifests that the edge has stored.
    pub(crate) stored: AtomicUsize,
    /// Check-ins of the phase that had a signed counter.
    pub(crate) signed: AtomicUsize,
    /// Orders that were answered.
    pub(crate) orders: AtomicUsize,
    welcomes: Mutex<Vec<Duration>>,
    check_ins: Mutex<Vec<Duration>>,
    downs: Mutex<BTreeMap<String, usize>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Figures {
    /// A session's first welcome of the phase, so long after it was wanted.
    pub(crate) fn welcome(&self, after: Duration) {
        lock(&self.welcomes).push(after);
        self.welcomed.fetch_add(1, Ordering::Relaxed);
    }

    /// A check-in was answered after so long.
    pub(crate) fn check_in(&self, after: Duration) {
        lock(&self.check_ins).push(after);
    }

    /// A session was lost, or could not be opened.
    pub(crate) fn down(&self, reason: String) {
        *lock(&self.downs).entry(reason).or_default() += 1;
    }

    /// A phase begins: nobody was welcomed in it.
    pub(crate) fn begin(&self) {
        self.phase.fetch_add(1, Ordering::Relaxed);
        self.welcomed.store(0, Ordering::Relaxed);
        self.signed.store(0, Ordering::Relaxed);
        lock(&self.welcomes).clear();
        lock(&self.downs).clear();
        lock(&self.check_ins).clear();
    }

    /// How many check-ins were answered in this phase.
    pub(crate) fn check_ins(&self) -> usize {
        lock(&self.check_ins).len()
    }

    /// The spread of welcomes.
    pub(crate) fn welcomes_into(&self, report: &mut Report, what: &str) {
        let note = self.downs();
        spread(report, what, &mut lock(&self.welcomes), note);
    }

    /// The spread of check-ins.
    pub(crate) fn check_ins_into(&self, report: &mut Report, what: &str) {
        spread(report, what, &mut lock(&self.check_ins), String::new());
    }

    /// Why sessions were lost in this phase, most often first.
    pub(crate) fn downs(&self) -> String {
        let downs = lock(&self.downs);
        let mut all: Vec<_> = downs.iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let shown = all.iter().take(3);
        let shown: Vec<_> = shown
            .map(|(reason, count)| format!("{count} times {reason}"))
            .collect();
        shown.join("; ")
    }
}

/// Rows of the middle and of the hundredth slowest.
pub(crate) fn spread(report: &mut Report, what: &str, times: &mut [Duration], note: String) {
    times.sort_unstable();
    let at = |percent: usize| {
        times
            .get(times.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    report.row(format!("{what}, p50"), ms(at(50)), "ms", note);
    report.row(
        format!("{what}, p99"),
        ms(at(99)),
        "ms",
        format!("{} in all", figure(times.len())),
    );
}
