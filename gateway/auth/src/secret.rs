//! Random secrets and their hashes.

use base64::Engine as _;
use rand::TryRngCore as _;
use sha2::Digest as _;

/// 256 random bits in URL-safe base64 behind a prefix.
pub(crate) fn random(prefix: &str) -> String {
    let mut bytes = [0u8; 32];
    // The operating system's generator fails only when there is no operating system to speak of.
    if rand::rngs::OsRng.try_fill_bytes(&mut bytes).is_err() {
        rand::fill(&mut bytes);
    }
    format!(
        "{prefix}{}",
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    )
}

/// How a random secret is stored. Not for passwords: those are guessable and go through argon2id.
pub(crate) fn hash(secret: &str) -> Vec<u8> {
    sha2::Sha256::digest(secret.as_bytes()).to_vec()
}
