//! Risk: one number with its arithmetic, and the weights by which an organization counts.

use chrono::{DateTime, Utc};
use netpatch_types::{Actor, TenantId};
use serde::{Deserialize, Serialize};

/// What counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskInput {
    /// Known exploited, says CISA.
    Kev,
    /// Used by ransomware, says CISA.
    Ransomware,
    /// Probability of exploitation (FIRST EPSS).
    Epss,
    /// The worst case (CVSS base score).
    Cvss,
    /// How easily and how badly (CISA SSVC).
    Ssvc,
    /// Who reaches the host.
    Exposure,
    /// How much depends on the host.
    Criticality,
}

impl RiskInput {
    /// Every one, in the order of the arithmetic.
    pub const ALL: [Self; 7] = [
        Self::Kev,
        Self::Ransomware,
        Self::Epss,
        Self::Cvss,
        Self::Ssvc,
        Self::Exposure,
        Self::Criticality,
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kev => "kev",
            Self::Ransomware => "ransomware",
            Self::Epss => "epss",
            Self::Cvss => "cvss",
            Self::Ssvc => "ssvc",
            Self::Exposure => "exposure",
            Self::Criticality => "criticality",
        }
    }
}

/// A number with its arithmetic: `score` is the sum of the terms' points, within 0–100.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// 0–100.
    pub score: f64,
    /// How it came about.
    pub terms: Vec<RiskTerm>,
    /// Inputs that nobody has given.
    pub missing: Vec<String>,
    /// By which version of the organization's weights; 0: the defaults.
    #[serde(default)]
    pub weights_version: u64,
}

/// One line of the arithmetic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskTerm {
    /// What counts.
    pub name: RiskInput,
    /// The input, as a person reads it.
    pub input: String,
    /// Points it adds.
    pub points: f64,
    /// Most points that it could add.
    pub weight: u32,
    /// Nobody has given the input: an ordinary one counts.
    pub assumed: bool,
}

/// Most points of each input. They add up to 100, so scores of all organizations lie in the same range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskWeights {
    /// Known exploited.
    pub kev: u32,
    /// Used by ransomware; only counts for what is known exploited.
    pub ransomware: u32,
    /// Probability of exploitation.
    pub epss: u32,
    /// The worst case.
    pub cvss: u32,
    /// How easily and how badly.
    pub ssvc: u32,
    /// Who reaches the host.
    pub exposure: u32,
    /// How much depends on it.
    pub criticality: u32,
}

/// Known exploitation alone gives more than everything else together, ransomware aside, so that no known exploited vulnerability
/// ranks behind one that is not.
impl Default for RiskWeights {
    fn default() -> Self {
        Self {
            kev: 50,
            ransomware: 5,
            epss: 20,
            cvss: 10,
            ssvc: 5,
            exposure: 5,
            criticality: 5,
        }
    }
}

impl RiskWeights {
    /// Points of one input.
    #[must_use]
    pub fn of(&self, input: RiskInput) -> u32 {
        match input {
            RiskInput::Kev => self.kev,
            RiskInput::Ransomware => self.ransomware,
            RiskInput::Epss => self.epss,
            RiskInput::Cvss => self.cvss,
            RiskInput::Ssvc => self.ssvc,
            RiskInput::Exposure => self.exposure,
            RiskInput::Criticality => self.criticality,
        }
    }

    /// Why they cannot be counted with; `None` when they can.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let sum = RiskInput::ALL
            .into_iter()
            .map(|input| u64::from(self.of(input)))
            .sum::<u64>();
        (sum != 100).then(|| format!("the weights add up to {sum}; they must add up to 100"))
    }
}

/// Weights of an organization at a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskWeightsHeld {
    /// Whose.
    pub tenant: TenantId,
    /// 0: the defaults, nobody has changed them.
    pub version: u64,
    /// What counts how much.
    pub weights: RiskWeights,
    /// Since when.
    pub changed_at: Option<DateTime<Utc>>,
    /// By whom.
    pub changed_by: Option<Actor>,
}

/// The weights of one organization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskWeightsGet {
    /// An older version; `None`: the newest.
    pub version: Option<u64>,
}

/// New weights. Every open finding is ranked anew in the background.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskWeightsSet {
    /// The version that was read.
    pub if_match: Option<String>,
    /// What counts how much.
    pub weights: RiskWeights,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_and_nothing_overflows() {
        let usual = RiskWeights::default();
        assert_eq!(usual.problem(), None);
        assert!(usual.kev > 100 - usual.kev - usual.ransomware);
        let short = RiskWeights { epss: 19, ..usual };
        assert_eq!(
            short.problem().as_deref(),
            Some("the weights add up to 99; they must add up to 100")
        );
        let huge = RiskWeights {
            kev: u32::MAX,
            cvss: u32::MAX,
            ..usual
        };
        assert!(huge.problem().is_some());
        let unknown = serde_json::json!({"kev": 100, "luck": 5});
        assert!(serde_json::from_value::<RiskWeights>(unknown).is_err());
    }
}
