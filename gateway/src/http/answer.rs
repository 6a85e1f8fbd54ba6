//! Errors and status codes: the one place where a code is given and internal text is held back.

use super::document::Refusal;
use super::negotiate::Media;
use crate::state::StatusCodes;
use async_graphql::{ErrorExtensionValues, Response as Answer, ServerError, Value};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use netpatch_types::{ErrorCode, ServiceError};
use serde_json::json;
use uuid::Uuid;

/// Who is answered and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) media: Media,
    pub(crate) codes: StatusCodes,
    pub(crate) request_id: Uuid,
}

/// The word of a code on the wire.
pub(crate) fn word(code: ErrorCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "INTERNAL_SERVER_ERROR".to_owned(),
    }
}

/// Gives every error its code and the request's id. The text of an error that no resolver chose for callers is replaced.
pub(crate) fn coded(errors: &mut [ServerError], request_id: Uuid) {
    for error in errors {
        let code = match error.source::<ServiceError>() {
            Some(known) => word(known.code),
            None => match &error.extensions {
                Some(extensions) if extensions.get("code").is_some() => continue,
                _ => library_code(error).to_owned(),
            },
        };
        let known = error.source::<ServiceError>().cloned();
        if code == "INTERNAL_SERVER_ERROR" {
            error.message = "internal error".to_owned();
        }
        let mut extensions = error.extensions.take().unwrap_or_default();
        extensions.set("code", code);
        extensions.set("requestId", request_id.to_string());
        if let Some(path) = known
            .map(|known| known.path)
            .filter(|path| !path.is_empty())
        {
            extensions.set("field", path.join("."));
        }
        error.extensions = Some(extensions);
    }
}

/// Errors that async-graphql makes itself: with a path they are about an argument, without one about the document.
fn library_code(error: &ServerError) -> &'static str {
    let too_much = [
        "too complex",
        "too deep",
        "recursion depth",
        "number of directives",
    ];
    if !error.path.is_empty() {
        "BAD_USER_INPUT"
    } else if too_much.iter().any(|words| error.message.contains(words)) {
        "COST_EXCEEDED"
    } else {
        "GRAPHQL_VALIDATION_FAILED"
    }
}

fn code_of(error: &ServerError) -> &str {
    match error
        .extensions
        .as_ref()
        .and_then(|extensions| extensions.get("code"))
    {
        Some(Value::String(code)) => code,
        _ => "INTERNAL_SERVER_ERROR",
    }
}

/// Whether nothing was executed: then there is no `data`.
pub(crate) fn is_request_error(answer: &Answer) -> bool {
    answer.data == Value::Null
        && !answer.errors.is_empty()
        && answer.errors.iter().all(|error| error.path.is_empty())
}

/// The answer as JSON; `data` is absent on a request error.
pub(crate) fn body(answer: &Answer) -> serde_json::Value {
    let mut body = serde_json::Map::new();
    if !answer.errors.is_empty() {
        body.insert("errors".to_owned(), json!(answer.errors));
    }
    if !is_request_error(answer) {
        body.insert("data".to_owned(), json!(answer.data));
    }
    if !answer.extensions.is_empty() {
        body.insert("extensions".to_owned(), json!(answer.extensions));
    }
    body.into()
}

/// An executed (or refused) document.
pub(crate) fn executed(answer: &Answer, manner: Manner) -> Response {
    let status = status(answer, manner);
    let mut response = write(status, manner.media, &body(answer));
    if manner.media == Media::GraphqlResponse || status != StatusCode::OK {
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn status(answer: &Answer, manner: Manner) -> StatusCode {
    let codes: Vec<&str> = answer.errors.iter().map(code_of).collect();
    if codes.contains(&"THROTTLED") && is_request_error(answer) {
        return StatusCode::TOO_MANY_REQUESTS;
    }
    let draft = manner.codes == StatusCodes::Draft2026;
    if manner.media == Media::Json || answer.errors.is_empty() {
        return StatusCode::OK;
    }
    if is_request_error(answer) {
        let is_malformed = codes.first() == Some(&"GRAPHQL_PARSE_FAILED");
        return if draft && !is_malformed {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::BAD_REQUEST
        };
    }
    if answer.data != Value::Null {
        return if draft {
            StatusCode::from_u16(294).unwrap_or(StatusCode::OK)
        } else {
            StatusCode::OK
        };
    }
    match codes.first() {
        Some(&"UNAUTHENTICATED") => StatusCode::UNAUTHORIZED,
        Some(&"FORBIDDEN") => StatusCode::FORBIDDEN,
        Some(&"BAD_USER_INPUT") => StatusCode::BAD_REQUEST,
        Some(&"UPSTREAM_UNAVAILABLE") => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A document that is refused before execution.
pub(crate) fn refused(refusal: Refusal, request_id: Uuid) -> Answer {
    let mut error = ServerError::new(refusal.message, None);
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", refusal.code);
    extensions.set("requestId", request_id.to_string());
    error.extensions = Some(extensions);
    Answer::from_errors(vec![error])
}

/// A request that is no GraphQL request: a status in every media type.
pub(crate) fn malformed(status: StatusCode, code: &str, message: &str, manner: Manner) -> Response {
    let error =
        json!({"message": message, "extensions": {"code": code, "requestId": manner.request_id}});
    write(status, manner.media, &json!({"errors": [error]}))
}

/// A service's error outside GraphQL, or before it.
pub(crate) fn failed(error: &ServiceError, manner: Manner) -> Response {
    let status =
        StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = if error.code == ErrorCode::InternalServerError {
        "internal error"
    } else {
        &error.message
    };
    malformed(status, &word(error.code), message, manner)
}

fn write(status: StatusCode, media: Media, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media.content_type()),
    );
    response
}
