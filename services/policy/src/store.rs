//! The only SQL of policy: a file per noun. Every query names the organization besides row-level security.

pub(crate) mod approval;
pub(crate) mod baseline;
pub(crate) mod block;
pub(crate) mod exception;
pub(crate) mod membership;
pub(crate) mod migration;
pub(crate) mod policy;
pub(crate) mod scan;
pub(crate) mod site;
pub(crate) mod window;
pub(crate) mod work;

use netpatch_storage::{StorageError, StorageResult};
use serde::{Serialize, de::DeserializeOwned};

/// The schema.
pub(crate) const SCHEMA: &str = "policy";

/// What was stored as JSON.
fn decode<T: DeserializeOwned>(what: &'static str, value: serde_json::Value) -> StorageResult<T> {
    serde_json::from_value(value).map_err(|error| StorageError::Encoding {
        what,
        reason: error.to_string(),
    })
}

/// What is stored as JSON.
fn encode<T: Serialize>(what: &'static str, value: &T) -> StorageResult<serde_json::Value> {
    serde_json::to_value(value).map_err(|error| StorageError::Encoding {
        what,
        reason: error.to_string(),
    })
}
