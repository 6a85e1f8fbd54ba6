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
use lan::Lan;
use std::path::PathBuf;

/// `cargo xtask hosts …`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Which LAN the hosts stand on; LANs do not see each other
    #[arg(long, default_value = "dev", global = true, value_parser = lan_name)]
    lan: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Start hosts (and their LAN) that stay until `down`
    Up {
        /// How many
        #[arg(default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=200))]
        count: u8,
        /// A program to make available as /usr/local/bin/NAME in each host; may be repeated
        #[arg(long)]
        program: Vec<PathBuf>,
        /// Let the next command remove them once this process is gone
        #[arg(long, value_name = "PID")]
        owner: Option<u32>,
    },
    /// Run a command inside a host, as its root
    Exec {
        /// The host's name
        host: String,
        /// The command and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
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

/// Becomes part of the names of a folder and of network namespaces.
fn lan_name(text: &str) -> Result<String, String> {
    let is_good =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if text.is_empty() || text.len() > 40 || !text.chars().all(is_good) {
        return Err("up to 40 of a-z, 0-9 and -".to_owned());
    }
    Ok(text.to_owned())
}

/// Runs one command of a developer.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let lan = arguments.lan;
    if let Command::Init(options) = arguments.command {
        return init::run(&options);
    }
    if !setup::has_namespaces() {
        bail!("hosts need root and namespaces");
    }
    match arguments.command {
        Command::Up {
            count,
            program,
            owner,
        } => up(&lan, count, &program, owner),
        Command::Exec { host, command } => {
            shell::run(&mut Lan::open(&lan)?.host(&host)?.exec(&command))
        }
        Command::List => {
            for host in Lan::open(&lan)?.hosts()? {
                println!("{}\t{}", host.name, host.address);
            }
            Ok(())
        }
        Command::Down => {
            sweep::dead_runs()?;
            sweep::remove(&lan)
        }
        Command::Init(_) => Ok(()),
    }
}

fn up(lan: &str, count: u8, programs: &[PathBuf], owner: Option<u32>) -> Result<()> {
    debian::install(debian::HOSTS)?;
    sweep::dead_runs()?;
    let base = rootfs::ensure(&mut |line| eprintln!("{line}"))?;
    let lan = Lan::create(lan, owner)?;
    for number in 1..=count {
        let spec = Spec {
            programs: programs.to_vec(),
            ..Spec::new(&format!("host-{number}"))
        };
        let host = Host::start(&lan, &base, &spec, number + 10)?;
        println!("{}\t{}", host.name, host.address);
        host.leave_running();
    }
    Ok(())
}
