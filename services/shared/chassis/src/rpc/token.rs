//! The signed form of a request context: `base64url(JSON).base64url(Ed25519 signature)`.
//!
//! The signature covers a fixed prefix and the exact bytes of the JSON, which are verified before they are decoded.
//! A token names its audience, so that one service cannot pass a context that it received on as its own to another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use netpatch_types::RequestContext;
use serde::{Deserialize, Serialize};

/// How long a token is valid, in seconds.
pub const LIFETIME_SECONDS: i64 = 60;

/// How far the clocks of two machines may be apart, in seconds.
const SKEW_SECONDS: i64 = 5;

/// Keeps these signatures apart from all others.
const DOMAIN: &[u8] = b"netpatch-context-v1\n";

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No token came.
    #[error("the request context is missing")]
    Missing,
    /// The token is not of this form.
    #[error("the request context is damaged")]
    Damaged,
    /// No trusted key signed it.
    #[error("the request context is not signed by a trusted key")]
    Signature,
    /// Signed for another service.
    #[error("the request context is for the service {0}")]
    Audience(String),
    /// Too old, not yet valid, or valid for too long.
    #[error("the request context is expired or not yet valid")]
    Expired,
    /// The context cannot be written as JSON.
    #[error("the request context cannot be written")]
    Encode,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims<C> {
    aud: String,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    iat: DateTime<Utc>,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    exp: DateTime<Utc>,
    ctx: C,
}

pub(super) fn sign(
    key: &SigningKey,
    audience: &str,
    ctx: &RequestContext,
    now: DateTime<Utc>,
) -> Result<String, TokenError> {
    let claims = Claims {
        aud: audience.to_owned(),
        iat: now,
        exp: now + Duration::seconds(LIFETIME_SECONDS),
        ctx,
    };
    let payload = serde_json::to_vec(&claims).map_err(|_| TokenError::Encode)?;
    let signature = key.sign(&message(&payload));
    Ok(format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(&payload),
        URL_SAFE_NO_PAD.encode(signature.to_bytes())
    ))
}

pub(super) fn verify(
    trusted: &[VerifyingKey],
    audience: &str,
    token: &str,
    now: DateTime<Utc>,
) -> Result<RequestContext, TokenError> {
    let (payload, signature) = token.split_once('.').ok_or(TokenError::Damaged)?;
    let payload = URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_| TokenError::Damaged)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| TokenError::Damaged)?;
    let signature = Signature::from_slice(&signature).map_err(|_| TokenError::Damaged)?;
    let message = message(&payload);
    if !trusted
        .iter()
        .any(|key| key.verify_strict(&message, &signature).is_ok())
    {
        return Err(TokenError::Signature);
    }
    let claims: Claims<RequestContext> =
        serde_json::from_slice(&payload).map_err(|_| TokenError::Damaged)?;
    if claims.aud != audience {
        return Err(TokenError::Audience(claims.aud));
    }
    let too_long = claims.exp - claims.iat > Duration::seconds(LIFETIME_SECONDS);
    if too_long || now >= claims.exp || now < claims.iat - Duration::seconds(SKEW_SECONDS) {
        return Err(TokenError::Expired);
    }
    Ok(claims.ctx)
}

fn message(payload: &[u8]) -> Vec<u8> {
    [DOMAIN, payload].concat()
}
