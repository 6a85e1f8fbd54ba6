//! Policy: which patches may go where, when, and who said so.
//!
//! Invariants
//! - Deny by default: nothing is approved unless a rule or enough people approved exactly what would be installed.
//! - An approval is bound to the digest of its content list, signed by the organization's approval key, and usable only
//!   once the ledger has it.
//! - Every change that others must follow is a row: an event in the outbox, or work in `policy.work`. A process that dies
//!   at any point continues from there; handling anything twice changes nothing.
//!
//! Deliberately absent: deployments and orders (scheduler), hosts and groups (inventory), the ledger (reporting).

mod domain;
mod jobs;
mod service;
mod store;

pub use service::{PolicyParts, PolicyService};

/// The migrations of the schema `policy`.
#[must_use]
pub fn migrations() -> netpatch_storage::Migrations {
    netpatch_storage::Migrations::of::<store::migration::Migrator>(store::SCHEMA)
}
