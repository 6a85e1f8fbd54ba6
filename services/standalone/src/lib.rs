//! `netpatch`: the platform in one process, and the tools around it.
//!
//! `serve` is the composition root: it opens what the configuration names (embedded by default: a private PostgreSQL, an
//! S3 server in the process, a bus in the process), makes every role, and hands each the others. Nothing sees this crate.

mod cli;
mod edge;
mod platform;
pub mod roles;
mod serve;

use clap::{Parser, Subcommand};
use netpatch_chassis::{Configuration, Sources};
use std::path::PathBuf;
use std::process::ExitCode;

/// Patch management that can prove what it did.
///
/// Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 warnings or partly failed, 4 not allowed, 5 not found, 6 nobody confirmed, 7 cannot be reached.
#[derive(Parser)]
#[command(name = "netpatch", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the platform: every role in this process.
    Serve(serve::Serve),
    /// Check an evidence pack offline.
    Verify(cli::verify::Verify),
    /// Import advisory feeds, or say how fresh they are.
    #[command(subcommand)]
    Feed(cli::feed::Feed),
    /// Ask what hosts are exposed to, and why.
    #[command(subcommand)]
    Finding(cli::finding::Finding),
    /// Ask about hosts.
    #[command(subcommand)]
    Host(cli::host::Host),
    /// List relays, and claim or replace them by the code that they show.
    #[command(subcommand)]
    Relay(cli::relay::Relay),
    /// Ask about sites, and change what their relays do.
    #[command(subcommand)]
    Site(cli::site::Site),
    /// Write what is known of machines besides what their agents report.
    #[command(subcommand)]
    Asset(cli::asset::Asset),
    /// Write bills of materials.
    #[command(subcommand)]
    Sbom(cli::sbom::Sbom),
    /// Compare versions as their ecosystem does.
    #[command(subcommand)]
    Version(cli::version::Version),
    /// Compute CVSS scores.
    #[command(subcommand)]
    Cvss(cli::cvss::Cvss),
    /// Say which advisories of a pack apply, offline.
    Match(cli::match_::Match),
    /// Check what the platform needs on this machine.
    Doctor(cli::doctor::Doctor),
    /// Print the GraphQL schema (SDL).
    Schema,
}

/// Where the platform keeps its data and how it is configured.
#[derive(clap::Args, Clone)]
pub(crate) struct Place {
    /// Folder of the embedded database, blobs and keys.
    #[arg(long, value_name = "DIR", env = "NETPATCH_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file; `config.default.toml` documents every key.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// Defaults, file, environment, then these flags and the given ones.
    pub(crate) fn configuration(
        &self,
        flags: &[(&str, &str, Option<String>)],
    ) -> anyhow::Result<Configuration> {
        let mut sources = Sources::new();
        if let Some(file) = &self.config {
            sources = sources.file(file);
        }
        sources = sources.process_environment();
        if let Some(folder) = &self.data_dir {
            let folder = std::path::absolute(folder)?;
            sources = sources.flag("--data-dir", "data_dir", folder.to_string_lossy());
        }
        for (flag, key, value) in flags {
            if let Some(value) = value {
                sources = sources.flag(flag, key, value.as_str());
            }
        }
        Ok(sources.load()?)
    }
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Serve(serve) => return serve.run(),
        Command::Verify(verify) => verify.run(),
        Command::Feed(feed) => feed.run(),
        Command::Finding(finding) => finding.run(),
        Command::Host(host) => host.run(),
        Command::Relay(relay) => relay.run(),
        Command::Site(site) => site.run(),
        Command::Asset(asset) => asset.run(),
        Command::Sbom(sbom) => sbom.run(),
        Command::Version(version) => version.run(),
        Command::Cvss(cvss) => cvss.run(),
        Command::Match(match_) => match_.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Schema => {
            print!("{}", netpatch_gateway::sdl());
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("netpatch: {error:#}");
        error
            .downcast_ref::<cli::api::Refused>()
            .map_or(ExitCode::FAILURE, |refused| ExitCode::from(refused.exit))
    })
}
