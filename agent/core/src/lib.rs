//! What an agent decides, without doing it: the states of a run, the journal's format, whether an order is obeyed,
//! what comes next. No IO, no clock, no randomness: time and facts are arguments.

pub mod decide;
pub mod failure;
pub mod journal;
pub mod lease;
pub mod order;
pub mod plan;
pub mod refusal;
pub mod run;

pub use failure::{Failure, FailureCause, Retry};
pub use refusal::{Refusal, Refused};
pub use run::{IllegalTransition, Input, RunState, transition};
