//! What one entry of an organization's ledger says.
//!
//! Invariants: canonical JSON, so that the bytes that were hashed can be made again from what they say; person
//! data only as salted hashes, so that a person can be forgotten without breaking the log.

use crate::encoding::{CanonicalError, to_canonical_json};
use crate::merkle::{Hash, leaf_hash};
use chrono::{DateTime, Utc};
use netpatch_types::{ActorKind, OrganizationId, Sha256};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The version that this code writes.
pub const LEAF_VERSION: u32 = 1;
/// A longer leaf is refused, bytes: entry bundles (<https://c2sp.org/tlog-tiles>) count in 16 bits.
pub const MAX_LEAF_BYTES: usize = 65_535;

/// The action of the entry about a signed approval.
pub const APPROVAL_DECIDED: &str = "approval.decided";
/// The action of the entry about a signed order.
pub const ORDER_SIGNED: &str = "order.signed";
/// The action of the entry about a signed halt.
pub const HALT_SIGNED: &str = "halt.signed";
/// The action of the entry about the end of a run, with the result that its host signed.
pub const RUN_RESULT: &str = "run.ended";

/// Who acted, without saying who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafActor {
    /// The kind of principal.
    pub kind: ActorKind,
    /// SHA-256 of the organization's salt ‖ the principal's id.
    pub hash: Sha256,
}

impl LeafActor {
    /// The salted hash of a principal. The salt is kept by the organization and destroyed to forget.
    #[must_use]
    pub fn new(kind: ActorKind, id: Uuid, salt: &[u8; 32]) -> Self {
        let mut hasher = sha2::Sha256::new();
        hasher.update(salt);
        hasher.update(id.as_bytes());
        Self {
            kind,
            hash: Sha256(hasher.finalize().into()),
        }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerLeaf {
    /// [`LEAF_VERSION`].
    pub version: u32,
    /// Whose ledger.
    pub tenant: OrganizationId,
    /// Position in the ledger, from 0.
    pub sequence: u64,
    /// When it happened (not when it was logged).
    pub at: DateTime<Utc>,
    /// What happened: `order.signed`, `approval.decided`, `run.ended`, …
    pub action: String,
    /// Who did it.
    pub actor: LeafActor,
    /// What it happened to: a kind and an id, `deployment:<uuid>`.
    pub subject: String,
    /// SHA-256 of the payload of the signed document that the entry is about.
    pub digest: Option<Sha256>,
    /// The rest, in words.
    pub details: BTreeMap<String, String>,
}

/// Why bytes are not a leaf.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// Too long.
    #[error("a leaf of {0} bytes is too long")]
    TooLong(usize),
    /// Not the shape.
    #[error("not a ledger leaf: {0}")]
    Shape(#[from] serde_json::Error),
    /// A version that this code does not know.
    #[error("leaf version {0} is not known")]
    Version(u32),
    /// Another spelling of the same entry.
    #[error("the leaf is not in canonical form")]
    NotCanonical,
    /// Cannot be written.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

impl LedgerLeaf {
    /// The bytes that are hashed.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LeafError> {
        let bytes = to_canonical_json(self)?;
        if bytes.len() > MAX_LEAF_BYTES {
            Err(LeafError::TooLong(bytes.len()))
        } else {
            Ok(bytes)
        }
    }

    /// Reads exactly what [`Self::to_bytes`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafError> {
        if bytes.len() > MAX_LEAF_BYTES {
            return Err(LeafError::TooLong(bytes.len()));
        }
        let leaf: Self = serde_json::from_slice(bytes)?;
        if leaf.version != LEAF_VERSION {
            return Err(LeafError::Version(leaf.version));
        }
        if to_canonical_json(&leaf)? == bytes {
            Ok(leaf)
        } else {
            Err(LeafError::NotCanonical)
        }
    }

    /// The hash that stands in the tree.
    pub fn hash(&self) -> Result<Hash, LeafError> {
        Ok(leaf_hash(&self.to_bytes()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf() -> LedgerLeaf {
        LedgerLeaf {
            version: LEAF_VERSION,
            tenant: OrganizationId(Uuid::from_u128(1)),
            sequence: 3,
            at: DateTime::from_timestamp_micros(1_795_000_000_123_456).expect("a time"),
            action: "order.signed".into(),
            actor: LeafActor::new(ActorKind::System, Uuid::nil(), &[5; 32]),
            subject: "deployment:x".into(),
            digest: Some(Sha256::of(b"order")),
            details: [("wave".to_owned(), "1".to_owned())].into(),
        }
    }

    #[test]
    fn a_leaf_has_one_spelling() {
        let bytes = leaf().to_bytes().expect("bytes");
        assert_eq!(LedgerLeaf::parse(&bytes).expect("parses"), leaf());
        let spaced = String::from_utf8(bytes.clone())
            .expect("utf-8")
            .replace(":3", ": 3");
        assert!(matches!(
            LedgerLeaf::parse(spaced.as_bytes()),
            Err(LeafError::NotCanonical)
        ));
        let added = String::from_utf8(bytes)
            .expect("utf-8")
            .replace("{\"action\"", "{\"aaa\":1,\"action\"");
        assert!(matches!(
            LedgerLeaf::parse(added.as_bytes()),
            Err(LeafError::Shape(_))
        ));
    }

    #[test]
    fn the_salt_hides_the_person() {
        let id = Uuid::from_u128(9);
        assert_ne!(
            LeafActor::new(ActorKind::User, id, &[1; 32]).hash,
            LeafActor::new(ActorKind::User, id, &[2; 32]).hash
        );
    }
}
