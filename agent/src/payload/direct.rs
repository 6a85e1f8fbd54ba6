//! Payloads from the vendor itself, for a host without a relay: HTTP/1.1, a few redirects, the host's own certificates,
//! through the site's forward proxy where there is one.

mod way;
mod web;

use super::{PayloadAnswer, PayloadError, PayloadRequest, PayloadSource, Via};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _, try_unfold};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use netpatch_tunnel::Proxies;
use netpatch_types::SharedClock;
use std::io;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use web::Web;

/// A vendor that says nothing for this long is given up; there is no limit for the whole.
const SILENCE: Duration = Duration::from_secs(60);

/// Fetches over HTTP and HTTPS as the sources say. The client is made at the first fetch: a host that never fetches by
/// itself needs no certificates of the web.
pub struct Direct {
    web: OnceCell<Web>,
    proxies: Proxies,
    clock: SharedClock,
}

impl Direct {
    /// Fetches through the site's forward proxy, where one is named.
    #[must_use]
    pub fn through(proxies: Proxies, clock: SharedClock) -> Self {
        Self {
            web: OnceCell::new(),
            proxies,
            clock,
        }
    }
}

#[async_trait]
impl PayloadSource for Direct {
    async fn fetch(&self, request: PayloadRequest) -> Result<PayloadAnswer, PayloadError> {
        let failed = |reason: String| PayloadError {
            repository: request.repository.clone(),
            path: request.path.clone(),
            reason,
        };
        let make = async || Web::with_host_certificates(&self.proxies, &self.clock);
        let web = self
            .web
            .get_or_try_init(make)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let url = format!("{}/{}", request.repository, request.path);
        let response = web
            .get(&url, &headers(&request), SILENCE)
            .await
            .map_err(|error| failed(error.to_string()))?;
        Ok(answer(response, SILENCE))
    }
}

/// What the package manager asked for, in HTTP's words.
fn headers(request: &PayloadRequest) -> HeaderMap {
    let range = (request.offset > 0 || request.length > 0).then(|| {
        let last = match request.length {
            0 => String::new(),
            length => request.offset.saturating_add(length - 1).to_string(),
        };
        format!("bytes={}-{last}", request.offset)
    });
    [
        (header::RANGE, range.unwrap_or_default()),
        (header::IF_MODIFIED_SINCE, request.if_modified_since.clone()),
        (header::IF_NONE_MATCH, request.if_none_match.clone()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
    .collect()
}

fn answer(response: Response<Incoming>, silence: Duration) -> PayloadAnswer {
    let text = |name: header::HeaderName| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let total_bytes = text(header::CONTENT_RANGE)
        .rsplit_once('/')
        .and_then(|(_, total)| total.parse().ok());
    PayloadAnswer {
        status: response.status().as_u16(),
        size_bytes: response.body().size_hint().exact(),
        total_bytes: total_bytes.unwrap_or(0),
        last_modified: text(header::LAST_MODIFIED),
        etag: text(header::ETAG),
        content_type: text(header::CONTENT_TYPE),
        via: Via::direct(),
        body: body(response.into_body(), silence),
    }
}

/// The bytes as they come; silence ends them with an error, so that the package manager does not take it for the end.
fn body(incoming: Incoming, silence: Duration) -> BoxStream<'static, io::Result<Bytes>> {
    try_unfold(incoming.into_data_stream(), move |mut parts| async move {
        match timeout(silence, parts.try_next()).await {
            Ok(Ok(part)) => Ok(part.map(|part| (part, parts))),
            Ok(Err(error)) => Err(io::Error::other(error)),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the vendor was silent for {} s", silence.as_secs()),
            )),
        }
    })
    .boxed()
}
