//! The HTTP client: certificates, connections and redirects.

use super::way::Ways;
use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use netpatch_tunnel::Proxies;
use netpatch_types::SharedClock;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A vendor's address that does not answer is given up after this.
const CONNECT: Duration = Duration::from_secs(20);
/// An idle connection is closed after this, so that nothing stays open between two scans.
const IDLE: Duration = Duration::from_secs(15);
/// Idle connections to one vendor; apt asks for one file at a time.
const IDLE_CONNECTIONS: usize = 2;
/// A vendor may send us on this often.
const REDIRECTS: usize = 5;

/// A client that trusts the host's certificates.
pub(super) struct Web {
    client: Client<HttpsConnector<Ways>, Empty<Bytes>>,
    ways: Ways,
    /// Why the host has no certificates to check HTTPS with.
    without_certificates: Option<String>,
}

/// No answer from a vendor.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebError {
    /// TLS could not be configured.
    #[error("cannot configure tls: {0}")]
    Tls(#[from] rustls::Error),
    /// The host trusts nobody.
    #[error(
        "the host has no certificates to check https with ({0}); install ca-certificates or use a relay"
    )]
    NoCertificates(String),
    /// The address is none.
    #[error("{0} is no address of the web")]
    Address(String),
    /// The request failed.
    #[error("{0}")]
    Request(String),
    /// No answer came.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// A redirect leads nowhere.
    #[error("sent on to {0:?}, which is no address")]
    Redirect(String),
    /// A redirect leads out of TLS.
    #[error("sent on from https to http")]
    Downgrade,
    /// Redirects do not end.
    #[error("sent on more than {REDIRECTS} times")]
    TooManyRedirects,
}

impl Web {
    /// Reads the certificates that the host trusts. Without any, http still works.
    pub(super) fn with_host_certificates(
        proxies: &Proxies,
        clock: &SharedClock,
    ) -> Result<Self, WebError> {
        let builder = || {
            ClientConfig::builder_with_provider(netpatch_tunnel::tls::provider())
                .with_safe_default_protocol_versions()
        };
        let (tls, without_certificates) = match builder()?.with_native_roots() {
            Ok(tls) => (tls, None),
            Err(error) => (
                builder()?.with_root_certificates(RootCertStore::empty()),
                Some(error.to_string()),
            ),
        };
        let tls = tls.with_no_client_auth();
        Ok(Self::new(tls, without_certificates, proxies, clock))
    }

    fn new(
        tls: ClientConfig,
        without_certificates: Option<String>,
        proxies: &Proxies,
        clock: &SharedClock,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        let ways = Ways::new(tcp, Arc::new(proxies.clone()), clock.clone());
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(ways.clone());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector);
        Self {
            client,
            ways,
            without_certificates,
        }
    }

    /// Gets a URL, following redirects; every answer has to begin within `silence`.
    pub(super) async fn get(
        &self,
        url: &str,
        headers: &HeaderMap,
        silence: Duration,
    ) -> Result<Response<Incoming>, WebError> {
        let mut uri: Uri = url.parse().map_err(|_| WebError::Address(url.to_owned()))?;
        for _ in 0..=REDIRECTS {
            if let (Some(reason), true) = (&self.without_certificates, is_https(&uri)) {
                return Err(WebError::NoCertificates(reason.clone()));
            }
            let mut request = Request::get(uri.clone())
                .body(Empty::new())
                .map_err(|error| WebError::Address(error.to_string()))?;
            request.headers_mut().extend(headers.clone());
            if let Some(authorization) = self.ways.authorization(&uri) {
                let mut value = HeaderValue::try_from(authorization)
                    .map_err(|_| WebError::Request("the proxy's user cannot be written".into()))?;
                value.set_sensitive(true);
                let name = header::PROXY_AUTHORIZATION;
                request.headers_mut().insert(name, value);
            }
            let response = timeout(silence, self.client.request(request))
                .await
                .map_err(|_| WebError::Silent(silence))?
                .map_err(|error| WebError::Request(with_causes(&error)))?;
            match location(&response) {
                Some(location) => uri = follow(&uri, location)?,
                None => return Ok(response),
            }
        }
        Err(WebError::TooManyRedirects)
    }
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTPS)
}

/// Where an answer sends us on to (RFC 9110, 15.4).
fn location(response: &Response<Incoming>) -> Option<&str> {
    let redirects = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    redirects
        .then(|| response.headers().get(header::LOCATION)?.to_str().ok())
        .flatten()
}

/// A reference resolved against where it was found: a URL, `//host/path`, `/path`, or a path beside the one asked for.
fn follow(from: &Uri, location: &str) -> Result<Uri, WebError> {
    let wrong = || WebError::Redirect(location.to_owned());
    let scheme = from.scheme_str().unwrap_or("http");
    let authority = from.authority().ok_or_else(wrong)?;
    let location_only = location.split('#').next().unwrap_or_default();
    let url = if location_only.contains("://") {
        location_only.to_owned()
    } else if let Some(rest) = location_only.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location_only.starts_with('/') {
        format!("{scheme}://{authority}{location_only}")
    } else {
        let path = from.path_and_query().map_or("/", PathAndQuery::path);
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location_only}")
    };
    let to: Uri = url.parse().map_err(|_| wrong())?;
    match to.scheme_str() {
        Some("https") => Ok(to),
        Some("http") if is_https(from) => Err(WebError::Downgrade),
        Some("http") => Ok(to),
        _ => Err(wrong()),
    }
}

/// An error with what is behind it: the client's own words do not say why.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
