//! Risk: a number from 0 to 100 with its arithmetic.
//!
//! Known exploitation decides first, then the probability of exploitation (EPSS), then the worst case (CVSS), then the
//! host's place. KEV alone gives more than everything else together, so no known exploited vulnerability ranks behind one that is not. An
//! input that nobody has given is named as missing and counted as an ordinary one, never as harmless.

use netpatch_inventory_api::{Risk, RiskTerm};
use netpatch_types::Labels;

/// Points of a known exploited vulnerability, in tenths.
const KEV: i32 = 500;
/// More for one that ransomware uses.
const RANSOMWARE: i32 = 50;
/// Most points of EPSS.
const EPSS: i32 = 250;
/// Most points of CVSS.
const CVSS: i32 = 100;
/// Most points of the host's exposure and of its criticality.
const PLACE: i32 = 50;
/// Counted when there is no EPSS score: the median of Debian 12's CVEs.
const USUAL_EPSS: f64 = 0.0026;
/// Counted when there is no CVSS score: the border of medium and high, where severity "unknown" ranks.
const USUAL_CVSS: f64 = 6.9;

/// What is known of a vulnerability.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Threat {
    /// Known exploited.
    pub kev: bool,
    /// Used by ransomware.
    pub ransomware: bool,
    /// 0–1.
    pub epss: Option<f64>,
    /// 0–10.
    pub cvss: Option<f64>,
}

/// Where the host stands, from its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Label `exposure`: `internet`, `internal`, `isolated`.
    pub exposure: Option<String>,
    /// Label `criticality`: `critical`, `high`, `medium`, `low`.
    pub criticality: Option<String>,
}

impl Place {
    /// The place that labels describe.
    #[must_use]
    pub fn of(labels: &Labels) -> Self {
        Self {
            exposure: labels.get("exposure").cloned(),
            criticality: labels.get("criticality").cloned(),
        }
    }

    fn exposure_points(&self) -> i32 {
        match self.exposure.as_deref() {
            Some("internet") => PLACE,
            Some("isolated") => 0,
            _ => PLACE / 2,
        }
    }

    fn criticality_points(&self) -> i32 {
        match self.criticality.as_deref() {
            Some("critical") => PLACE,
            Some("high") => PLACE * 4 / 5,
            Some("low") => 0,
            _ => PLACE / 2,
        }
    }

    /// Whether strangers reach the host; `None`: nobody has said.
    #[must_use]
    pub fn is_exposed(&self) -> Option<bool> {
        self.exposure
            .as_deref()
            .map(|exposure| !matches!(exposure, "internal" | "isolated"))
    }

    /// Points of the place, in tenths.
    #[must_use]
    pub fn tenths(&self) -> i32 {
        self.exposure_points() + self.criticality_points()
    }
}

/// Points of a probability, in tenths: each factor of ten counts the same, 0.0001 and less nothing.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the value lies between 0 and 250"
)]
fn epss_points(epss: f64) -> i32 {
    let decades = 4.0 + epss.clamp(0.0001, 1.0).log10();
    (f64::from(EPSS) * decades / 4.0).round() as i32
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the value lies between 0 and 100"
)]
fn cvss_points(score: f64) -> i32 {
    (f64::from(CVSS) * score.clamp(0.0, 10.0) / 10.0).round() as i32
}

impl Threat {
    /// Points of the vulnerability alone, in tenths.
    #[must_use]
    pub fn tenths(&self) -> i32 {
        let kev = if self.kev { KEV } else { 0 };
        let ransomware = if self.kev && self.ransomware {
            RANSOMWARE
        } else {
            0
        };
        kev + ransomware
            + epss_points(self.epss.unwrap_or(USUAL_EPSS))
            + cvss_points(self.cvss.unwrap_or(USUAL_CVSS))
    }
}

/// The score of a vulnerability on a host, in tenths: 0–1000.
#[must_use]
pub fn score_tenths(threat: &Threat, place: &Place) -> i32 {
    threat.tenths() + place.tenths()
}

/// The score with its arithmetic.
#[must_use]
pub fn assess(threat: &Threat, place: &Place) -> Risk {
    let points = |tenths: i32| f64::from(tenths) / 10.0;
    let term = |name: &str, input: String, tenths: i32| RiskTerm {
        name: name.to_owned(),
        input,
        points: points(tenths),
    };
    let mut missing = Vec::new();
    let mut input = |name: &str, given: Option<String>, assumed: String| {
        given.unwrap_or_else(|| {
            missing.push(name.to_owned());
            format!("not given, counted as {assumed}")
        })
    };
    let epss = input(
        "epss",
        threat.epss.map(|epss| format!("{:.2} %", epss * 100.0)),
        format!("{:.2} %, the median", USUAL_EPSS * 100.0),
    );
    let cvss = input(
        "cvss",
        threat.cvss.map(|score| format!("{score:.1}")),
        format!("{USUAL_CVSS:.1}"),
    );
    let label = |given: &Option<String>, usual: &str| {
        given
            .clone()
            .unwrap_or_else(|| format!("no label, counted as {usual}"))
    };
    let kev = match (threat.kev, threat.ransomware) {
        (true, true) => ("known exploited, used by ransomware", KEV + RANSOMWARE),
        (true, false) => ("known exploited", KEV),
        _ => ("not known exploited", 0),
    };
    Risk {
        score: points(score_tenths(threat, place)),
        terms: vec![
            term("kev", kev.0.to_owned(), kev.1),
            term("epss", epss, epss_points(threat.epss.unwrap_or(USUAL_EPSS))),
            term("cvss", cvss, cvss_points(threat.cvss.unwrap_or(USUAL_CVSS))),
            term(
                "exposure",
                label(&place.exposure, "internal"),
                place.exposure_points(),
            ),
            term(
                "criticality",
                label(&place.criticality, "medium"),
                place.criticality_points(),
            ),
        ],
        missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(exposure: &str, criticality: &str) -> Place {
        Place {
            exposure: Some(exposure.into()),
            criticality: Some(criticality.into()),
        }
    }

    #[test]
    fn the_least_exploited_vulnerability_ranks_before_the_worst_that_is_not() {
        let exploited = Threat {
            kev: true,
            ransomware: false,
            epss: Some(0.0),
            cvss: Some(0.0),
        };
        let worst = Threat {
            kev: false,
            ransomware: false,
            epss: Some(1.0),
            cvss: Some(10.0),
        };
        assert!(
            score_tenths(&exploited, &place("isolated", "low"))
                > score_tenths(&worst, &place("internet", "critical"))
        );
        let top = Threat {
            kev: true,
            ransomware: true,
            epss: Some(1.0),
            cvss: Some(10.0),
        };
        assert_eq!(score_tenths(&top, &place("internet", "critical")), 1000);
    }

    #[test]
    fn a_likely_medium_ranks_before_an_unlikely_critical() {
        let likely = Threat {
            epss: Some(0.3),
            cvss: Some(5.0),
            ..Threat::default()
        };
        let unlikely = Threat {
            epss: Some(0.0005),
            cvss: Some(9.8),
            ..Threat::default()
        };
        assert!(likely.tenths() > unlikely.tenths());
    }

    #[test]
    fn the_terms_add_up_and_missing_inputs_are_named() {
        let risk = assess(&Threat::default(), &Place::default());
        let sum: f64 = risk.terms.iter().map(|term| term.points).sum();
        assert!((risk.score - sum).abs() < 1e-9);
        assert_eq!(risk.missing, ["epss", "cvss"]);
        assert!(risk.score > 0.0, "unknown is not harmless");
        let known = assess(
            &Threat {
                epss: Some(0.5),
                cvss: Some(9.8),
                ..Threat::default()
            },
            &place("internet", "high"),
        );
        assert!(known.missing.is_empty());
        assert!(
            (known.score - (23.1 + 9.8 + 5.0 + 4.0)).abs() < 1e-9,
            "{}",
            known.score
        );
    }
}
