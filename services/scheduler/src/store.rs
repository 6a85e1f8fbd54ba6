//! The scheduler's SQL.

pub(crate) mod automatic;
pub(crate) mod deployment;
pub(crate) mod document;
pub(crate) mod migration;
pub(crate) mod run;
pub(crate) mod wave;

/// The schema.
pub(crate) const SCHEMA: &str = "scheduler";
