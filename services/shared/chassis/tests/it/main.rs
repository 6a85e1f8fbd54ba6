//! One test binary of the chassis, a file per noun.
#![allow(missing_docs)]

mod configuration;
mod health;
mod key;
mod lamp;
mod process;
mod rpc;
mod server;
mod tasks;
mod trace;
