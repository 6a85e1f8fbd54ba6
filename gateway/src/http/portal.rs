//! The portal's files: a single page, its assets named by their content, and a strict content security policy.

use crate::state::GatewayState;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt as _;
use tower_http::services::ServeDir;

/// Scripts, connections and fonts from here only. Inline styles are what the component library sets.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

pub(crate) async fn portal(State(state): State<GatewayState>, request: Request) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return (
            StatusCode::METHOD_NOT_ALLOWED,
            [(header::ALLOW, "GET, HEAD")],
        )
            .into_response();
    }
    let Some(folder) = state
        .settings()
        .portal
        .as_ref()
        .filter(|folder| folder.join("index.html").is_file())
    else {
        return missing();
    };
    let path = request.uri().path().to_owned();
    let is_asset = path.starts_with("/assets/");
    let found = ServeDir::new(folder)
        .append_index_html_on_directories(true)
        .precompressed_gzip()
        .oneshot(request)
        .await;
    let mut response = match found {
        Ok(response) if response.status() != StatusCode::NOT_FOUND => {
            response.map(axum::body::Body::new)
        }
        // A file that is not there stays absent; everything else is a page of the portal.
        _ if is_asset
            || path
                .rsplit('/')
                .next()
                .is_some_and(|name| name.contains('.')) =>
        {
            return absent();
        }
        _ => index(folder).await,
    };
    let caching = if is_asset {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    response
}

async fn index(folder: &std::path::Path) -> Response {
    match tokio::fs::read(folder.join("index.html")).await {
        Ok(page) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response(),
        Err(error) => {
            tracing::warn!(%error, "the portal's page cannot be read");
            missing()
        }
    }
}

fn absent() -> Response {
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        "not found\n",
    )
        .into_response()
}

fn missing() -> Response {
    let text = "The portal is not built here. Build it with `npm ci && npm run build` in the folder web, or name its folder in the \
                configuration.\nThe API is at /graphql.\n";
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        text,
    )
        .into_response()
}
