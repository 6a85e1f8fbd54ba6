//! Inventory against real data and a real PostgreSQL, called directly and through router and client.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail")]

mod accuracy;
mod asset;
mod compatibility;
mod csaf;
mod deadline;
mod epoch;
mod feed;
mod fetch;
mod finding;
mod fleet;
mod host;
mod hostile;
mod ingest;
mod manifest;
mod matching;
mod msrc;
mod patch;
mod payload;
mod plan;
mod probe;
mod process;
mod rights;
mod rpm;
mod sbom;
mod software;
mod status;
mod tenancy;
mod weights;
mod world;
