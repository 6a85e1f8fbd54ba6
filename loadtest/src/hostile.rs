//! `hostile`: a relay that cheats, between real hosts and the real edge, as often as wished. Everything is in this process.

use crate::report::{Goal, Report, figure};
use anyhow::Result;
use netpatch_hostile::{Act, End, Outcome, Phase, run as run_plan};
use std::collections::BTreeMap;
use std::fmt;

/// Memory that a run of any length may grow by.
const GROWTH_BYTES: u64 = 256 << 20;

/// Options of `hostile`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many mutations
    #[arg(long, default_value_t = 1_000_000)]
    mutations: u64,
    /// The first of them in the seed's plan: with `--mutations 1` one is done again
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Relays at once, each with two hosts
    #[arg(long, default_value_t = 24)]
    relays: usize,
}

pub(crate) async fn run(options: &Options, seed: u64) -> Result<Report> {
    let outcome = run_plan(netpatch_hostile::Options {
        seed,
        numbers: options.from..options.from.saturating_add(options.mutations),
        lanes: options.relays,
    })
    .await?;
    let mut report = Report::new("hostile", seed);
    report.scene("mutations", options.mutations);
    report.scene("relays", options.relays);
    let ends = outcome.verdict.ends();
    for (phase, _) in Phase::ALL {
        rows(&mut report, &ends, phase, |(one, _, _)| *one == phase);
    }
    for act in Act::ALL {
        let named = format!("{act:?}").to_lowercase();
        rows(&mut report, &ends, named, |(_, one, _)| *one == act);
    }
    judge(&mut report, &outcome);
    for wrong in outcome.verdict.all_wrong() {
        eprintln!("WRONG: {wrong}");
    }
    Ok(report)
}

/// How many mutations of a kind there were, and how they ended.
fn rows(
    report: &mut Report,
    ends: &BTreeMap<(Phase, Act, End), u64>,
    what: impl fmt::Display,
    fits: impl Fn(&(Phase, Act, End)) -> bool,
) {
    let mut all: BTreeMap<End, u64> = BTreeMap::new();
    for (key, count) in ends.iter().filter(|(key, _)| fits(key)) {
        *all.entry(key.2).or_default() += count;
    }
    let note: Vec<_> = all
        .iter()
        .map(|(end, count)| format!("{count} {end}"))
        .collect();
    let sum: u64 = all.values().sum();
    report.row(what.to_string(), figure(sum), "", note.join(", "));
}

fn judge(report: &mut Report, outcome: &Outcome) {
    let effects: Vec<_> = outcome
        .effects
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    report.row(
        "what was meant and took effect",
        figure(outcome.effects.values().sum::<u64>()),
        "",
        effects.join(", "),
    );
    let none = Goal::AtMost(0.0);
    let verdict = &outcome.verdict;
    report.goal(
        "wrong effects",
        figure(verdict.count_wrong()),
        "",
        none,
        "not signed, not sent, twice, a wrong byte, a host that does not come through",
    );
    let capture = &outcome.capture;
    report.goal(
        "secrets in what the relays saw",
        figure(capture.found().len()),
        "places",
        none,
        format!("{} MB searched", capture.bytes() >> 20),
    );
    report.goal("panics", figure(outcome.panics), "", none, "");
    report.goal(
        "memory since a quarter was done",
        figure(outcome.grown_bytes >> 20),
        "MB more",
        Goal::AtMost(figure(GROWTH_BYTES >> 20)),
        "",
    );
    report.row(
        "hosts that were asked again",
        figure(verdict.late()),
        "",
        "",
    );
    report.row("time", outcome.took.as_secs_f64(), "s", "");
}
