//! Mutations that take effect once, however often they are sent.
//!
//! The key is unique per (client, organization). What is kept is the ids of what was made, never a secret: a repeated mutation reads
//! the objects again, and secrets that are shown once are not shown twice.

use super::context::Session;
use crate::graphql::Result;
use async_graphql::{ID, InputType};
use netpatch_auth::Idempotency;
use netpatch_types::{ErrorCode, RequestContext, ServiceError};
use uuid::Uuid;

/// What a mutation did.
pub(crate) enum Once<T> {
    /// It was done now.
    Done(T),
    /// It was done before; these are the ids of what it made.
    Before(Vec<Uuid>),
}

impl Once<Vec<Uuid>> {
    /// The first id.
    pub(crate) fn ids(self) -> Vec<Uuid> {
        match self {
            Self::Done(ids) | Self::Before(ids) => ids,
        }
    }
}

/// The first of the ids that an earlier mutation made.
pub(crate) fn first<T: From<Uuid>>(ids: &[Uuid]) -> Result<T> {
    ids.first().copied().map(T::from).ok_or_else(|| {
        tracing::error!("an idempotency key was kept without an id");
        ServiceError::internal()
    })
}

/// Does `work` unless a mutation of this name, key and input was done before. `made` names what is to be found again.
pub(crate) async fn once<T>(
    session: &Session,
    ctx: &RequestContext,
    mutation: &str,
    key: &ID,
    input: &impl InputType,
    work: impl Future<Output = Result<T>>,
    made: impl Fn(&T) -> Vec<Uuid>,
) -> Result<Once<T>> {
    let body = serde_json::to_vec(&(mutation, input.to_value())).map_err(|error| {
        tracing::error!(%error, mutation, "the input of a mutation has no JSON form");
        ServiceError::internal()
    })?;
    once_bytes(session, ctx, mutation, key, &body, work, made).await
}

/// As [`once`], for what has another input than a mutation's: `body` is what must be the same again.
pub(crate) async fn once_bytes<T>(
    session: &Session,
    ctx: &RequestContext,
    mutation: &str,
    key: &str,
    body: &[u8],
    work: impl Future<Output = Result<T>>,
    made: impl Fn(&T) -> Vec<Uuid>,
) -> Result<Once<T>> {
    super::right::require(ctx, mutation)?;
    let auth = &session.apis.auth;
    if let Idempotency::Done(answer) = auth.idempotency_begin(ctx, key, body).await? {
        let ids = serde_json::from_value(answer).map_err(|error| {
            tracing::error!(%error, mutation, "the kept answer of a mutation cannot be read");
            ServiceError::internal()
        })?;
        return Ok(Once::Before(ids));
    }
    match work.await {
        Ok(done) => {
            let ids = serde_json::json!(made(&done));
            auth.idempotency_finish(ctx, key, Some(&ids)).await?;
            Ok(Once::Done(done))
        }
        Err(error) => {
            // After trouble of our own nobody knows whether it was done: the key stays taken for a minute.
            if !matches!(
                error.code,
                ErrorCode::InternalServerError | ErrorCode::UpstreamUnavailable
            ) {
                auth.idempotency_finish(ctx, key, None).await?;
            }
            Err(error)
        }
    }
}
