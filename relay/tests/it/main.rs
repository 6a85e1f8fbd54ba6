//! The relay against real sockets and disks: upstreams that break, edges that refuse, caches that are torn.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail")]

mod announce;
mod cache;
mod claim;
mod clocks;
mod command;
mod contents;
mod delta;
mod doctor;
mod folder;
mod front;
mod hostile;
mod killed;
mod line;
mod metrics;
mod mirrors;
mod probe;
mod proxied;
mod refused;
mod relay;
mod renewal;
mod staging;
mod stored;
mod uplink;
mod upstream;
mod world;
