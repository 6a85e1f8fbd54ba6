//! What the organizations have and what it needs: hosts, components, advisories, findings, patches, feeds.
//!
//! Invariants
//! - A manifest is stored only if it hashes to its name; a host points at one, equal hosts share one.
//! - An unchanged report writes nothing; a new feed is matched per manifest, and only what changed is written.
//! - A finding opens and closes in the transaction that changes its cause, together with its event.
//! - A feed that broke or shrank is refused; the last good one stays.
//! - A difference between payloads is believed by nobody: whoever rebuilds checks the hash. Which ones are made is bounded in every way.
//! - A finding's deadline is computed where its risk is, by the baselines that policy hands over.
//!
//! Deliberately absent: policy (which patch is approved, which baselines are followed), and anything that talks to a host.

pub mod domain;
mod fetch;
mod jobs;
pub mod pack;
mod service;
mod store;

pub use fetch::{FeedSource, FetchError};
pub use jobs::FetchOutcome;
pub use service::{
    DeltaSettings, DeltaStore, FeedSettings, Inventory, PayloadSettings, PayloadStore,
};

use netpatch_storage::Migrations;

/// The migrations of the schema `inventory`.
#[must_use]
pub fn migrations() -> Migrations {
    Migrations::of::<store::migrations::Migrator>(store::migrations::SCHEMA)
}
