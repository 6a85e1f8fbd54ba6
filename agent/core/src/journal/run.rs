//! A run as the fold of its journal: nothing about a run is remembered anywhere else.

use super::{Entry, JournalError, OrderRecord, ProcessRecord, Purpose, Record};
use crate::plan::Plan;
use crate::{FailureCause, Input, RunState, transition};

/// A state that the run reached, as it is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// From 1, without gaps.
    pub step: u64,
    /// The state.
    pub state: RunState,
    /// The host's wall clock, Unix milliseconds.
    pub at_ms: i64,
    /// For a person.
    pub message: String,
    /// Lines that show it.
    pub evidence: Vec<String>,
}

/// Everything that the journal says about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The order that it obeys.
    pub order: OrderRecord,
    /// Where it stands.
    pub state: RunState,
    /// The states it went through.
    pub steps: Vec<Step>,
    /// What the package manager will do; known from *staging* on.
    pub plan: Option<Plan>,
    /// Whether every installed version is kept; `None` before *staged*.
    pub rollback_possible: Option<bool>,
    /// Packages whose installed version could not be kept.
    pub without_way_back: Vec<String>,
    /// Bytes that the relay and the sources delivered.
    pub bytes_from: (u64, u64),
    /// Whether the state before is kept.
    pub snapshot: Option<netpatch_types::Sha256>,
    /// Package managers that were started, in order.
    pub processes: Vec<ProcessRecord>,
    /// The first failure; a rollback does not change it.
    pub cause: Option<FailureCause>,
    /// When the order arrived.
    pub offered_at_ms: i64,
    /// When the first install began.
    pub install_began_at_ms: Option<i64>,
    entries: u64,
}

impl Run {
    /// Folds a journal; `None` for an empty one.
    pub fn fold(entries: &[Entry]) -> Result<Option<Self>, JournalError> {
        let Some((first, rest)) = entries.split_first() else {
            return Ok(None);
        };
        let mut run = Self::begin(first)?;
        for entry in rest {
            run.apply(entry)?;
        }
        Ok(Some(run))
    }

    /// A run from its first entry.
    pub fn begin(entry: &Entry) -> Result<Self, JournalError> {
        let Record::Order(order) = &entry.record else {
            return Err(JournalError::Unreadable {
                line: 1,
                reason: "a journal begins with its order".into(),
            });
        };
        Ok(Self {
            order: order.clone(),
            state: RunState::Offered,
            steps: Vec::new(),
            plan: None,
            rollback_possible: None,
            without_way_back: Vec::new(),
            bytes_from: (0, 0),
            snapshot: None,
            processes: Vec::new(),
            cause: None,
            offered_at_ms: entry.at_ms,
            install_began_at_ms: None,
            entries: 1,
        })
    }

    /// Adds an entry; an illegal one changes nothing.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), JournalError> {
        if entry.seq != self.entries + 1 {
            return Err(JournalError::Unreadable {
                line: usize::try_from(entry.seq).unwrap_or(usize::MAX),
                reason: format!("entry {} follows {}", entry.seq, self.entries),
            });
        }
        match &entry.record {
            Record::Order(_) => {
                return Err(JournalError::Unreadable {
                    line: usize::try_from(entry.seq).unwrap_or(usize::MAX),
                    reason: "a second order".into(),
                });
            }
            Record::Transition {
                input,
                message,
                evidence,
            } => {
                let state =
                    transition(self.state, *input).map_err(|source| JournalError::Illegal {
                        seq: entry.seq,
                        source,
                    })?;
                self.state = state;
                if let (Input::Fail(cause), None) = (input, self.cause) {
                    self.cause = Some(*cause);
                }
                if *input == Input::BeginInstall {
                    self.install_began_at_ms = Some(entry.at_ms);
                }
                self.steps.push(Step {
                    step: self.steps.len() as u64 + 1,
                    state,
                    at_ms: entry.at_ms,
                    message: message.clone(),
                    evidence: evidence.clone(),
                });
            }
            Record::Planned { plan } => self.plan = Some(plan.clone()),
            Record::Staged {
                rollback_possible,
                without_way_back,
                bytes_from_relay,
                bytes_from_origin,
            } => {
                self.rollback_possible = Some(*rollback_possible);
                self.without_way_back.clone_from(without_way_back);
                self.bytes_from.0 += bytes_from_relay;
                self.bytes_from.1 += bytes_from_origin;
            }
            Record::Snapshot { sha256 } => self.snapshot = Some(*sha256),
            Record::Process(process) => self.processes.push(process.clone()),
        }
        self.entries = entry.seq;
        Ok(())
    }

    /// The number of the next entry.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.entries + 1
    }

    /// How many package managers were started for a purpose.
    #[must_use]
    pub fn started(&self, purpose: Purpose) -> usize {
        self.processes
            .iter()
            .filter(|process| process.purpose == purpose)
            .count()
    }

    /// Whether the run may go back: a snapshot exists and every installed version is kept.
    #[must_use]
    pub fn can_roll_back(&self) -> bool {
        self.snapshot.is_some() && self.rollback_possible == Some(true)
    }

    /// Whether nothing follows.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.state.is_final(self.can_roll_back())
    }

    /// The failure's or the refusal's word; empty otherwise.
    #[must_use]
    pub fn cause_word(&self) -> String {
        match (self.state, self.cause) {
            (RunState::Refused { refusal }, _) => refusal.word().to_owned(),
            (_, Some(cause)) => cause.to_string(),
            _ => String::new(),
        }
    }
}
