//! `netpatch-loadtest`: how fast the platform is, side by side with another way of doing the same, in one run.
//!
//! A scenario comes from the arguments and a seed, so it can be repeated. Results are a table, and JSON with `--json FILE`. Nothing
//! here checks that the platform is right, except where a wrong answer would make the figure worthless; that stops the run.

mod agents;
mod cache;
mod debsecan;
mod delta;
mod hostile;
mod ingest;
mod matching;
mod normalised;
mod process;
mod report;
mod server;
mod sql_join;
mod wan;
mod world;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(name = "netpatch-loadtest", version, about)]
struct Arguments {
    /// Writes the results as JSON too
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Same seed, same scenario
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Matching: distinct versions against a pack, a new advisory to its hosts, debsecan and a SQL join beside it
    Match(matching::Options),
    /// Sessions: many agents against a real edge, with its rates, latencies and memory, and mosquitto and nats-server beside it
    Agents(agents::Options),
    /// An edge's endpoint without a platform, for the memory of its parts; `agents` starts it
    #[command(hide = true)]
    Hold(agents::HoldOptions),
    /// The payload cache: hits, with nginx, squid and apt-cacher-ng beside it
    Cache(cache::Options),
    /// The payload cache: many hosts and one cold payload over a narrow line, with nginx beside it
    Stampede(cache::StampedeOptions),
    /// The relay's cache without a cloud; `cache` and `stampede` start it
    #[command(hide = true)]
    Front(cache::FrontOptions),
    /// Blindness: a relay that cheats between real hosts and the real edge, and what comes of it
    Hostile(hostile::Options),
    /// Ingestion: reports of many hosts through the inventory service into PostgreSQL, a normalised table beside it
    Ingest(ingest::Options),
    /// The tunnel: bulk over bad lines, with rathole, stunnel and ssh beside it
    Bulk(wan::BulkOptions),
    /// The tunnel: many small requests at once over bad lines, with rathole, stunnel and ssh beside it
    Requests(wan::RequestOptions),
    /// The tunnel: small requests alone, and beside bulk in the same connection
    Yielding(wan::YieldingOptions),
    /// An emulated line; `bulk` and `requests` start it
    #[command(hide = true)]
    WanLine(wan::LineOptions),
    /// The far end of a line; `bulk` and `requests` start it
    #[command(hide = true)]
    WanServe(wan::ServeOptions),
    /// The near end of a line; `bulk` and `requests` start it
    #[command(hide = true)]
    WanAsk(wan::AskOptions),
    /// Bytes on the line for real updates: our recipes beside whole files, xdelta3 and debdelta
    Delta(delta::Options),
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // What the platform would tell its operator.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    log.with_writer(std::io::stderr).init();
    let report = match arguments.what {
        What::Match(options) => matching::run(&options, arguments.seed).await?,
        What::Agents(options) => agents::run(&options, arguments.seed).await?,
        What::Hold(options) => return agents::hold(&options).await,
        What::Cache(options) => cache::run(&options, arguments.seed).await?,
        What::Stampede(options) => cache::stampede(&options, arguments.seed).await?,
        What::Front(options) => return cache::hold_front(&options).await,
        What::Bulk(options) => wan::bulk(&options, arguments.seed)?,
        What::Requests(options) => wan::requests(&options, arguments.seed)?,
        What::Yielding(options) => wan::yielding(&options, arguments.seed)?,
        What::WanLine(options) => return wan::carry(&options, arguments.seed),
        What::WanServe(options) => return wan::serve(&options).await,
        What::WanAsk(options) => return wan::ask(&options).await,
        What::Hostile(options) => hostile::run(&options, arguments.seed).await?,
        What::Ingest(options) => ingest::run(&options, arguments.seed).await?,
        What::Delta(options) => delta::run(&options, arguments.seed)?,
    };
    report.print();
    match arguments.json {
        Some(file) => report.write(&file),
        None => Ok(()),
    }
}
