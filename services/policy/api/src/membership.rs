//! Membership documents: what the agent knows of its place, signed by the approval key.

use netpatch_types::HostId;
use serde::{Deserialize, Serialize};

/// The membership document of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipGet {
    /// Which host.
    pub host: HostId,
    /// The version that the agent holds; 0 for none.
    pub held_version: u64,
}

/// A signed membership document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Grows with each change.
    pub version: u64,
    /// Encoded `netpatch.document.v1.Envelope`.
    pub envelope: Vec<u8>,
}

/// Most hosts of one [`MembershipList`].
pub const MAX_MEMBERSHIPS: usize = 1000;

/// The membership documents of many hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipList {
    /// Each host once, at most [`MAX_MEMBERSHIPS`].
    pub held: Vec<MembershipGet>,
}

/// A newer document than the host holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostMembership {
    /// Whose.
    pub host: HostId,
    /// The document.
    pub membership: Membership,
}

/// The approval key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalKeyGet {}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalKey {
    /// Ed25519, 32 bytes.
    pub public_key: Vec<u8>,
}
