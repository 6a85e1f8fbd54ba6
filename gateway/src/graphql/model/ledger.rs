//! The ledger and its proofs.

use super::Actor;
use super::group::{Label, labels};
use crate::graphql::context::{Session, absent};
use crate::graphql::{DateTime, Result, Sequence, Sha256, session};
use async_graphql::{Context, ID, Object, SimpleObject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use netpatch_reporting_api as reporting;
use netpatch_types::{LedgerEntryId, OrganizationId};

/// An entry of an organization's append-only log.
#[derive(Clone)]
pub struct LedgerEntry(pub reporting::LedgerEntry);

/// An entry of an organization's append-only log.
#[Object]
impl LedgerEntry {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// Index in the log, from 0.
    async fn sequence(&self) -> Sequence {
        self.0.sequence.into()
    }

    /// RFC 6962 leaf hash.
    async fn leaf_hash(&self) -> Sha256 {
        self.0.leaf_hash.into()
    }

    /// Base64 of the leaf's bytes.
    async fn leaf(&self) -> String {
        STANDARD.encode(&self.0.leaf)
    }

    /// What kind of thing happened.
    async fn action(&self) -> &str {
        &self.0.action
    }

    /// Who; the leaf has only a salted hash.
    async fn actor(&self) -> Actor {
        (&self.0.actor).into()
    }

    /// What it is about.
    async fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Digest of the signed document that it records.
    async fn document(&self) -> Option<Sha256> {
        self.0.document.map(Sha256)
    }

    /// More, as in the leaf.
    async fn details(&self) -> Vec<Label> {
        labels(&self.0.details)
    }

    /// When it happened.
    async fn at(&self) -> DateTime {
        self.0.at.into()
    }

    /// Proof that the log has it, under a size of the log or under the newest checkpoint; null while no checkpoint covers it.
    #[graphql(complexity = 10)]
    async fn proof(
        &self,
        ctx: &Context<'_>,
        tree_size: Option<Sequence>,
    ) -> Result<Option<InclusionProof>> {
        let session = session(ctx)?;
        let get = reporting::LedgerProofGet {
            tenant: self.0.tenant,
            sequence: self.0.sequence,
            tree_size: tree_size.map(|size| size.0),
        };
        let proof = session
            .apis
            .reporting
            .ledger_proof(&session.inside(self.0.tenant)?, get)
            .await;
        Ok(absent(proof)?.map(InclusionProof::from))
    }
}

/// RFC 6962 inclusion proof under a signed head.
#[derive(Clone, SimpleObject)]
pub struct InclusionProof {
    /// Leaves.
    pub tree_size: Sequence,
    /// Root.
    pub root_hash: Sha256,
    /// Bottom up.
    pub path: Vec<Sha256>,
    /// C2SP checkpoint.
    pub signed_checkpoint: String,
}

impl From<reporting::InclusionProof> for InclusionProof {
    fn from(proof: reporting::InclusionProof) -> Self {
        Self {
            tree_size: proof.tree_size.into(),
            root_hash: proof.root_hash.into(),
            path: proof.path.into_iter().map(Sha256).collect(),
            signed_checkpoint: proof.signed_checkpoint,
        }
    }
}

/// A signed head of the log.
#[derive(Clone, SimpleObject)]
pub struct Checkpoint {
    /// Leaves.
    pub tree_size: Sequence,
    /// Root.
    pub root_hash: Sha256,
    /// C2SP signed note.
    pub note: String,
    /// Base64 of the Ed25519 key, 32 bytes.
    pub public_key: String,
}

impl From<reporting::Checkpoint> for Checkpoint {
    fn from(checkpoint: reporting::Checkpoint) -> Self {
        Self {
            tree_size: checkpoint.tree_size.into(),
            root_hash: checkpoint.root_hash.into(),
            note: checkpoint.note,
            public_key: STANDARD.encode(checkpoint.public_key),
        }
    }
}

/// Proof that the log only grew.
#[derive(Clone, SimpleObject)]
pub struct ConsistencyProof {
    /// Old size.
    pub from: Sequence,
    /// New size.
    pub to: Sequence,
    /// Hashes, RFC 6962 §2.1.2.
    pub path: Vec<Sha256>,
}

impl From<reporting::ConsistencyProof> for ConsistencyProof {
    fn from(proof: reporting::ConsistencyProof) -> Self {
        Self {
            from: proof.from.into(),
            to: proof.to.into(),
            path: proof.path.into_iter().map(Sha256).collect(),
        }
    }
}

/// One entry; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: LedgerEntryId,
) -> Result<Option<LedgerEntry>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    Ok(absent(
        session
            .apis
            .reporting
            .ledger_get(&ctx, reporting::LedgerGet { id })
            .await,
    )?
    .map(LedgerEntry))
}
