//! One installed piece of software. Its package URL is in [`crate::purl`].

use crate::Ecosystem;
use serde::{Deserialize, Serialize};

/// Most components of one host.
pub const MAX_COMPONENTS: usize = 50_000;

/// One (ecosystem, distribution, release, name, version, arch) with its source package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ComponentKey {
    /// The package world.
    pub ecosystem: Ecosystem,
    /// `debian`; empty in a registry.
    pub distribution: String,
    /// `bookworm`; empty in a registry.
    pub release: String,
    /// Package name; binary, with its namespace: `@scope/name`, `group:artifact`.
    pub name: String,
    /// Binary version.
    pub version: String,
    /// `amd64`, `all`.
    pub arch: String,
    /// Source package name.
    pub source: String,
    /// Source version: without a binNMU's `+b1`.
    pub source_version: String,
}
