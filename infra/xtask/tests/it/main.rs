//! Rules over the whole workspace (which crate may use which, which files the documentation names), and the
//! test hosts for real; and the systemd units.

mod docs;
mod edges;
mod graph;
mod hosts;
mod reach;
mod units;
