//! The called side of a service call.

use super::client::overdue;
use super::key::ContextVerifier;
use super::token::TokenError;
use super::{CONTEXT_HEADER, REQUEST_LIMIT_BYTES};
use crate::telemetry;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::{StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use netpatch_types::{ErrorCode, RequestContext, ServiceError, ServiceResult};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

/// Collects the methods of one service; what [`rpc_service!`](crate::rpc_service) builds its routers on.
#[derive(Debug)]
pub struct RpcRouter {
    service: &'static str,
    verifier: ContextVerifier,
    limit_bytes: usize,
    routes: Router,
}

impl RpcRouter {
    /// A router without methods.
    #[must_use]
    pub fn new(service: &'static str, verifier: ContextVerifier) -> Self {
        Self {
            service,
            verifier,
            limit_bytes: REQUEST_LIMIT_BYTES,
            routes: Router::new(),
        }
    }

    /// Adds a method.
    #[must_use]
    pub fn method<Input, Output, Call, Answer>(mut self, method: &'static str, call: Call) -> Self
    where
        Input: DeserializeOwned + Send + 'static,
        Output: Serialize + Send + 'static,
        Call: Fn(RequestContext, Input) -> Answer + Clone + Send + Sync + 'static,
        Answer: Future<Output = ServiceResult<Output>> + Send + 'static,
    {
        let gate = Arc::new(Gate {
            service: self.service,
            method,
            verifier: self.verifier.clone(),
            limit_bytes: self.limit_bytes,
        });
        let path = format!("/rpc/{}/{method}", self.service);
        self.routes = self.routes.route(
            &path,
            post(move |request: Request| {
                let (gate, call) = (Arc::clone(&gate), call.clone());
                async move {
                    let started = Instant::now();
                    let response = gate.handle(request, call).await;
                    gate.count(started, response.status());
                    response
                }
            }),
        );
        self
    }

    /// The routes under `/rpc/<service>/`. A panic of a method becomes an internal error.
    pub fn into_router(self) -> Router {
        self.routes.layer(CatchPanicLayer::custom(panicked))
    }
}

/// What happens before and after every method, once and not once per type.
struct Gate {
    service: &'static str,
    method: &'static str,
    verifier: ContextVerifier,
    limit_bytes: usize,
}

impl Gate {
    async fn handle<Input, Output, Call, Answer>(&self, request: Request, call: Call) -> Response
    where
        Input: DeserializeOwned,
        Output: Serialize,
        Call: Fn(RequestContext, Input) -> Answer,
        Answer: Future<Output = ServiceResult<Output>>,
    {
        let (ctx, remaining, body) = match self.admit(request).await {
            Ok(admitted) => admitted,
            Err(refused) => return error(&refused),
        };
        let input = match serde_json::from_slice(&body) {
            Ok(input) => input,
            Err(fault) => {
                let text = format!(
                    "read the request of {}.{}: {fault}",
                    self.service, self.method
                );
                return error(&ServiceError::new(ErrorCode::BadUserInput, text));
            }
        };
        let span = self.span(&ctx);
        self.answer(
            tokio::time::timeout(remaining, call(ctx, input))
                .instrument(span)
                .await
                .ok(),
        )
    }

    async fn admit(&self, request: Request) -> ServiceResult<(RequestContext, Duration, Bytes)> {
        let token = request
            .headers()
            .get(CONTEXT_HEADER)
            .ok_or(TokenError::Missing);
        let verified = token.and_then(|token| {
            self.verifier.verify(
                self.service,
                token.to_str().map_err(|_| TokenError::Damaged)?,
            )
        });
        let ctx = verified.map_err(|refusal| {
            tracing::warn!(service = self.service, method = self.method, %refusal, "a call is refused");
            ServiceError::new(ErrorCode::Unauthenticated, refusal.to_string())
        })?;
        let remaining = (ctx.deadline - self.verifier.clock().now())
            .to_std()
            .map_err(|_| overdue(self.service))?;
        let body = Limited::new(request.into_body(), self.limit_bytes).collect();
        let body = match tokio::time::timeout(remaining, body).await {
            Ok(Ok(collected)) => collected.to_bytes(),
            Ok(Err(fault)) if fault.is::<LengthLimitError>() => {
                let text = format!("a request of more than {} bytes", self.limit_bytes);
                return Err(ServiceError::new(ErrorCode::LimitExceeded, text));
            }
            Ok(Err(_)) => {
                return Err(ServiceError::new(
                    ErrorCode::BadUserInput,
                    "the request broke off",
                ));
            }
            Err(_) => return Err(overdue(self.service)),
        };
        Ok((ctx, remaining, body))
    }

    fn span(&self, ctx: &RequestContext) -> tracing::Span {
        let span = tracing::info_span!(
            "rpc",
            service = self.service,
            method = self.method,
            request.id = %ctx.request_id,
            tenant.id = ctx.write.map(tracing::field::display),
        );
        // From the signed context and not from the plain header, which anybody on the way could set.
        if let Some(traceparent) = &ctx.traceparent {
            telemetry::set_parent(&span, traceparent);
        }
        span
    }

    fn count(&self, started: Instant, status: StatusCode) {
        let labels = [("service", self.service), ("method", self.method)];
        metrics::histogram!("rpc_request_duration_seconds", &labels)
            .record(started.elapsed().as_secs_f64());
        let status = status.as_str().to_owned();
        metrics::counter!("rpc_requests_total", "service" => self.service, "method" => self.method, "status" => status)
            .increment(1);
    }

    fn answer<Output: Serialize>(&self, answer: Option<ServiceResult<Output>>) -> Response {
        let Some(answer) = answer else {
            let mut response = error(&overdue(self.service));
            *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
            return response;
        };
        match answer {
            Ok(output) => json(StatusCode::OK, &output),
            Err(fault) => error(&fault),
        }
    }
}

fn error(fault: &ServiceError) -> Response {
    let status =
        StatusCode::from_u16(fault.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, fault)
}

fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => (status, [(CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn panicked(cause: Box<dyn Any + Send>) -> Response<Body> {
    let text = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or(cause.downcast_ref::<&str>().copied());
    tracing::error!(
        panic = text.unwrap_or("unknown"),
        "a service method panicked"
    );
    error(&ServiceError::internal())
}
