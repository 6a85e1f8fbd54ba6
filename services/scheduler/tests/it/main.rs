//! The scheduler against a real PostgreSQL, and neighbours made of a few lines.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test that meets an error has failed"
)]

mod agent;
mod automatic;
mod change;
mod crash;
mod deployment;
mod documents;
mod flow;
mod gate;
mod neighbours;
mod process;
mod run;
mod staging;
mod tenancy;
mod world;
