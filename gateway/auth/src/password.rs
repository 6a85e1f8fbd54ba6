//! Passwords: argon2id with the parameters of RFC 9106 §4's second recommendation (64 MiB, 3 passes).
//!
//! Invariant: at most four are worked on at once, so that a flood of sign-ins costs 256 MiB and not the machine.

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use netpatch_types::{ServiceError, ServiceResult};
use tokio::sync::Semaphore;

static AT_ONCE: Semaphore = Semaphore::const_new(4);

/// A password of a person is at least this long, in characters.
pub(crate) const SHORTEST: usize = 12;

/// No password is longer, in bytes.
pub(crate) const LONGEST: usize = 1024;

fn hasher() -> Argon2<'static> {
    let params = Params::new(64 * 1024, 3, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// A PHC string. Takes about 0.1 s: runs outside the async workers.
pub(crate) async fn hash(password: String) -> ServiceResult<String> {
    blocking(move || {
        hasher()
            .hash_password(password.as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|_| ServiceError::internal())
    })
    .await?
}

/// Whether the password fits. With `None` the same work is done for nothing, so that time does not tell who exists.
pub(crate) async fn verify(password: String, stored: Option<String>) -> ServiceResult<bool> {
    blocking(move || {
        let Some(stored) = stored else {
            let _ = hasher().hash_password(password.as_bytes());
            return false;
        };
        PasswordHash::new(&stored)
            .is_ok_and(|hash| hasher().verify_password(password.as_bytes(), &hash).is_ok())
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> ServiceResult<T> {
    let _permit = AT_ONCE
        .acquire()
        .await
        .map_err(|_| ServiceError::internal())?;
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ServiceError::internal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let stored = hash("correct horse".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(
            verify("correct horse".into(), Some(stored.clone()))
                .await
                .unwrap()
        );
        assert!(!verify("correct Horse".into(), Some(stored)).await.unwrap());
        assert!(!verify("anything".into(), None).await.unwrap());
    }
}
