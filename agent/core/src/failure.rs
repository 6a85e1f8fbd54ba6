//! Why a run failed: a closed list, each with whether to retry and what to do next (`domain.md`).

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a run failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCause {
    /// Bytes differ from their hash, or an archive cannot be unpacked.
    PayloadCorrupt,
    /// A repository's or a document's signature does not verify.
    SignatureInvalid,
    /// A dependency cannot be had, or packages conflict.
    DependencyUnsatisfiable,
    /// Another program holds the package manager's lock.
    PackageManagerLocked,
    /// A package's own script ended with an error.
    MaintainerScriptFailed,
    /// No space left on a file system.
    DiskFull,
    /// Neither the relay nor the source answered.
    NetworkUnreachable,
    /// The window ends before the transaction would.
    WindowTooShort,
    /// A service that ran before does not run after.
    ServiceUnhealthyAfter,
    /// The host did not come back.
    RebootDidNotReturn,
    /// The hardware or the operating system cannot take it.
    Incompatible,
    /// A held or blocked package is in the plan.
    HoldOrBlockList,
    /// The agent does not know this version of a document or a journal.
    AgentTooOld,
    /// The package manager still works; nobody kills it.
    Timeout,
    /// The state before could not be kept.
    SnapshotFailed,
    /// A person or a halt ended it after it had begun.
    Cancelled,
    /// Nothing known fits; the package manager's exit code, if there was one.
    Unknown(Option<i32>),
}

/// Whether trying the same again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// By itself, after a while.
    Later,
    /// Only after the next step was done.
    AfterRepair,
    /// The same will fail again.
    Never,
}

impl FailureCause {
    /// Every cause, for tables and tests.
    pub const ALL: [Self; 17] = [
        Self::PayloadCorrupt,
        Self::SignatureInvalid,
        Self::DependencyUnsatisfiable,
        Self::PackageManagerLocked,
        Self::MaintainerScriptFailed,
        Self::DiskFull,
        Self::NetworkUnreachable,
        Self::WindowTooShort,
        Self::ServiceUnhealthyAfter,
        Self::RebootDidNotReturn,
        Self::Incompatible,
        Self::HoldOrBlockList,
        Self::AgentTooOld,
        Self::Timeout,
        Self::SnapshotFailed,
        Self::Cancelled,
        Self::Unknown(None),
    ];

    /// The word on the wire, without the exit code.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::PayloadCorrupt => "payload_corrupt",
            Self::SignatureInvalid => "signature_invalid",
            Self::DependencyUnsatisfiable => "dependency_unsatisfiable",
            Self::PackageManagerLocked => "package_manager_locked",
            Self::MaintainerScriptFailed => "maintainer_script_failed",
            Self::DiskFull => "disk_full",
            Self::NetworkUnreachable => "network_unreachable",
            Self::WindowTooShort => "window_too_short",
            Self::ServiceUnhealthyAfter => "service_unhealthy_after",
            Self::RebootDidNotReturn => "reboot_did_not_return",
            Self::Incompatible => "incompatible",
            Self::HoldOrBlockList => "hold_or_block_list",
            Self::AgentTooOld => "agent_too_old",
            Self::Timeout => "timeout",
            Self::SnapshotFailed => "snapshot_failed",
            Self::Cancelled => "cancelled",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether trying the same again makes sense.
    #[must_use]
    pub fn retry(self) -> Retry {
        match self {
            Self::PackageManagerLocked
            | Self::NetworkUnreachable
            | Self::PayloadCorrupt
            | Self::WindowTooShort
            | Self::Timeout => Retry::Later,
            Self::DiskFull
            | Self::SignatureInvalid
            | Self::HoldOrBlockList
            | Self::AgentTooOld
            | Self::SnapshotFailed
            | Self::RebootDidNotReturn
            | Self::Unknown(_) => Retry::AfterRepair,
            Self::DependencyUnsatisfiable
            | Self::MaintainerScriptFailed
            | Self::ServiceUnhealthyAfter
            | Self::Incompatible
            | Self::Cancelled => Retry::Never,
        }
    }

    /// What a person does next, one sentence without a full stop.
    #[must_use]
    pub fn next_step(self) -> &'static str {
        match self {
            Self::PayloadCorrupt => "empty the relay's cache of this payload and run again",
            Self::SignatureInvalid => "check the host's repository keys and the relay's upstream",
            Self::DependencyUnsatisfiable => {
                "read the dependency in the evidence and approve or remove what is missing"
            }
            Self::PackageManagerLocked => "wait for the other package manager or end it",
            Self::MaintainerScriptFailed => {
                "report the package's script to its maintainer and block this version"
            }
            Self::DiskFull => "free space on the file system named in the evidence",
            Self::NetworkUnreachable => "check the relay and the line of the site",
            Self::WindowTooShort => "lengthen the maintenance window or shrink the deployment",
            Self::ServiceUnhealthyAfter => "read the service's journal and block this version",
            Self::RebootDidNotReturn => "go to the machine's console",
            Self::Incompatible => "exclude this host from the patch",
            Self::HoldOrBlockList => "release the hold or take the package out of the deployment",
            Self::AgentTooOld => "update the agent",
            Self::Timeout => "wait: the package manager still works; look at its log on the host",
            Self::SnapshotFailed => "read the evidence; nothing was changed",
            Self::Cancelled => "approve anew if it is still wanted",
            Self::Unknown(_) => "read the evidence and the package manager's log on the host",
        }
    }
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(Some(code)) => write!(f, "unknown({code})"),
            other => f.write_str(other.word()),
        }
    }
}

/// A failure with the lines that show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{cause}: {}", evidence.first().map_or("no evidence", String::as_str))]
pub struct Failure {
    /// Why.
    pub cause: FailureCause,
    /// Lines of output or comparisons, at most [`MAX_EVIDENCE_LINES`] of [`MAX_EVIDENCE_BYTES`].
    pub evidence: Vec<String>,
}

/// Most lines that a failure carries.
pub const MAX_EVIDENCE_LINES: usize = 50;
/// Most bytes of a line that a failure carries.
pub const MAX_EVIDENCE_BYTES: usize = 500;

impl Failure {
    /// A failure with evidence, cut to the limits.
    pub fn new<I>(cause: FailureCause, evidence: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self {
            cause,
            evidence: evidence_lines(evidence),
        }
    }
}

/// Cuts lines to the limits of a failure, never inside a character.
pub fn evidence_lines<I>(lines: I) -> Vec<String>
where
    I: IntoIterator,
    I::Item: Into<String>,
{
    lines
        .into_iter()
        .take(MAX_EVIDENCE_LINES)
        .map(|line| {
            let mut line: String = line.into();
            let mut end = line.len().min(MAX_EVIDENCE_BYTES);
            while !line.is_char_boundary(end) {
                end -= 1;
            }
            line.truncate(end);
            line
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_cause_has_a_word_of_its_own_that_json_uses_too() {
        let words: BTreeSet<_> = FailureCause::ALL.iter().map(|cause| cause.word()).collect();
        assert_eq!(words.len(), FailureCause::ALL.len());
        for cause in FailureCause::ALL {
            let json = serde_json::to_string(&cause).expect("serialises");
            assert!(json.contains(cause.word()), "{json}");
            assert!(!cause.next_step().ends_with('.'));
        }
        assert_eq!(FailureCause::Unknown(Some(100)).to_string(), "unknown(100)");
    }

    #[test]
    fn evidence_is_cut_at_characters() {
        let line = "ä".repeat(400);
        let failure = Failure::new(FailureCause::DiskFull, std::iter::repeat_n(line, 80));
        assert_eq!(failure.evidence.len(), MAX_EVIDENCE_LINES);
        assert_eq!(failure.evidence[0].len(), MAX_EVIDENCE_BYTES);
    }
}
