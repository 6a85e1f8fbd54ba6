//! GraphQL over HTTP: `POST` with JSON, `GET` for queries.

use super::answer::{self, Manner};
use super::document::{self, Refusal};
use super::negotiate::{self, Media};
use super::{caller, negotiate::accepted};
use crate::graphql::Loaders;
use crate::graphql::context::{Caller, Channel, Session};
use crate::graphql::cost::Charge;
use crate::graphql::fault::Faults;
use crate::state::GatewayState;
use async_graphql::{Request as Document, Response as Answer, Variables};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use netpatch_types::{ErrorCode, ServiceError};
use serde_json::Value;
use std::time::Duration;

/// Nobody waits longer for an answer.
const WALL_CLOCK: Duration = Duration::from_secs(10);

/// The parameters of a request.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) query: Option<String>,
    pub(crate) operation_name: Option<String>,
    pub(crate) variables: Value,
    pub(crate) extensions: Value,
}

pub(crate) async fn answer(state: GatewayState, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let is_get = parts.method == Method::GET;
    let media = accepted(&parts.headers);
    let manner = Manner {
        media: media.unwrap_or(Media::Json),
        codes: state.settings().status_codes,
        request_id: caller::request_id(&state),
    };
    if !is_get && parts.method != Method::POST {
        return not_allowed("GET, POST", "GraphQL is spoken by GET and POST", manner);
    }
    if media.is_none() {
        let message = "answers are application/graphql-response+json or application/json";
        return answer::malformed(
            StatusCode::NOT_ACCEPTABLE,
            "BAD_USER_INPUT",
            message,
            manner,
        );
    }
    let parameters = if is_get {
        from_url(parts.uri.query().unwrap_or_default())
    } else if !negotiate::is_json(&parts.headers) {
        let message = "a request is application/json in UTF-8";
        return answer::malformed(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "BAD_USER_INPUT",
            message,
            manner,
        );
    } else {
        match axum::body::to_bytes(body, document::BYTES).await {
            Ok(bytes) => from_json(&bytes),
            Err(_) => {
                let message = "a request has at most 64 KiB";
                return answer::malformed(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "COST_EXCEEDED",
                    message,
                    manner,
                );
            }
        }
    };
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(message) => {
            return answer::malformed(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message, manner);
        }
    };
    let mut caller = match caller::identify(&state, &parts.headers, false).await {
        Ok(caller) => caller,
        Err(error) => return answer::failed(&error, manner),
    };
    caller.request_id = manner.request_id;
    let charge = Charge::new(state.bucket(&caller, caller::address(&parts.extensions)));
    let document = match prepare(&state, &caller, charge.clone(), parameters, is_get) {
        Ok(document) => document,
        Err(Unprepared::Answer(answer)) => return answer::executed(&answer, manner),
        Err(Unprepared::Malformed(error)) => {
            return answer::malformed(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", &error, manner);
        }
        Err(Unprepared::MutationByGet) => {
            return not_allowed("POST", "a mutation is sent by POST", manner);
        }
    };
    let answer = execute(&state, document, &charge, &caller).await;
    let mut response = answer::executed(&answer, manner);
    if let Some(wait_ms) = charge.refused_for_ms() {
        response.headers_mut().insert(
            header::RETRY_AFTER,
            HeaderValue::from(wait_ms.div_ceil(1000).max(1)),
        );
    }
    if !is_get {
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Why a request does not come to execution.
pub(crate) enum Unprepared {
    /// A GraphQL request error.
    Answer(Box<Answer>),
    /// Not a GraphQL request.
    Malformed(String),
    /// Only POST changes something.
    MutationByGet,
}

/// Parses and checks a document and gives it everything that resolvers need.
pub(crate) fn prepare(
    state: &GatewayState,
    caller: &Caller,
    charge: Charge,
    parameters: Parameters,
    is_get: bool,
) -> Result<Document, Unprepared> {
    let refused = |refusal: Refusal| {
        Unprepared::Answer(Box::new(answer::refused(refusal, caller.request_id)))
    };
    let text = match document::persisted(&parameters.extensions, &state.settings().documents) {
        Ok(Some(text)) => text.to_owned(),
        // A text beside an unknown hash is executed, but never registered.
        other => match (parameters.query, other) {
            (Some(text), _) => text,
            (None, Err(error)) => {
                return Err(refused(Refusal {
                    code: "PERSISTED_QUERY_NOT_FOUND",
                    message: error.message,
                }));
            }
            (None, _) => {
                return Err(Unprepared::Malformed(
                    "the parameter query is missing".to_owned(),
                ));
            }
        },
    };
    document::check_nesting(&text).map_err(refused)?;
    let variables = Variables::from_json(parameters.variables);
    let mut document = Document::new(text).variables(variables);
    document.operation_name = parameters.operation_name.filter(|name| !name.is_empty());
    let (name, variables) = (document.operation_name.clone(), document.variables.clone());
    let parsed = document.parsed_query().map_err(|error| {
        refused(Refusal {
            code: "GRAPHQL_PARSE_FAILED",
            message: error.message,
        })
    })?;
    let operation = document::operation(parsed, name.as_deref()).map_err(refused)?;
    if is_get && document::is_mutation(operation) {
        return Err(Unprepared::MutationByGet);
    }
    document::check_size(parsed, operation).map_err(refused)?;
    document::check_variables(operation, &variables).map_err(refused)?;
    let may_introspect = caller.principal.is_some() && caller.channel == Channel::Bearer;
    if !may_introspect && document::asks_introspection(parsed, operation) {
        let message = "introspection is for API clients; the schema is published with each release"
            .to_owned();
        return Err(refused(Refusal {
            code: "GRAPHQL_VALIDATION_FAILED",
            message,
        }));
    }
    if !may_introspect {
        document = document.disable_introspection();
    }
    let session: Session = state.session(caller.clone());
    Ok(document
        .data(Loaders::new(session.clone()))
        .data(session)
        .data(charge)
        .data(state.hub().clone()))
}

/// Executes a query or mutation within the wall clock and settles its cost.
pub(crate) async fn execute(
    state: &GatewayState,
    document: Document,
    charge: &Charge,
    caller: &Caller,
) -> Answer {
    let begun = state.clock().monotonic();
    let faults = Faults::default();
    let document = document.data(faults.clone());
    let mut answer = match tokio::time::timeout(WALL_CLOCK, state.schema().execute(document)).await
    {
        Ok(mut answer) => {
            answer.errors.extend(faults.take());
            answer
        }
        Err(_) => {
            let error = ServiceError::new(
                ErrorCode::UpstreamUnavailable,
                "the request took longer than 10 s; ask for less at once",
            );
            Answer::from_errors(vec![
                async_graphql::Error::from(error).into_server_error(Default::default()),
            ])
        }
    };
    answer::coded(&mut answer.errors, caller.request_id);
    let outcome = if answer.errors.is_empty() {
        "ok"
    } else {
        "errors"
    };
    metrics::counter!("graphql_requests_total", "outcome" => outcome).increment(1);
    metrics::histogram!("graphql_request_seconds")
        .record((state.clock().monotonic() - begun).as_secs_f64());
    if !answer::is_request_error(&answer) || charge.refused_for_ms().is_some() {
        answer
            .extensions
            .insert("cost".to_owned(), charge.settle(&answer.data));
    }
    answer
}

fn not_allowed(allow: &'static str, message: &str, manner: Manner) -> Response {
    let mut response = answer::malformed(
        StatusCode::METHOD_NOT_ALLOWED,
        "BAD_USER_INPUT",
        message,
        manner,
    );
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// The parameters in a JSON object; arrays (batches) are refused.
pub(crate) fn from_json(bytes: &[u8]) -> Result<Parameters, &'static str> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(body)) => from_object(body),
        Ok(Value::Array(_)) => Err("one operation a request; batches are not taken"),
        Ok(_) => Err("the body is not a JSON object"),
        Err(_) => Err("the body is not JSON"),
    }
}

/// The parameters in an object.
pub(crate) fn from_object(
    mut body: serde_json::Map<String, Value>,
) -> Result<Parameters, &'static str> {
    let mut take = |name: &str| body.remove(name).unwrap_or(Value::Null);
    let text = |value: Value, message| match value {
        Value::String(text) => Ok(Some(text)),
        Value::Null => Ok(None),
        _ => Err(message),
    };
    let object = |value: Value, message| match value {
        Value::Object(_) | Value::Null => Ok(value),
        _ => Err(message),
    };
    Ok(Parameters {
        query: text(take("query"), "the parameter query is not a string")?,
        operation_name: text(
            take("operationName"),
            "the parameter operationName is not a string",
        )?,
        variables: object(
            take("variables"),
            "the parameter variables is not an object",
        )?,
        extensions: object(
            take("extensions"),
            "the parameter extensions is not an object",
        )?,
    })
}

/// The parameters in a URL's query; variables and extensions are JSON.
fn from_url(query: &str) -> Result<Parameters, &'static str> {
    if query.len() > document::BYTES {
        return Err("a request has at most 64 KiB");
    }
    let uri: axum::http::Uri = format!("/?{query}")
        .parse()
        .map_err(|_| "the URL is not valid")?;
    let axum::extract::Query(pairs) =
        axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri)
            .map_err(|_| "the URL's query is not form-encoded")?;
    let mut body = serde_json::Map::new();
    for (key, value) in pairs {
        let value =
            match key.as_str() {
                "variables" | "extensions" if value.is_empty() => Value::Null,
                "variables" => serde_json::from_str(&value)
                    .map_err(|_| "the parameter variables is not JSON")?,
                "extensions" => serde_json::from_str(&value)
                    .map_err(|_| "the parameter extensions is not JSON")?,
                _ => Value::String(value),
            };
        body.insert(key, value);
    }
    from_object(body)
}
