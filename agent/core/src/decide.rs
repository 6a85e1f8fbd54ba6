//! What a run does next, from its journal and the facts of the moment. The caller does it and writes the journal.
//!
//! Invariants: an install starts only with confirmed time, an open window that is long enough, a fresh lease and no
//! halt; it starts at most once per run; a package manager that is still working is waited for, never killed.

use crate::journal::{Purpose, Run};
use crate::{FailureCause, Input, Refusal, RunState};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// How often a rollback is tried.
pub const MAX_ROLLBACKS: usize = 3;

/// What an order says about time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderTimes {
    /// Nothing is installed before.
    pub not_before: DateTime<Utc>,
    /// Nothing begins after.
    pub not_after: DateTime<Utc>,
    /// How long the transaction takes.
    pub estimate: Duration,
    /// Whether a host without a way back must not begin.
    pub require_rollback: bool,
    /// Whether replaced files in use keep the run open until the host was restarted.
    pub await_reboot: bool,
}

/// Where the present stands in the order's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowNow {
    /// Open until.
    Open {
        /// Exclusive.
        until: DateTime<Utc>,
    },
    /// Closed; opens again, if it ever does before the order ends.
    Closed {
        /// The next opening.
        opens: Option<DateTime<Utc>>,
    },
}

/// The director's word about the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// A freshness statement that is young enough.
    Fresh,
    /// None, or too old.
    Stale,
    /// A signed halt covers this order, or a newer order took its place.
    Halted,
}

/// What became of the package manager that the run's current state needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// It was never started.
    NotStarted,
    /// It works.
    Running,
    /// It ended with this code.
    Ended(i32),
    /// It is gone without a word: killed, or the power went.
    Lost,
}

/// The facts of the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Now, by the edge's clock as far as it is known.
    pub now: DateTime<Utc>,
    /// Whether the edge has confirmed the time since boot.
    pub time_confirmed: bool,
    /// The window.
    pub window: WindowNow,
    /// The lease.
    pub lease: Lease,
    /// Of the install in *installing*, of the latest rollback in *rolling back*.
    pub transaction: Transaction,
    /// In *reboot pending*: whether the host was restarted or nothing uses replaced files any more.
    pub settled: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Write this transition and ask again.
    Apply {
        /// The transition.
        input: Input,
        /// Why.
        message: String,
    },
    /// Plan, fetch and check the payloads; keep the installed versions.
    Stage,
    /// Keep the state before.
    Snapshot,
    /// Start the package manager.
    StartInstall,
    /// Compare the host with the order, after mending what an interruption left.
    Verify {
        /// The package manager did not end in good order: mend first.
        mend: bool,
    },
    /// The package manager ended with an error: name the cause.
    Diagnose {
        /// Its code.
        exit_code: i32,
    },
    /// Start the way back.
    StartRollback {
        /// The last one did not end in good order: mend first.
        mend: bool,
    },
    /// Compare the host with the state before.
    CompareRollback,
    /// Nothing, until the time or until something arrives.
    Wait {
        /// At the latest then; `None`: until something arrives.
        until: Option<DateTime<Utc>>,
        /// What for.
        reason: String,
    },
    /// The run is over.
    Finished,
}

/// What a run does next.
#[must_use]
pub fn decide_next(run: &Run, order: &OrderTimes, facts: &Facts) -> Next {
    if run.state.is_before_install()
        && run.state != RunState::Offered
        && let Some(next) = ended_before_install(order, facts)
    {
        return next;
    }
    match run.state {
        RunState::Offered => wait(None, "the order is being checked"),
        RunState::Accepted => apply(Input::BeginStaging, "fetching payloads"),
        RunState::Staging => Next::Stage,
        RunState::Staged | RunState::WaitingForWindow => before_install(run, order, facts),
        RunState::Snapshotting => match (startable(order, facts), run.snapshot) {
            (Err((_, reason)), _) => apply(Input::AwaitWindow, reason),
            (Ok(()), None) => Next::Snapshot,
            (Ok(()), Some(_)) => apply(Input::BeginInstall, "starting the package manager"),
        },
        RunState::Installing => installing(run, order, facts),
        RunState::Verifying => Next::Verify {
            mend: facts.transaction != Transaction::Ended(0),
        },
        RunState::RebootPending if facts.settled => {
            apply(Input::Booted, "nothing uses replaced files any more")
        }
        RunState::RebootPending => wait(
            None,
            "replaced files are in use until the host is restarted",
        ),
        RunState::Rebooting => apply(Input::Booted, "the host is back"),
        RunState::Failed { changed: true, .. } if run.can_roll_back() => {
            apply(Input::BeginRollback, "putting the kept packages back")
        }
        RunState::RollingBack => rolling_back(run, facts),
        RunState::Failed { .. }
        | RunState::Succeeded
        | RunState::RolledBack
        | RunState::RollbackFailed
        | RunState::Refused { .. }
        | RunState::Expired
        | RunState::Cancelled => Next::Finished,
    }
}

fn ended_before_install(order: &OrderTimes, facts: &Facts) -> Option<Next> {
    if facts.lease == Lease::Halted {
        return Some(apply(Input::Cancel, "the deployment was halted"));
    }
    (facts.time_confirmed && facts.now >= order.not_after).then(|| {
        apply(
            Input::Expire,
            format!("the order ended at {}", order.not_after),
        )
    })
}

fn before_install(run: &Run, order: &OrderTimes, facts: &Facts) -> Next {
    if order.require_rollback && run.rollback_possible == Some(false) {
        let detail = format!("no way back for {}", run.without_way_back.join(", "));
        return apply(Input::Refuse(Refusal::PlanDiffers), detail);
    }
    if let WindowNow::Closed { opens: None } = facts.window
        && facts.time_confirmed
    {
        return apply(
            Input::Refuse(Refusal::WindowTooShort),
            "no window opens before the order ends",
        );
    }
    match startable(order, facts) {
        Ok(()) => apply(Input::BeginSnapshot, "keeping the state before"),
        Err((_, reason)) if run.state == RunState::Staged => apply(Input::AwaitWindow, reason),
        Err((until, reason)) => wait(until, reason),
    }
}

/// Whether an install may start now; otherwise until when to wait and for what.
fn startable(order: &OrderTimes, facts: &Facts) -> Result<(), (Option<DateTime<Utc>>, String)> {
    if !facts.time_confirmed {
        return Err((None, "the time is not confirmed since boot".into()));
    }
    if facts.now < order.not_before {
        return Err((Some(order.not_before), "the order has not begun".into()));
    }
    let ends = match facts.window {
        WindowNow::Closed { opens } => {
            return Err((opens, "the maintenance window is closed".into()));
        }
        WindowNow::Open { until } => until,
    };
    if facts.now + order.estimate > ends {
        return Err((Some(ends), "the rest of the window is too short".into()));
    }
    match facts.lease {
        Lease::Fresh => Ok(()),
        Lease::Stale => Err((None, "the lease of the order has run out".into())),
        Lease::Halted => Err((None, "the deployment was halted".into())),
    }
}

fn installing(run: &Run, order: &OrderTimes, facts: &Facts) -> Next {
    match facts.transaction {
        Transaction::NotStarted if run.started(Purpose::Install) > 0 => {
            apply(Input::InstallEnded, "the package manager left no trace")
        }
        Transaction::NotStarted => match startable(order, facts) {
            Ok(()) => Next::StartInstall,
            Err((_, reason)) if facts.lease == Lease::Halted => {
                apply(Input::Fail(FailureCause::Cancelled), reason)
            }
            Err((_, reason)) => apply(Input::Fail(FailureCause::WindowTooShort), reason),
        },
        Transaction::Running => wait(None, "the package manager works"),
        Transaction::Ended(0) => apply(Input::InstallEnded, "the package manager has ended"),
        Transaction::Ended(exit_code) => Next::Diagnose { exit_code },
        Transaction::Lost => apply(Input::InstallEnded, "the package manager was interrupted"),
    }
}

fn rolling_back(run: &Run, facts: &Facts) -> Next {
    let tried = run.started(Purpose::Rollback);
    match facts.transaction {
        Transaction::Running => wait(None, "the package manager works"),
        Transaction::NotStarted if tried == 0 => Next::StartRollback { mend: true },
        Transaction::Ended(0) => Next::CompareRollback,
        _ if tried < MAX_ROLLBACKS => Next::StartRollback { mend: true },
        _ => Next::CompareRollback,
    }
}

fn apply(input: Input, message: impl Into<String>) -> Next {
    Next::Apply {
        input,
        message: message.into(),
    }
}

fn wait(until: Option<DateTime<Utc>>, reason: impl Into<String>) -> Next {
    Next::Wait {
        until,
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests;
