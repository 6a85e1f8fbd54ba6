//! How a call reaches the router: over HTTP, or in memory without a socket (tests in both topologies).

use super::RESPONSE_LIMIT_BYTES;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::time::Duration;
use tower::ServiceExt;

/// Why no answer came back.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The address is no `http://` or `https://` address.
    #[error("the service address {0:?} is no http or https URL")]
    Url(String),
    /// The client could not be made.
    #[error("make the HTTP client: {0}")]
    Client(#[source] reqwest::Error),
    /// The call could not be sent or its answer not be read.
    #[error("call another service: {0}")]
    Send(#[source] reqwest::Error),
    /// The request could not be built.
    #[error("build the request: {0}")]
    Request(#[from] http::Error),
    /// The answer broke off.
    #[error("read the answer: {0}")]
    Body(String),
    /// The answer is larger than a client reads.
    #[error("the answer is larger than {RESPONSE_LIMIT_BYTES} bytes")]
    TooLarge,
}

/// A way to one service.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Another process: pooled connections; HTTP/2 from the first byte on plain text, by ALPN with TLS.
    Http {
        /// Scheme and authority, no trailing slash.
        base: String,
        /// The pool.
        client: reqwest::Client,
    },
    /// A router in this process.
    Memory(Router),
}

impl Transport {
    /// Calls a service at an address such as `http://10.0.0.5:8482`.
    pub fn http(url: &str) -> Result<Self, TransportError> {
        let parsed = reqwest::Url::parse(url).map_err(|_| TransportError::Url(url.to_owned()))?;
        let builder = match parsed.scheme() {
            "http" => reqwest::Client::builder().http2_prior_knowledge(),
            "https" => reqwest::Client::builder(),
            _ => return Err(TransportError::Url(url.to_owned())),
        };
        let client = builder
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_secs(90))
            .http2_keep_alive_interval(Duration::from_secs(30))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            .build()
            .map_err(TransportError::Client)?;
        Ok(Self::Http {
            base: url.trim_end_matches('/').to_owned(),
            client,
        })
    }

    /// Calls a router in this process through the same bytes.
    #[must_use]
    pub fn memory(router: Router) -> Self {
        Self::Memory(router)
    }

    pub(super) async fn post(
        &self,
        path: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), TransportError> {
        match self {
            Self::Http { base, client } => {
                let response = client
                    .post(format!("{base}{path}"))
                    .headers(headers)
                    .body(body)
                    .send()
                    .await
                    .map_err(TransportError::Send)?;
                let status = response.status();
                Ok((status, read(reqwest::Body::from(response)).await?))
            }
            Self::Memory(router) => {
                let mut request = Request::builder()
                    .method(Method::POST)
                    .uri(path)
                    .body(Body::from(body))?;
                *request.headers_mut() = headers;
                let response = match router.clone().oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                let status = response.status();
                Ok((status, read(response.into_body()).await?))
            }
        }
    }
}

async fn read<B>(body: B) -> Result<Bytes, TransportError>
where
    B: axum::body::HttpBody<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, RESPONSE_LIMIT_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(TransportError::TooLarge),
        Err(error) => Err(TransportError::Body(error.to_string())),
    }
}
