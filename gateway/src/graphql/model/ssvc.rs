//! SSVC.

use crate::graphql::DateTime;
use async_graphql::{Enum, SimpleObject};
use netpatch_inventory_api as inventory;

/// Whether exploitation is known.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_inventory_api::Exploitation")]
pub enum Exploitation {
    /// No evidence of it and no public proof of concept.
    None,
    /// A public proof of concept.
    Poc,
    /// Attackers use it.
    Active,
}

/// What an attacker gains.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_inventory_api::TechnicalImpact")]
pub enum TechnicalImpact {
    /// Limited control, or information.
    Partial,
    /// Total control.
    Total,
}

/// CISA's decision points of a CVE (SSVC 2.0.3, Vulnrichment).
#[derive(Clone, SimpleObject)]
pub struct Ssvc {
    /// Whether exploitation is known.
    pub exploitation: Exploitation,
    /// Whether attackers can automate it.
    pub is_automatable: bool,
    /// What an attacker gains.
    pub technical_impact: TechnicalImpact,
    /// When CISA decided.
    pub decided_at: Option<DateTime>,
}

impl From<inventory::Ssvc> for Ssvc {
    fn from(ssvc: inventory::Ssvc) -> Self {
        Self {
            exploitation: ssvc.exploitation.into(),
            is_automatable: ssvc.automatable,
            technical_impact: ssvc.technical_impact.into(),
            decided_at: ssvc.decided_at.map(DateTime),
        }
    }
}
