//! The vendor's word for how bad (severity) and what kind of change a patch is (classification).

use serde::{Deserialize, Serialize};

/// The vendor's word; `Unknown` is never treated as harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// CVSS 0.1–3.9.
    Low,
    /// CVSS 4.0–6.9.
    Medium,
    /// Nobody has said yet. Ranks between medium and high: not "fine", not proven bad.
    Unknown,
    /// CVSS 7.0–8.9.
    High,
    /// CVSS 9.0–10.0, or known to be exploited.
    Critical,
}

impl Severity {
    /// Every severity, worst first.
    pub const ALL: [Self; 5] = [
        Self::Critical,
        Self::High,
        Self::Unknown,
        Self::Medium,
        Self::Low,
    ];

    /// Qualitative rating of a CVSS score (CVSS 3.1 §5, CVSS 4.0 §6).
    #[must_use]
    pub fn from_cvss(score: f64) -> Self {
        match score {
            s if s >= 9.0 => Self::Critical,
            s if s >= 7.0 => Self::High,
            s if s >= 4.0 => Self::Medium,
            s if s > 0.0 => Self::Low,
            _ => Self::Unknown,
        }
    }

    /// The word stored in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::Unknown => "unknown",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads the word of [`Self::as_str`]; anything else is unknown.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|severity| severity.as_str() == word)
            .unwrap_or(Self::Unknown)
    }
}

/// What kind of change a patch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Classification {
    /// Closes at least one advisory.
    Security,
    /// Closes an advisory of critical severity or one known to be exploited.
    Critical,
    /// A fix without an advisory.
    Update,
    /// A new feature release.
    Feature,
    /// A driver.
    Driver,
    /// Firmware.
    Firmware,
}

impl Classification {
    /// Every classification.
    pub const ALL: [Self; 6] = [
        Self::Critical,
        Self::Security,
        Self::Update,
        Self::Feature,
        Self::Driver,
        Self::Firmware,
    ];

    /// The word stored in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Critical => "critical",
            Self::Update => "update",
            Self::Feature => "feature",
            Self::Driver => "driver",
            Self::Firmware => "firmware",
        }
    }

    /// Reads the word of [`Self::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|classification| classification.as_str() == word)
    }
}
