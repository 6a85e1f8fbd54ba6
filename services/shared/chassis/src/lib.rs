//! The skeleton of every platform process: calls between services, configuration, telemetry, health, shutdown.
//!
//! Invariants: the chassis knows no service and no implementation; whether a callee runs in this process is decided
//! in one function, [`wire`]; the wall clock is read only through a [`netpatch_types::Clock`]. The agent and the
//! relay do not use this crate.

mod allocator;
pub mod configuration;
pub mod health;
pub mod process;
pub mod rpc;
pub mod server;
pub mod service;
pub mod tasks;
pub mod telemetry;

pub use configuration::{Configuration, ConfigurationError, Sources};
pub use health::Health;
pub use process::{App, Process, RunError, run};
pub use rpc::key::{ContextKeys, ContextSigner, ContextVerifier};
pub use rpc::wire::{Remote, WireError, through_rpc, wire};
pub use server::{Server, ServerError};
pub use tasks::{BoxError, TaskError, Tasks};

/// What [`rpc_service!`] expands to needs these; nobody else should.
#[doc(hidden)]
pub mod __private {
    pub use async_trait::async_trait;
    pub use axum::Router;
    pub use netpatch_types::{RequestContext, ServiceResult};
}
