//! The task that drives runs: the one that changes the host first, the others after it.

use crate::clock::EdgeClock;
use crate::run::engine::{Advance, Engine};
use crate::run::{Runs, engine};
use crate::state::journal::Journal;
use chrono::{DateTime, Utc};
use netpatch_agent_core::RunState;
use netpatch_agent_core::journal::Run;
use netpatch_agent_core::order::Order;
use netpatch_types::Clock as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify, mpsc};

/// A working package manager is looked at this often.
const WORKING: Duration = Duration::from_millis(500);
/// Everything else that waits is looked at this often.
const WAITING: Duration = Duration::from_secs(15);
/// A run that cannot be driven on is tried again after this.
const FAULT: Duration = Duration::from_secs(60);

/// Drives runs.
pub(super) struct Driver {
    engine: Engine,
    runs: Runs,
    clock: Arc<EdgeClock>,
    wake: Notify,
    /// Whether the package manager is asked by a run's step or a scan.
    pub(super) gate: Mutex<()>,
    changing: AtomicBool,
    work: AtomicBool,
}

impl Driver {
    pub(super) fn new(engine: Engine, runs: Runs, clock: Arc<EdgeClock>) -> Self {
        Self {
            engine,
            runs,
            clock,
            wake: Notify::new(),
            gate: Mutex::new(()),
            changing: AtomicBool::new(false),
            work: AtomicBool::new(true),
        }
    }

    /// Something arrived that a run may wait for.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// A run was begun.
    pub(super) fn added(&self) {
        self.work.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Whether any run goes on.
    pub(super) fn has_work(&self) -> bool {
        self.work.load(Ordering::Relaxed)
    }

    /// Whether a run changes the host now: no time for a scan.
    pub(super) fn is_changing(&self) -> bool {
        self.changing.load(Ordering::Relaxed)
    }

    /// The order of a run.
    pub(super) fn order_of(&self, run: &Run) -> Option<Order> {
        engine::order_of(run).ok()
    }

    /// Drives until dropped; says `false` after each step and `true` when a run is over.
    pub(super) async fn drive(self: Arc<Self>, changed: mpsc::Sender<bool>) {
        loop {
            let pause = self.round(&changed).await;
            match pause {
                Some(pause) => {
                    let _ = tokio::time::timeout(pause, self.wake.notified()).await;
                }
                None => self.wake.notified().await,
            }
        }
    }

    /// Advances every run as far as it goes; how long to wait then, `None` without runs.
    async fn round(&self, changed: &mpsc::Sender<bool>) -> Option<Duration> {
        let mut journals: Vec<Journal> = self.runs.all(self.clock.now().timestamp_millis());
        journals.retain(|journal| !journal.run().is_final());
        journals.sort_by_key(|journal| !changes_the_host(journal.run().state));
        let mut pause: Option<Duration> = None;
        for journal in &mut journals {
            let wait = self.advance(journal, changed).await;
            if let Some(wait) = wait {
                pause = Some(pause.map_or(wait, |other| other.min(wait)));
            }
            let changing = changes_the_host(journal.run().state) && !journal.run().is_final();
            self.changing.store(changing, Ordering::Relaxed);
            if changing {
                break;
            }
        }
        self.work.store(pause.is_some(), Ordering::Relaxed);
        pause
    }

    /// Advances one run until it waits; for how long, `None` when it is over.
    async fn advance(
        &self,
        journal: &mut Journal,
        changed: &mpsc::Sender<bool>,
    ) -> Option<Duration> {
        loop {
            let advanced = {
                let _gate = self.gate.lock().await;
                self.engine.advance(journal).await
            };
            if changes_the_host(journal.run().state) {
                self.changing.store(true, Ordering::Relaxed);
            }
            match advanced {
                Ok(Advance::Moved) => {
                    let _ = changed.send(false).await;
                }
                Ok(Advance::Finished) => {
                    let _ = changed.send(true).await;
                    return None;
                }
                Ok(Advance::Wait { until, reason }) => {
                    tracing::debug!(run = %journal.folder().display(), %reason, "a run waits");
                    return Some(self.pause(journal.run().state, until));
                }
                Err(error) => {
                    tracing::error!(%error, "a run cannot go on");
                    return Some(FAULT);
                }
            }
        }
    }

    fn pause(&self, state: RunState, until: Option<DateTime<Utc>>) -> Duration {
        let longest = match state {
            RunState::Installing | RunState::RollingBack => WORKING,
            RunState::RebootPending => FAULT,
            _ => WAITING,
        };
        let left = until.map(|until| (until - self.clock.now()).to_std().unwrap_or_default());
        left.map_or(longest, |left| left.clamp(WORKING, longest))
    }
}

fn changes_the_host(state: RunState) -> bool {
    matches!(
        state,
        RunState::Snapshotting
            | RunState::Installing
            | RunState::Verifying
            | RunState::RollingBack
            | RunState::Failed { changed: true, .. }
    )
}
