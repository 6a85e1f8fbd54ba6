//! Drives runs: facts in, one decision, one step, journal; again and again.

use crate::clock::EdgeClock;
use crate::payload::PayloadSource;
use crate::provider::{Installer, Step};
use crate::state::documents::Documents;
use crate::state::journal::{Journal, JournalFault};
use chrono::{DateTime, Utc};
use netpatch_agent_core::decide::{Facts, Next, Transaction, WindowNow, decide_next};
use netpatch_agent_core::failure::evidence_lines;
use netpatch_agent_core::journal::{ProcessRecord, Purpose, Record, Run};
use netpatch_agent_core::order::{Order, host_zone, reread};
use netpatch_agent_core::{Input, RunState};
use netpatch_protocol::document::Envelope;
use netpatch_types::Clock as _;
use prost::Message as _;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a staging that may succeed later is tried.
const STAGE_TRIES: u32 = 4;

/// What a step led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advance {
    /// Something was done; ask again.
    Moved,
    /// Nothing to do until then, or until something arrives.
    Wait {
        /// At the latest then.
        until: Option<DateTime<Utc>>,
        /// What for.
        reason: String,
    },
    /// The run is over.
    Finished,
}

/// Why a run could not be driven on; its journal is intact.
#[derive(Debug, thiserror::Error)]
pub enum EngineFault {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// The journal's order cannot be read.
    #[error("the journal's order cannot be read: {0}")]
    Order(String),
}

/// What the engine works with.
pub struct Engine {
    pub(super) provider: Arc<dyn Installer>,
    pub(super) documents: Arc<Mutex<Documents>>,
    pub(super) clock: Arc<EdgeClock>,
    pub(super) payloads: Arc<dyn PayloadSource>,
    /// The host's own zone.
    pub(super) time_zone: String,
    tries: Mutex<BTreeMap<PathBuf, u32>>,
}

impl Engine {
    /// An engine; nothing happens until [`Self::advance`].
    #[must_use]
    pub fn new(
        provider: Arc<dyn Installer>,
        documents: Arc<Mutex<Documents>>,
        clock: Arc<EdgeClock>,
        payloads: Arc<dyn PayloadSource>,
        time_zone: String,
    ) -> Self {
        Self {
            provider,
            documents,
            clock,
            payloads,
            time_zone,
            tries: Mutex::new(BTreeMap::new()),
        }
    }

    /// Takes one step of a run.
    pub async fn advance(&self, journal: &mut Journal) -> Result<Advance, EngineFault> {
        if journal.run().is_final() {
            return Ok(Advance::Finished);
        }
        let order = order_of(journal.run())?;
        if let Some(process) = self.unrecorded_rollback(journal).await {
            self.write(journal, Record::Process(process))?;
            return Ok(Advance::Moved);
        }
        let facts = match self.facts(journal, &order).await {
            Ok(facts) => facts,
            Err(reason) => {
                return Ok(Advance::Wait {
                    until: None,
                    reason,
                });
            }
        };
        let next = decide_next(journal.run(), &order.times, &facts);
        tracing::debug!(state = %journal.run().state, ?next, "next step of a run");
        match next {
            Next::Apply { input, message } => self.apply(journal, input, message, Vec::new())?,
            Next::Wait { until, reason } => return Ok(Advance::Wait { until, reason }),
            Next::Finished => return Ok(Advance::Finished),
            Next::Stage => return self.stage(journal, &order).await,
            Next::Snapshot => return self.snapshot(journal).await,
            Next::StartInstall => self.start_install(journal).await?,
            Next::Verify { mend } => return self.verify(journal, &order, mend).await,
            Next::Diagnose { exit_code } => {
                let failure = self
                    .provider
                    .diagnose(journal.folder(), Step::Install, exit_code)
                    .await;
                self.fail(journal, failure)?;
            }
            Next::StartRollback { mend } => self.start_rollback(journal, mend).await?,
            Next::CompareRollback => return self.compare_rollback(journal).await,
        }
        Ok(Advance::Moved)
    }

    async fn facts(&self, journal: &Journal, order: &Order) -> Result<Facts, String> {
        let now = self.clock.now();
        let (zone, word) = {
            let documents = self
                .documents
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            (
                host_zone(documents.membership(), &self.time_zone),
                documents.about(order.deployment.0),
            )
        };
        let run = journal.run();
        let step = match run.state {
            RunState::RollingBack => Step::Rollback(run.started(Purpose::Rollback)),
            _ => Step::Install,
        };
        let transaction = match step {
            Step::Rollback(0) => Transaction::NotStarted,
            step => self
                .provider
                .transaction(journal.folder(), step)
                .await
                .map_err(|error| error.to_string())?,
        };
        Ok(Facts {
            now,
            time_confirmed: self.clock.is_confirmed(),
            window: order
                .window_now(zone, now)
                .unwrap_or(WindowNow::Closed { opens: None }),
            lease: word.lease(order, now),
            transaction,
            settled: run.state == RunState::RebootPending && self.is_settled(journal, order).await,
        })
    }

    async fn is_settled(&self, journal: &Journal, order: &Order) -> bool {
        let plan = journal.run().plan.clone().unwrap_or_default();
        was_restarted(journal.run())
            || self
                .provider
                .verify(&plan, &order.content, journal.folder())
                .await
                .is_ok_and(|verification| verification.in_use.is_empty())
    }

    /// A rollback that was started by an agent which ended before it could write so.
    async fn unrecorded_rollback(&self, journal: &Journal) -> Option<ProcessRecord> {
        let run = journal.run();
        if run.state != RunState::RollingBack {
            return None;
        }
        let next = Step::Rollback(run.started(Purpose::Rollback) + 1);
        let state = self
            .provider
            .transaction(journal.folder(), next)
            .await
            .ok()?;
        (state != Transaction::NotStarted).then(|| ProcessRecord {
            purpose: Purpose::Rollback,
            pid: 0,
            start_ticks: 0,
            boot_id: crate::facts::boot_id(),
        })
    }

    /// Counts a try of staging; false when there were enough.
    pub(super) fn may_try_again(&self, journal: &Journal) -> Option<Duration> {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let count = tries.entry(journal.folder().to_owned()).or_default();
        *count += 1;
        (*count < STAGE_TRIES).then(|| Duration::from_secs(5 << *count))
    }

    /// Writes a transition.
    pub(super) fn apply(
        &self,
        journal: &mut Journal,
        input: Input,
        message: String,
        evidence: Vec<String>,
    ) -> Result<(), EngineFault> {
        tracing::info!(run = %journal.folder().display(), ?input, %message, "run");
        self.write(
            journal,
            Record::Transition {
                input,
                message,
                // What is told is all that is kept.
                evidence: evidence_lines(evidence),
            },
        )
    }

    /// Writes an entry.
    pub(super) fn write(&self, journal: &mut Journal, record: Record) -> Result<(), EngineFault> {
        Ok(journal.append(self.clock.now().timestamp_millis(), record)?)
    }
}

/// Whether the host was restarted after the package manager was started.
pub(super) fn was_restarted(run: &Run) -> bool {
    run.processes
        .last()
        .is_some_and(|process| process.boot_id != crate::facts::boot_id())
}

/// The order that a journal began with.
pub(crate) fn order_of(run: &Run) -> Result<Order, EngineFault> {
    let bytes =
        hex::decode(&run.order.envelope).map_err(|error| EngineFault::Order(error.to_string()))?;
    let envelope = Envelope::decode(bytes.as_slice())
        .map_err(|error| EngineFault::Order(error.to_string()))?;
    reread(&envelope).map_err(|error| EngineFault::Order(error.to_string()))
}
