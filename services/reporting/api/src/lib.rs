//! What reporting proves and tells: ledger, compliance history, evidence, webhooks.
//!
//! Every call needs the right that its documentation names and answers `NotFound` for another organization's ids.

pub mod compliance;
pub mod event;
pub mod ledger;
pub mod report;
pub mod webhook;

pub use compliance::*;
pub use event::*;
pub use ledger::*;
pub use netpatch_types::EventsAfter;
pub use report::*;
pub use webhook::*;

use netpatch_types::{EventPage, Page};
use serde::{Deserialize, Serialize};

/// Nothing to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

netpatch_chassis::rpc_service! {
    /// What reporting proves and tells.
    pub service ReportingApi, ReportingClient, fn reporting_router, "reporting" {
        /// Appends entries for what happens outside the services' events (sign-ins of power, enrolment, claiming): all or none. Their places,
        /// which are durable; the tree grows afterwards. Idempotent by event id. System.
        ledger_append(LedgerAppend) -> Vec<u64>;
        /// Entries, newest first. `LedgerRead`.
        ledger_list(LedgerList) -> Page<LedgerEntry>;
        /// One entry. `LedgerRead`.
        ledger_get(LedgerGet) -> LedgerEntry;
        /// Inclusion proof of an entry under a signed checkpoint. `LedgerRead`.
        ledger_proof(LedgerProofGet) -> InclusionProof;
        /// Consistency proof between two sizes. `LedgerRead`.
        ledger_consistency(ConsistencyGet) -> ConsistencyProof;
        /// The newest signed checkpoint. `LedgerRead`.
        ledger_checkpoint(CheckpointGet) -> Checkpoint;
        /// The ledger key of the organization, made at first use. System.
        ledger_key(LedgerKeyGet) -> LedgerKey;
        /// The newest snapshot at or before a time; without one, as of now and provisional. `Read`.
        compliance_get(ComplianceGet) -> ComplianceSnapshot;
        /// Snapshots, newest first. `Read`.
        compliance_history(ComplianceHistory) -> Page<ComplianceSnapshot>;
        /// Takes a snapshot now. `Report`.
        compliance_snapshot(SnapshotTake) -> ComplianceSnapshot;
        /// Makes a report or an evidence pack. `Report`.
        report_create(ReportCreate) -> Report;
        /// One report. `Report`.
        report_get(ReportGet) -> Report;
        /// Reports, newest first. `Report`.
        report_list(ReportList) -> Page<Report>;
        /// The bytes of a ready report. `Report`.
        report_content(ReportGet) -> ReportContent;
        /// A new webhook endpoint; its secret is in this answer only. `Report`.
        webhook_create(WebhookCreate) -> WebhookCreated;
        /// All endpoints. `Report`.
        webhook_list(WebhookList) -> Vec<Webhook>;
        /// Ends an endpoint. `Report`.
        webhook_delete(WebhookGet) -> Done;
        /// Deliveries of an endpoint, newest first. `Report`.
        webhook_deliveries(DeliveryList) -> Page<Delivery>;
        /// Sends a delivery again. `Report`.
        webhook_replay(DeliveryReplay) -> Delivery;
        /// Events in commit order. System.
        events(EventsAfter) -> EventPage;
    }
}
