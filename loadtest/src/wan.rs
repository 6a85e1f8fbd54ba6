//! `bulk` and `requests`: what our tunnel carries over bad lines, and what rathole, stunnel and ssh carry, each with both of the
//! kernel's congestion controls. The line is emulated, on a core of its own; both ends and the tunnels share the other one.

mod certificates;
mod emulator;
mod ends;
mod fetch;
mod line;
mod quality;
mod tunnels;

use crate::process;
use crate::report::{Goal, Report};
use anyhow::{Context as _, Result, bail};
pub(crate) use emulator::{LineOptions, carry};
pub(crate) use ends::{AskOptions, ServeOptions, ask, serve};
use ends::{Beside, Compared, Outcome};
use line::{Allowed, FAR, Line};
use quality::Quality;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;
use tunnels::{CONGESTION, Contender, ENTRY, Kind, ORIGIN, PLAIN, TUNNEL, Tunnel, contenders};

/// Rows that come closer to what the emulator can do say more about it than about the tunnel.
const CEILING_PART: f64 = 0.9;

/// Options of `bulk`.
#[derive(clap::Args)]
pub(crate) struct BulkOptions {
    /// Seconds of one measurement
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Packets of a hundred that are lost, one line for each
    #[arg(long, value_delimiter = ',', default_value = "0,0.1,1,2,5")]
    lost: Vec<f64>,
    /// Round trips in milliseconds, one line for each
    #[arg(long, value_delimiter = ',', default_value = "2,50,200")]
    round_trips: Vec<f64>,
    /// Megabits a second of the line
    #[arg(long, default_value_t = 100.0)]
    megabits: f64,
    /// Only these
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
}

/// Options of `requests`.
#[derive(clap::Args)]
pub(crate) struct RequestOptions {
    /// Requests under way at once
    #[arg(long, default_value_t = 200)]
    at_once: usize,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Packets of a hundred that are lost, one line for each
    #[arg(long, value_delimiter = ',', default_value = "2,5")]
    lost: Vec<f64>,
    /// Round trip, milliseconds
    #[arg(long, default_value_t = 50.0)]
    round_trip: f64,
    /// Megabits a second of the line
    #[arg(long, default_value_t = 100.0)]
    megabits: f64,
    /// Only these
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
}

/// Options of `yielding`.
#[derive(clap::Args)]
pub(crate) struct YieldingOptions {
    /// Seconds of one measurement
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Round trip, milliseconds
    #[arg(long, default_value_t = 50.0)]
    round_trip: f64,
    /// Megabits a second, one line for each
    #[arg(long, value_delimiter = ',', default_value = "20,100")]
    megabits: Vec<f64>,
}

/// Small requests of ours alone, and beside bulk in the same connection, or that a relay's cache fetches from a mirror.
pub(crate) fn yielding(options: &YieldingOptions, seed: u64) -> Result<Report> {
    line::sweep()?;
    let mut report = Report::new("yielding", seed);
    report.scene("round trip", format!("{} ms", options.round_trip));
    for megabits in &options.megabits {
        let quality = Quality {
            megabits: *megabits,
            round_trip: options.round_trip,
            lost: 0.0,
        };
        for beside in [
            Beside::Equal,
            Beside::Yielding,
            Beside::Fetched,
            Beside::Paced,
        ] {
            let line = Line::start(&quality, seed)?;
            let compared = compared(&line, beside, options.seconds)?;
            let what = format!("{megabits} Mbit/s, bulk {beside:?}").to_lowercase();
            let (idle, busy) = (compared.idle.p99, compared.beside.p99);
            let note = format!("p50 {:.1} ms", compared.idle.p50);
            report.row(format!("{what}: p99 alone"), idle, "ms", note);
            let note = format!(
                "p50 {:.1} ms, {} answered, bulk {:.1} Mbit/s meanwhile",
                compared.beside.p50, compared.beside.answered, compared.megabits
            );
            report.row(format!("{what}: p99 beside it"), busy, "ms", note);
            let what = format!("{what}: p99 against alone");
            match beside {
                Beside::Equal | Beside::Fetched => report.row(what, busy / idle, "times", ""),
                Beside::Yielding | Beside::Paced => {
                    report.goal(what, busy / idle, "times", Goal::AtMost(1.5), "");
                }
            }
        }
    }
    Ok(report)
}

fn compared(line: &Line, beside: Beside, seconds: u64) -> Result<Compared> {
    let folder = tempfile::tempdir()?;
    certificates::make(folder.path())?;
    let _server = Server::start(line, folder.path())?;
    let mut ask = line.near(std::env::current_exe()?);
    ask.arg("wan-ask").arg("--folder").arg(folder.path());
    ask.arg(format!("--tunnel={TUNNEL}"));
    ask.arg(format!("--beside={beside:?}").to_lowercase());
    ask.arg(format!("--origin={ORIGIN}"));
    ask.arg(format!("--seconds={seconds}"));
    let output = ask.stderr(Stdio::inherit()).output()?;
    serde_json::from_slice(&output.stdout).context("the outcome")
}

/// One contender on one line.
struct Measured {
    contender: Contender,
    outcome: Outcome,
    /// Of both ends and the tunnel.
    cpu: f64,
    /// Of the emulator.
    line_cpu: f64,
}

impl Measured {
    fn megabits(&self) -> f64 {
        bytes(&self.outcome) * 8.0 / self.outcome.seconds / 1e6
    }

    fn bytes_a_cpu_second(&self) -> f64 {
        bytes(&self.outcome) / self.cpu.max(0.01)
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "figures are shown with three digits"
)]
fn bytes(outcome: &Outcome) -> f64 {
    outcome.bytes as f64
}

pub(crate) fn bulk(options: &BulkOptions, seed: u64) -> Result<Report> {
    line::sweep()?;
    let _allowed = Allowed::all(&CONGESTION)?;
    let mut report = Report::new("bulk", seed);
    report.scene("line", format!("{} Mbit/s", options.megabits));
    report.scene("seconds", options.seconds);
    let ceiling = ceiling(seed)?;
    report.row("the emulator with no limit, iperf3", ceiling, "Mbit/s", "");
    for round_trip in &options.round_trips {
        for lost in &options.lost {
            let quality = Quality {
                megabits: options.megabits,
                round_trip: *round_trip,
                lost: *lost,
            };
            let line = Line::start(&quality, seed)?;
            let mut all = Vec::new();
            for contender in contenders(&options.only) {
                let measured = measure(&line, contender, options.seconds, None)?;
                let invalid = if measured.megabits() > ceiling * CEILING_PART {
                    "INVALID: the emulator's ceiling; "
                } else {
                    ""
                };
                let note = format!(
                    "{invalid}{:.2} CPU-s, emulator {:.0} % busy",
                    measured.cpu,
                    measured.line_cpu * 100.0 / measured.outcome.seconds
                );
                let what = format!("{quality}: {contender}");
                report.row(what, measured.megabits(), "Mbit/s", note);
                all.push(measured);
            }
            compare(&quality, &all, &mut report);
        }
    }
    Ok(report)
}

/// The goals of a line.
fn compare(quality: &Quality, all: &[Measured], report: &mut Report) {
    let Some(ours) = all.iter().find(|one| one.contender.kind == Kind::Netpatch) else {
        return;
    };
    let best = |congestion: &str| {
        let peers = all.iter().filter(|one| {
            one.contender.kind != Kind::Netpatch && one.contender.congestion == congestion
        });
        peers.map(Measured::megabits).max_by(f64::total_cmp)
    };
    let is_the_judged =
        (quality.round_trip - 50.0).abs() < 0.1 && (quality.lost - 1.0).abs() < 0.01;
    for (congestion, goal) in [("cubic", 5.0), ("bbr", 1.0)] {
        let Some(best) = best(congestion) else {
            continue;
        };
        let ratio = ours.megabits() / best.max(0.001);
        let what = format!("{quality}: netpatch against the best with {congestion}");
        if is_the_judged {
            report.goal(what, ratio, "times", Goal::AtLeast(goal), "");
        } else {
            report.row(what, ratio, "times", "");
        }
    }
    let stunnel = all
        .iter()
        .find(|one| one.contender.kind == Kind::Stunnel && one.contender.congestion == "cubic");
    if let Some(stunnel) = stunnel.filter(|_| quality.lost == 0.0) {
        report.goal(
            format!("{quality}: bytes a CPU-second against stunnel"),
            ours.bytes_a_cpu_second() / stunnel.bytes_a_cpu_second(),
            "times",
            Goal::AtLeast(0.6),
            "both ends and the tunnel",
        );
    }
}

pub(crate) fn requests(options: &RequestOptions, seed: u64) -> Result<Report> {
    line::sweep()?;
    let _allowed = Allowed::all(&CONGESTION)?;
    let mut report = Report::new("requests", seed);
    report.scene("line", format!("{} Mbit/s", options.megabits));
    report.scene("at once", options.at_once);
    for lost in &options.lost {
        let quality = Quality {
            megabits: options.megabits,
            round_trip: options.round_trip,
            lost: *lost,
        };
        let line = Line::start(&quality, seed)?;
        let mut ours = None;
        let mut best: Option<f64> = None;
        for contender in contenders(&options.only) {
            let measured = measure(&line, contender, options.seconds, Some(options.at_once))?;
            let outcome = &measured.outcome;
            let note = format!(
                "p50 {:.0} ms, {} answered, {:.2} CPU-s",
                outcome.p50, outcome.answered, measured.cpu
            );
            let what = format!("{quality}: p99 of {contender}");
            report.row(what, outcome.p99, "ms", note);
            if contender.kind == Kind::Netpatch {
                ours = Some(outcome.p99);
            } else {
                best = Some(best.unwrap_or(f64::MAX).min(outcome.p99));
            }
        }
        if let (Some(ours), Some(best)) = (ours, best) {
            report.goal(
                format!("{quality}: p99 against the best"),
                ours / best,
                "times",
                Goal::AtMost(0.4),
                "",
            );
        }
    }
    Ok(report)
}

fn measure(
    line: &Line,
    contender: Contender,
    seconds: u64,
    at_once: Option<usize>,
) -> Result<Measured> {
    let folder = tempfile::tempdir()?;
    certificates::make(folder.path())?;
    line.set_congestion(contender.congestion)?;
    let server = Server::start(line, folder.path())?;
    let tunnel = Tunnel::start(contender.kind, line, folder.path())?;
    let line_before = line.cpu()?;
    let mut ask = line.near(std::env::current_exe()?);
    ask.arg("wan-ask").arg("--folder").arg(folder.path());
    match contender.kind {
        Kind::Netpatch => ask.arg(format!("--tunnel={TUNNEL}")),
        _ => ask.arg(format!("--plain={ENTRY}")),
    };
    ask.arg(format!("--seconds={seconds}"));
    ask.args(at_once.map(|count| format!("--requests={count}")));
    let output = ask.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        bail!("{contender}: nothing came through: {log}");
    }
    let outcome: Outcome = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{contender}: the outcome"))?;
    let cpu = process::cpu_of_all(server.0.id())? + tunnel.cpu()?;
    Ok(Measured {
        contender,
        cpu: cpu.as_secs_f64() + outcome.cpu_seconds,
        line_cpu: (line.cpu()? - line_before).as_secs_f64(),
        outcome,
    })
}

/// The far end; killed when dropped.
struct Server(Child);

impl Server {
    fn start(line: &Line, folder: &Path) -> Result<Self> {
        let mut command = line.far(std::env::current_exe()?);
        command.arg("wan-serve").arg("--folder").arg(folder);
        command.arg(format!("--tunnel={TUNNEL}"));
        command.arg(format!("--plain={PLAIN}"));
        command.arg(format!("--origin={ORIGIN}"));
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("its output")?;
        let server = Self(child);
        let mut first = String::new();
        BufReader::new(output).read_line(&mut first)?;
        if first.trim() != "ready" {
            bail!("the far end does not start");
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        process::kill_all(&mut self.0);
    }
}

/// Megabits a second that the emulator carries when it delays, drops and limits nothing.
fn ceiling(seed: u64) -> Result<f64> {
    let quality = Quality {
        megabits: 0.0,
        round_trip: 0.0,
        lost: 0.0,
    };
    let line = Line::start(&quality, seed)?;
    let mut server = line
        .far("iperf3")
        .args(["-s", "-1"])
        .stdout(Stdio::null())
        .spawn()
        .context("start iperf3: cargo xtask bench --setup installs it")?;
    std::thread::sleep(Duration::from_millis(500));
    let output = line
        .near("iperf3")
        .args(["-c", &FAR.to_string(), "-t", "4", "-R", "-J"])
        .output()?;
    process::kill_all(&mut server);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let bits = value.pointer("/end/sum_received/bits_per_second");
    let bits = bits.and_then(serde_json::Value::as_f64);
    Ok(bits.context("iperf3 says nothing")? / 1e6)
}
