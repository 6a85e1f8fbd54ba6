//! The agent of a host: reports what is installed, obeys signed orders, keeps a journal. Without an approved order the
//! host is never changed.
//!
//! The decisions are `netpatch-agent-core`'s; here stands what touches the host and the network.

pub mod agent;
pub mod clock;
pub mod command;
pub mod counter;
pub mod discovery;
pub mod doctor;
pub mod enrol;
pub mod facts;
pub mod payload;
pub mod provider;
pub mod proxy;
pub mod run;
pub mod scan;
pub mod state;
pub mod supervisor;
pub mod watch;
