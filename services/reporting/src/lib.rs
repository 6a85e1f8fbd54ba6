//! Reporting: the ledger, compliance history, evidence, reports, webhooks.
//!
//! Invariants
//! - One append-only Merkle log per organization. An entry keeps its place from the moment it is recorded; `OrderLogged`
//!   and `ApprovalLogged` are sent only when the entry stands in the tree under a signed checkpoint.
//! - The signer never signs a smaller or another tree than the last checkpoint in the blob store.
//! - Leaves name no person. Everything is found again by event id: a process that dies anywhere goes on, and nothing is
//!   recorded twice.
//!
//! Deliberately absent: deciding anything. Reporting reads other services' events and tells what happened.

mod domain;
mod jobs;
mod migrations;
mod sealing;
mod service;
mod store;
mod tree;
mod webhook_client;

pub use migrations::migrations;
pub use service::{ReportingParts, ReportingService, ReportingSettings};
pub use webhook_client::WebhookClientError;
