//! Rules over the whole workspace: which crate may use which, and what may be linked at all; and
//! the test hosts, for real.

mod deny;
mod docs;
mod edges;
mod graph;
mod hosts;
mod reach;
