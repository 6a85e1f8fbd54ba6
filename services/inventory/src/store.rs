//! The only SQL of inventory. A file per noun; functions take the transaction, whose type says whose rows they see.

pub(crate) mod advisory;
pub(crate) mod asset;
pub(crate) mod compliance;
pub(crate) mod component;
pub(crate) mod evaluation;
pub(crate) mod exposure;
pub(crate) mod feed;
pub(crate) mod feed_epoch;
pub(crate) mod feed_file;
pub(crate) mod feed_told;
pub(crate) mod finding;
pub(crate) mod group;
pub(crate) mod host;
pub(crate) mod manifest;
pub(crate) mod migrations;
pub(crate) mod patch;
pub(crate) mod payload;
pub(crate) mod probe;
pub(crate) mod refusal;
pub(crate) mod report;
pub(crate) mod scoring;
pub(crate) mod software;
pub(crate) mod sql;
pub(crate) mod update;

use netpatch_storage::StorageError;
use serde::de::DeserializeOwned;

/// Reads a JSON column.
pub(crate) fn decoded<T: DeserializeOwned>(
    what: &'static str,
    value: serde_json::Value,
) -> Result<T, StorageError> {
    serde_json::from_value(value).map_err(|error| StorageError::Encoding {
        what,
        reason: error.to_string(),
    })
}

/// Writes a JSON column.
pub(crate) fn encoded(
    what: &'static str,
    value: &impl serde::Serialize,
) -> Result<serde_json::Value, StorageError> {
    serde_json::to_value(value).map_err(|error| StorageError::Encoding {
        what,
        reason: error.to_string(),
    })
}

/// A dense catalog number; the database keeps them in `integer`.
pub(crate) fn number(value: i32) -> u32 {
    u32::try_from(value).unwrap_or_default()
}

/// The other way.
pub(crate) fn column(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
