//! Signed documents: DSSE envelopes (<https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>).
//!
//! Invariants: the exact payload bytes are kept, verified first and decoded afterwards; one payload type per
//! document, so that none passes for another; a threshold counts distinct public keys, never key ids.

use crate::encoding::base64_bytes;
use crate::{PublicKey, Signer, SigningFailed};
use netpatch_types::Sha256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// An envelope with more signatures than this is refused.
pub const MAX_SIGNATURES: usize = 32;

/// A signed document. JSON as the specification says: `payloadType`, `payload` (base64), `signatures`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Envelope {
    /// What the payload is, e.g. `application/vnd.netpatch.order.v1+protobuf`.
    pub payload_type: String,
    /// The exact bytes that were signed.
    #[serde(with = "base64_bytes")]
    pub payload: Vec<u8>,
    /// By whom.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    /// A hint which key signed; never trusted.
    #[serde(rename = "keyid")]
    pub key_id: String,
    /// The form that [`PublicKey::verify`] reads.
    #[serde(with = "base64_bytes")]
    pub sig: Vec<u8>,
}

/// The envelope as the wire protocol's `netpatch.document.v1.Envelope` carries it.
#[derive(Clone, PartialEq, prost::Message)]
struct EnvelopeMessage {
    #[prost(string, tag = "1")]
    payload_type: String,
    #[prost(bytes = "vec", tag = "2")]
    payload: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    signatures: Vec<SignatureMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SignatureMessage {
    #[prost(string, tag = "1")]
    key_id: String,
    #[prost(bytes = "vec", tag = "2")]
    signature: Vec<u8>,
}

/// Why an envelope is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Another kind of document.
    #[error("the document is a {found:?}, not a {expected:?}")]
    PayloadType {
        /// What it is.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// More signatures than anybody needs.
    #[error("{0} signatures are more than {MAX_SIGNATURES}")]
    TooManySignatures(usize),
    /// Not a protobuf message.
    #[error("not an envelope: {0}")]
    Protobuf(String),
    /// A threshold of zero would accept everything.
    #[error("a threshold of 0 would accept an unsigned document")]
    NoThreshold,
    /// Not enough of the right keys signed.
    #[error("{valid} of the {threshold} required keys signed")]
    Threshold {
        /// Distinct keys whose signature holds.
        valid: usize,
        /// Distinct keys that had to sign.
        threshold: usize,
    },
}

/// What is signed: the pre-authentication encoding of type and payload.
#[must_use]
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "DSSEv1 {} {} {} ",
        payload_type.len(),
        payload_type,
        payload.len()
    )
    .into_bytes();
    out.extend_from_slice(payload);
    out
}

impl Envelope {
    /// A document signed by each signer in turn.
    pub fn sign(
        payload_type: &str,
        payload: Vec<u8>,
        signers: &[&dyn Signer],
    ) -> Result<Self, SigningFailed> {
        let mut envelope = Self {
            payload_type: payload_type.to_owned(),
            payload,
            signatures: Vec::new(),
        };
        for signer in signers {
            envelope.add_signature(*signer)?;
        }
        Ok(envelope)
    }

    /// Adds one more signature.
    pub fn add_signature(&mut self, signer: &dyn Signer) -> Result<(), SigningFailed> {
        let sig = signer.sign(&pre_authentication_encoding(
            &self.payload_type,
            &self.payload,
        ))?;
        self.signatures.push(EnvelopeSignature {
            key_id: signer.public_key().id().to_string(),
            sig,
        });
        Ok(())
    }

    /// The payload, if it is of this type and at least `threshold` distinct keys of `keys` signed it.
    pub fn verify(
        &self,
        payload_type: &str,
        keys: &[PublicKey],
        threshold: usize,
    ) -> Result<&[u8], EnvelopeError> {
        if self.payload_type != payload_type {
            return Err(EnvelopeError::PayloadType {
                found: self.payload_type.chars().take(120).collect(),
                expected: payload_type.to_owned(),
            });
        }
        if self.signatures.len() > MAX_SIGNATURES {
            return Err(EnvelopeError::TooManySignatures(self.signatures.len()));
        }
        if threshold == 0 {
            return Err(EnvelopeError::NoThreshold);
        }
        let valid = self.signed_by(keys).len();
        if valid < threshold {
            return Err(EnvelopeError::Threshold { valid, threshold });
        }
        Ok(&self.payload)
    }

    /// Which of the keys signed, each once however often it signed or was listed.
    #[must_use]
    pub fn signed_by(&self, keys: &[PublicKey]) -> BTreeSet<PublicKey> {
        let message = pre_authentication_encoding(&self.payload_type, &self.payload);
        let distinct: BTreeSet<PublicKey> = keys.iter().copied().collect();
        let signatures = || self.signatures.iter().take(MAX_SIGNATURES);
        distinct
            .into_iter()
            .filter(|key| signatures().any(|one| key.verify(&message, &one.sig)))
            .collect()
    }

    /// Reads the protobuf form (`gateway/protocol/proto/document.proto`).
    pub fn from_protobuf(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        use prost::Message as _;
        let message = EnvelopeMessage::decode(bytes)
            .map_err(|error| EnvelopeError::Protobuf(error.to_string()))?;
        let signatures = message.signatures.into_iter();
        Ok(Self {
            payload_type: message.payload_type,
            payload: message.payload,
            signatures: signatures
                .map(|one| EnvelopeSignature {
                    key_id: one.key_id,
                    sig: one.signature,
                })
                .collect(),
        })
    }

    /// The protobuf form.
    #[must_use]
    pub fn to_protobuf(&self) -> Vec<u8> {
        use prost::Message as _;
        let signatures = self.signatures.iter();
        EnvelopeMessage {
            payload_type: self.payload_type.clone(),
            payload: self.payload.clone(),
            signatures: signatures
                .map(|one| SignatureMessage {
                    key_id: one.key_id.clone(),
                    signature: one.sig.clone(),
                })
                .collect(),
        }
        .encode_to_vec()
    }

    /// What names the document everywhere: the SHA-256 of the payload bytes. Signatures may be added later.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&self.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ed25519Signer;
    use proptest::prelude::*;

    const TYPE: &str = "application/vnd.netpatch.order.v1+protobuf";

    fn signer(seed: u8) -> Ed25519Signer {
        Ed25519Signer::from_secret(&[seed; 32])
    }

    #[test]
    fn the_encoding_is_the_specifications_example() {
        assert_eq!(
            pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn one_key_twice_is_one() {
        let (one, two) = (signer(1), signer(2));
        let keys = [one.public_key(), two.public_key(), one.public_key()];
        let mut twice = Envelope::sign(TYPE, b"x".to_vec(), &[&one, &one]).expect("signs");
        twice.signatures[1].key_id = "another".into();
        assert_eq!(
            twice.verify(TYPE, &keys, 2),
            Err(EnvelopeError::Threshold {
                valid: 1,
                threshold: 2
            })
        );
        twice.add_signature(&two).expect("signs");
        assert_eq!(twice.verify(TYPE, &keys, 2), Ok(b"x".as_slice()));
    }

    #[test]
    fn a_document_never_passes_for_another_kind() {
        let one = signer(1);
        let mut envelope = Envelope::sign(TYPE, b"x".to_vec(), &[&one]).expect("signs");
        let other = "application/vnd.netpatch.halt.v1+protobuf";
        assert!(matches!(
            envelope.verify(other, &[one.public_key()], 1),
            Err(EnvelopeError::PayloadType { .. })
        ));
        envelope.payload_type = other.into();
        assert!(matches!(
            envelope.verify(other, &[one.public_key()], 1),
            Err(EnvelopeError::Threshold { .. })
        ));
    }

    #[test]
    fn nobodys_signature_is_not_enough() {
        let one = signer(1);
        let envelope = Envelope::sign(TYPE, b"x".to_vec(), &[]).expect("signs");
        assert_eq!(
            envelope.verify(TYPE, &[one.public_key()], 0),
            Err(EnvelopeError::NoThreshold)
        );
        assert!(envelope.verify(TYPE, &[one.public_key()], 1).is_err());
        let strange = Envelope::sign(TYPE, b"x".to_vec(), &[&signer(3)]).expect("signs");
        assert!(strange.verify(TYPE, &[one.public_key()], 1).is_err());
    }

    proptest! {
        #[test]
        fn json_and_protobuf_keep_every_byte(payload: Vec<u8>) {
            let envelope = Envelope::sign(TYPE, payload, &[&signer(1)]).expect("signs");
            let text = serde_json::to_string(&envelope).expect("json");
            prop_assert_eq!(&serde_json::from_str::<Envelope>(&text).expect("json"), &envelope);
            prop_assert_eq!(Envelope::from_protobuf(&envelope.to_protobuf()).expect("protobuf"), envelope);
        }
    }
}
