//! The relay of a site: carries agents' sessions to the edge without reading them, and keeps payloads for the site.
//!
//! ```text
//! agents ──QUIC, LAN──► agents.rs ──┬─ session, enrol ─► uplink.rs ══ one QUIC connection ══► edge
//!                                   └─ payload ─► cache.rs ──► disk, else the repository's upstreams, else what the platform keeps
//!                                   turned away by refused.rs ◄── whom the platform does not admit ── edge
//! hosts  ◄──TCP connects, where the site allows it── probe.rs ◄── what they say they listen on ── edge
//! ```
//!
//! Invariants: payload bytes are served only after they were hashed against the digest that the relay took when it
//! stored them, or as they arrive from upstream; only repositories of the site's settings are served; the relay can
//! neither read nor forge a session; every task is owned and stops when its owner is dropped. No database: the cache
//! is files, and its index is rebuilt from them at start.

pub mod agents;
pub mod announce;
pub mod cache;
pub mod claim;
pub mod config;
pub mod counters;
pub mod data;
mod delta;
pub mod doctor;
pub mod files;
pub mod front;
pub mod line;
mod metrics;
mod patient;
mod probe;
mod refused;
pub mod renew;
pub mod run;
pub mod staging;
pub mod status;
mod stored;
pub mod uplink;

pub use config::Config;
pub use data::{DataDir, Enrolment, PendingClaim};
pub use run::{Relay, RunError};
