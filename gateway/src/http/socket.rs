//! `graphql-transport-ws`: subscriptions (and queries) over a WebSocket.
//!
//! Close codes: 4400 message that cannot be read, 4403 nobody is signed in or the sign-in ended, 4408 no `connection_init` in time,
//! 4409 an operation's id twice, 4429 `connection_init` twice. 4401 is not used: clients take it as fatal.

use super::answer;
use super::caller::{self, bearer, bearer_principal};
use super::graphql::{Unprepared, execute, from_object, prepare};
use crate::graphql::context::{Caller, Channel};
use crate::graphql::cost::Charge;
use crate::graphql::fault::Faults;
use crate::state::GatewayState;
use async_graphql::parser::types::OperationType;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use netpatch_types::{ErrorCode, ServiceError, ServiceResult};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

const PROTOCOL: &str = "graphql-transport-ws";
/// Operations at once on one socket.
const OPERATIONS: usize = 50;
const INIT_WITHIN: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(20);

/// How a socket ends: code and reason.
type End = (u16, &'static str);

pub(crate) async fn accept(state: GatewayState, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let address = caller::address(&parts.extensions);
    let cookie = caller::cookie_token(&state, &parts.headers);
    if !is_own_origin(&state, &parts.headers, cookie.is_some()) {
        return (
            StatusCode::FORBIDDEN,
            "WebSockets are opened by the site itself\n",
        )
            .into_response();
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &state).await {
        Ok(upgrade) => upgrade,
        Err(refusal) => return refusal.into_response(),
    };
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(super::document::BYTES)
        .max_frame_size(super::document::BYTES);
    if upgrade.selected_protocol().is_none() {
        return (
            StatusCode::BAD_REQUEST,
            "the subprotocol is graphql-transport-ws\n",
        )
            .into_response();
    }
    let caller = caller::anonymous(&state, &parts.headers);
    upgrade.on_upgrade(move |socket| async move {
        let stop = state.stop().clone();
        let mut connection = Connection::new(state, caller, cookie, address);
        tokio::select! {
            () = stop.cancelled() => {}
            () = connection.serve(socket) => {}
        }
    })
}

/// A browser says where the page is from; with a cookie it must, and it must be here.
fn is_own_origin(state: &GatewayState, headers: &HeaderMap, has_cookie: bool) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return !has_cookie;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    if state
        .settings()
        .origins
        .iter()
        .any(|known| known.trim_end_matches('/').eq_ignore_ascii_case(origin))
    {
        return true;
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let place = origin.split_once("://").map_or(origin, |(_, place)| place);
    !host.is_empty() && place.eq_ignore_ascii_case(host)
}

struct Connection {
    state: GatewayState,
    caller: Caller,
    /// What the sign-in is checked by again.
    token: Option<(String, Channel)>,
    address: Option<IpAddr>,
    is_open: bool,
    operations: HashMap<String, DropGuard>,
    out: mpsc::Sender<Out>,
    results: Option<mpsc::Receiver<Out>>,
}

/// From an operation to the socket.
enum Out {
    Message(Value),
    Done(String),
}

impl Connection {
    fn new(
        state: GatewayState,
        caller: Caller,
        cookie: Option<String>,
        address: Option<IpAddr>,
    ) -> Self {
        let (out, results) = mpsc::channel(64);
        let token = cookie.map(|token| (token, Channel::Cookie));
        Self {
            state,
            caller,
            token,
            address,
            is_open: false,
            operations: HashMap::new(),
            out,
            results: Some(results),
        }
    }

    async fn serve(&mut self, mut socket: WebSocket) {
        let Some(mut results) = self.results.take() else {
            return;
        };
        let end = self.turn(&mut socket, &mut results).await;
        self.operations.clear();
        if let Some((code, reason)) = end {
            let _ = socket
                .send(Message::Close(Some(CloseFrame {
                    code,
                    reason: reason.into(),
                })))
                .await;
        }
    }

    /// `None` when the client has gone.
    async fn turn(
        &mut self,
        socket: &mut WebSocket,
        results: &mut mpsc::Receiver<Out>,
    ) -> Option<End> {
        let begun = tokio::time::Instant::now();
        let mut ping = tokio::time::interval_at(begun + PING_EVERY, PING_EVERY);
        let recheck_every = self.state.settings().recheck;
        let mut recheck = tokio::time::interval_at(begun + recheck_every, recheck_every);
        loop {
            tokio::select! {
                message = socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let answer = match self.read(&text).await {
                            Ok(answer) => answer,
                            Err(end) => return Some(end),
                        };
                        if let Some(answer) = answer {
                            socket.send(Message::Text(answer.to_string().into())).await.ok()?;
                        }
                    }
                    Some(Ok(Message::Binary(_))) => return Some((4400, "messages are text")),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(_)) => {}
                },
                Some(out) = results.recv() => match out {
                    Out::Message(message) => socket.send(Message::Text(message.to_string().into())).await.ok()?,
                    Out::Done(id) => {
                        self.operations.remove(&id);
                    }
                },
                _ = ping.tick() => socket.send(Message::Text(json!({"type": "ping"}).to_string().into())).await.ok()?,
                () = tokio::time::sleep_until(begun + INIT_WITHIN), if !self.is_open => return Some((4408, "connection initialisation timeout")),
                _ = recheck.tick(), if self.is_open => {
                    if let Err(end) = self.recheck().await {
                        return Some(end);
                    }
                }
            }
        }
    }

    async fn read(&mut self, text: &str) -> Result<Option<Value>, End> {
        let Ok(Value::Object(mut message)) = serde_json::from_str(text) else {
            return Err((4400, "a message is a JSON object"));
        };
        let payload = message.remove("payload");
        let id = message.get("id").and_then(Value::as_str).map(str::to_owned);
        match message.get("type").and_then(Value::as_str) {
            Some("connection_init") => self.init(payload.unwrap_or_default()).await.map(Some),
            Some("ping") => Ok(Some(json!({"type": "pong"}))),
            Some("pong") => Ok(None),
            Some("subscribe") => self.subscribe(id, payload).map(|()| None),
            Some("complete") => {
                self.operations
                    .remove(&id.ok_or((4400, "complete names an id"))?);
                Ok(None)
            }
            _ => Err((4400, "unknown message type")),
        }
    }

    async fn init(&mut self, payload: Value) -> Result<Value, End> {
        if self.is_open {
            return Err((4429, "too many initialisation requests"));
        }
        let given = ["authorization", "Authorization"]
            .iter()
            .find_map(|key| payload.get(key))
            .and_then(Value::as_str);
        if let Some(given) = given {
            let token = bearer(given).ok_or((4403, "forbidden"))?;
            self.token = Some((token.to_owned(), Channel::Bearer));
        }
        self.caller.principal = Some(self.principal().await.map_err(|_| (4403, "forbidden"))?);
        self.caller.channel = self
            .token
            .as_ref()
            .map_or(Channel::Anonymous, |(_, channel)| *channel);
        self.is_open = true;
        Ok(json!({"type": "connection_ack"}))
    }

    async fn principal(&self) -> ServiceResult<netpatch_auth::Principal> {
        match &self.token {
            Some((token, Channel::Cookie)) => {
                self.state
                    .apis()
                    .auth
                    .session_principal(token, netpatch_auth::SessionKind::Cookie)
                    .await
            }
            Some((token, _)) => bearer_principal(&self.state, token).await,
            None => Err(ServiceError::new(
                ErrorCode::Unauthenticated,
                "sign in first",
            )),
        }
    }

    /// A session that ended, a user that was locked out or a delegation that was revoked ends the socket.
    async fn recheck(&mut self) -> Result<(), End> {
        match self.principal().await {
            Ok(now) if self.caller.principal.as_ref() == Some(&now) => Ok(()),
            Err(error)
                if error.code == ErrorCode::UpstreamUnavailable
                    || error.code == ErrorCode::InternalServerError =>
            {
                Ok(())
            }
            _ => Err((4403, "forbidden")),
        }
    }

    fn subscribe(&mut self, id: Option<String>, payload: Option<Value>) -> Result<(), End> {
        if !self.is_open {
            return Err((4403, "forbidden"));
        }
        let id = id
            .filter(|id| !id.is_empty())
            .ok_or((4400, "subscribe names an id"))?;
        if self.operations.contains_key(&id) {
            return Err((4409, "subscriber for this id already exists"));
        }
        let Some(Value::Object(payload)) = payload else {
            return Err((4400, "subscribe has a payload"));
        };
        let parameters = from_object(payload).map_err(|_| (4400, "the payload cannot be read"))?;
        let mut caller = self.caller.clone();
        caller.request_id = caller::request_id(&self.state);
        let stop = CancellationToken::new();
        let is_full = self.operations.len() >= OPERATIONS;
        self.operations
            .insert(id.clone(), stop.clone().drop_guard());
        let (state, out) = (self.state.clone(), self.out.clone());
        let charge = Charge::new(state.bucket(&caller, self.address));
        tokio::spawn(async move {
            let work = async {
                if is_full {
                    let error = ServiceError::new(
                        ErrorCode::LimitExceeded,
                        "a socket carries at most 50 operations at once",
                    );
                    return send_error(&out, &id, &error, &caller).await;
                }
                operate(&state, &out, &id, parameters, charge, &caller).await;
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
            let _ = out.send(Out::Done(id)).await;
        });
        Ok(())
    }
}

async fn send_error(out: &mpsc::Sender<Out>, id: &str, error: &ServiceError, caller: &Caller) {
    let error = json!({"message": error.message, "extensions": {"code": answer::word(error.code), "requestId": caller.request_id}});
    let _ = out
        .send(Out::Message(
            json!({"id": id, "type": "error", "payload": [error]}),
        ))
        .await;
}

async fn operate(
    state: &GatewayState,
    out: &mpsc::Sender<Out>,
    id: &str,
    parameters: super::graphql::Parameters,
    charge: Charge,
    caller: &Caller,
) {
    let name = parameters.operation_name.clone();
    let mut document = match prepare(state, caller, charge.clone(), parameters, false) {
        Ok(document) => document,
        Err(Unprepared::Answer(answer)) => {
            let _ = out
                .send(Out::Message(
                    json!({"id": id, "type": "error", "payload": answer.errors}),
                ))
                .await;
            return;
        }
        Err(Unprepared::Malformed(_) | Unprepared::MutationByGet) => {
            let error =
                ServiceError::new(ErrorCode::BadUserInput, "the parameter query is missing");
            return send_error(out, id, &error, caller).await;
        }
    };
    let is_subscription = document.parsed_query().ok().is_some_and(|parsed| {
        super::document::operation(parsed, name.as_deref())
            .is_ok_and(|operation| operation.ty == OperationType::Subscription)
    });
    if !is_subscription {
        let answer = execute(state, document, &charge, caller).await;
        if answer::is_request_error(&answer) {
            let _ = out
                .send(Out::Message(
                    json!({"id": id, "type": "error", "payload": answer.errors}),
                ))
                .await;
            return;
        }
        send_answer(out, id, &answer).await;
        let _ = out
            .send(Out::Message(json!({"id": id, "type": "complete"})))
            .await;
        return;
    }
    let faults = Faults::default();
    let mut answers = state.schema().execute_stream(document.data(faults.clone()));
    let mut is_first = true;
    while let Some(mut answer) = answers.next().await {
        answer.errors.extend(faults.take());
        answer::coded(&mut answer.errors, caller.request_id);
        if is_first && answer::is_request_error(&answer) {
            let _ = out
                .send(Out::Message(
                    json!({"id": id, "type": "error", "payload": answer.errors}),
                ))
                .await;
            return;
        }
        is_first = false;
        if !send_answer(out, id, &answer).await {
            return;
        }
    }
    let _ = out
        .send(Out::Message(json!({"id": id, "type": "complete"})))
        .await;
}

async fn send_answer(out: &mpsc::Sender<Out>, id: &str, answer: &async_graphql::Response) -> bool {
    out.send(Out::Message(
        json!({"id": id, "type": "next", "payload": answer::body(answer)}),
    ))
    .await
    .is_ok()
}
