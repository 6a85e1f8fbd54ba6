//! Runs: the engine that does what `netpatch-agent-core` decides, and what is told about them.
//!
//! Invariants: the journal is written before a step is taken; one run changes the host at a time; nothing is told
//! that is not in a journal.

pub mod engine;
pub mod report;
pub mod runs;
mod step;

pub use engine::{Advance, Engine};
pub use runs::Runs;
