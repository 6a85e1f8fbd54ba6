//! Policy against a real PostgreSQL and an inventory made of a few lines.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod approval;
mod baseline;
mod crash;
mod evaluation;
mod exception;
mod membership;
mod policy;
mod process;
mod tenancy;
mod window;
mod world;
