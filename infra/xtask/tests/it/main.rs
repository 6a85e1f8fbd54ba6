//! Rules over the whole workspace: which crate may use which, and what may be linked at all.

mod deny;
mod edges;
mod graph;
mod reach;
