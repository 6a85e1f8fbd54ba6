//! What a verifier must read of the signed documents. The messages are parts of the wire protocol's
//! (`gateway/protocol/proto/document.proto`, same field numbers); protobuf readers skip the other fields.

use crate::{Envelope, PublicKey};
use netpatch_types::{ApprovalId, DeploymentId, HostId, OrganizationId, Sha256, WaveId};
use uuid::Uuid;

/// A signed document does not say what it must.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not the protobuf message of its payload type.
    #[error("not a protobuf message: {0}")]
    Protobuf(String),
    /// A field is missing or malformed.
    #[error("the field {0} is missing or malformed")]
    Field(&'static str),
}

#[derive(Clone, PartialEq, prost::Message)]
struct OrderFields {
    #[prost(string, tag = "1")]
    organization_id: String,
    #[prost(string, tag = "2")]
    deployment_id: String,
    #[prost(string, tag = "3")]
    wave_id: String,
    #[prost(uint64, tag = "4")]
    sequence: u64,
    /// Envelopes, still encoded: on the wire a message is bytes.
    #[prost(bytes = "vec", repeated, tag = "14")]
    approvals: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ApprovalFields {
    #[prost(string, tag = "1")]
    approval_id: String,
    #[prost(string, tag = "2")]
    organization_id: String,
    #[prost(string, tag = "7")]
    decision: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RunResultFields {
    #[prost(string, tag = "1")]
    organization_id: String,
    #[prost(string, tag = "2")]
    host_id: String,
    #[prost(string, tag = "3")]
    deployment_id: String,
    #[prost(uint32, tag = "5")]
    attempt: u32,
    #[prost(bytes = "vec", tag = "6")]
    order: Vec<u8>,
    #[prost(string, tag = "7")]
    state: String,
    #[prost(string, tag = "8")]
    cause: String,
    #[prost(bytes = "vec", tag = "15")]
    public_key: Vec<u8>,
}

fn decode<M: prost::Message + Default>(payload: &[u8]) -> Result<M, DocumentError> {
    M::decode(payload).map_err(|error| DocumentError::Protobuf(error.to_string()))
}

fn uuid(text: &str, field: &'static str) -> Result<Uuid, DocumentError> {
    Uuid::parse_str(text).map_err(|_| DocumentError::Field(field))
}

/// What a verifier needs of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFacts {
    /// Whose.
    pub organization: OrganizationId,
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// Of which wave.
    pub wave: WaveId,
    /// Grows per deployment.
    pub sequence: u64,
    /// The approvals on which it rests.
    pub approvals: Vec<Envelope>,
}

impl OrderFacts {
    /// Reads the payload of an order.
    pub fn read(payload: &[u8]) -> Result<Self, DocumentError> {
        let fields: OrderFields = decode(payload)?;
        let approvals: Result<_, _> = fields
            .approvals
            .iter()
            .map(|approval| Envelope::from_protobuf(approval))
            .collect();
        Ok(Self {
            organization: uuid(&fields.organization_id, "organization_id")?.into(),
            deployment: uuid(&fields.deployment_id, "deployment_id")?.into(),
            wave: uuid(&fields.wave_id, "wave_id")?.into(),
            sequence: fields.sequence,
            approvals: approvals.map_err(|_| DocumentError::Field("approvals"))?,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct HaltFields {
    #[prost(string, tag = "1")]
    organization_id: String,
    #[prost(string, tag = "2")]
    deployment_id: String,
}

/// What a verifier needs of a halt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaltFacts {
    /// Whose.
    pub organization: OrganizationId,
    /// Of which deployment.
    pub deployment: DeploymentId,
}

impl HaltFacts {
    /// Reads the payload of a halt.
    pub fn read(payload: &[u8]) -> Result<Self, DocumentError> {
        let fields: HaltFields = decode(payload)?;
        Ok(Self {
            organization: uuid(&fields.organization_id, "organization_id")?.into(),
            deployment: uuid(&fields.deployment_id, "deployment_id")?.into(),
        })
    }
}

/// What a verifier needs of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalFacts {
    /// Its id.
    pub approval: ApprovalId,
    /// Whose.
    pub organization: OrganizationId,
    /// `approve`.
    pub decision: String,
}

impl ApprovalFacts {
    /// Reads the payload of an approval.
    pub fn read(payload: &[u8]) -> Result<Self, DocumentError> {
        let fields: ApprovalFields = decode(payload)?;
        Ok(Self {
            approval: uuid(&fields.approval_id, "approval_id")?.into(),
            organization: uuid(&fields.organization_id, "organization_id")?.into(),
            decision: fields.decision,
        })
    }
}

/// What a verifier needs of a run result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunResultFacts {
    /// Whose.
    pub organization: OrganizationId,
    /// Which host says so.
    pub host: HostId,
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// Which attempt.
    pub attempt: u32,
    /// SHA-256 of the payload of the order that the host obeyed.
    pub order: Sha256,
    /// The run's final state.
    pub state: String,
    /// The failure's cause, empty without one.
    pub cause: String,
    /// The identity key that the result names.
    pub public_key: PublicKey,
}

impl RunResultFacts {
    /// Reads the payload of a run result.
    pub fn read(payload: &[u8]) -> Result<Self, DocumentError> {
        let fields: RunResultFields = decode(payload)?;
        Ok(Self {
            organization: uuid(&fields.organization_id, "organization_id")?.into(),
            host: uuid(&fields.host_id, "host_id")?.into(),
            deployment: uuid(&fields.deployment_id, "deployment_id")?.into(),
            attempt: fields.attempt,
            order: Sha256::from_slice(&fields.order).ok_or(DocumentError::Field("order"))?,
            state: fields.state,
            cause: fields.cause,
            public_key: PublicKey::p256_spki(&fields.public_key)
                .ok_or(DocumentError::Field("public_key"))?,
        })
    }
}

/// A document as the wire protocol encodes it, for tests of those who cannot see the protocol.
#[cfg(test)]
pub(crate) mod encode {
    use super::*;
    use prost::Message as _;

    pub(crate) fn approval(organization: OrganizationId, approval: ApprovalId) -> Vec<u8> {
        ApprovalFields {
            approval_id: approval.to_string(),
            organization_id: organization.to_string(),
            decision: "approve".into(),
        }
        .encode_to_vec()
    }

    pub(crate) fn order(
        organization: OrganizationId,
        deployment: DeploymentId,
        approvals: &[Envelope],
    ) -> Vec<u8> {
        OrderFields {
            organization_id: organization.to_string(),
            deployment_id: deployment.to_string(),
            wave_id: Uuid::from_u128(77).to_string(),
            sequence: 1,
            approvals: approvals.iter().map(Envelope::to_protobuf).collect(),
        }
        .encode_to_vec()
    }

    pub(crate) fn run_result(
        organization: OrganizationId,
        deployment: DeploymentId,
        host: HostId,
        order: Sha256,
        spki: Vec<u8>,
    ) -> Vec<u8> {
        RunResultFields {
            organization_id: organization.to_string(),
            host_id: host.to_string(),
            deployment_id: deployment.to_string(),
            attempt: 1,
            order: order.0.to_vec(),
            state: "succeeded".into(),
            cause: String::new(),
            public_key: spki,
        }
        .encode_to_vec()
    }
}
