//! HTTP: the GraphQL endpoint (GraphQL over HTTP), its WebSocket, sign-in, reports, the portal's files.
//!
//! | path | what |
//! |---|---|
//! | `POST /graphql`, `GET /graphql` | GraphQL; GET for queries only; a WebSocket speaks `graphql-transport-ws` |
//! | `POST /auth/sign-in`, `/auth/sign-out`, `/auth/password`, `/auth/token`, `GET /auth/session` | sessions of people, tokens of programs |
//! | `GET /.well-known/jwks.json` | the key of access tokens |
//! | `GET /reports/<id>` | the bytes of a report |
//! | `POST /import/assets` | assets as comma-separated values |
//! | `POST /import/glpi` | inventories of GLPI agents |
//! | `POST /import/cyclonedx` | a bill of materials of a machine without an agent |
//! | `GET /sbom/hosts/<id>`, `GET /sbom/fleet` | a bill of materials, CycloneDX 1.6 |
//! | everything else | the portal |
//!
//! A request with the portal's cookie that could change something carries `X-NetPatch-CSRF: 1`; a form of another site cannot set it.

pub(crate) mod answer;
mod caller;
mod document;
mod graphql;
mod import;
mod negotiate;
mod portal;
mod report;
mod sbom;
mod sign;
mod socket;

use crate::state::GatewayState;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{any, get, post};

/// The gateway's HTTP surface. Serve it with `ConnectInfo<SocketAddr>`.
pub fn router(state: GatewayState) -> Router {
    Router::new()
        .route("/graphql", any(graphql_endpoint))
        .route("/auth/sign-in", post(sign::sign_in))
        .route("/auth/sign-out", post(sign::sign_out))
        .route("/auth/password", post(sign::password))
        .route("/auth/token", post(sign::token))
        .route("/auth/session", get(sign::session))
        .route("/.well-known/jwks.json", get(sign::jwks))
        .route("/reports/{id}", get(report::report))
        .route("/sbom/hosts/{id}", get(sbom::host))
        .route("/sbom/fleet", get(sbom::fleet))
        .route("/import/assets", post(import::assets))
        .route("/import/glpi", post(import::glpi))
        .route("/import/cyclonedx", post(import::cyclonedx))
        .fallback(portal::portal)
        .layer(from_fn(security_headers))
        .with_state(state)
}

/// One path, two protocols.
async fn graphql_endpoint(State(state): State<GatewayState>, request: Request) -> Response {
    let upgrade = request
        .headers()
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok());
    if upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        return socket::accept(state, request).await;
    }
    graphql::answer(state, request).await
}

async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers
            .entry(HeaderName::from_static(name))
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
