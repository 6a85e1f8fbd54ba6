//! The tools around the platform, a file per command.

pub(crate) mod api;
pub(crate) mod asset;
pub(crate) mod cvss;
pub(crate) mod doctor;
pub(crate) mod feed;
pub(crate) mod finding;
pub(crate) mod host;
mod lines;
pub(crate) mod match_;
pub(crate) mod relay;
pub(crate) mod sbom;
pub(crate) mod site;
mod upload;
pub(crate) mod verify;
pub(crate) mod version;

/// How data is printed on stdout.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}
