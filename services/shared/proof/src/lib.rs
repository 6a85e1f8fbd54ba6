//! Proof without trust: Merkle tree, signed checkpoint, signed documents, evidence pack.
//!
//! Invariants: no IO, no async, time is an argument; outside input is bounded and never panics; the exact bytes
//! that were signed or hashed are kept. Everything here is small enough to be read by an auditor, who checks a
//! pack with the program `netpatch-verify` and trusts neither the platform nor the network.

pub mod checkpoint;
pub mod dsse;
pub mod encoding;
pub mod key;
pub mod leaf;
pub mod merkle;
pub mod note;
pub mod pack;

pub use checkpoint::Checkpoint;
pub use dsse::{Envelope, EnvelopeError, EnvelopeSignature};
pub use encoding::to_canonical_json;
pub use key::{Ed25519Signer, KeyId, P256Signer, PublicKey, Signer, SigningFailed};
pub use leaf::{LeafActor, LedgerLeaf};
pub use pack::EvidencePack;
