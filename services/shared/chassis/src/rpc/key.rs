//! The keys that sign request contexts between the platform's own processes.
//!
//! In one process the key is random and dies with it. In the split deployment every service reads the same PKCS#8
//! PEM file (`openssl genpkey -algorithm ed25519`), and public keys of an older or newer file may be trusted beside
//! it, so that a key can be replaced without a pause.

use super::token::{self, TokenError};
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey};
use ed25519_dalek::{SigningKey, VerifyingKey};
use netpatch_types::{RequestContext, SharedClock};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the keys could not be read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("read the request context key {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not an Ed25519 key in PEM.
    #[error("the request context key {path} is no Ed25519 key in PKCS#8 PEM: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the parser says; never the key.
        reason: String,
    },
    /// Others than the owner may read the private key.
    #[error("the request context key {path} may be read by others (mode {mode:o}); make it 0600", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// The key that signs request contexts and the keys that are trusted to.
#[derive(Clone)]
pub struct ContextKeys {
    signing: Arc<SigningKey>,
    trusted: Arc<Vec<VerifyingKey>>,
}

impl fmt::Debug for ContextKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextKeys")
            .field("trusted", &self.trusted.len())
            .finish_non_exhaustive()
    }
}

impl ContextKeys {
    /// A key of this process alone.
    #[must_use]
    pub fn random() -> Self {
        Self::from_signing_key(SigningKey::from_bytes(&rand::random::<[u8; 32]>()))
    }

    /// The keys that are configured; random if none are.
    pub fn from_configuration(rpc: &crate::configuration::Rpc) -> Result<Self, KeyError> {
        let keys = rpc
            .key_file
            .as_deref()
            .map_or_else(|| Ok(Self::random()), Self::from_file)?;
        rpc.trusted_key_files
            .iter()
            .try_fold(keys, |keys, path| keys.trusting(path))
    }

    fn from_signing_key(signing: SigningKey) -> Self {
        let trusted = Arc::new(vec![signing.verifying_key()]);
        Self {
            signing: Arc::new(signing),
            trusted,
        }
    }

    /// The key of a PKCS#8 PEM file, which only its owner may read.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let read = |source| KeyError::Read {
            path: path.to_owned(),
            source,
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(path).map_err(read)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(KeyError::Exposed {
                    path: path.to_owned(),
                    mode,
                });
            }
        }
        let pem = std::fs::read_to_string(path).map_err(read)?;
        let signing = SigningKey::from_pkcs8_pem(&pem).map_err(|error| KeyError::Format {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self::from_signing_key(signing))
    }

    /// Trusts another public key (SPKI PEM) too, while keys are being replaced.
    pub fn trusting(self, path: &Path) -> Result<Self, KeyError> {
        let pem = std::fs::read_to_string(path).map_err(|source| KeyError::Read {
            path: path.to_owned(),
            source,
        })?;
        let key = VerifyingKey::from_public_key_pem(&pem).map_err(|error| KeyError::Format {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let mut trusted = self.trusted.to_vec();
        trusted.push(key);
        Ok(Self {
            trusted: Arc::new(trusted),
            ..self
        })
    }

    /// What a client needs.
    #[must_use]
    pub fn signer(&self, clock: SharedClock) -> ContextSigner {
        ContextSigner {
            key: Arc::clone(&self.signing),
            clock,
        }
    }

    /// What a router needs.
    #[must_use]
    pub fn verifier(&self, clock: SharedClock) -> ContextVerifier {
        ContextVerifier {
            trusted: Arc::clone(&self.trusted),
            clock,
        }
    }
}

/// Signs request contexts.
#[derive(Clone)]
pub struct ContextSigner {
    key: Arc<SigningKey>,
    clock: SharedClock,
}

impl fmt::Debug for ContextSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextSigner").finish_non_exhaustive()
    }
}

impl ContextSigner {
    /// A token for one service, valid from now for at most 60 seconds.
    pub fn sign(&self, audience: &str, ctx: &RequestContext) -> Result<String, TokenError> {
        token::sign(&self.key, audience, ctx, self.clock.now())
    }

    /// The clock deadlines are measured by.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }
}

/// Checks request contexts.
#[derive(Clone)]
pub struct ContextVerifier {
    trusted: Arc<Vec<VerifyingKey>>,
    clock: SharedClock,
}

impl fmt::Debug for ContextVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextVerifier")
            .field("trusted", &self.trusted.len())
            .finish_non_exhaustive()
    }
}

impl ContextVerifier {
    /// The context of a token that was signed for this audience and is still fresh.
    pub fn verify(&self, audience: &str, token: &str) -> Result<RequestContext, TokenError> {
        token::verify(&self.trusted, audience, token, self.clock.now())
    }

    /// The clock deadlines are measured by.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }
}
