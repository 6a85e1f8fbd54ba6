//! Background jobs, a file each, idempotent.

mod announce;
mod fetch;
mod reevaluate;
mod rescore;

pub use fetch::FetchOutcome;
