//! The block list: never install.

use serde::{Deserialize, Serialize};

/// The block list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockList {}

/// One line of the block list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockEntry {
    /// Glob over source and binary package names.
    pub package: String,
    /// Why.
    pub reason: String,
}

/// Adds or removes a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockSet {
    /// Glob over source and binary package names.
    pub package: String,
    /// Why.
    pub reason: String,
    /// False removes the line.
    pub blocked: bool,
}
