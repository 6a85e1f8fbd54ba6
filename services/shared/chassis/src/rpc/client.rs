//! The calling side of a service call.

use super::key::ContextSigner;
use super::transport::{Transport, TransportError};
use super::{CONTEXT_HEADER, token::TokenError};
use crate::telemetry;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use netpatch_types::{ErrorCode, RequestContext, ServiceError, ServiceResult};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// Calls one service; what [`rpc_service!`](crate::rpc_service) builds its clients on.
#[derive(Clone, Debug)]
pub struct RpcClient {
    service: &'static str,
    transport: Transport,
    signer: ContextSigner,
}

impl RpcClient {
    /// A client of a service, by the service's name.
    #[must_use]
    pub fn new(service: &'static str, transport: Transport, signer: ContextSigner) -> Self {
        Self {
            service,
            transport,
            signer,
        }
    }

    /// Calls one method and waits until the context's deadline at most.
    ///
    /// Errors of the callee come back as they were; everything else (no connection, no time left, an answer that
    /// cannot be read) is [`ErrorCode::UpstreamUnavailable`], with the cause in the log.
    pub async fn call<Request, Response>(
        &self,
        method: &'static str,
        ctx: &RequestContext,
        request: &Request,
    ) -> ServiceResult<Response>
    where
        Request: Serialize + Sync + ?Sized,
        Response: DeserializeOwned,
    {
        let body = serde_json::to_vec(request).map_err(|error| {
            tracing::error!(service = self.service, method, %error, "a request cannot be written as JSON");
            ServiceError::internal()
        })?;
        let (status, answer) = self.exchange(method, &with_trace(ctx), body).await?;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| {
                tracing::error!(service = self.service, method, %error, "an answer cannot be read");
                ServiceError::unavailable(self.service)
            });
        }
        Err(serde_json::from_slice(&answer).unwrap_or_else(|_| {
            tracing::error!(service = self.service, method, %status, "an answer without an error text");
            ServiceError::unavailable(self.service)
        }))
    }

    async fn exchange(
        &self,
        method: &'static str,
        ctx: &RequestContext,
        body: Vec<u8>,
    ) -> ServiceResult<(StatusCode, bytes::Bytes)> {
        let remaining = (ctx.deadline - self.signer.clock().now())
            .to_std()
            .map_err(|_| overdue(self.service))?;
        let headers = self.headers(ctx).map_err(|error| {
            tracing::error!(service = self.service, method, %error, "a request context cannot be signed");
            ServiceError::internal()
        })?;
        let path = format!("/rpc/{}/{method}", self.service);
        match tokio::time::timeout(remaining, self.transport.post(&path, headers, body)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(TransportError::TooLarge)) => {
                tracing::error!(
                    service = self.service,
                    method,
                    "an answer exceeds the limit"
                );
                Err(ServiceError::new(
                    ErrorCode::LimitExceeded,
                    format!("the answer of {} is too large", self.service),
                ))
            }
            Ok(Err(error)) => {
                tracing::warn!(service = self.service, method, %error, "a service cannot be reached");
                Err(ServiceError::unavailable(self.service))
            }
            Err(_) => Err(overdue(self.service)),
        }
    }

    fn headers(&self, ctx: &RequestContext) -> Result<HeaderMap, TokenError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let token = self.signer.sign(self.service, ctx)?;
        headers.insert(
            CONTEXT_HEADER,
            HeaderValue::from_str(&token).map_err(|_| TokenError::Encode)?,
        );
        if let Some(traceparent) = ctx
            .traceparent
            .as_deref()
            .and_then(|text| HeaderValue::from_str(text).ok())
        {
            headers.insert("traceparent", traceparent);
        }
        Ok(headers)
    }
}

/// The callee's span becomes a child of the current one, if that is traced.
fn with_trace(ctx: &RequestContext) -> Cow<'_, RequestContext> {
    match telemetry::traceparent() {
        Some(traceparent) => Cow::Owned(RequestContext {
            traceparent: Some(traceparent),
            ..ctx.clone()
        }),
        None => Cow::Borrowed(ctx),
    }
}

/// The caller's time is over.
pub(super) fn overdue(service: &str) -> ServiceError {
    ServiceError::new(
        ErrorCode::UpstreamUnavailable,
        format!("{service} did not answer in time; try again"),
    )
}
