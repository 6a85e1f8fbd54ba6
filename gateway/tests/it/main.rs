//! The gateway over real identity data (PostgreSQL) and scripted services.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail")]

mod deadline;
mod http;
mod import;
mod ingress;
mod ledger;
mod limits;
mod once;
mod portal;
mod rights;
mod schema;
mod script;
mod sign;
mod socket;
mod tenancy;
mod world;
