//! What must not happen, if it has; and how often what else did.

use crate::plan::{Act, Mutation, Phase};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};

/// Wrong effects that are told; more are counted.
const TOLD: usize = 20;

/// What became of a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Everything came through unharmed, later than it would have.
    Delayed,
    /// The host noticed.
    Host,
    /// The edge noticed.
    Edge,
    /// The stream broke off, and nobody said more.
    BrokenOff,
    /// The package manager did not believe the table or the package.
    Manager,
    /// The agent's own hash of what was staged was not the order's.
    Staged,
    /// The bytes were not reached: fewer records came than the plan supposed.
    Missed,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delayed => "delayed",
            Self::Host => "refused by the host",
            Self::Edge => "refused by the edge",
            Self::BrokenOff => "broken off",
            Self::Manager => "refused by the package manager",
            Self::Staged => "refused by the agent's hash",
            Self::Missed => "not reached",
        })
    }
}

/// What a run has found.
#[derive(Default)]
pub struct Verdict {
    wrong: Mutex<Vec<String>>,
    more_wrong: AtomicU64,
    ends: Mutex<BTreeMap<(Phase, Act, End), u64>>,
    late: AtomicU64,
}

impl Verdict {
    /// An effect that must not be.
    pub fn wrong(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() < TOLD {
            wrong.push(what);
        } else {
            self.more_wrong.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A mutation was done.
    pub(crate) fn ended(&self, mutation: &Mutation, end: End) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        *ends.entry((mutation.phase, mutation.act, end)).or_default() += 1;
    }

    /// Wrong effects: the first ones.
    #[must_use]
    pub fn all_wrong(&self) -> Vec<String> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.clone()
    }

    /// Wrong effects: how many.
    #[must_use]
    pub fn count_wrong(&self) -> u64 {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.len() as u64 + self.more_wrong.load(Ordering::Relaxed)
    }

    /// How many mutations of each phase and kind ended how.
    #[must_use]
    pub fn ends(&self) -> BTreeMap<(Phase, Act, End), u64> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.clone()
    }

    /// Mutations after which a host needed a second look to be well.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    pub(crate) fn was_late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
    }
}

static PANICS: AtomicU64 = AtomicU64::new(0);

/// How many threads and tasks of this process have panicked since the first call.
#[must_use]
pub fn panics() -> u64 {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            before(info);
        }));
    });
    PANICS.load(Ordering::Relaxed)
}

/// Bytes of memory that this process holds; 0 where the system does not say.
#[must_use]
pub fn memory_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse::<u64>().ok());
    resident.unwrap_or_default() * 4096
}
