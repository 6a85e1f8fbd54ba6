//! Real Debian hosts in namespaces.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// nothing yet
    List,
}
pub(crate) fn run(_command: Command) -> anyhow::Result<()> {
    anyhow::bail!("not there yet")
}
