//! Risk: a number from 0 to 100 with its arithmetic.
//!
//! Each input gives a share of its weight, and the weights are the organization's. By the default weights known exploitation
//! decides first, then the probability of exploitation (EPSS), then the worst case (CVSS), then how easily and how badly (SSVC),
//! then the host's place. An input that nobody has given is named as missing and counted as an ordinary one, never as harmless.

use netpatch_inventory_api::{
    Exploitation, ExposureBasis, ListeningSocket, Probe, Risk, RiskInput, RiskTerm, RiskWeights,
    Ssvc, TechnicalImpact, exposure,
};
use netpatch_types::{Criticality, Labels};

/// Counted when there is no EPSS score: the median of Debian 12's CVEs.
const USUAL_EPSS: f64 = 0.0026;
/// Counted when there is no CVSS score: the border of medium and high, where severity "unknown" ranks.
const USUAL_CVSS: f64 = 6.9;
/// Counted when nobody has said, for what has no usual value.
const USUAL_SHARE: f64 = 0.5;

/// How the time of a probe is written.
const PROBED: &str = "%Y-%m-%d %H:%M UTC";

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
    /// CISA's decision points.
    pub ssvc: Option<Ssvc>,
}

/// Where the host stands: as its labels say, else as measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Label `exposure`: `internet`, `internal`, `isolated`.
    pub exposure: Option<String>,
    /// Label `criticality`: `critical`, `high`, `medium`, `low`.
    pub criticality: Option<Criticality>,
    /// Whether strangers reach something that listens: as a relay of the site found out, else as measured on the host. `None`: not
    /// measured, or the firewall is not understood.
    pub reachable: Option<bool>,
    /// The relay's newest probe that says so; `None`: the host's own measurement does.
    pub probe: Option<Probe>,
}

/// What a host's sockets, and what relays found out about them, say of whether it can be reached, and the newest probe that says so.
/// A socket that is not understood may be reached.
#[must_use]
pub fn reachable(listening: &[ListeningSocket], probes: &[Probe]) -> (Option<bool>, Option<Probe>) {
    if listening.is_empty() {
        // An older agent says nothing of sockets.
        return (None, None);
    }
    let each = || listening.iter().map(|socket| exposure(socket, probes));
    let reached = if each().any(|(exposed, _)| exposed == Some(true)) {
        Some(true)
    } else if each().all(|(exposed, _)| exposed == Some(false)) {
        Some(false)
    } else {
        None
    };
    let newest = each()
        .filter(|(exposed, _)| exposed.is_some() && *exposed == reached)
        .filter_map(|(_, basis)| match basis {
            ExposureBasis::Probe(probe) => Some(probe),
            ExposureBasis::Host => None,
        })
        .max_by_key(|probe| probe.at);
    (reached, newest.cloned())
}

impl Place {
    /// The place that labels describe.
    #[must_use]
    pub fn of(labels: &Labels) -> Self {
        Self {
            exposure: labels.get("exposure").cloned(),
            criticality: labels
                .get(Criticality::LABEL)
                .and_then(|word| Criticality::from_word(word)),
            reachable: None,
            probe: None,
        }
    }

    /// The same place, with what was measured on the host and from its site's relay.
    #[must_use]
    pub fn measured(self, listening: &[ListeningSocket], probes: &[Probe]) -> Self {
        let (reachable, probe) = reachable(listening, probes);
        Self {
            reachable,
            probe,
            ..self
        }
    }

    /// Whether it gives the same risk and the same dates as another place; what says so may be another.
    #[must_use]
    pub fn counts_as(&self, other: &Self) -> bool {
        (&self.exposure, self.criticality, self.reachable)
            == (&other.exposure, other.criticality, other.reachable)
    }

    /// Whether strangers reach the host. A label's word counts before what was measured; `None`: neither says.
    #[must_use]
    pub fn is_exposed(&self) -> Option<bool> {
        match self.exposure.as_deref() {
            Some("internet") => Some(true),
            Some("internal" | "isolated") => Some(false),
            _ => self.reachable,
        }
    }
}

/// What an input gives: a share of its weight and the words for it.
struct Given {
    share: f64,
    words: String,
    /// Nobody has given it.
    assumed: bool,
}

impl Given {
    fn said(share: f64, words: impl Into<String>) -> Self {
        Self {
            share,
            words: words.into(),
            assumed: false,
        }
    }

    fn assumed(share: f64, words: impl Into<String>) -> Self {
        Self {
            assumed: true,
            ..Self::said(share, words)
        }
    }
}

/// Share of a probability: each factor of ten counts the same, 0.0001 and less nothing.
fn epss_share(epss: f64) -> f64 {
    (4.0 + epss.clamp(0.0001, 1.0).log10()) / 4.0
}

fn cvss_share(score: f64) -> f64 {
    score.clamp(0.0, 10.0) / 10.0
}

/// Automation and impact count alike; a proof of concept or attacks a little, because KEV and EPSS speak of them, too.
fn ssvc(points: Ssvc) -> Given {
    let (automation, automatable) = if points.automatable {
        (0.4, "automatable")
    } else {
        (0.0, "not automatable")
    };
    let (gain, impact) = match points.technical_impact {
        TechnicalImpact::Total => (0.4, "total control"),
        TechnicalImpact::Partial => (0.0, "partial control"),
    };
    let (activity, exploitation) = match points.exploitation {
        Exploitation::None => (0.0, "no exploit"),
        Exploitation::Poc => (0.1, "proof of concept"),
        Exploitation::Active => (0.2, "active attacks"),
    };
    Given::said(
        automation + gain + activity,
        format!("{automatable}, {impact}, {exploitation}"),
    )
}

fn given(input: RiskInput, threat: &Threat, place: &Place) -> Given {
    match input {
        RiskInput::Kev if threat.kev => Given::said(1.0, "known exploited"),
        RiskInput::Kev => Given::said(0.0, "not known exploited"),
        RiskInput::Ransomware if threat.kev && threat.ransomware => {
            Given::said(1.0, "used by ransomware")
        }
        RiskInput::Ransomware => Given::said(0.0, "not known to be used by ransomware"),
        RiskInput::Epss => match threat.epss {
            Some(epss) => Given::said(epss_share(epss), format!("{:.2} %", epss * 100.0)),
            None => Given::assumed(
                epss_share(USUAL_EPSS),
                format!(
                    "not given, counted as {:.2} %, the median",
                    USUAL_EPSS * 100.0
                ),
            ),
        },
        RiskInput::Cvss => match threat.cvss {
            Some(score) => Given::said(cvss_share(score), format!("{score:.1}")),
            None => Given::assumed(
                cvss_share(USUAL_CVSS),
                format!("not given, counted as {USUAL_CVSS:.1}"),
            ),
        },
        RiskInput::Ssvc => match threat.ssvc {
            Some(points) => ssvc(points),
            None => Given::assumed(USUAL_SHARE, "not given, counted as half"),
        },
        RiskInput::Exposure => match place.exposure.as_deref() {
            Some("internet") => Given::said(1.0, "internet"),
            Some("internal") => Given::said(USUAL_SHARE, "internal"),
            Some("isolated") => Given::said(0.0, "isolated"),
            _ => match (place.reachable, &place.probe) {
                (Some(true), Some(probe)) => Given::said(
                    USUAL_SHARE,
                    format!(
                        "probed: a relay of its site reached port {} on {}",
                        probe.socket.port,
                        probe.at.format(PROBED)
                    ),
                ),
                (Some(true), None) => Given::said(
                    USUAL_SHARE,
                    "measured: reachable, its firewall lets others in",
                ),
                (Some(false), Some(probe)) => Given::said(
                    0.0,
                    format!(
                        "probed: a relay of its site reached nothing, last tried on {}",
                        probe.at.format(PROBED)
                    ),
                ),
                (Some(false), None) => Given::said(0.0, "measured: nobody reaches it"),
                (None, _) => Given::assumed(USUAL_SHARE, "no label, counted as internal"),
            },
        },
        RiskInput::Criticality => match place.criticality {
            Some(Criticality::Critical) => Given::said(1.0, "critical"),
            Some(Criticality::High) => Given::said(0.8, "high"),
            Some(Criticality::Medium) => Given::said(USUAL_SHARE, "medium"),
            Some(Criticality::Low) => Given::said(0.0, "low"),
            None => Given::assumed(USUAL_SHARE, "no label, counted as medium"),
        },
    }
}

/// A share of a weight, in tenths of a point.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a share is at most one and a weight at most a hundred"
)]
fn tenths(weight: u32, share: f64) -> i32 {
    (f64::from(weight.min(100)) * 10.0 * share.clamp(0.0, 1.0)).round() as i32
}

impl Threat {
    /// Points of the vulnerability alone, by the default weights, in tenths: which of several is the worst.
    #[must_use]
    pub fn tenths(&self) -> i32 {
        score_tenths(self, &Place::default(), &RiskWeights::default())
    }
}

/// The score of a vulnerability on a host, in tenths: 0–1000.
#[must_use]
pub fn score_tenths(threat: &Threat, place: &Place, weights: &RiskWeights) -> i32 {
    RiskInput::ALL
        .into_iter()
        .map(|input| tenths(weights.of(input), given(input, threat, place).share))
        .sum()
}

/// The score with its arithmetic.
#[must_use]
pub fn assess(threat: &Threat, place: &Place, weights: &RiskWeights, weights_version: u64) -> Risk {
    let points = |tenths: i32| f64::from(tenths) / 10.0;
    let terms: Vec<RiskTerm> = RiskInput::ALL
        .into_iter()
        .map(|name| {
            let given = given(name, threat, place);
            let weight = weights.of(name);
            RiskTerm {
                name,
                points: points(tenths(weight, given.share)),
                input: given.words,
                weight,
                assumed: given.assumed,
            }
        })
        .collect();
    Risk {
        score: points(score_tenths(threat, place, weights)),
        missing: terms
            .iter()
            .filter(|term| term.assumed)
            .map(|term| term.name.as_str().to_owned())
            .collect(),
        terms,
        weights_version,
    }
}

#[cfg(test)]
mod tests;
