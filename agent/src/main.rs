//! `netpatch-agent`: enrol this host, run the agent, show its state.
//!
//! Data on stdout, everything else on stderr. Exit codes: 0 ok · 1 failed · 2 usage · 3 warnings only (doctor) ·
//! 4 authentication or permission · 5 not found · 6 conflict or approval required · 7 network · 8 still pending ·
//! 130 interrupted.

use clap::{Args, Parser, Subcommand, ValueEnum};
use netpatch_agent::agent::{self, read_status};
use netpatch_agent::command::Runner;
use netpatch_agent::doctor;
use netpatch_agent::enrol::{self, EnrolFault};
use netpatch_agent::provider::Providers;
use netpatch_agent::proxy::proxies;
use netpatch_agent::state::StateFolder;
use netpatch_protocol::EnrolmentToken;
use netpatch_tunnel::Proxies;
use netpatch_types::{Clock as _, SystemClock};
use netpatch_window::Schedule;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(
    name = "netpatch-agent",
    version,
    about = "Keeps this host up to date, on signed orders only"
)]
struct Cli {
    /// A file with the site's forward proxy in it, http[s]://[USER:PASSWORD@]HOST[:PORT], for the way to the edge over TCP, and to mirrors
    /// where there is no relay; without it HTTPS_PROXY and NO_PROXY count.
    #[arg(long, global = true, env = "NETPATCH_PROXY_FILE")]
    proxy_file: Option<PathBuf>,
    /// A file (PEM) with the authority of an https:// proxy's certificate; without it whom the host trusts.
    #[arg(long, global = true, env = "NETPATCH_PROXY_CA_FILE")]
    proxy_ca_file: Option<PathBuf>,
    /// Where the agent keeps its identity, journals and payloads.
    #[arg(long, global = true, env = "NETPATCH_STATE_DIR", default_value = StateFolder::DEFAULT)]
    state_dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make this host a member of an organization.
    Enroll(Enroll),
    /// Run the agent until it is stopped.
    Run(Run),
    /// Show what the agent does.
    Status(Show),
    /// Check agent and host.
    Doctor(Show),
    /// Show what is installed here, as a scan finds it; nothing is sent.
    Inventory(Inventory),
}

#[derive(Args)]
struct Inventory {
    /// The root folder of the host.
    #[arg(long, default_value = "/")]
    root: PathBuf,
    /// Ask only this provider: apt, pip, npm, …
    #[arg(long)]
    provider: Option<String>,
    /// Say on stderr what it cost.
    #[arg(long)]
    measure: bool,
    /// How to print it: package URLs, or JSON.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Args)]
struct Enroll {
    /// The platform, HOST:PORT (UDP, or TCP where UDP does not get through).
    #[arg(long, env = "NETPATCH_SERVER")]
    server: String,
    /// A file with the enrolment token; never given as an argument.
    #[arg(long, env = "NETPATCH_TOKEN_FILE")]
    token_file: PathBuf,
    /// The site's relay, HOST:PORT (UDP).
    #[arg(long, env = "NETPATCH_RELAY")]
    relay: Option<String>,
    /// Enrol anew with the key that the host has: its certificate was revoked or ended too long ago.
    #[arg(long)]
    again: bool,
}

#[derive(Args)]
struct Run {
    /// Report only: refuse every order.
    #[arg(long, env = "NETPATCH_AUDIT_ONLY")]
    audit_only: bool,
    /// Seconds between two scans that nobody asked for; without it and --scan-cron the site says when, else it is 4 hours.
    #[arg(long, env = "NETPATCH_SCAN_SECONDS", value_parser = clap::value_parser!(u64).range(60..))]
    scan_seconds: Option<u64>,
    /// When to scan instead, as a cron expression in the host's time: MINUTE HOUR DAY MONTH WEEKDAY.
    #[arg(long, env = "NETPATCH_SCAN_CRON")]
    scan_cron: Option<String>,
    /// Seconds over which the hosts of a site spread each of these times.
    #[arg(long, env = "NETPATCH_SCAN_JITTER_SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(..=86400))]
    scan_jitter_seconds: u64,
}

#[derive(Args)]
struct Show {
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Output {
    Table,
    Json,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = tracing_subscriber::EnvFilter::try_from_env("NETPATCH_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    // Two threads do: nothing here computes for long.
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(1, format!("cannot start: {error}")),
    };
    let code = runtime.block_on(command(cli));
    runtime.shutdown_timeout(Duration::from_secs(2));
    code
}

async fn command(cli: Cli) -> ExitCode {
    // Neither an identity nor a state folder is needed to look at the host.
    if let Command::Inventory(options) = &cli.command {
        return inventory(options, &cli.state_dir).await;
    }
    let state = match StateFolder::open(&cli.state_dir) {
        Ok(state) => state,
        Err(error) => {
            return failed(
                4,
                format!("cannot use {}: {error}", cli.state_dir.display()),
            );
        }
    };
    match cli.command {
        Command::Enroll(options) => {
            match proxies(cli.proxy_file.as_deref(), cli.proxy_ca_file.as_deref()) {
                Ok(proxies) => enroll(&state, &options, proxies).await,
                Err(error) => failed(2, error),
            }
        }
        Command::Run(options) => {
            match proxies(cli.proxy_file.as_deref(), cli.proxy_ca_file.as_deref()) {
                Ok(proxies) => run(state, &options, proxies).await,
                Err(error) => failed(2, error),
            }
        }
        Command::Status(options) => status(&state, &options),
        Command::Inventory(options) => inventory(&options, &cli.state_dir).await,
        Command::Doctor(options) => {
            let report =
                doctor::check(&state, &Runner::default(), SystemClock::default().now()).await;
            match options.output {
                Output::Table => print(&report.to_text()),
                Output::Json => print(&format!("{:#}\n", report.to_json())),
            }
            ExitCode::from(report.exit_code())
        }
    }
}

async fn enroll(state: &StateFolder, options: &Enroll, proxies: Proxies) -> ExitCode {
    let token: EnrolmentToken = match std::fs::read_to_string(&options.token_file) {
        Err(error) => {
            return failed(
                5,
                format!("cannot read {}: {error}", options.token_file.display()),
            );
        }
        Ok(text) => match text.parse() {
            Ok(token) => token,
            Err(error) => return failed(4, format!("{error}")),
        },
    };
    let request = enrol::Request {
        server: &options.server,
        relay: options.relay.as_deref(),
        proxies,
        token: &token,
        root: Path::new("/"),
        clock: SystemClock::shared(),
        again: options.again,
    };
    match enrol::enrol(state, request).await {
        Ok(enrolment) => {
            print(&format!(
                "enrolled host={}\n",
                enrolment.host.public(enrolment.organization)
            ));
            ExitCode::SUCCESS
        }
        Err(fault) => {
            let code = match &fault {
                EnrolFault::Already(_) | EnrolFault::Running => 6,
                EnrolFault::Pending => 8,
                EnrolFault::Refused { code, .. }
                    if code == "UNAUTHENTICATED" || code == "FORBIDDEN" =>
                {
                    4
                }
                EnrolFault::Refused { code, .. }
                    if code == "CONFLICT" || code == "APPROVAL_REQUIRED" =>
                {
                    6
                }
                EnrolFault::Refused { code, .. } if code == "NOT_FOUND" => 5,
                EnrolFault::Tunnel(_) => 7,
                _ => 1,
            };
            failed(code, fault.to_string())
        }
    }
}

async fn run(state: StateFolder, options: &Run, proxies: Proxies) -> ExitCode {
    let schedule = match &options.scan_cron {
        None => options
            .scan_seconds
            .map(|pause| Schedule::every(Duration::from_secs(pause))),
        Some(expression) => {
            let jitter = Duration::from_secs(options.scan_jitter_seconds);
            match Schedule::cron(expression, jitter) {
                Ok(schedule) => Some(schedule),
                Err(error) => return failed(2, error.to_string()),
            }
        }
    };
    let stop = CancellationToken::new();
    let asked = stop.clone();
    let signals = async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut terminate), Ok(mut interrupt)) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        ) else {
            return 0;
        };
        let code = tokio::select! { _ = terminate.recv() => 0, _ = interrupt.recv() => 130 };
        asked.cancel();
        code
    };
    let signals = tokio::spawn(signals);
    let options = agent::Options {
        state,
        runner: Runner::default(),
        audit_only: options.audit_only,
        schedule,
        proxies,
        clock: SystemClock::shared(),
        uptime: Arc::new(netpatch_agent::clock::uptime),
        providers: None,
    };
    match agent::run(options, stop).await {
        Ok(()) => ExitCode::from(signals.await.unwrap_or(0)),
        Err(fault @ agent::AgentFault::Identity(_)) => failed(5, fault.to_string()),
        Err(fault) => failed(1, fault.to_string()),
    }
}

fn status(state: &StateFolder, options: &Show) -> ExitCode {
    let found = match read_status(state) {
        Ok(Some(found)) => found,
        Ok(None) => return failed(5, "the agent has not run here yet".into()),
        Err(error) => return failed(1, format!("cannot read the status: {error}")),
    };
    match options.output {
        Output::Table => print(&found.to_text(SystemClock::default().now())),
        Output::Json => match serde_json::to_string_pretty(&found) {
            Ok(json) => print(&format!("{json}\n")),
            Err(error) => return failed(1, error.to_string()),
        },
    }
    ExitCode::SUCCESS
}

async fn inventory(options: &Inventory, work: &Path) -> ExitCode {
    let runner = if options.root == Path::new("/") {
        Runner::default()
    } else {
        Runner::in_root(options.root.clone(), Vec::new())
    };
    let providers = Providers::of_host(&runner, work).await;
    let answers = providers.ask_some(options.provider.as_deref()).await;
    let (mut text, mut json, mut worst) = (String::new(), Vec::new(), 0);
    for answer in answers {
        let (components, problem) = match answer.inventory {
            Ok(inventory) => (inventory.components, inventory.cut_short),
            Err(failure) => (Vec::new(), Some(failure.to_string())),
        };
        if let Some(problem) = &problem {
            eprintln!("netpatch-agent: {}: {problem}", answer.name);
            worst = 1;
        }
        for key in &components {
            text.push_str(&key.purl());
            text.push('\n');
        }
        json.push(serde_json::json!({
            "provider": answer.name, "components": components, "problem": problem,
        }));
    }
    if options.measure {
        eprintln!("{}", cost());
    }
    match options.output {
        Output::Table => print(&text),
        Output::Json => print(&format!("{:#}\n", serde_json::Value::from(json))),
    }
    ExitCode::from(worst)
}

/// `cpu_ms=12 peak_kib=9000`: what this process has used so far.
fn cost() -> String {
    let file =
        |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let (stat, status) = (file("stat"), file("status"));
    // proc(5): user and system time are the 14th and 15th field, in hundredths of a second; the name may hold anything.
    let ticks: u64 = stat
        .rsplit(')')
        .next()
        .map(|rest| rest.split_whitespace().skip(11).take(2))
        .map(|fields| fields.filter_map(|field| field.parse::<u64>().ok()).sum())
        .unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next())
        .unwrap_or_default();
    format!("cpu_ms={} peak_kib={peak}", ticks * 10)
}

fn print(text: &str) {
    // A closed pipe is the reader's choice.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn failed(code: u8, message: String) -> ExitCode {
    eprintln!("netpatch-agent: {message}");
    ExitCode::from(code)
}
