//! The only SQL of reporting.

pub(crate) mod compliance;
pub(crate) mod ledger;
pub(crate) mod report;
pub(crate) mod webhook;

use netpatch_storage::{StorageError, StorageResult};
use netpatch_types::Sha256;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn digest(bytes: &[u8]) -> StorageResult<Sha256> {
    Sha256::from_slice(bytes).ok_or_else(|| StorageError::Encoding {
        what: "a digest",
        reason: format!("{} bytes", bytes.len()),
    })
}

fn to_json(what: &'static str, value: &impl Serialize) -> StorageResult<serde_json::Value> {
    serde_json::to_value(value).map_err(|error| StorageError::Encoding {
        what,
        reason: error.to_string(),
    })
}

fn from_json<T: DeserializeOwned>(
    what: &'static str,
    value: serde_json::Value,
) -> StorageResult<T> {
    serde_json::from_value(value).map_err(|error| StorageError::Encoding {
        what,
        reason: error.to_string(),
    })
}

/// Sizes and sequences are never negative in the database.
fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn column(value: u64) -> StorageResult<i64> {
    i64::try_from(value).map_err(|error| StorageError::Encoding {
        what: "a count",
        reason: error.to_string(),
    })
}
