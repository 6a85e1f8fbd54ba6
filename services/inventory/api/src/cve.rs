//! What feeds say of one CVE, whoever's advisory names it.

use crate::Ssvc;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// Known exploitation of one CVE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kev {
    /// What CISA calls it.
    pub title: String,
    /// Used by ransomware.
    pub ransomware: bool,
    /// When it was added to the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<NaiveDate>,
    /// Until when CISA wants it remedied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<NaiveDate>,
}

/// What the feeds say of one CVE, as it is kept and given to risk and deadlines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CveFacts {
    /// EPSS, 0–1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epss: Option<f64>,
    /// Known exploited, says CISA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kev: Option<Kev>,
    /// CISA's decision points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssvc: Option<Ssvc>,
    /// The CVE was taken back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rejected: bool,
}
