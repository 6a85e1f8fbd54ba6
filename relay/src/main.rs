//! `netpatch-relay`: claim, run, status, cache, doctor. Data goes to stdout, the rest to stderr.

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use netpatch_protocol::EnrolmentToken;
use netpatch_protocol::token::parse_fingerprint;
use netpatch_relay::cache::care::{self, Prune};
use netpatch_relay::claim::{Claim, ClaimError};
use netpatch_relay::status::{Standing, Status};
use netpatch_relay::{Config, DataDir, Enrolment, PendingClaim, Relay, RunError, doctor};
use netpatch_tunnel::{Limits, TunnelError};
use netpatch_types::{SharedClock, SystemClock};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// The site's relay: carries agents' sessions, caches payloads.
#[derive(Parser)]
#[command(name = "netpatch-relay", version)]
struct Arguments {
    /// Where the relay keeps its key, certificate and cache
    #[arg(
        long,
        global = true,
        env = "NETPATCH_RELAY_DATA_DIR",
        default_value = "/var/lib/netpatch-relay"
    )]
    data_dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Get a certificate: by a code to type in the portal, or by a token file
    Claim {
        /// The edge, host:port
        #[arg(long)]
        server: String,
        /// SHA-256 of the platform root's public key, as the portal shows it
        #[arg(long, required_unless_present = "token_file")]
        fingerprint: Option<String>,
        /// A claim token; no code is needed then
        #[arg(long)]
        token_file: Option<PathBuf>,
        /// TOML; see config.default.toml
        #[arg(long)]
        config: Option<PathBuf>,
        /// How to print the result
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Serve the site until stopped
    Run {
        /// Where agents reach the relay, UDP
        #[arg(long)]
        listen: Option<SocketAddr>,
        /// TOML; see config.default.toml
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Say how the relay is
    Status {
        /// How to print it
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Look after the payload cache, whether the relay runs or not
    Cache {
        #[command(subcommand)]
        command: CacheCommand,
    },
    /// Look for problems
    Doctor {
        /// How to print them
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
        /// TOML; see config.default.toml
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum CacheCommand {
    /// Say what is held, and what it saved since the relay started
    Stats {
        /// How to print it
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Read every byte that is held; what is damaged goes and is fetched anew. Ends with 1 when something was
    Verify {
        /// How to print it
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Give up what was confirmed longest ago
    #[command(group = clap::ArgGroup::new("what").required(true))]
    Prune {
        /// Until all that is held has at most so many bytes
        #[arg(long, group = "what")]
        to_bytes: Option<u64>,
        /// What the origin has not confirmed for so many days
        #[arg(long, group = "what")]
        older_than_days: Option<u32>,
        /// How to print it
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("NETPATCH_LOG")
                .unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(execute(arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

/// 1 failed, 4 permission, 6 conflict, 7 network.
fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<ClaimError>() {
        Some(ClaimError::Claimed(_)) => 6,
        Some(ClaimError::Refused { .. }) => 4,
        Some(ClaimError::Tunnel(
            TunnelError::Timeout { .. }
            | TunnelError::Connect { .. }
            | TunnelError::Resolve { .. }
            | TunnelError::Proxy { .. }
            | TunnelError::Unreachable(_),
        )) => 7,
        _ => 1,
    }
}

async fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let clock = SystemClock::shared();
    let data = match arguments.command {
        // It looks, and makes nothing: started by root it would make folders that the relay's user cannot write.
        Command::Doctor { .. } => DataDir::at(&arguments.data_dir),
        _ => DataDir::open(&arguments.data_dir)?,
    };
    match arguments.command {
        Command::Claim {
            server,
            fingerprint,
            token_file,
            config,
            output,
        } => {
            let config = Config::load(config.as_deref())?.with_environment()?;
            let token = match &token_file {
                Some(path) => Some(read_token(path)?),
                None => None,
            };
            let typed = match &fingerprint {
                Some(text) => {
                    Some(parse_fingerprint(text).context("fingerprint has 64 hexadecimal digits")?)
                }
                None => None,
            };
            let named = token.as_ref().map(|token| token.platform_root);
            if let (Some(typed), Some(named)) = (typed, named) {
                anyhow::ensure!(
                    typed == named,
                    "the token is for another platform than the fingerprint"
                );
            }
            let claim = Claim {
                server: config.proxy.edge(&server),
                platform_root: typed.or(named).context("fingerprint is missing")?,
                data: &data,
                clock: &clock,
                limits: Limits::default(),
            };
            let enrolment = match &token {
                Some(token) => claim.by_token(&token.secret).await?,
                None => loop {
                    let show = |pending: &PendingClaim| show_code(&data, &clock, pending);
                    match claim.by_code(show).await {
                        Err(ClaimError::Expired) => eprintln!("nobody typed the code; a new one:"),
                        done => break done?,
                    }
                },
            };
            claimed(&enrolment, output);
            let now_ms = clock.now().timestamp_millis();
            Status::new(&data, now_ms, Standing::Stopped)?.write(&data)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Run { listen, config } => {
            let mut config = Config::load(config.as_deref())?.with_environment()?;
            config.listen_at(listen);
            run(data, &config, clock).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Status { output } => {
            let status = Status::read(&data, clock.now().timestamp_millis())?;
            match output {
                Output::Text => print!("{}", status.to_text()),
                Output::Json => println!("{}", serde_json::to_string_pretty(&status)?),
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Cache { command } => look_after(&data, &clock, command),
        Command::Doctor { output, config } => {
            let config = Config::load(config.as_deref())?.with_environment()?;
            let report = doctor::examine(&data, &config, &clock).await;
            match output {
                Output::Text => print!("{}", report.to_text()),
                Output::Json => println!("{:#}", report.to_json()),
            }
            Ok(ExitCode::from(report.exit_code()))
        }
    }
}

fn look_after(
    data: &DataDir,
    clock: &SharedClock,
    command: CacheCommand,
) -> anyhow::Result<ExitCode> {
    let folder = data.join("cache");
    let now_ms = clock.now().timestamp_millis();
    let json = |value: &serde_json::Value| println!("{value:#}");
    match command {
        CacheCommand::Stats { output } => {
            let stock = care::stock(&folder)?;
            let counted = Status::read(data, now_ms)?.counted;
            let asked = counted.hits + counted.misses;
            let saved = counted.bytes_served.saturating_sub(counted.bytes_fetched);
            match output {
                Output::Text => {
                    println!("packages      {}", stock.packages);
                    println!("metadata      {}", stock.metadata);
                    println!("bytes         {}", stock.bytes);
                    println!("hits          {} of {asked} requests", counted.hits);
                    println!("fetched       {} bytes", counted.bytes_fetched);
                    println!("saved         {saved} bytes");
                }
                Output::Json => json(&serde_json::json!({
                    "stock": stock,
                    "hits": counted.hits,
                    "misses": counted.misses,
                    "bytesServed": counted.bytes_served,
                    "bytesFetched": counted.bytes_fetched,
                    "bytesSaved": saved,
                })),
            }
            Ok(ExitCode::SUCCESS)
        }
        CacheCommand::Verify { output } => {
            let audit = care::audit(&folder)?;
            match output {
                Output::Text => {
                    println!(
                        "whole         {} payloads, {} bytes read",
                        audit.whole, audit.bytes
                    );
                    for gone in &audit.evicted {
                        println!("evicted       {gone}");
                    }
                }
                Output::Json => json(&serde_json::to_value(&audit)?),
            }
            Ok(match audit.evicted.is_empty() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            })
        }
        CacheCommand::Prune {
            to_bytes,
            older_than_days,
            output,
        } => {
            let what = match (to_bytes, older_than_days) {
                (Some(bytes), _) => Prune::ToBytes(bytes),
                (None, days) => {
                    let seconds = i64::from(days.unwrap_or(0)) * 86_400;
                    Prune::CheckedBefore(now_ms / 1_000 - seconds)
                }
            };
            let pruned = care::prune(&folder, what)?;
            match output {
                Output::Text => println!(
                    "gone          {} payloads, {} bytes",
                    pruned.payloads, pruned.bytes
                ),
                Output::Json => json(&serde_json::to_value(pruned)?),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn read_token(path: &std::path::Path) -> anyhow::Result<EnrolmentToken> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read token file {}", path.display()))?;
    text.parse()
        .with_context(|| format!("cannot use token file {}", path.display()))
}

fn show_code(data: &DataDir, clock: &SharedClock, pending: &PendingClaim) {
    let fingerprint = data.fingerprint().map(|f| f.grouped()).unwrap_or_default();
    let shown =
        Status::new(data, clock.now().timestamp_millis(), Standing::Unclaimed).and_then(|status| {
            Status {
                claim_code: pending.claim_code.clone(),
                claim_expires_at_ms: pending.expires_at_ms,
                ..status
            }
            .write(data)
        });
    if let Err(error) = shown {
        eprintln!("warning: {error}");
    }
    eprintln!("type this code in the portal and compare the fingerprint; waiting …");
    println!("claim code   {}", pending.claim_code);
    println!("fingerprint  {fingerprint}");
    let ends = chrono::DateTime::from_timestamp_millis(pending.expires_at_ms);
    if let Some(ends) = ends {
        println!(
            "valid until  {}",
            ends.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        );
    }
}

fn claimed(enrolment: &Enrolment, output: Output) {
    match output {
        Output::Text => println!(
            "claimed      relay {} of site {}",
            enrolment.relay_id, enrolment.site_id
        ),
        Output::Json => println!(
            "{}",
            serde_json::json!({
                "organizationId": enrolment.organization_id,
                "siteId": enrolment.site_id,
                "relayId": enrolment.relay_id,
            })
        ),
    }
}

async fn run(data: DataDir, config: &Config, clock: SharedClock) -> Result<(), RunError> {
    let relay = Relay::start(data, config, clock, Limits::default())?;
    println!("ready listen={}", relay.local_addr()?);
    relay.run_until(stopped()).await
}

/// SIGINT or SIGTERM.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
