//! What the organizations have and what it needs: hosts, components, advisories, findings, patches, feeds.
//!
//! Invariants
//! - A manifest is stored only if it hashes to its name; a host points at one, equal hosts share one.
//! - Comparators run once per new component version and feed, not once per host; an unchanged report writes nothing.
//! - A finding opens and closes in the transaction that changes its cause, together with its event.
//! - A feed that broke or shrank is refused; the last good one stays.
//!
//! Deliberately absent: policy (which patch is approved), deadlines, and anything that talks to a host.

pub mod domain;
pub mod pack;
