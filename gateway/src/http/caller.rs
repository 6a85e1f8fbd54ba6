//! Who sends a request: a bearer token, the portal's cookie, or nobody.

use crate::graphql::context::{Caller, Channel};
use crate::state::GatewayState;
use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap, header};
use netpatch_auth::{Principal, SessionKind};
use netpatch_types::{ErrorCode, ServiceError, ServiceResult};
use std::net::{IpAddr, SocketAddr};
use uuid::Uuid;

/// The header that a form of another site cannot set.
pub(crate) const CSRF_HEADER: &str = "x-netpatch-csrf";

/// Name of the session cookie: bound to host and HTTPS where there is HTTPS.
pub(crate) fn cookie_name(state: &GatewayState) -> &'static str {
    if state.settings().is_https {
        "__Host-netpatch"
    } else {
        "netpatch"
    }
}

/// The session token in the cookie.
pub(crate) fn cookie_token(state: &GatewayState, headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(state);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, token)| token.to_owned())
}

/// The token of `Authorization: Bearer`.
pub(crate) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Who holds a bearer token: a person's session or an API client.
pub(crate) async fn bearer_principal(
    state: &GatewayState,
    token: &str,
) -> ServiceResult<Principal> {
    let auth = &state.apis().auth;
    if token.starts_with("nps_") {
        auth.session_principal(token, SessionKind::Bearer).await
    } else {
        auth.token_principal(token).await
    }
}

/// Nobody, with a new request id.
pub(crate) fn anonymous(state: &GatewayState, headers: &HeaderMap) -> Caller {
    Caller {
        principal: None,
        channel: Channel::Anonymous,
        request_id: request_id(state),
        traceparent: headers
            .get("traceparent")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
    }
}

pub(crate) fn request_id(state: &GatewayState) -> Uuid {
    netpatch_types::uuid_v7(state.clock().now())
}

/// Who asks. Credentials that are given must be good; with the cookie, and unless the request is `safe`, the extra header too.
pub(crate) async fn identify(
    state: &GatewayState,
    headers: &HeaderMap,
    safe: bool,
) -> ServiceResult<Caller> {
    let caller = anonymous(state, headers);
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok().and_then(bearer).ok_or_else(|| {
            ServiceError::new(
                ErrorCode::Unauthenticated,
                "the authorization header has the form Bearer <token>",
            )
        })?;
        let principal = bearer_principal(state, token).await?;
        return Ok(Caller {
            principal: Some(principal),
            channel: Channel::Bearer,
            ..caller
        });
    }
    let Some(token) = cookie_token(state, headers) else {
        return Ok(caller);
    };
    if !safe
        && headers
            .get(CSRF_HEADER)
            .is_none_or(|value| value.as_bytes() != b"1")
    {
        return Err(ServiceError::forbidden(
            "a request with the session cookie needs the header X-NetPatch-CSRF: 1",
        ));
    }
    let principal = state
        .apis()
        .auth
        .session_principal(&token, SessionKind::Cookie)
        .await?;
    Ok(Caller {
        principal: Some(principal),
        channel: Channel::Cookie,
        ..caller
    })
}

/// Where the connection comes from.
pub(crate) fn address(extensions: &Extensions) -> Option<IpAddr> {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(address)| address.ip())
}
