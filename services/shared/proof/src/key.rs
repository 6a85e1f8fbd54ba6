//! Public keys, signers, key ids.
//!
//! Ed25519 for everything the platform signs; ECDSA P-256 (SHA-256, ASN.1 signatures) for the identity keys of
//! hosts, because TPMs have no Ed25519. A signer may live in a file, a TPM or a key service: callers see [`Signer`].

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use ed25519_dalek::Signer as _;
use netpatch_types::Sha256;
use p256::pkcs8::DecodePublicKey as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::str::FromStr;

/// A public key that can check a signature. In text `ed25519:<64 hex digits>` or `p256:<66 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PublicKey {
    /// RFC 8032.
    Ed25519([u8; 32]),
    /// A point on NIST P-256, SEC 1 compressed.
    P256([u8; 33]),
}

/// Names a key: the SHA-256 of its bytes. A hint only; thresholds count distinct [`PublicKey`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub Sha256);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Not a public key of a known kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 or P-256 public key: {0:?}")]
pub struct InvalidPublicKey(pub String);

impl PublicKey {
    /// An Ed25519 key from its 32 bytes; `None` for another length or a point that is not on the curve.
    #[must_use]
    pub fn ed25519(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 32] = bytes.try_into().ok()?;
        ed25519_dalek::VerifyingKey::from_bytes(&bytes).ok()?;
        Some(Self::Ed25519(bytes))
    }

    /// A P-256 key from a SEC 1 point, compressed or not.
    #[must_use]
    pub fn p256(sec1: &[u8]) -> Option<Self> {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(sec1).ok()?;
        key.to_sec1_point(true)
            .as_bytes()
            .try_into()
            .ok()
            .map(Self::P256)
    }

    /// A P-256 key from a SubjectPublicKeyInfo (RFC 5280), as certificates carry it.
    #[must_use]
    pub fn p256_spki(der: &[u8]) -> Option<Self> {
        let key = p256::ecdsa::VerifyingKey::from_public_key_der(der).ok()?;
        key.to_sec1_point(true)
            .as_bytes()
            .try_into()
            .ok()
            .map(Self::P256)
    }

    /// The raw bytes: 32 of Ed25519, 33 of P-256.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(bytes) => bytes,
            Self::P256(bytes) => bytes,
        }
    }

    /// The key's name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId(Sha256::of(self.as_bytes()))
    }

    /// Whether the signature is this key's over the message. Ed25519: 64 bytes, strict. P-256: ASN.1.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(bytes) => ed25519_dalek::VerifyingKey::from_bytes(bytes)
                .and_then(|key| {
                    key.verify_strict(message, &ed25519_dalek::Signature::from_slice(signature)?)
                })
                .is_ok(),
            // Each check-in of each host is verified: this library takes a third of the time that the other one takes.
            Self::P256(bytes) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, bytes)
                .verify(message, signature)
                .is_ok(),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ed25519(bytes) => write!(f, "ed25519:{}", hex::encode(bytes)),
            Self::P256(bytes) => write!(f, "p256:{}", hex::encode(bytes)),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = InvalidPublicKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = match text.split_once(':') {
            Some(("ed25519", rest)) => hex::decode(rest)
                .ok()
                .and_then(|bytes| Self::ed25519(&bytes)),
            Some(("p256", rest)) if rest.len() == 66 => {
                hex::decode(rest).ok().and_then(|bytes| Self::p256(&bytes))
            }
            _ => None,
        };
        parsed.ok_or_else(|| InvalidPublicKey(text.chars().take(80).collect()))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// The signer refused or could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot sign: {0}")]
pub struct SigningFailed(pub String);

/// Something that holds a secret key.
pub trait Signer: Send + Sync {
    /// Which key signs.
    fn public_key(&self) -> PublicKey;
    /// Signs the message itself, not a digest of it; the form is what [`PublicKey::verify`] reads.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed>;
}

/// An Ed25519 secret key in memory.
pub struct Ed25519Signer(ed25519_dalek::SigningKey);

impl Ed25519Signer {
    /// From 32 secret bytes (RFC 8032 §5.1.5).
    #[must_use]
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(secret))
    }
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ed25519Signer")
            .field(&self.public_key())
            .finish()
    }
}

impl Signer for Ed25519Signer {
    fn public_key(&self) -> PublicKey {
        PublicKey::Ed25519(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }
}

/// A P-256 secret key in memory; nonces are deterministic (RFC 6979).
pub struct P256Signer(p256::ecdsa::SigningKey);

impl P256Signer {
    /// From 32 secret bytes; `None` for zero or a number beyond the group order.
    #[must_use]
    pub fn from_secret(secret: &[u8; 32]) -> Option<Self> {
        p256::ecdsa::SigningKey::from_slice(secret).ok().map(Self)
    }

    /// From PKCS #8 (RFC 5958), DER.
    #[must_use]
    pub fn from_pkcs8_der(der: &[u8]) -> Option<Self> {
        use p256::pkcs8::DecodePrivateKey as _;
        p256::ecdsa::SigningKey::from_pkcs8_der(der).ok().map(Self)
    }
}

impl fmt::Debug for P256Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("P256Signer")
            .field(&self.public_key())
            .finish()
    }
}

impl Signer for P256Signer {
    fn public_key(&self) -> PublicKey {
        let mut bytes = [0; 33];
        bytes.copy_from_slice(self.0.verifying_key().to_sec1_point(true).as_bytes());
        PublicKey::P256(bytes)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        let signature: p256::ecdsa::DerSignature =
            p256::ecdsa::signature::Signer::try_sign(&self.0, message)
                .map_err(|error| SigningFailed(error.to_string()))?;
        Ok(signature.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_sign_and_are_told_apart() {
        let ed = Ed25519Signer::from_secret(&[7; 32]);
        let p = P256Signer::from_secret(&[7; 32]).expect("a valid secret");
        for signer in [&ed as &dyn Signer, &p] {
            let signature = signer.sign(b"message").expect("signs");
            assert!(signer.public_key().verify(b"message", &signature));
            assert!(!signer.public_key().verify(b"massage", &signature));
            let text = signer.public_key().to_string();
            assert_eq!(
                text.parse::<PublicKey>().expect("parses"),
                signer.public_key()
            );
        }
        let signature = ed.sign(b"message").expect("signs");
        assert!(!p.public_key().verify(b"message", &signature));
    }

    #[test]
    fn rfc_8032_test_1_holds() {
        let secret: [u8; 32] =
            hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
                .expect("hex")
                .try_into()
                .expect("32");
        let signer = Ed25519Signer::from_secret(&secret);
        assert_eq!(
            signer.public_key().to_string(),
            "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        assert!(
            hex::encode(signer.sign(b"").expect("signs"))
                .starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155")
        );
    }

    /// RFC 6979, A.2.5, with SHA-256: the nonce is the standard's, and what is not exactly the signature is refused.
    #[test]
    fn the_signature_of_rfc_6979_holds_and_no_other_form_of_it() {
        const SECRET: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
        const R: &str = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716";
        const S: &str = "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
        let secret: [u8; 32] = hex::decode(SECRET).expect("hex").try_into().expect("32");
        let signer = P256Signer::from_secret(&secret).expect("a valid secret");
        // ASN.1: a sequence of two integers, each with a zero before its highest bit.
        let signature = hex::decode(format!("3046022100{R}022100{S}")).expect("hex");
        assert_eq!(signer.sign(b"sample").expect("signs"), signature);
        let key = signer.public_key();
        assert!(key.verify(b"sample", &signature));
        for bit in 0..signature.len() * 8 {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.verify(b"sample", &changed), "bit {bit}");
        }
        for length in 0..signature.len() {
            assert!(!key.verify(b"sample", &signature[..length]), "{length}");
        }
        let longer = [signature.as_slice(), &[0]].concat();
        assert!(!key.verify(b"sample", &longer));
        let bare = hex::decode(format!("{R}{S}")).expect("hex");
        assert!(!key.verify(b"sample", &bare));
    }

    #[test]
    fn damaged_keys_are_refused() {
        for text in [
            "",
            "ed25519:",
            "ed25519:00",
            "p256:02",
            "rsa:00",
            &format!("p256:{}", "00".repeat(33)),
        ] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
    }
}
