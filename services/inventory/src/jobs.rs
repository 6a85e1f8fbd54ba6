//! Background jobs, a file each, idempotent.

mod announce;
mod delta;
mod fetch;
mod reevaluate;
mod rescore;
mod stored;

pub use fetch::FetchOutcome;
