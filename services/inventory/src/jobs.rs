//! Background jobs, a file each, idempotent.

mod reevaluate;
mod rescore;
