//! The evidence pack: one JSON document that lets an auditor check a deployment without trusting the platform.
//!
//! Invariants: the file is canonical JSON and a newline, and the ledger key signs the whole body, so there is no
//! byte that may change unnoticed; unknown fields are refused; every list is bounded. Deliberately absent: names
//! of people, and any address of a mirror or a host.

mod document;
mod report;
mod verify;

#[cfg(test)]
mod tests;

pub use document::{ApprovalFacts, DocumentError, HaltFacts, OrderFacts, RunResultFacts};
pub use report::{Check, Report};
pub use verify::{Options, verify};

use crate::dsse::pre_authentication_encoding;
use crate::encoding::{CanonicalError, base64_bytes, to_canonical_json};
use crate::leaf::{APPROVAL_DECIDED, HALT_SIGNED, ORDER_SIGNED, RUN_RESULT};
use crate::merkle::Hash;
use crate::{Envelope, KeyId, PublicKey, Signer, SigningFailed};
use chrono::{DateTime, Utc};
use netpatch_types::{DeploymentId, HostId, OrganizationId, Severity, Sha256, SiteId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The format that this code writes and reads.
pub const SCHEMA: &str = "netpatch-evidence/1";
/// A larger pack is refused, bytes.
pub const MAX_PACK_BYTES: usize = 256 * 1024 * 1024;
/// More keys, entries or documents than this are refused.
pub const MAX_ITEMS: usize = 250_000;
/// The payload type under which the body is signed.
pub const SEAL_TYPE: &str = "application/vnd.netpatch.evidence.v1+json";

/// What a key may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRole {
    /// Checkpoints and this pack.
    Ledger,
    /// Orders and halts.
    Director,
    /// Approvals.
    Approval,
    /// Run results of one host.
    Host,
}

/// A key and what it may sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackKey {
    /// What it may sign.
    pub role: KeyRole,
    /// Whose identity key it is; only with the role host.
    pub host: Option<HostId>,
    /// The key.
    pub public_key: PublicKey,
}

/// A ledger entry with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackEntry {
    /// Position in the ledger.
    pub sequence: u64,
    /// The leaf's exact bytes.
    #[serde(with = "base64_bytes")]
    pub leaf: Vec<u8>,
    /// Audit path to the root of the checkpoint.
    pub proof: Vec<Hash>,
}

/// What kind of signed document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// An approval.
    Approval,
    /// The order of a wave.
    Order,
    /// What stops orders.
    Halt,
    /// What a host says about its run.
    RunResult,
}

impl DocumentKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Approval, Self::Order, Self::Halt, Self::RunResult];

    /// The only payload type that the document may have.
    #[must_use]
    pub fn payload_type(self) -> &'static str {
        match self {
            Self::Approval => "application/vnd.netpatch.approval.v1+protobuf",
            Self::Order => "application/vnd.netpatch.order.v1+protobuf",
            Self::Halt => "application/vnd.netpatch.halt.v1+protobuf",
            Self::RunResult => "application/vnd.netpatch.run-result.v1+protobuf",
        }
    }

    /// The action of its ledger entry.
    #[must_use]
    pub fn action(self) -> &'static str {
        match self {
            Self::Approval => APPROVAL_DECIDED,
            Self::Order => ORDER_SIGNED,
            Self::Halt => HALT_SIGNED,
            Self::RunResult => RUN_RESULT,
        }
    }

    /// What a person reads.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Order => "order",
            Self::Halt => "halt",
            Self::RunResult => "run result",
        }
    }
}

/// A signed document and the entry that logged it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackDocument {
    /// The kind.
    pub kind: DocumentKind,
    /// Sequence of the ledger entry that carries its digest.
    pub entry: u64,
    /// The document.
    pub envelope: Envelope,
}

/// What the pack is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackSubject {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its name.
    pub name: String,
}

/// Counts of one site and severity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComplianceCount {
    /// The site; `None` for hosts without one.
    pub site: Option<SiteId>,
    /// Findings of this severity are counted.
    pub severity: Severity,
    /// Hosts in all.
    pub hosts: u64,
    /// Hosts without an open finding of the severity.
    pub compliant: u64,
    /// Hosts about which nothing is known.
    pub unknown: u64,
}

/// Compliance at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComplianceState {
    /// When it was counted.
    pub at: DateTime<Utc>,
    /// The counts.
    pub counts: Vec<ComplianceCount>,
}

/// Everything that is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackBody {
    /// [`SCHEMA`].
    pub schema: String,
    /// Whose evidence.
    pub organization: OrganizationId,
    /// When the pack was made.
    pub created_at: DateTime<Utc>,
    /// What it is about.
    pub subject: PackSubject,
    /// Who may sign what.
    pub keys: Vec<PackKey>,
    /// The signed checkpoint to which the proofs lead.
    pub checkpoint: String,
    /// The ledger entries.
    pub entries: Vec<PackEntry>,
    /// The signed documents.
    pub documents: Vec<PackDocument>,
    /// Compliance before the first run, if it was counted.
    pub compliance_before: Option<ComplianceState>,
    /// Compliance when the pack was made.
    pub compliance_after: Option<ComplianceState>,
    /// For people: hosts patched, failed, by whom approved, in words.
    pub summary: BTreeMap<String, String>,
}

/// The signature over the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// SHA-256 of the canonical JSON of the body.
    pub digest: Sha256,
    /// The ledger key.
    pub key_id: KeyId,
    /// By the ledger key, over the DSSE encoding of [`SEAL_TYPE`] and the canonical JSON of the body.
    #[serde(with = "base64_bytes")]
    pub signature: Vec<u8>,
}

/// A sealed pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidencePack {
    /// What is signed.
    pub body: PackBody,
    /// The signature.
    pub seal: Seal,
}

/// A pack cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A value has no canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// The ledger key refused.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
}

impl EvidencePack {
    /// Signs a body with the ledger key.
    pub fn seal(body: PackBody, ledger: &dyn Signer) -> Result<Self, PackError> {
        let bytes = to_canonical_json(&body)?;
        let seal = Seal {
            digest: Sha256::of(&bytes),
            key_id: ledger.public_key().id(),
            signature: ledger.sign(&pre_authentication_encoding(SEAL_TYPE, &bytes))?,
        };
        Ok(Self { body, seal })
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PackError> {
        let mut bytes = to_canonical_json(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
