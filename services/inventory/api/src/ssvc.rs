//! SSVC: CISA's decision points of a CVE (Stakeholder-Specific Vulnerability Categorization 2.0.3, coordinator's tree).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Whether exploitation is known, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exploitation {
    /// No evidence of exploitation and no public proof of concept.
    None,
    /// A public proof of concept, or the way to exploit it is well known.
    Poc,
    /// Reliable evidence that attackers use it.
    Active,
}

/// What an attacker gains, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TechnicalImpact {
    /// Limited control, or information.
    Partial,
    /// Total control of the software's behaviour or all that it knows.
    Total,
}

/// The decision points of one CVE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ssvc {
    /// Whether exploitation is known.
    pub exploitation: Exploitation,
    /// Whether attackers can automate the first four steps of the kill chain.
    pub automatable: bool,
    /// What an attacker gains.
    pub technical_impact: TechnicalImpact,
    /// When it was decided.
    pub decided_at: Option<DateTime<Utc>>,
}
