//! Signed documents on the wire: a payload type for each document, sealing, and opening by verify-then-decode.
//!
//! The signing rules (DSSE, distinct public keys, thresholds) are `netpatch-proof`'s; here stands which document has
//! which type, so that none passes for another.

use crate::document as doc;
use netpatch_proof::{EnvelopeError, PublicKey, Signer, SigningFailed, dsse};
use netpatch_types::Sha256;
use prost::Message;

/// A message that travels signed.
pub trait Document: Message + Default {
    /// Its DSSE payload type.
    const PAYLOAD_TYPE: &'static str;
}

macro_rules! documents {
    ($($message:ident = $name:literal;)*) => {
        $(impl Document for doc::$message {
            const PAYLOAD_TYPE: &'static str =
                concat!("application/vnd.netpatch.", $name, ".v1+protobuf");
        })*
        /// The payload type of every document.
        pub const PAYLOAD_TYPES: &[&str] = &[$(<doc::$message as Document>::PAYLOAD_TYPE),*];
    };
}

documents! {
    Root = "root";
    Membership = "membership";
    Order = "order";
    Approval = "approval";
    Freshness = "freshness";
    Halt = "halt";
    Time = "time";
    RunResult = "run-result";
}

/// Why a document is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The signatures do not carry it.
    #[error(transparent)]
    Signatures(#[from] EnvelopeError),
    /// Well signed, but not the message that its type says.
    #[error("signed bytes are not a {0}")]
    Garbage(&'static str),
}

/// A document, encoded and signed by each signer in turn.
pub fn seal<D: Document>(
    document: &D,
    signers: &[&dyn Signer],
) -> Result<doc::Envelope, SigningFailed> {
    let sealed = dsse::Envelope::sign(D::PAYLOAD_TYPE, document.encode_to_vec(), signers)?;
    Ok(sealed.into())
}

/// The document, if at least `threshold` distinct keys of `keys` signed its exact bytes under its own type.
pub fn open_envelope<D: Document>(
    envelope: &doc::Envelope,
    keys: &[PublicKey],
    threshold: usize,
) -> Result<D, OpenError> {
    let envelope = dsse::Envelope::from(envelope.clone());
    let payload = envelope.verify(D::PAYLOAD_TYPE, keys, threshold)?;
    D::decode(payload).map_err(|_| OpenError::Garbage(D::PAYLOAD_TYPE))
}

/// As [`open_envelope`] where the document itself says who should have signed it, e.g. a root document checked with
/// the keys of the old version and of the new one: `judge` sees the decoded document and returns each set of keys
/// with its threshold; all must be met. The decoded document is untrusted until this function returns it.
pub fn open_envelope_with<D: Document>(
    envelope: &doc::Envelope,
    judge: impl FnOnce(&D) -> Vec<(Vec<PublicKey>, usize)>,
) -> Result<D, OpenError> {
    let envelope = dsse::Envelope::from(envelope.clone());
    if envelope.payload_type != D::PAYLOAD_TYPE {
        return Err(EnvelopeError::PayloadType {
            found: envelope.payload_type.chars().take(120).collect(),
            expected: D::PAYLOAD_TYPE.to_owned(),
        }
        .into());
    }
    let document =
        D::decode(envelope.payload.as_slice()).map_err(|_| OpenError::Garbage(D::PAYLOAD_TYPE))?;
    let demands = judge(&document);
    if demands.is_empty() {
        return Err(EnvelopeError::NoThreshold.into());
    }
    for (keys, threshold) in demands {
        envelope.verify(D::PAYLOAD_TYPE, &keys, threshold)?;
    }
    Ok(document)
}

impl doc::Envelope {
    /// What names the document everywhere: the SHA-256 of its payload bytes.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&self.payload)
    }

    /// Whether the envelope says it holds this kind of document; nothing is verified.
    #[must_use]
    pub fn is<D: Document>(&self) -> bool {
        self.payload_type == D::PAYLOAD_TYPE
    }
}

impl doc::Root {
    /// The Ed25519 keys of a role (`root`, `director`, `approval`, `ledger`); unreadable keys are left out.
    #[must_use]
    pub fn keys_of(&self, role: &str) -> Vec<PublicKey> {
        self.keys
            .iter()
            .filter(|key| key.role == role)
            .filter_map(|key| PublicKey::ed25519(&key.public_key))
            .collect()
    }
}

impl From<dsse::Envelope> for doc::Envelope {
    fn from(envelope: dsse::Envelope) -> Self {
        let signature = |one: dsse::EnvelopeSignature| doc::Signature {
            key_id: one.key_id,
            signature: one.sig,
        };
        Self {
            payload_type: envelope.payload_type,
            payload: envelope.payload,
            signatures: envelope.signatures.into_iter().map(signature).collect(),
        }
    }
}

impl From<doc::Envelope> for dsse::Envelope {
    fn from(envelope: doc::Envelope) -> Self {
        let signature = |one: doc::Signature| dsse::EnvelopeSignature {
            key_id: one.key_id,
            sig: one.signature,
        };
        Self {
            payload_type: envelope.payload_type,
            payload: envelope.payload,
            signatures: envelope.signatures.into_iter().map(signature).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_proof::{Ed25519Signer, P256Signer};
    use proptest::prelude::*;

    fn signer(seed: u8) -> Ed25519Signer {
        Ed25519Signer::from_secret(&[seed; 32])
    }

    fn halt() -> doc::Halt {
        doc::Halt {
            deployment_id: "d".into(),
            sequence: 7,
            ..doc::Halt::default()
        }
    }

    #[test]
    fn a_sealed_document_opens_with_the_right_keys_only() {
        let (one, two) = (signer(1), signer(2));
        let envelope = seal(&halt(), &[&one]).expect("signs");
        assert_eq!(
            open_envelope::<doc::Halt>(&envelope, &[one.public_key()], 1),
            Ok(halt())
        );
        assert!(open_envelope::<doc::Halt>(&envelope, &[two.public_key()], 1).is_err());
        assert!(open_envelope::<doc::Halt>(&envelope, &[one.public_key()], 2).is_err());
        let mut changed = envelope.clone();
        changed.payload[0] ^= 1;
        assert!(open_envelope::<doc::Halt>(&changed, &[one.public_key()], 1).is_err());
    }

    #[test]
    fn a_halt_does_not_pass_for_a_freshness() {
        let one = signer(1);
        let mut envelope = seal(&halt(), &[&one]).expect("signs");
        let keys = [one.public_key()];
        assert!(open_envelope::<doc::Freshness>(&envelope, &keys, 1).is_err());
        envelope.payload_type = doc::Freshness::PAYLOAD_TYPE.into();
        assert!(open_envelope::<doc::Freshness>(&envelope, &keys, 1).is_err());
    }

    #[test]
    fn types_are_distinct() {
        let distinct: std::collections::BTreeSet<_> = PAYLOAD_TYPES.iter().collect();
        assert_eq!(distinct.len(), PAYLOAD_TYPES.len());
        assert_eq!(
            doc::RunResult::PAYLOAD_TYPE,
            "application/vnd.netpatch.run-result.v1+protobuf"
        );
    }

    #[test]
    fn a_run_result_is_signed_by_the_hosts_identity_key() {
        let host = P256Signer::from_secret(&[9; 32]).expect("valid");
        let envelope = seal(&doc::RunResult::default(), &[&host]).expect("signs");
        assert!(open_envelope::<doc::RunResult>(&envelope, &[host.public_key()], 1).is_ok());
    }

    #[test]
    fn a_new_root_needs_the_old_and_the_new_keys() {
        let (old, new) = (signer(1), signer(2));
        let root = doc::Root {
            version: 2,
            keys: vec![doc::RoleKey {
                role: "root".into(),
                public_key: new.public_key().as_bytes().to_vec(),
            }],
            ..doc::Root::default()
        };
        let judge =
            |root: &doc::Root| vec![(vec![signer(1).public_key()], 1), (root.keys_of("root"), 1)];
        let by_both = seal(&root, &[&old, &new]).expect("signs");
        assert!(open_envelope_with(&by_both, judge).is_ok());
        for alone in [&old, &new] {
            let by_one = seal(&root, &[alone]).expect("signs");
            assert!(open_envelope_with(&by_one, judge).is_err());
        }
        assert!(open_envelope_with::<doc::Root>(&by_both, |_| Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes: Vec<u8>) {
            if let Ok(envelope) = doc::Envelope::decode(bytes.as_slice()) {
                prop_assert!(open_envelope::<doc::Order>(&envelope, &[signer(1).public_key()], 1).is_err());
            }
            let _ = doc::Order::decode(bytes.as_slice());
        }
    }
}
