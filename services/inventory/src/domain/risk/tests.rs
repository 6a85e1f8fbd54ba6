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
