//! Secrets of webhooks at rest: AES-256-GCM under a key of the key folder, so that a copy of the database alone opens none.
//!
//! Keys are numbered, `DATA/keys/webhooks/1`, `2`, …; the highest one seals, and each row says which one opens it. To
//! rotate, put 32 random bytes (mode 0600) under the next number: rows follow in the background, and a key that no row names any
//! more may be deleted. A sealed secret belongs to its organization and webhook: in another row it does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use netpatch_storage::KeyFolder;
use netpatch_types::{ServiceError, TenantId, WebhookId};
use std::io;

const NONCE_BYTES: usize = 12;

/// A sealed secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The number of the key that opens it; from 1.
    pub(crate) key: u32,
    /// Nonce, ciphertext, tag.
    pub(crate) bytes: Vec<u8>,
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    /// The key folder.
    #[error("cannot read the key webhooks/{key}: {source}")]
    Folder {
        /// Its number.
        key: u32,
        /// Why.
        source: io::Error,
    },
    /// A key that a row still needs is gone.
    #[error("key webhooks/{0} is missing; restore it from a backup")]
    Missing(u32),
    /// Another key, another row, or damaged bytes.
    #[error("secret does not open with the key webhooks/{0}")]
    Broken(u32),
    /// The cipher refused to seal.
    #[error("secret cannot be sealed with the key webhooks/{0}")]
    Refused(u32),
}

impl From<SealError> for ServiceError {
    fn from(error: SealError) -> Self {
        tracing::error!(%error, "a webhook's secret is not at hand");
        Self::internal()
    }
}

fn name(key: u32) -> String {
    format!("webhooks/{key}")
}

/// The number of the key that seals now.
pub(crate) fn current(keys: &KeyFolder) -> Result<u32, SealError> {
    let mut key = 1;
    loop {
        let next = key + 1;
        match keys.has(&name(next)) {
            Ok(true) => key = next,
            Ok(false) => return Ok(key),
            Err(source) => return Err(SealError::Folder { key: next, source }),
        }
    }
}

fn cipher(keys: &KeyFolder, key: u32) -> Result<RandomizedNonceKey, SealError> {
    let secret = keys
        .secret(&name(key))
        .map_err(|source| SealError::Folder { key, source })?;
    RandomizedNonceKey::new(&AES_256_GCM, &secret).map_err(|_| SealError::Refused(key))
}

fn place(tenant: TenantId, webhook: WebhookId) -> Aad<[u8; 32]> {
    let mut place = [0; 32];
    place[..16].copy_from_slice(tenant.0.as_bytes());
    place[16..].copy_from_slice(webhook.0.as_bytes());
    Aad::from(place)
}

/// Seals a webhook's secret with a key; the first key is made at its first use.
pub(crate) fn seal(
    keys: &KeyFolder,
    key: u32,
    (tenant, webhook): (TenantId, WebhookId),
    secret: &str,
) -> Result<Sealed, SealError> {
    let mut text = secret.as_bytes().to_vec();
    let nonce = cipher(keys, key)?
        .seal_in_place_append_tag(place(tenant, webhook), &mut text)
        .map_err(|_| SealError::Refused(key))?;
    let mut bytes = nonce.as_ref().to_vec();
    bytes.append(&mut text);
    Ok(Sealed { key, bytes })
}

/// Opens a webhook's secret.
pub(crate) fn open(
    keys: &KeyFolder,
    (tenant, webhook): (TenantId, WebhookId),
    sealed: &Sealed,
) -> Result<String, SealError> {
    let key = sealed.key;
    match keys.has(&name(key)) {
        Ok(true) => {}
        Ok(false) => return Err(SealError::Missing(key)),
        Err(source) => return Err(SealError::Folder { key, source }),
    }
    let broken = || SealError::Broken(key);
    let (nonce, text) = sealed
        .bytes
        .split_at_checked(NONCE_BYTES)
        .ok_or_else(broken)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
    let mut text = text.to_vec();
    let opened = cipher(keys, key)?
        .open_in_place(nonce, place(tenant, webhook), &mut text)
        .map_err(|_| broken())?;
    String::from_utf8(opened.to_vec()).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn who(n: u128) -> (TenantId, WebhookId) {
        (Uuid::from_u128(n).into(), Uuid::from_u128(n + 1).into())
    }

    #[test]
    fn a_secret_opens_in_its_own_row_with_its_own_key_only() {
        let folder = tempfile::tempdir().expect("folder");
        let keys = KeyFolder::open(folder.path()).expect("keys");
        let sealed = seal(&keys, 1, who(1), "whsec_a").expect("sealed");
        assert!(!sealed.bytes.windows(5).any(|part| part == b"whsec"));
        assert_eq!(open(&keys, who(1), &sealed).expect("opens"), "whsec_a");
        let again = seal(&keys, 1, who(1), "whsec_a").expect("sealed");
        assert_ne!(again, sealed, "no two are the same");

        let (tenant, webhook) = (who(1).0, who(2).1);
        for other in [who(2), (tenant, webhook)] {
            assert!(matches!(
                open(&keys, other, &sealed),
                Err(SealError::Broken(1))
            ));
        }
        for position in 0..sealed.bytes.len() {
            let mut damaged = sealed.clone();
            damaged.bytes[position] ^= 1;
            assert!(open(&keys, who(1), &damaged).is_err());
        }
        for length in 0..sealed.bytes.len() {
            let torn = Sealed {
                key: 1,
                bytes: sealed.bytes[..length].to_vec(),
            };
            assert!(open(&keys, who(1), &torn).is_err());
        }
    }

    #[test]
    fn the_highest_key_seals_and_a_missing_one_is_named_and_not_made() {
        let folder = tempfile::tempdir().expect("folder");
        let keys = KeyFolder::open(folder.path()).expect("keys");
        assert_eq!(current(&keys).expect("readable"), 1);
        let sealed = seal(&keys, 1, who(1), "a").expect("sealed");
        keys.replace("webhooks/2", &[7; 32]).expect("written");
        assert_eq!(current(&keys).expect("readable"), 2);
        assert_eq!(open(&keys, who(1), &sealed).expect("opens"), "a");
        keys.remove("webhooks/1").expect("removed");
        assert!(matches!(
            open(&keys, who(1), &sealed),
            Err(SealError::Missing(1))
        ));
        assert!(!keys.has("webhooks/1").expect("readable"));
    }
}
