//! Events between services: rows of an outbox, read in commit order, delivered at least once.

use crate::TenantId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How far a consumer has read: everything committed before the snapshot horizon, in (epoch, xid, id) order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Cursor {
    /// Grows when the database is restored from a backup.
    pub epoch: i64,
    /// The writing transaction.
    pub xid: u64,
    /// The row within the transaction.
    pub id: i64,
}

/// One event. `payload` is the JSON of a versioned enum of the service's api crate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventEnvelope {
    /// Where it stands.
    pub cursor: Cursor,
    /// The same however often it is delivered.
    pub id: Uuid,
    /// Whose it is.
    pub tenant: TenantId,
    /// Order holds per aggregate only.
    pub aggregate: String,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// JSON.
    pub payload: serde_json::Value,
}

/// Events behind a cursor, as a consumer asks for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsAfter {
    /// Where the consumer stands.
    pub after: Cursor,
    /// At most this many, 1–1000.
    pub limit: u32,
}

/// What a consumer reads at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventPage {
    /// In order.
    pub events: Vec<EventEnvelope>,
    /// Where to go on.
    pub next: Cursor,
}
