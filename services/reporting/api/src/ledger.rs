//! The ledger: one append-only Merkle log per organization (RFC 6962 hashing).

use chrono::{DateTime, Utc};
use netpatch_types::{Actor, LedgerEntryId, PageRequest, Sha256, TenantId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Id.
    pub id: LedgerEntryId,
    /// Whose log.
    pub tenant: TenantId,
    /// Index in the log, from 0.
    pub sequence: u64,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// `approval.decided`, `order.signed`, `run.ended`, `policy.changed`, `deployment.changed`, `host.enrolled`, …
    pub action: String,
    /// Who, for people who may read it; the leaf has only a salted hash.
    pub actor: Actor,
    /// What: `deployment:<id>`, `run:<id>`, …
    pub subject: String,
    /// SHA-256 of the signed document that it records, if there is one.
    pub document: Option<Sha256>,
    /// More, as in the leaf.
    pub details: BTreeMap<String, String>,
    /// RFC 6962 leaf hash.
    pub leaf_hash: Sha256,
    /// The leaf's bytes.
    pub leaf: Vec<u8>,
}

/// Entries of one [`LedgerAppend`].
pub const MAX_APPEND: usize = 500;

/// Appends entries, in this order; up to [`MAX_APPEND`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerAppend {
    /// The entries.
    pub entries: Vec<NewLedgerEntry>,
}

/// An entry that has no place yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewLedgerEntry {
    /// The same however often it is sent.
    pub event: Uuid,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What kind of thing.
    pub action: String,
    /// Who.
    pub actor: Actor,
    /// What.
    pub subject: String,
    /// More; no person data.
    pub details: BTreeMap<String, String>,
}

/// Entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LedgerList {
    /// Which part.
    pub page: PageRequest,
    /// Only of this organization.
    pub tenant: Option<TenantId>,
    /// Only these actions; empty: all.
    pub actions: Vec<String>,
    /// Only this subject.
    pub subject: Option<String>,
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerGet {
    /// Which.
    pub id: LedgerEntryId,
}

/// Proof of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerProofGet {
    /// Whose log.
    pub tenant: TenantId,
    /// Which entry.
    pub sequence: u64,
    /// Under which size; `None`: the newest checkpoint.
    pub tree_size: Option<u64>,
}

/// Inclusion proof (RFC 6962 §2.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// Leaves.
    pub tree_size: u64,
    /// Root.
    pub root_hash: Sha256,
    /// Bottom up.
    pub path: Vec<Sha256>,
    /// C2SP checkpoint of exactly this size, when one was signed; else of the newest.
    pub signed_checkpoint: String,
}

/// Proof that a log only grew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyGet {
    /// Whose log.
    pub tenant: TenantId,
    /// Old size.
    pub from: u64,
    /// New size; `None`: the newest checkpoint.
    pub to: Option<u64>,
}

/// Consistency proof (RFC 6962 §2.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// Old size.
    pub from: u64,
    /// New size.
    pub to: u64,
    /// Hashes.
    pub path: Vec<Sha256>,
}

/// The newest checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointGet {
    /// Whose log.
    pub tenant: TenantId,
}

/// A signed head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Leaves.
    pub tree_size: u64,
    /// Root.
    pub root_hash: Sha256,
    /// C2SP signed note.
    pub note: String,
    /// Ed25519, 32 bytes.
    pub public_key: Vec<u8>,
}

/// The ledger key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerKeyGet {}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerKey {
    /// Ed25519, 32 bytes.
    pub public_key: Vec<u8>,
}
