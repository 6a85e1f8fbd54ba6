//! Payloads that the platform keeps, for relays whose mirrors have them no more.

use netpatch_types::Sha256;
use serde::{Deserialize, Serialize};

/// Most payloads that are to be kept in one request.
pub const MAX_STORED_PAYLOADS: usize = 5_000;

/// A payload and where it lies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPayloadGet {
    /// Where hosts of the organization say that it lies; whether with http or https makes no difference for finding that.
    pub url: String,
    /// What it is.
    pub sha256: Sha256,
}

/// A payload that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPayload {
    /// Key of its blob.
    pub blob: String,
}

/// Payloads that hosts of the organization will need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadsStore {
    /// First needed first, at most [`MAX_STORED_PAYLOADS`].
    pub payloads: Vec<StoredPayloadGet>,
}
