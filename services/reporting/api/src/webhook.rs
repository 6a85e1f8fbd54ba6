//! Webhooks with Standard Webhooks signatures (<https://www.standardwebhooks.com>), thin events.

use chrono::{DateTime, Utc};
use netpatch_types::{PageRequest, TenantId, WebhookDeliveryId, WebhookId};
use serde::{Deserialize, Serialize};

/// Kinds of events that are sent.
pub const WEBHOOK_EVENTS: [&str; 8] = [
    "approval.requested",
    "deployment.wave.halted",
    "deployment.run.failed",
    "finding.critical",
    "asset.changed",
    "asset.imported",
    "asset.linked",
    "asset.deleted",
];

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Id.
    pub id: WebhookId,
    /// Whose.
    pub tenant: TenantId,
    /// Where to.
    pub url: String,
    /// Which events; empty: all.
    pub events: Vec<String>,
    /// Why it is off; empty: it is on.
    pub disabled_reason: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A new endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookCreate {
    /// HTTPS, to a public address.
    pub url: String,
    /// Which events; empty: all.
    pub events: Vec<String>,
}

/// A new endpoint with its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookCreated {
    /// The endpoint.
    pub webhook: Webhook,
    /// `whsec_…`; shown once.
    pub secret: String,
}

/// All endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookList {}

/// One endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookGet {
    /// Which.
    pub id: WebhookId,
}

/// Deliveries of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryList {
    /// Which endpoint.
    pub webhook: WebhookId,
    /// Which part.
    pub page: PageRequest,
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Id, the `webhook-id` header.
    pub id: WebhookDeliveryId,
    /// To which endpoint.
    pub webhook: WebhookId,
    /// Which event.
    pub event: String,
    /// The body.
    pub body: String,
    /// Tries so far.
    pub attempts: u32,
    /// HTTP status of the last try.
    pub last_status: Option<u16>,
    /// Why the last try failed; empty when it did not.
    pub last_error: String,
    /// When it arrived.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it is tried next.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Sends a delivery again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReplay {
    /// Which.
    pub id: WebhookDeliveryId,
}
