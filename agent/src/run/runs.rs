//! The folders of all runs.

use crate::state::StateFolder;
use crate::state::journal::{self, Journal, JournalFault, Recorded};
use netpatch_agent_core::journal::{OrderRecord, Record};
use netpatch_agent_core::order::Order;
use netpatch_agent_core::{Input, RunState};
use netpatch_protocol::document::Envelope;
use prost::Message as _;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// Finished runs that are kept for a person to read.
const KEPT: usize = 20;
/// Most runs that are not over, or of which the platform has not heard to the end. Beyond, orders are left with the platform.
pub const MOST: usize = 200;
/// Most bytes of their journals, after which no order is taken; the journal of a run that goes on is never cut.
pub const MOST_BYTES: u64 = 64 << 20;

/// The folders of all runs. A journal is begun by one task and written on by another; never by both at once.
#[derive(Clone, Debug)]
pub struct Runs {
    state: StateFolder,
    beginning: Arc<Mutex<()>>,
}

impl Runs {
    /// Under the state folder.
    #[must_use]
    pub fn new(state: &StateFolder) -> Self {
        Self {
            state: state.clone(),
            beginning: Arc::default(),
        }
    }

    /// The folder of an order's run.
    #[must_use]
    pub fn folder(&self, deployment: Uuid, sequence: u64) -> PathBuf {
        self.state
            .file("runs")
            .join(format!("{deployment}-{sequence}"))
    }

    /// Begins the run of an order that was accepted.
    pub fn begin(
        &self,
        order: &Order,
        envelope: &Envelope,
        at_ms: i64,
    ) -> Result<Journal, JournalFault> {
        let _alone = self
            .beginning
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let folder = self.folder(order.deployment.0, order.sequence);
        let record = Record::Order(OrderRecord {
            deployment: order.deployment.0,
            wave: order.wave.0,
            sequence: order.sequence,
            attempt: 1,
            order: order.digest,
            envelope: hex::encode(envelope.encode_to_vec()),
        });
        let mut journal = Journal::create(&folder, at_ms, record)?;
        journal.append(at_ms, accepted())?;
        Ok(journal)
    }

    /// Every run that can be read, oldest order first.
    #[must_use]
    pub fn recorded(&self) -> Vec<Recorded> {
        let entries = fs::read_dir(self.state.file("runs"))
            .into_iter()
            .flatten()
            .flatten();
        let mut runs: Vec<Recorded> = entries
            .filter_map(|entry| journal::read(&entry.path()).ok())
            .collect();
        runs.sort_by_key(|recorded| (recorded.run.offered_at_ms, recorded.run.order.sequence));
        runs
    }

    /// Every journal, for the one task that writes them, oldest order first. A run whose order was written but not yet accepted is accepted now:
    /// only accepted orders are ever written.
    #[must_use]
    pub fn all(&self, at_ms: i64) -> Vec<Journal> {
        let _alone = self
            .beginning
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut journals = Vec::new();
        for entry in fs::read_dir(self.state.file("runs"))
            .into_iter()
            .flatten()
            .flatten()
        {
            match Journal::open(&entry.path()) {
                Ok(mut journal) => {
                    if journal.run().state == RunState::Offered
                        && let Err(error) = journal.append(at_ms, accepted())
                    {
                        tracing::error!(%error, "cannot go on with a run");
                        continue;
                    }
                    journals.push(journal);
                }
                Err(JournalFault::Empty { .. }) => {
                    // A power cut before the order was written: it will come again.
                    let _ = fs::remove_dir_all(entry.path());
                }
                Err(error) => tracing::error!(%error, "cannot read a run"),
            }
        }
        journals.sort_by_key(|journal| (journal.run().offered_at_ms, journal.run().order.sequence));
        journals
    }

    /// Whether there is room for one more run; why not.
    pub fn room(&self) -> Result<(), String> {
        let entries = fs::read_dir(self.state.file("runs")).into_iter().flatten();
        let (mut runs, mut bytes) = (0, 0);
        for entry in entries.flatten() {
            // One that cannot be read counts: nothing says that the platform has heard of it.
            if journal::read(&entry.path()).is_ok_and(|recorded| is_told(&recorded)) {
                continue;
            }
            runs += 1;
            bytes += fs::metadata(entry.path().join("journal")).map_or(0, |file| file.len());
        }
        if runs >= MOST || bytes >= MOST_BYTES {
            return Err(format!(
                "{runs} runs with {bytes} bytes of journals go on or are not told yet; at most {MOST} and {MOST_BYTES} are held"
            ));
        }
        Ok(())
    }

    /// Removes payloads of finished runs, and whole folders of old ones of which the platform has stored, or never will store, every step.
    pub fn tidy(&self) {
        let mut finished = self.recorded();
        finished.retain(|recorded| recorded.run.is_final());
        let surplus = finished.len().saturating_sub(KEPT);
        for (index, recorded) in finished.iter().enumerate() {
            let folder = &recorded.folder;
            for name in ["staged", "kept"] {
                let _ = fs::remove_dir_all(folder.join(name));
            }
            if index < surplus && is_told(recorded) {
                let _ = fs::remove_dir_all(folder);
            }
        }
    }
}

/// Over, and the platform has heard all of it.
fn is_told(recorded: &Recorded) -> bool {
    let steps = recorded.run.steps.len() as u64;
    let heard = || {
        super::report::acknowledged(&recorded.folder) >= steps
            || super::report::refused(&recorded.folder).is_some()
    };
    recorded.run.is_final() && heard()
}

fn accepted() -> Record {
    Record::Transition {
        input: Input::Accept,
        message: "the order passed every check".into(),
        evidence: Vec::new(),
    }
}
