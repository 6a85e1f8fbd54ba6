//! One test binary of the chassis, a file per noun.
#![allow(missing_docs)]

mod configuration;
mod lamp;
mod rpc;
