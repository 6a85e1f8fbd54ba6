//! `agents`: many real sessions against a real edge. The platform is a process of its own, so its memory and processor time are its
//! own; all agents live in this process. They enrol, report manifests of real package lists, check in, answer orders and install
//! nothing.

mod api;
mod broker;
mod certificates;
mod crowd;
mod figures;
mod host;
mod mqtt;
mod nats;
mod parts;
mod platform;
mod relay;
mod scenario;

use crate::process;
use crate::report::{Goal, Report, figure};
use crate::world::{self, Fixes, Manifests};
use anyhow::{Context as _, Result};
use crowd::Crowd;
use netpatch_protocol::manifest::manifest_of;
use netpatch_protocol::session::{Component, Manifest};
use netpatch_types::{ComponentKey, SharedClock, SystemClock};
use parts::Parts;
pub(crate) use parts::{HoldOptions, hold};
use platform::Platform;
use relay::Relay;
use scenario::{Over, Peer, Scenario, Storm};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Resident memory of an idle agent at the edge, KiB.
const MEMORY_GOAL: f64 = 20.0;
/// After a phase, until the allocator and the jobs in the background have come to rest.
const SETTLE: Duration = Duration::from_secs(10);
/// The platform is quiet when it takes less than this of a core for so long.
const QUIET: f64 = 0.2;
const QUIET_FOR: Duration = Duration::from_secs(3);
/// It should be by then.
const NEVER_QUIET: Duration = Duration::from_secs(600);

/// Options of `agents`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A whole offline pack, with the hosts whose package lists are drawn from
    #[arg(long, value_name = "DIR")]
    pack: PathBuf,
    /// What to simulate, TOML; see loadtest/scenarios
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Agents, instead of what the scenario says
    #[arg(long)]
    count: Option<usize>,
    /// Through relays, whatever the scenario says
    #[arg(long)]
    via_relay: bool,
    /// Over QUIC or TCP, whatever the scenario says
    #[arg(long, value_enum)]
    over: Option<Over>,
    /// Where `netpatch` and `netpatch-relay` are; else beside this program
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

impl Options {
    fn scenario(&self) -> Result<Scenario> {
        let mut scenario = match &self.scenario {
            Some(path) => Scenario::read(path)?,
            None => Scenario::default(),
        };
        scenario.count = self.count.unwrap_or(scenario.count);
        scenario.via_relay |= self.via_relay;
        scenario.over = self.over.unwrap_or(scenario.over);
        scenario.check()
    }

    fn program(&self, name: &str) -> Result<PathBuf> {
        let folder = match &self.programs {
            Some(folder) => folder.clone(),
            None => std::env::current_exe()?
                .parent()
                .context("a folder")?
                .to_owned(),
        };
        let program = folder.join(name);
        anyhow::ensure!(
            program.is_file(),
            "there is no {}: build it, or say --programs DIR",
            program.display()
        );
        Ok(program)
    }
}

pub(crate) async fn run(options: &Options, seed: u64) -> Result<Report> {
    let scenario = options.scenario()?;
    let mut report = Report::new("agents", seed);
    report.scene("agents", scenario.count);
    report.scene("relays", scenario.relays());
    report.scene("over", format!("{:?}", scenario.over).to_lowercase());
    // A socket each, and those of this process itself.
    process::need_open_files(scenario.count + 500)?;
    let manifests = manifests(&options.pack, scenario.manifests, seed)?;
    report.scene("distinct manifests", manifests.len());

    let parts = match (scenario.over, scenario.relays()) {
        (Over::Quic, 0) => {
            Some(parts::measure(scenario.count, scenario.connecting, &mut report).await?)
        }
        _ => None,
    };
    let mosquitto = peers(&scenario, &mut report).await?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("platform");
    let connections = scenario.count * 3 + 1_000;
    let platform = Platform::start(&options.program("netpatch")?, &data, connections).await?;
    let site = platform.site().await?;
    let relays = relays(options, &scenario, folder.path(), &platform, &site).await?;
    let clock: SharedClock = Arc::new(SystemClock::default());
    let mut crowd = Crowd::enrol(
        &scenario,
        &site,
        &manifests,
        &platform,
        &relays,
        clock,
        &mut report,
    )
    .await?;
    let mut run = Run {
        scenario: &scenario,
        platform,
        relays,
        report: &mut report,
        mosquitto,
        parts,
    };
    run.first_reports(&mut crowd).await?;
    run.memory(&mut crowd).await?;
    run.quiet().await?;
    run.idle(&crowd).await?;
    run.check_ins(&crowd).await?;
    for storm in &scenario.storms {
        run.storm(*storm, &mut crowd).await?;
    }
    Ok(report)
}

/// Manifests as agents send them.
fn manifests(pack: &Path, count: usize, seed: u64) -> Result<Vec<Arc<Manifest>>> {
    let folder = tempfile::tempdir()?;
    let loaded = world::load(pack)?;
    let fixes = Fixes::of(&loaded, seed);
    let real = world::real_hosts(pack, folder.path())?;
    let varied = Manifests::vary(&real, &fixes, count, seed);
    let component = |number: &u32| {
        let key = varied.components.get(usize::try_from(*number).ok()?)?;
        Some(wire(key))
    };
    let manifest = |numbers: &Arc<[u32]>| {
        Arc::new(manifest_of(numbers.iter().filter_map(component).collect()))
    };
    Ok(varied
        .all
        .iter()
        .map(|(_, numbers)| manifest(numbers))
        .collect())
}

fn wire(key: &ComponentKey) -> Component {
    Component {
        name: key.name.clone(),
        version: key.version.clone(),
        arch: key.arch.clone(),
        source: key.source.clone(),
        source_version: key.source_version.clone(),
        ecosystem: key.ecosystem.as_str().to_owned(),
        distribution: key.distribution.clone(),
        release: key.release.clone(),
    }
}

/// Each peer, one after the other; agents are compared with mosquitto.
async fn peers(scenario: &Scenario, report: &mut Report) -> Result<Option<broker::Measured>> {
    let mut mosquitto = None;
    for peer in &scenario.peers {
        let measured = broker::measure(*peer, scenario, report).await?;
        if *peer == Peer::Mosquitto {
            mosquitto = Some(measured);
        }
    }
    Ok(mosquitto)
}

async fn relays(
    options: &Options,
    scenario: &Scenario,
    folder: &Path,
    platform: &Platform,
    site: &platform::Site,
) -> Result<Vec<Relay>> {
    let mut relays = Vec::new();
    for number in 0..scenario.relays() {
        let folder = folder.join(format!("relay-{number}"));
        let program = options.program("netpatch-relay")?;
        relays.push(Relay::start(&program, &folder, platform, site).await?);
    }
    Ok(relays)
}

struct Run<'a> {
    scenario: &'a Scenario,
    platform: Platform,
    relays: Vec<Relay>,
    report: &'a mut Report,
    mosquitto: Option<broker::Measured>,
    parts: Option<Parts>,
}

impl Run<'_> {
    /// Everybody connects and reports a manifest that the platform has not seen of this host.
    async fn first_reports(&mut self, crowd: &mut Crowd) -> Result<()> {
        let began = Instant::now();
        crowd.connect(self.scenario.connecting).await?;
        self.report.row(
            "sessions opened, with new manifests at the same time",
            rate(crowd.len(), began.elapsed()),
            "1/s",
            format!("{} at once", self.scenario.connecting),
        );
        crowd.all_stored().await?;
        self.report.row(
            "agents whose manifest is stored",
            rate(crowd.len(), began.elapsed()),
            "1/s",
            "from the first connection to the last confirmation",
        );
        Ok(())
    }

    /// What sessions cost in a process that has done nothing else.
    async fn memory(&mut self, crowd: &mut Crowd) -> Result<()> {
        crowd.leave().await;
        self.platform.restart().await?;
        tokio::time::sleep(SETTLE).await;
        let before = self.platform.resident()?;
        let of_relays = self.resident_of_relays()?;
        let (began, cpu) = (Instant::now(), self.platform.cpu()?);
        crowd.connect(self.scenario.connecting).await?;
        let took = began.elapsed();
        let used = self.platform.cpu()? - cpu;
        crowd
            .figures()
            .welcomes_into(self.report, "from dialling to the welcome");
        self.report.row(
            "sessions opened, nothing new",
            rate(crowd.len(), took),
            "1/s",
            format!("{} at once", self.scenario.connecting),
        );
        self.report.row(
            "sessions opened, per core of the platform",
            rate(crowd.len(), used),
            "1/s",
            "TLS 1.3 with certificates on both sides",
        );
        tokio::time::sleep(SETTLE).await;
        let after = self.platform.resident()?;
        let each = kib(after.saturating_sub(before), crowd.len());
        self.report.goal(
            "memory of the platform's process, an agent",
            each,
            "KiB",
            Goal::AtMost(MEMORY_GOAL),
            format!("{} MiB before, {} MiB with all", before >> 20, after >> 20),
        );
        if let Some(parts) = &self.parts {
            self.report.row(
                "of these, the session: its task, what it remembers, the services",
                each - parts.connection - parts.stream,
                "KiB",
                "what connection and stream do not explain",
            );
        }
        if !self.relays.is_empty() {
            let grown = self.resident_of_relays()?.saturating_sub(of_relays);
            self.report.row(
                "memory of the relays, an agent",
                kib(grown, crowd.len()),
                "KiB",
                "",
            );
        }
        Ok(())
    }

    fn resident_of_relays(&self) -> Result<u64> {
        self.relays.iter().map(Relay::resident).sum()
    }

    /// Enrolments and first reports leave work behind (the ledger, evaluation) that is not what sessions cost.
    async fn quiet(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            let cpu = self.platform.cpu()?;
            tokio::time::sleep(QUIET_FOR).await;
            let used = self.platform.cpu()? - cpu;
            if used.as_secs_f64() < QUIET_FOR.as_secs_f64() * QUIET {
                break;
            }
            anyhow::ensure!(
                began.elapsed() < NEVER_QUIET,
                "the platform still works {NEVER_QUIET:?} after the last session was opened"
            );
        }
        self.report.row(
            "until the platform has done what enrolments and first reports left behind",
            began.elapsed().as_secs_f64(),
            "s",
            "ledger and evaluation",
        );
        Ok(())
    }

    async fn idle(&mut self, crowd: &Crowd) -> Result<()> {
        crowd.figures().begin();
        let (began, cpu) = (Instant::now(), self.platform.cpu()?);
        tokio::time::sleep(Duration::from_secs(self.scenario.idle_seconds)).await;
        let used = self.platform.cpu()? - cpu;
        self.report.row(
            "processor of the platform while all are idle",
            used.as_secs_f64() / began.elapsed().as_secs_f64() * 100.0,
            "% of a core",
            format!(
                "{} check-ins; {}",
                crowd.figures().check_ins(),
                crowd.figures().downs()
            ),
        );
        Ok(())
    }

    async fn check_ins(&mut self, crowd: &Crowd) -> Result<()> {
        crowd.pace(Duration::from_millis(self.scenario.check_in_every_ms));
        tokio::time::sleep(Duration::from_secs(2)).await;
        crowd.figures().begin();
        let (began, cpu) = (Instant::now(), self.platform.cpu()?);
        tokio::time::sleep(Duration::from_secs(self.scenario.check_in_seconds)).await;
        let (took, used) = (began.elapsed(), self.platform.cpu()? - cpu);
        let answered = crowd.figures().check_ins();
        let signed = crowd.figures().signed.load(Ordering::Relaxed);
        crowd.pace(Duration::ZERO);
        let note = format!(
            "each agent every {} ms, {} bytes each; {}",
            self.scenario.check_in_every_ms,
            crowd.check_in_bytes(),
            crowd.figures().downs()
        );
        self.report
            .row("check-ins", rate(answered, took), "1/s", note);
        crowd
            .figures()
            .check_ins_into(self.report, "from check-in to answer");
        let per_core = rate(answered, used);
        let what = "check-ins, per core of the platform";
        let note = format!(
            "{signed} of them signed (P-256), verified and answered with a signed time (Ed25519); the others are vouched for by their sessions"
        );
        match &self.mosquitto {
            Some(peer) => {
                self.report.row(what, per_core, "1/s", note);
                self.report.goal(
                    "check-ins per core against mosquitto",
                    per_core / peer.per_core,
                    "times",
                    Goal::AtLeast(1.0),
                    "",
                );
            }
            None => self.report.row(what, per_core, "1/s", note),
        }
        self.report.row(
            "orders answered",
            figure(crowd.figures().orders.load(Ordering::Relaxed)),
            "",
            "",
        );
        Ok(())
    }

    async fn storm(&mut self, storm: Storm, crowd: &mut Crowd) -> Result<()> {
        match storm {
            Storm::Reconnect => {
                crowd.leave().await;
                // The edge has heard of the ends.
                tokio::time::sleep(SETTLE).await;
                let cpu = self.platform.cpu()?;
                let took = crowd.connect_at_once().await?;
                let used = self.platform.cpu()? - cpu;
                self.report.row(
                    "storm: all connect at once, until the last is welcomed",
                    took.as_secs_f64(),
                    "s",
                    format!("{:.1} s of processor", used.as_secs_f64()),
                );
                crowd
                    .figures()
                    .welcomes_into(self.report, "storm: from dialling to the welcome");
                if let Some(peer) = &self.mosquitto {
                    self.report.goal(
                        "storm against mosquitto",
                        peer.storm.as_secs_f64() / took.as_secs_f64(),
                        "times as fast",
                        Goal::AtLeast(2.0),
                        "",
                    );
                }
            }
            Storm::Restart => {
                crowd.figures().begin();
                let away = self.platform.crash().await?;
                let began = Instant::now();
                crowd.all_welcomed().await?;
                self.report.row(
                    "storm: platform killed and started, until the last is welcomed again",
                    began.elapsed().as_secs_f64(),
                    "s",
                    format!(
                        "after it was away for {:.1} s; {}",
                        away.as_secs_f64(),
                        crowd.figures().downs()
                    ),
                );
            }
        }
        Ok(())
    }
}

/// So many in a time, a second.
fn rate(count: usize, time: Duration) -> f64 {
    figure(count) / time.as_secs_f64().max(1e-9)
}

/// Bytes of so many, KiB each.
fn kib(bytes: u64, count: usize) -> f64 {
    figure(bytes) / 1024.0 / figure(count.max(1))
}
