//! Why an agent does not obey an order: a closed list (`details.md`).

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an order was not obeyed. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Another organization, group, ring or range.
    NotInCohort,
    /// Past its end.
    OrderExpired,
    /// A signature of the director or of the approval is missing or wrong, or the document is not what it says.
    Signature,
    /// A sequence that was passed already.
    Replay,
    /// The package manager would do something that is not on the content list.
    PlanDiffers,
    /// A version is no longer to be had.
    Superseded,
    /// A package is held on this host.
    Hold,
    /// A package is on the block list.
    BlockList,
    /// The estimate does not fit into any window.
    WindowTooShort,
    /// The host is enrolled for reports only.
    AuditOnly,
    /// The agent does not know this version.
    AgentTooOld,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 11] = [
        Self::NotInCohort,
        Self::OrderExpired,
        Self::Signature,
        Self::Replay,
        Self::PlanDiffers,
        Self::Superseded,
        Self::Hold,
        Self::BlockList,
        Self::WindowTooShort,
        Self::AuditOnly,
        Self::AgentTooOld,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotInCohort => "not_in_cohort",
            Self::OrderExpired => "order_expired",
            Self::Signature => "signature",
            Self::Replay => "replay",
            Self::PlanDiffers => "plan_differs",
            Self::Superseded => "superseded",
            Self::Hold => "hold",
            Self::BlockList => "block_list",
            Self::WindowTooShort => "window_too_short",
            Self::AuditOnly => "audit_only",
            Self::AgentTooOld => "agent_too_old",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A refusal with what a person needs to understand it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{refusal}: {detail}")]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// What exactly, one line.
    pub detail: String,
}

impl Refused {
    /// A refusal with its detail.
    pub fn new(refusal: Refusal, detail: impl Into<String>) -> Self {
        Self {
            refusal,
            detail: detail.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_json() {
        for refusal in Refusal::ALL {
            let json = serde_json::to_string(&refusal).expect("serialises");
            assert_eq!(json, format!("\"{}\"", refusal.word()));
        }
    }
}
