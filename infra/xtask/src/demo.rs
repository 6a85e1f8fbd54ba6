//! `cargo xtask demo`
use crate::workspace::Target;
use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Do the same without staying; exit non-zero if any step did not happen
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let _ = options.check;
    anyhow::bail!("the demo is not there yet")
}

pub(crate) fn check(_target: &Target) -> Result<()> {
    anyhow::bail!("the demo is not there yet")
}
