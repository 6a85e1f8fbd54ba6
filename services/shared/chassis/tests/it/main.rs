//! One test binary of the chassis, a file per noun.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail")]

mod configuration;
mod health;
mod key;
mod lamp;
mod process;
mod rpc;
mod server;
mod tasks;
mod trace;
