//! Identity against a real PostgreSQL and a folder of keys.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod bootstrap;
mod certificate;
mod claim;
mod client;
mod delegation;
mod enrolment;
mod idempotency;
mod permission;
mod session;
mod tenancy;
mod world;
