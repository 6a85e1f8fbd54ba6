//! Inventory against real data and a real PostgreSQL, called directly and through router and client.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail")]

mod accuracy;
mod asset;
mod deadline;
mod feed;
mod finding;
mod host;
mod hostile;
mod manifest;
mod matching;
mod patch;
mod plan;
mod process;
mod rights;
mod status;
mod tenancy;
mod world;
