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
mod tests {
    use super::*;

    fn place(exposure: &str, criticality: &str) -> Place {
        Place::of(&Labels::from([
            ("exposure".to_owned(), exposure.to_owned()),
            ("criticality".to_owned(), criticality.to_owned()),
        ]))
    }

    fn points(
        exploitation: Exploitation,
        automatable: bool,
        technical_impact: TechnicalImpact,
    ) -> Option<Ssvc> {
        Some(Ssvc {
            exploitation,
            automatable,
            technical_impact,
            decided_at: None,
        })
    }

    fn score(threat: &Threat, place: &Place) -> i32 {
        score_tenths(threat, place, &RiskWeights::default())
    }

    #[test]
    fn the_least_exploited_vulnerability_ranks_before_the_worst_that_is_not() {
        let exploited = Threat {
            kev: true,
            ransomware: false,
            epss: Some(0.0),
            cvss: Some(0.0),
            ssvc: points(Exploitation::None, false, TechnicalImpact::Partial),
        };
        let worst = Threat {
            kev: false,
            ransomware: false,
            epss: Some(1.0),
            cvss: Some(10.0),
            ssvc: points(Exploitation::Active, true, TechnicalImpact::Total),
        };
        assert!(
            score(&exploited, &place("isolated", "low"))
                > score(&worst, &place("internet", "critical"))
        );
        let top = Threat {
            kev: true,
            ransomware: true,
            ..worst
        };
        assert_eq!(score(&top, &place("internet", "critical")), 1000);
        let bottom = Threat {
            kev: false,
            ..exploited
        };
        assert_eq!(score(&bottom, &place("isolated", "low")), 0);
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
        let usual = RiskWeights::default();
        let risk = assess(&Threat::default(), &Place::default(), &usual, 0);
        let sum: f64 = risk.terms.iter().map(|term| term.points).sum();
        assert!((risk.score - sum).abs() < 1e-9);
        assert_eq!(
            risk.missing,
            ["epss", "cvss", "ssvc", "exposure", "criticality"]
        );
        assert!(risk.score > 0.0, "unknown is not harmless");
        let known = assess(
            &Threat {
                epss: Some(0.5),
                cvss: Some(9.8),
                ssvc: points(Exploitation::Poc, true, TechnicalImpact::Total),
                ..Threat::default()
            },
            &place("internet", "high"),
            &usual,
            3,
        );
        assert!(known.missing.is_empty());
        assert_eq!(known.weights_version, 3);
        assert!(
            (known.score - (18.5 + 9.8 + 4.5 + 5.0 + 4.0)).abs() < 1e-9,
            "{}",
            known.score
        );
        assert_eq!(
            known.terms[4].input,
            "automatable, total control, proof of concept"
        );
    }

    #[test]
    fn an_organization_counts_by_its_own_weights() {
        let only_criticality = RiskWeights {
            kev: 0,
            ransomware: 0,
            epss: 0,
            cvss: 0,
            ssvc: 0,
            exposure: 0,
            criticality: 100,
        };
        let exploited = Threat {
            kev: true,
            ..Threat::default()
        };
        let risk = assess(&exploited, &place("internet", "high"), &only_criticality, 1);
        assert!((risk.score - 80.0).abs() < 1e-9);
        assert!(
            risk.terms
                .iter()
                .all(|term| term.points <= f64::from(term.weight))
        );
        // What no rule knows is nobody's word.
        let odd = place("moon", "urgent");
        assert_eq!(
            odd,
            Place {
                exposure: Some("moon".into()),
                ..Place::default()
            }
        );
        assert_eq!(odd.is_exposed(), None);
        // What was measured counts where no label does.
        let socket = |not_loopback, allowed_by_firewall| ListeningSocket {
            not_loopback,
            allowed_by_firewall,
            ..ListeningSocket::default()
        };
        let measured = |sockets: &[ListeningSocket]| {
            let place = Place::default().measured(sockets, &[]);
            let risk = assess(&exploited, &place, &RiskWeights::default(), 1);
            (
                place.is_exposed(),
                risk.missing.contains(&"exposure".to_owned()),
            )
        };
        assert_eq!(measured(&[]), (None, true));
        assert_eq!(measured(&[socket(false, None)]), (Some(false), false));
        assert_eq!(measured(&[socket(true, None)]), (None, true));
        assert_eq!(
            measured(&[socket(false, None), socket(true, Some(true))]),
            (Some(true), false)
        );
        let labelled = place("internal", "high").measured(&[socket(true, Some(true))], &[]);
        assert_eq!(
            labelled.is_exposed(),
            Some(false),
            "a label's word counts first"
        );
        assert!((assess(&exploited, &odd, &only_criticality, 1).score - 50.0).abs() < 1e-9);
    }

    #[test]
    fn the_arithmetic_says_which_of_host_and_relay_counted_and_when() {
        use netpatch_inventory_api::{ProbeOutcome, ProbeSocket};
        let at = chrono::DateTime::from_timestamp(1_796_000_000, 0).expect("a time");
        let socket = |port, protocol: &str| ListeningSocket {
            protocol: protocol.into(),
            address: "0.0.0.0".into(),
            port,
            not_loopback: true,
            allowed_by_firewall: Some(true),
            ..ListeningSocket::default()
        };
        let probe = |port, outcome, later| Probe {
            socket: ProbeSocket {
                address: "0.0.0.0".into(),
                port,
            },
            target: "10.0.0.5".into(),
            outcome,
            at: at + chrono::Duration::minutes(later),
            relay: netpatch_types::RelayId::new(at),
            allowed_by_firewall: Some(true),
        };
        let words = |listening: &[ListeningSocket], probes: &[Probe]| {
            let place = Place::default().measured(listening, probes);
            let risk = assess(&Threat::default(), &place, &RiskWeights::default(), 0);
            let term = risk
                .terms
                .into_iter()
                .find(|term| term.name == RiskInput::Exposure);
            (place.is_exposed(), term.expect("a term").input)
        };
        let (ssh, web, dns) = (socket(22, "tcp"), socket(80, "tcp"), socket(53, "udp"));
        assert_eq!(
            words(
                &[ssh.clone(), web.clone()],
                &[
                    probe(22, ProbeOutcome::Reached, 0),
                    probe(80, ProbeOutcome::Refused, 9)
                ]
            ),
            (
                Some(true),
                "probed: a relay of its site reached port 22 on 2026-11-30 00:53 UTC".into()
            )
        );
        assert_eq!(
            words(
                &[ssh.clone(), web.clone()],
                &[
                    probe(22, ProbeOutcome::NoAnswer, 0),
                    probe(80, ProbeOutcome::Refused, 9)
                ]
            ),
            (
                Some(false),
                "probed: a relay of its site reached nothing, last tried on 2026-11-30 01:02 UTC"
                    .into()
            )
        );
        let measured = "measured: reachable, its firewall lets others in";
        assert_eq!(
            words(&[ssh.clone(), web], &[probe(22, ProbeOutcome::NoAnswer, 0)]),
            (Some(true), measured.into()),
            "one socket was not tried"
        );
        assert_eq!(
            words(&[ssh, dns], &[probe(22, ProbeOutcome::NoAnswer, 0)]),
            (Some(true), measured.into()),
            "UDP is not tried"
        );
        let before =
            Place::default().measured(&[socket(22, "tcp")], &[probe(22, ProbeOutcome::Reached, 0)]);
        let after = Place::default().measured(
            &[socket(22, "tcp")],
            &[probe(22, ProbeOutcome::Reached, 60)],
        );
        assert!(before != after && before.counts_as(&after));
        assert!(!before.counts_as(&Place::default()));
    }
}
