//! Orders and the other documents that the director key signs.

use netpatch_types::{DeploymentId, HostId, Sha256};
use serde::{Deserialize, Serialize};

/// What a host should hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentsForHost {
    /// Which host.
    pub host: HostId,
    /// SHA-256 of the payloads that it has acknowledged: not sent again.
    pub held: Vec<Sha256>,
}

/// Most hosts of one [`DocumentsForHosts`].
pub const MAX_DOCUMENT_HOSTS: usize = 1000;

/// What many hosts should hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentsForHosts {
    /// Each host once, at most [`MAX_DOCUMENT_HOSTS`].
    pub hosts: Vec<DocumentsForHost>,
}

/// Documents for hosts: one document is for many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostsDocuments {
    /// Each once, oldest first.
    pub documents: Vec<HostDocument>,
    /// Which of them a host should hold and does not, in the same order; hosts that miss none are left out.
    pub missing: Vec<(HostId, Vec<Sha256>)>,
}

/// A document for a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDocument {
    /// SHA-256 of the payload bytes.
    pub digest: Sha256,
    /// Encoded `netpatch.document.v1.Envelope`.
    pub envelope: Vec<u8>,
}

/// An agent's answer to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderAnswered {
    /// Which host.
    pub host: HostId,
    /// SHA-256 of the order's payload bytes.
    pub order: Sha256,
    /// Whether it will run.
    pub accepted: bool,
    /// Closed list of details.md, snake case; empty when accepted.
    pub refusal: String,
    /// For a person.
    pub detail: String,
}

/// May a deployment still run?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreshnessGet {
    /// Which.
    pub deployment: DeploymentId,
}

/// What time is it?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeSign {
    /// SHA-256 of the counter that it answers.
    pub nonce: Vec<u8>,
}

/// A signed document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedBytes {
    /// Encoded `netpatch.document.v1.Envelope`.
    pub envelope: Vec<u8>,
}

/// The director key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectorKeyGet {}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectorKey {
    /// Ed25519, 32 bytes.
    pub public_key: Vec<u8>,
}

/// A signed document that the ledger has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedDocument {
    /// `order`, `approval`, `run_result`, `halt`.
    pub kind: String,
    /// As the ledger entry's: `wave:…` of an order, `approval:…`, `run:…`, `deployment:…` of a halt.
    pub subject: String,
    /// SHA-256 of the payload's bytes: the ledger entry's digest.
    pub digest: Sha256,
    /// Encoded `netpatch.document.v1.Envelope`.
    pub envelope: Vec<u8>,
}
