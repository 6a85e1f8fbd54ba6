//! Cross-service tests: every role over one real PostgreSQL, in both topologies; and the program itself, also killed.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail")]

mod api;
mod asset;
mod cli;
mod cut;
mod cvss;
mod delta;
mod direct;
mod faults;
mod holes;
mod homecoming;
mod host;
mod kept;
mod killed;
mod line;
mod link;
mod match_;
mod offline;
mod outbox;
mod probe;
mod program;
mod refused;
mod relay;
mod renewal;
mod sandbox;
mod scan_schedule;
mod site;
mod staging;
mod stored;
mod the_loop;
mod version;
