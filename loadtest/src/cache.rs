//! A site's payload cache beside the caches that people use: the relay's HTTP front, nginx, squid and apt-cacher-ng.
//!
//! All of them stand before the same origin in this process, hold the same payloads, and answer the same clients on the loopback. One
//! after the other is measured, each alone. Processor time is the server's own, with its workers.

mod client;
mod front;
mod origin;
mod peers;
mod stampede;

use crate::process;
use crate::report::{Goal, Report, figure};
use anyhow::{Context, Result, bail};
use client::{Load, Outcome};
pub(crate) use front::FrontOptions;
pub(crate) use front::hold as hold_front;
pub(crate) use origin::{Origin, path};
use peers::{Kind, Peer};
pub(crate) use stampede::{StampedeOptions, run as stampede};
use std::collections::BTreeMap;
use std::time::Duration;

/// Payload sizes and how many of each are held, so that no cache answers the same one all the time.
const SIZES: [(&str, usize, usize); 4] = [
    ("4 KiB", 4 << 10, 256),
    ("64 KiB", 64 << 10, 64),
    ("1 MiB", 1 << 20, 16),
    ("50 MiB", 50 << 20, 2),
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many clients ask at once, one measurement for each
    #[arg(long, value_delimiter = ',', default_value = "1,64,512")]
    connections: Vec<usize>,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Only these servers
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
}

pub(crate) async fn run(options: &Options, seed: u64) -> Result<Report> {
    let mut report = Report::new("cache", seed);
    report.scene("seconds a measurement", options.seconds);
    let most = options.connections.iter().max().copied().unwrap_or(1);
    process::need_open_files(2 * most + 200)?;
    let origin = Origin::start(None).await?;
    let mut found: BTreeMap<(usize, usize, Kind), (Outcome, f64)> = BTreeMap::new();
    let kinds = [Kind::Relay, Kind::Nginx, Kind::Squid, Kind::AptCacherNg];
    for kind in kinds {
        if !options.only.is_empty() && !options.only.contains(&kind) {
            continue;
        }
        let measured = measure(kind, options, &origin, &mut found, &mut report).await;
        match measured {
            Err(error) if kind != Kind::Relay => {
                let why = format!("{error:#}");
                report.row(
                    format!("{kind} FAILED, its other rows are missing"),
                    1.0,
                    "",
                    why,
                );
            }
            other => other?,
        }
    }
    for (size, (name, ..)) in SIZES.iter().enumerate() {
        for connections in &options.connections {
            rows(&mut report, name, size, *connections, &found);
        }
    }
    Ok(report)
}

/// One server alone with everything; what was found before it failed stays.
async fn measure(
    kind: Kind,
    options: &Options,
    origin: &Origin,
    found: &mut BTreeMap<(usize, usize, Kind), (Outcome, f64)>,
    report: &mut Report,
) -> Result<()> {
    let peer = Peer::start(kind, origin.address(), &peers::Settings::default()).await?;
    for (size, (name, bytes, count)) in SIZES.iter().enumerate() {
        let paths: Vec<String> = (0..*count).map(|n| origin::path(*bytes, n)).collect();
        client::warm(&peer, &paths)
            .await
            .with_context(|| format!("fill {kind}"))?;
        let before = origin.requests();
        for connections in &options.connections {
            let load = Load {
                connections: *connections,
                time: Duration::from_secs_f64(options.seconds),
                body_bytes: *bytes,
            };
            let cpu = peer.cpu()?;
            let outcome = client::load(&peer, &paths, &load)
                .await
                .with_context(|| format!("{kind} with {connections} connections"))?;
            let cpu = (peer.cpu()? - cpu).as_secs_f64();
            found.insert((size, *connections, kind), (outcome, cpu));
        }
        let asked = origin.requests() - before;
        if asked > 0 && kind == Kind::Relay {
            bail!(
                "the relay asked the origin {asked} times for payloads of {name} while it held them"
            );
        }
        if asked > 0 {
            // squid passes requests on when its disk threads are busy.
            let what = format!("{name}: requests that {kind} passed on to the origin");
            report.row(
                what,
                figure(usize::try_from(asked)?),
                "",
                "though it was filled",
            );
        }
    }
    peer.stop().await?;
    Ok(())
}

fn rows(
    report: &mut Report,
    name: &str,
    size: usize,
    connections: usize,
    found: &BTreeMap<(usize, usize, Kind), (Outcome, f64)>,
) {
    let of = |kind: Kind| found.get(&(size, connections, kind));
    let what = |text: &str| format!("{name}, {connections} connections: {text}");
    for kind in [Kind::Relay, Kind::Nginx, Kind::Squid, Kind::AptCacherNg] {
        if let Some((outcome, cpu)) = of(kind) {
            let gib = outcome.bytes as f64 / f64::from(1 << 30);
            report.row(
                what(&kind.to_string()),
                outcome.mebibytes_per_second(),
                "MiB/s",
                format!(
                    "{:.0} requests/s, p99 {:.2} ms, {:.2} CPU-s a GiB",
                    figure(outcome.requests) / outcome.time.as_secs_f64(),
                    outcome.p99.as_secs_f64() * 1e3,
                    cpu / gib
                ),
            );
        }
    }
    let Some((ours, _)) = of(Kind::Relay) else {
        return;
    };
    let is_large = SIZES[size].1 >= 1 << 20;
    let is_small = SIZES[size].1 <= 4 << 10;
    let goal = |report: &mut Report, text: String, value: f64, goal: Option<Goal>| match goal {
        Some(goal) => report.goal(text, value, "times", goal, ""),
        None => report.row(text, value, "times", ""),
    };
    for (kind, least) in [
        (
            Kind::Nginx,
            if is_large {
                Some(0.9)
            } else if is_small {
                Some(0.8)
            } else {
                None
            },
        ),
        (Kind::Squid, Some(2.0)),
        (Kind::AptCacherNg, (connections >= 64).then_some(5.0)),
    ] {
        if let Some((theirs, _)) = of(kind) {
            let ratio = ours.mebibytes_per_second() / theirs.mebibytes_per_second();
            goal(
                report,
                what(&format!("against {kind}")),
                ratio,
                least.map(Goal::AtLeast),
            );
        }
    }
    if let Some((nginx, _)) = of(Kind::Nginx) {
        let ratio = ours.p99.as_secs_f64() / nginx.p99.as_secs_f64();
        goal(
            report,
            what("p99 against nginx"),
            ratio,
            Some(Goal::AtMost(1.2)),
        );
    }
}
