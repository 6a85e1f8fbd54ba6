//! The scheduler: deployments → waves → one signed order each → runs.
//!
//! Invariants
//! - A pure planner ([`domain`]) says what comes next from what stands in the database; the jobs do it, one transaction a
//!   deployment. So a scheduler that is killed and started again at any moment changes nothing.
//! - An order is signed → logged → released. Only the ledger's word (`OrderLogged`) makes it deliverable.
//! - No row a host at plan time: waves are ranges over hashes, the first row of a host is written when its run starts.
//! - The agent's journal is the truth of a run. What the scheduler sets itself is silence, *expired* (before installing),
//!   *reboot did not return* and confirmation; a later word of the agent overrides them.
//! - A halt is signed, stored and released in one transaction, and waits for nobody. Going on takes a new approval, and a
//!   new sequence under which no order of before the halt runs again.
//! - Orders, runs and results name each other: a run exists only for a released order whose range holds the host.
//!
//! Limits: an order carries one of the policy's windows, the one that opens next when it is signed. Whoever may act on some
//! sites only may pause and halt a deployment, but not make, resume or cancel one: waves reach over sites.
//!
//! Deliberately absent: who may approve (policy), what a host needs (inventory), the log itself (reporting).

mod domain;
mod jobs;
mod service;
mod store;

pub use service::{SchedulerParts, SchedulerService};

/// The migrations of the schema `scheduler`.
#[must_use]
pub fn migrations() -> netpatch_storage::Migrations {
    netpatch_storage::Migrations::of::<store::migration::Migrator>(store::SCHEMA)
}
