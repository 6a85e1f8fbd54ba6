//! Sign-in of people, tokens of programs.

use super::answer::{Manner, failed, word};
use super::caller::{self, cookie_name, cookie_token};
use super::negotiate::{self, Media};
use crate::state::GatewayState;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use netpatch_auth::SessionKind;
use netpatch_types::{ErrorCode, ServiceError};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    email: String,
    password: String,
    #[serde(default)]
    bearer: bool,
}

fn manner(state: &GatewayState) -> Manner {
    Manner {
        media: Media::Json,
        codes: state.settings().status_codes,
        request_id: caller::request_id(state),
    }
}

/// `{"email", "password"}` → the cookie; with `"bearer": true` → a token for `Authorization: Bearer`.
pub(crate) async fn sign_in(State(state): State<GatewayState>, request: Request) -> Response {
    let manner = manner(&state);
    let (parts, body) = request.into_parts();
    if !negotiate::is_json(&parts.headers) {
        let mut response = failed(
            &ServiceError::new(
                ErrorCode::BadUserInput,
                "a sign-in is application/json in UTF-8",
            ),
            manner,
        );
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return response;
    }
    if let Err(wait_ms) = state
        .sign_in_bucket(caller::address(&parts.extensions))
        .take(1)
    {
        let mut response = failed(
            &ServiceError::new(
                ErrorCode::Throttled,
                "too many sign-ins from here; wait a moment",
            ),
            manner,
        );
        response.headers_mut().insert(
            header::RETRY_AFTER,
            HeaderValue::from(wait_ms.div_ceil(1000).max(1)),
        );
        return response;
    }
    let read = async {
        let bytes = axum::body::to_bytes(body, 4096).await.ok()?;
        serde_json::from_slice::<SignIn>(&bytes).ok()
    };
    let Some(sign_in) = read.await else {
        return failed(
            &ServiceError::new(
                ErrorCode::BadUserInput,
                "a sign-in has the form {\"email\": …, \"password\": …}",
            ),
            manner,
        );
    };
    let kind = if sign_in.bearer {
        SessionKind::Bearer
    } else {
        SessionKind::Cookie
    };
    let session = match state
        .apis()
        .auth
        .sign_in(&sign_in.email, sign_in.password, kind)
        .await
    {
        Ok(session) => session,
        Err(error) => return failed(&error, manner),
    };
    let mut response = match kind {
        SessionKind::Bearer => {
            Json(json!({"token": session.token, "expiresAt": session.expires_at})).into_response()
        }
        SessionKind::Cookie => {
            let seconds = (session.expires_at - state.clock().now())
                .num_seconds()
                .max(0);
            with_cookie(&state, &session.token, seconds)
        }
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn with_cookie(state: &GatewayState, token: &str, seconds: i64) -> Response {
    let secure = if state.settings().is_https {
        "; Secure"
    } else {
        ""
    };
    let cookie = format!(
        "{}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}",
        cookie_name(state)
    );
    match HeaderValue::from_str(&cookie) {
        Ok(cookie) => (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Ends the session of the cookie or of the bearer token.
pub(crate) async fn sign_out(State(state): State<GatewayState>, headers: HeaderMap) -> Response {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(caller::bearer)
        .map(str::to_owned);
    let cookie = cookie_token(&state, &headers);
    if bearer.is_none()
        && cookie.is_some()
        && headers
            .get(caller::CSRF_HEADER)
            .is_none_or(|value| value.as_bytes() != b"1")
    {
        let error = ServiceError::forbidden(
            "a request with the session cookie needs the header X-NetPatch-CSRF: 1",
        );
        return failed(&error, manner(&state));
    }
    if let Some(token) = bearer.or(cookie)
        && let Err(error) = state.apis().auth.sign_out(&token).await
    {
        return failed(&error, manner(&state));
    }
    with_cookie(&state, "", 0)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PasswordChange {
    old_password: String,
    new_password: String,
}

/// `{"oldPassword", "newPassword"}` of whoever is signed in. All sessions end: sign in again.
pub(crate) async fn password(State(state): State<GatewayState>, request: Request) -> Response {
    let manner = manner(&state);
    let (parts, body) = request.into_parts();
    let changed = async {
        let caller = caller::identify(&state, &parts.headers, false).await?;
        let principal = caller
            .principal
            .ok_or_else(|| ServiceError::new(ErrorCode::Unauthenticated, "sign in first"))?;
        if state
            .sign_in_bucket(caller::address(&parts.extensions))
            .take(1)
            .is_err()
        {
            return Err(ServiceError::new(
                ErrorCode::Throttled,
                "too many tries from here; wait a moment",
            ));
        }
        let read = async {
            let bytes = axum::body::to_bytes(body, 8192).await.ok()?;
            serde_json::from_slice::<PasswordChange>(&bytes).ok()
        };
        let form =
            "a change has the form {\"oldPassword\": …, \"newPassword\": …} as application/json";
        let read = if negotiate::is_json(&parts.headers) {
            read.await
        } else {
            None
        };
        let change = read.ok_or_else(|| ServiceError::new(ErrorCode::BadUserInput, form))?;
        state
            .apis()
            .auth
            .password_change(&principal, change.old_password, change.new_password)
            .await
    };
    match changed.await {
        Ok(()) => with_cookie(&state, "", 0),
        Err(error) => failed(&error, manner),
    }
}

/// Who is signed in: the portal's check at its start.
pub(crate) async fn session(State(state): State<GatewayState>, headers: HeaderMap) -> Response {
    let caller = match caller::identify(&state, &headers, true).await {
        Ok(caller) => caller,
        Err(error) => return failed(&error, manner(&state)),
    };
    let Some(principal) = caller.principal else {
        return failed(
            &ServiceError::new(ErrorCode::Unauthenticated, "nobody is signed in"),
            manner(&state),
        );
    };
    let mut response =
        Json(json!({"user": {"name": principal.name, "email": principal.email}})).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// OAuth 2.0 client credentials (RFC 6749 §4.4): HTTP Basic, or `client_id` and `client_secret` in the form.
pub(crate) async fn token(State(state): State<GatewayState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if state
        .sign_in_bucket(caller::address(&parts.extensions))
        .take(1)
        .is_err()
    {
        return token_error(
            StatusCode::TOO_MANY_REQUESTS,
            "slow_down",
            "too many token requests from here",
        );
    }
    let form = async {
        let bytes = axum::body::to_bytes(body, 4096).await.ok()?;
        let text = String::from_utf8(bytes.to_vec()).ok()?;
        let uri: axum::http::Uri = format!("/?{text}").parse().ok()?;
        axum::extract::Query::<std::collections::HashMap<String, String>>::try_from_uri(&uri).ok()
    };
    let Some(axum::extract::Query(form)) = form.await else {
        return token_error(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the body is not form-encoded",
        );
    };
    if form.get("grant_type").map(String::as_str) != Some("client_credentials") {
        return token_error(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "only client_credentials is granted",
        );
    }
    let credentials = basic(&parts.headers).or_else(|| {
        Some((
            form.get("client_id")?.clone(),
            form.get("client_secret")?.clone(),
        ))
    });
    let Some((id, secret)) = credentials else {
        return token_error(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "client id and secret are missing",
        );
    };
    match state.apis().auth.client_token(&id, &secret).await {
        Ok(token) => {
            let body = json!({"access_token": token.token, "token_type": "Bearer", "expires_in": token.expires_in});
            let mut response = Json(body).into_response();
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) if error.code == ErrorCode::Unauthenticated => {
            token_error(StatusCode::UNAUTHORIZED, "invalid_client", &error.message)
        }
        Err(error) => {
            tracing::warn!(code = word(error.code), "a token could not be given");
            token_error(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "try again",
            )
        }
    }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded.trim())
        .ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| (id.to_owned(), secret.to_owned()))
}

/// RFC 6749 §5.2.
fn token_error(status: StatusCode, error: &str, description: &str) -> Response {
    let mut response = (
        status,
        Json(json!({"error": error, "error_description": description})),
    )
        .into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"netpatch\""),
        );
    }
    response
}

/// The key of access tokens.
pub(crate) async fn jwks(State(state): State<GatewayState>) -> Response {
    match state.apis().auth.jwks() {
        Ok(keys) => ([(header::CACHE_CONTROL, "public, max-age=300")], Json(keys)).into_response(),
        Err(error) => failed(&error, manner(&state)),
    }
}
