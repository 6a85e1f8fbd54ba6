//! What a machine is told so that it finds the platform and knows it again.

use crate::graphql::Sha256;
use async_graphql::SimpleObject;

/// The platform itself.
#[derive(Clone, SimpleObject)]
pub struct Platform {
    /// The UDP port of the edge that agents and relays connect to; null when this process does not know it. The host
    /// name is the portal's own.
    pub edge_port: Option<i32>,
    /// SHA-256 of the platform root's public key, which relays are given to know the platform by.
    pub root_fingerprint: Sha256,
}
