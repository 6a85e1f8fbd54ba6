//! The gateway over real identity data (PostgreSQL) and scripted services.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail")]

mod deadline;
mod http;
mod import;
mod ingress;
mod json_schema;
mod ledger;
mod limits;
mod once;
mod portal;
mod rights;
mod sbom;
mod schema;
mod script;
mod sign;
mod socket;
mod standing;
mod tenancy;
mod world;
