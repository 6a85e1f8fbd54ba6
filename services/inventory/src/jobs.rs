//! Background jobs, a file each, idempotent.

mod announce;
mod delta;
mod fetch;
mod reevaluate;
mod rescore;

pub use fetch::FetchOutcome;
