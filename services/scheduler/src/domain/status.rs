//! All transitions of a deployment in one place (domain.md), and its words in the database.

use netpatch_scheduler_api::{DeploymentStatus, WaveStatus};
use netpatch_types::{ServiceError, ServiceResult};

/// What is done to a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Its first wave opens.
    Start,
    Pause,
    /// Goes on after a pause.
    Resume,
    /// Goes on after a halt: approved, and under a new sequence.
    Renew,
    /// A gate or the kill switch.
    Halt,
    /// A resume after a halt waits for people.
    Ask,
    Complete,
    Cancel,
}

/// Where the deployment stands afterwards, or why not.
pub(crate) fn after(status: DeploymentStatus, act: Act) -> ServiceResult<DeploymentStatus> {
    use DeploymentStatus::*;
    match (status, act) {
        (Scheduled, Act::Start) | (Paused, Act::Resume) | (AwaitingApproval, Act::Renew) => {
            Ok(Running)
        }
        (Scheduled | Running, Act::Pause) => Ok(Paused),
        (Scheduled | Running | Paused | AwaitingApproval, Act::Halt) => Ok(Halted),
        (Halted | AwaitingApproval, Act::Ask) => Ok(AwaitingApproval),
        (Running, Act::Complete) => Ok(Completed),
        (Draft | AwaitingApproval | Scheduled | Running | Paused | Halted, Act::Cancel) => {
            Ok(Cancelled)
        }
        _ => Err(ServiceError::invalid_state(format!(
            "a deployment that is {} cannot be {}",
            word(status).replace('_', " "),
            match act {
                Act::Start => "started",
                Act::Pause => "paused",
                Act::Resume | Act::Renew | Act::Ask => "resumed",
                Act::Halt => "halted",
                Act::Complete => "completed",
                Act::Cancel => "cancelled",
            }
        ))),
    }
}

const DEPLOYMENT: [(DeploymentStatus, &str); 8] = [
    (DeploymentStatus::Draft, "draft"),
    (DeploymentStatus::AwaitingApproval, "awaiting_approval"),
    (DeploymentStatus::Scheduled, "scheduled"),
    (DeploymentStatus::Running, "running"),
    (DeploymentStatus::Paused, "paused"),
    (DeploymentStatus::Halted, "halted"),
    (DeploymentStatus::Completed, "completed"),
    (DeploymentStatus::Cancelled, "cancelled"),
];

const WAVE: [(WaveStatus, &str); 5] = [
    (WaveStatus::Waiting, "waiting"),
    (WaveStatus::Open, "open"),
    (WaveStatus::Closing, "closing"),
    (WaveStatus::Passed, "passed"),
    (WaveStatus::Failed, "failed"),
];

/// The word in the database.
pub(crate) fn word(status: DeploymentStatus) -> &'static str {
    DEPLOYMENT
        .iter()
        .find(|(known, _)| *known == status)
        .map_or("draft", |(_, word)| word)
}

/// Reads [`word`]. What cannot be read is halted: nothing starts from it.
pub(crate) fn from_word(text: &str) -> DeploymentStatus {
    DEPLOYMENT
        .iter()
        .find(|(_, word)| *word == text)
        .map_or(DeploymentStatus::Halted, |(status, _)| *status)
}

/// The word of a wave in the database.
pub(crate) fn wave_word(status: WaveStatus) -> &'static str {
    WAVE.iter()
        .find(|(known, _)| *known == status)
        .map_or("waiting", |(_, word)| word)
}

/// Reads [`wave_word`]. What cannot be read has failed: nothing goes on from it.
pub(crate) fn wave_from_word(text: &str) -> WaveStatus {
    WAVE.iter()
        .find(|(_, word)| *word == text)
        .map_or(WaveStatus::Failed, |(status, _)| *status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_are_final_and_stopping_is_always_possible_before() {
        use DeploymentStatus::*;
        for act in [
            Act::Start,
            Act::Pause,
            Act::Resume,
            Act::Renew,
            Act::Halt,
            Act::Ask,
            Act::Complete,
            Act::Cancel,
        ] {
            assert!(after(Completed, act).is_err());
            assert!(after(Cancelled, act).is_err());
        }
        for status in [Scheduled, Running, Paused, AwaitingApproval] {
            assert_eq!(after(status, Act::Halt).unwrap(), Halted);
            assert_eq!(after(status, Act::Cancel).unwrap(), Cancelled);
        }
        assert!(
            after(Halted, Act::Resume).is_err() && after(Halted, Act::Renew).is_err(),
            "only by way of an approval"
        );
        assert!(after(AwaitingApproval, Act::Resume).is_err());
        for (status, text) in DEPLOYMENT {
            assert_eq!(from_word(text), status);
            assert_eq!(word(status), text);
        }
        assert_eq!(
            after(Completed, Act::Pause).unwrap_err().message,
            "a deployment that is completed cannot be paused"
        );
    }
}
