//! Real Debian hosts on one machine: a root file system per host as an overlay over a shared base, and
//! mount, PID, UTS, IPC and network namespaces of its own.
//!
//! Invariants: a host has no default route and no resolver, so that only what stands on its LAN can be
//! reached; everything a LAN consists of is named in its folder under [`lan::RUN`], so that the next run
//! can remove what a killed one left behind ([`sweep`]); changes of a host live on tmpfs and are gone
//! when it stops.

pub(crate) mod host;
mod init;
pub(crate) mod lan;
pub(crate) mod rootfs;
pub(crate) mod sources;
pub(crate) mod sweep;

use crate::setup::{self, debian};
use crate::shell;
use anyhow::{Result, bail};
use host::{Host, Spec};
use lan::{Lan, Owner};

const LAN: &str = "dev";

/// `cargo xtask hosts …`
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Start hosts (and their LAN) that stay until `down`
    Up {
        /// How many
        #[arg(default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=200))]
        count: u8,
        /// A program to make available as /usr/local/bin/NAME in each host; may be repeated
        #[arg(long)]
        program: Vec<std::path::PathBuf>,
    },
    /// Run a command inside a host, as its root
    Exec {
        /// The host's name
        host: String,
        /// The command and its arguments
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
    /// List the hosts and their addresses
    List,
    /// Stop all hosts and remove everything that `up` made
    Down,
    /// What a host runs as its first process
    #[command(hide = true)]
    Init(init::Options),
}

/// Runs one command of a developer.
pub(crate) fn run(command: Command) -> Result<()> {
    if let Command::Init(options) = command {
        return init::run(&options);
    }
    if !setup::has_namespaces() {
        bail!("hosts need root and namespaces");
    }
    match command {
        Command::Up { count, program } => {
            debian::install(debian::HOSTS)?;
            sweep::dead_runs()?;
            let base = rootfs::ensure(&mut |line| eprintln!("{line}"))?;
            let lan = Lan::create(LAN, Owner::Nobody)?;
            for number in 1..=count {
                let spec = Spec {
                    programs: program.clone(),
                    ..Spec::new(&format!("host-{number}"))
                };
                let host = Host::start(&lan, &base, &spec, number + 10)?;
                println!("{}\t{}", host.name, host.address);
                host.leave_running();
            }
            Ok(())
        }
        Command::Exec { host, command } => shell::run(
            Lan::open(LAN)?
                .host(&host)?
                .exec(&command)
                .env_remove("RUST_BACKTRACE"),
        ),
        Command::List => {
            for host in Lan::open(LAN)?.hosts()? {
                println!("{}\t{}", host.name, host.address);
            }
            Ok(())
        }
        Command::Down => {
            sweep::dead_runs()?;
            sweep::remove(LAN)
        }
        Command::Init(_) => Ok(()),
    }
}
