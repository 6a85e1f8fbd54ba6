//! `cargo xtask bench`: the load tests in a release build, with the programs of others that they are measured beside.

use crate::setup::{debian, rathole};
use crate::shell;
use crate::workspace::{Target, root};
use anyhow::{Result, bail};
use std::ffi::OsString;

/// What is built: the load generator and what it starts.
const PACKAGES: [&str; 3] = ["netpatch-loadtest", "netpatch", "netpatch-relay"];

/// The load tests, beside the programs that people use today
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Install those programs, most of them from Debian
    #[arg(long)]
    setup: bool,
    /// What `netpatch-loadtest` is to do, e.g. `agents --pack DIR`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// The command.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !options.setup && options.words.is_empty() {
        bail!("say --setup, what to measure, or both: cargo xtask bench --setup agents --pack DIR");
    }
    if options.setup {
        let missing = debian::missing(debian::PEERS);
        debian::install(debian::PEERS)?;
        rathole::install()?;
        if !missing.is_empty() {
            eprintln!(
                "    Debian starts some of them as services; the load tests start their own and need none of those"
            );
        }
    }
    if options.words.is_empty() {
        return Ok(());
    }
    let target = Target::choose()?;
    let packages = PACKAGES.map(|name| format!("--package={name}"));
    shell::run(
        shell::command("cargo")
            .args(["build", "--release", "--locked", "--bins"])
            .args(packages)
            .current_dir(root())
            .env("CARGO_TARGET_DIR", &target.folder),
    )?;
    let program = target.folder.join("release/netpatch-loadtest");
    let mut path = vec![rathole::folder()?];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    shell::run(
        std::process::Command::new(program)
            .args(&options.words)
            .env("PATH", std::env::join_paths(path)?),
    )
}
