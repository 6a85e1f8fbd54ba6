//! The states of a run and every transition between them, in one place (`domain.md`, "Run").
//!
//! Invariants: [`transition`] is the only way from one state to another; what it does not name is an error. A run is
//! expired or cancelled only before *installing*. Only a run that may have changed the host rolls back.

use crate::{FailureCause, Refusal};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// The order arrived.
    Offered,
    /// The order was checked and will be obeyed.
    Accepted,
    /// Payloads are fetched and checked.
    Staging,
    /// All payloads are here and the simulation equals the content list.
    Staged,
    /// Something about time, lease or window is missing.
    WaitingForWindow,
    /// The state before is being kept.
    Snapshotting,
    /// The package manager may change the host from here on.
    Installing,
    /// Versions, audit, services and files in use are compared.
    Verifying,
    /// Replaced files are in use until a restart.
    RebootPending,
    /// The machine goes down.
    Rebooting,
    /// The host is as ordered.
    Succeeded,
    /// It is not.
    Failed {
        /// Why.
        cause: FailureCause,
        /// Whether the package manager may have changed something.
        changed: bool,
    },
    /// The kept packages are going back.
    RollingBack,
    /// The package list equals the one before.
    RolledBack,
    /// It does not.
    RollbackFailed,
    /// The order was not obeyed; nothing was changed.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// The order ended before an install began.
    Expired,
    /// A person or a halt ended it before an install began.
    Cancelled,
}

/// What happens to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The order passed every check.
    Accept,
    /// The order failed a check.
    Refuse(Refusal),
    /// Fetching begins.
    BeginStaging,
    /// Everything is fetched, checked and simulated.
    Staged,
    /// Not now.
    AwaitWindow,
    /// The state before is about to be kept.
    BeginSnapshot,
    /// The package manager is about to be started.
    BeginInstall,
    /// The package manager has ended.
    InstallEnded,
    /// Everything is as ordered.
    Verified,
    /// Replaced files are still in use.
    RebootNeeded,
    /// The machine is about to go down.
    BeginReboot,
    /// The machine is back, or nothing uses replaced files any more.
    Booted,
    /// It cannot go on.
    Fail(FailureCause),
    /// The kept packages are about to go back.
    BeginRollback,
    /// The package list equals the one before.
    RolledBack,
    /// It does not.
    RollbackFailed,
    /// The order has ended.
    Expire,
    /// A halt or a person ended it.
    Cancel,
}

/// An input that the state does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run that is {state} cannot take {input:?}")]
pub struct IllegalTransition {
    /// Where the run stands.
    pub state: RunState,
    /// What was tried.
    pub input: Input,
}

/// The state after an input. Every transition of a run stands here.
pub fn transition(state: RunState, input: Input) -> Result<RunState, IllegalTransition> {
    use RunState as S;
    let next = match (state, input) {
        (S::Offered, Input::Accept) => S::Accepted,
        (
            S::Offered | S::Accepted | S::Staging | S::Staged | S::WaitingForWindow,
            Input::Refuse(refusal),
        ) => S::Refused { refusal },
        (S::Accepted | S::Staged | S::WaitingForWindow, Input::BeginStaging) => S::Staging,
        (S::Staging, Input::Staged) => S::Staged,
        (S::Staged | S::Snapshotting, Input::AwaitWindow) => S::WaitingForWindow,
        (S::Staged | S::WaitingForWindow, Input::BeginSnapshot) => S::Snapshotting,
        (S::Snapshotting, Input::BeginInstall) => S::Installing,
        (S::Installing, Input::InstallEnded) => S::Verifying,
        (S::Verifying, Input::Verified) => S::Succeeded,
        (S::Verifying, Input::RebootNeeded) => S::RebootPending,
        (S::RebootPending, Input::BeginReboot) => S::Rebooting,
        (S::RebootPending | S::Rebooting, Input::Booted) => S::Verifying,
        (
            S::Accepted | S::Staging | S::Staged | S::WaitingForWindow | S::Snapshotting,
            Input::Fail(cause),
        ) => S::Failed {
            cause,
            changed: false,
        },
        (S::Installing | S::Verifying | S::RebootPending | S::Rebooting, Input::Fail(cause)) => {
            S::Failed {
                cause,
                changed: true,
            }
        }
        (S::Failed { changed: true, .. }, Input::BeginRollback) => S::RollingBack,
        (S::RollingBack, Input::RolledBack) => S::RolledBack,
        (S::RollingBack, Input::RollbackFailed) => S::RollbackFailed,
        (state, Input::Expire) if state.is_before_install() => S::Expired,
        (state, Input::Cancel) if state.is_before_install() => S::Cancelled,
        (state, input) => return Err(IllegalTransition { state, input }),
    };
    Ok(next)
}

impl RunState {
    /// Whether the package manager cannot have changed anything yet and the run still goes on.
    #[must_use]
    pub fn is_before_install(self) -> bool {
        matches!(
            self,
            Self::Offered
                | Self::Accepted
                | Self::Staging
                | Self::Staged
                | Self::WaitingForWindow
                | Self::Snapshotting
        )
    }

    /// Whether nothing follows. *Failed* after a change is final only when there is no way back; the caller knows.
    #[must_use]
    pub fn is_final(self, rollback_possible: bool) -> bool {
        match self {
            Self::Succeeded
            | Self::RolledBack
            | Self::RollbackFailed
            | Self::Refused { .. }
            | Self::Expired
            | Self::Cancelled => true,
            Self::Failed { changed, .. } => !changed || !rollback_possible,
            _ => false,
        }
    }

    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Staging => "staging",
            Self::Staged => "staged",
            Self::WaitingForWindow => "waiting_for_window",
            Self::Snapshotting => "snapshotting",
            Self::Installing => "installing",
            Self::Verifying => "verifying",
            Self::RebootPending => "reboot_pending",
            Self::Rebooting => "rebooting",
            Self::Succeeded => "succeeded",
            Self::Failed { .. } => "failed",
            Self::RollingBack => "rolling_back",
            Self::RolledBack => "rolled_back",
            Self::RollbackFailed => "rollback_failed",
            Self::Refused { .. } => "refused",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAUSE: FailureCause = FailureCause::DiskFull;

    const INPUTS: [Input; 18] = [
        Input::Accept,
        Input::Refuse(Refusal::Hold),
        Input::BeginStaging,
        Input::Staged,
        Input::AwaitWindow,
        Input::BeginSnapshot,
        Input::BeginInstall,
        Input::InstallEnded,
        Input::Verified,
        Input::RebootNeeded,
        Input::BeginReboot,
        Input::Booted,
        Input::Fail(CAUSE),
        Input::BeginRollback,
        Input::RolledBack,
        Input::RollbackFailed,
        Input::Expire,
        Input::Cancel,
    ];

    #[test]
    fn the_straight_way_succeeds() {
        let mut state = RunState::Offered;
        for input in [
            Input::Accept,
            Input::BeginStaging,
            Input::Staged,
            Input::AwaitWindow,
            Input::BeginSnapshot,
            Input::BeginInstall,
            Input::InstallEnded,
            Input::RebootNeeded,
            Input::BeginReboot,
            Input::Booted,
            Input::Verified,
        ] {
            state = transition(state, input).expect("legal");
        }
        assert_eq!(state, RunState::Succeeded);
    }

    #[test]
    fn nothing_follows_a_final_state() {
        for state in [
            RunState::Succeeded,
            RunState::RolledBack,
            RunState::RollbackFailed,
            RunState::Refused {
                refusal: Refusal::Replay,
            },
            RunState::Expired,
            RunState::Cancelled,
            RunState::Failed {
                cause: CAUSE,
                changed: false,
            },
        ] {
            assert!(state.is_final(true), "{state}");
            for input in INPUTS {
                assert_eq!(
                    transition(state, input),
                    Err(IllegalTransition { state, input })
                );
            }
        }
    }

    proptest! {
        /// Whatever comes: no expiry, cancellation or refusal after the install began; rollback only after a change.
        #[test]
        fn any_walk_keeps_the_promises(walk in proptest::collection::vec(0usize..INPUTS.len(), 0..60)) {
            let mut state = RunState::Offered;
            let mut begun = false;
            for index in walk {
                let Ok(next) = transition(state, INPUTS[index]) else { continue };
                begun |= next == RunState::Installing;
                match next {
                    RunState::Expired | RunState::Cancelled | RunState::Refused { .. } => prop_assert!(!begun),
                    RunState::Failed { changed, .. } => prop_assert_eq!(changed, begun),
                    RunState::RollingBack | RunState::RolledBack | RunState::Succeeded => prop_assert!(begun),
                    RunState::Installing => prop_assert_eq!(state, RunState::Snapshotting),
                    _ => {}
                }
                state = next;
            }
        }
    }
}
