//! Reporting against a real PostgreSQL, a real blob store and real HTTP receivers. The other services answer with what
//! a test gives them.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod append;
mod compliance;
mod documents;
mod evidence;
mod ledger;
mod neighbours;
mod process;
mod rig;
mod tables;
mod tenants;
mod webhook;
