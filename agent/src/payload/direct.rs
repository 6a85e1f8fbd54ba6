//! Payloads from the vendor itself, for a host without a relay.

use super::{PayloadAnswer, PayloadError, PayloadRequest, PayloadSource};
use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use http::header;
use std::time::Duration;

/// Fetches over HTTP and HTTPS as the sources say. The client is made at the first fetch: a host that never fetches by
/// itself needs no certificates of the web.
#[derive(Debug, Default)]
pub struct Direct {
    client: tokio::sync::OnceCell<reqwest::Client>,
}

impl Direct {
    /// The client, with a limit for silence, none for length.
    async fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        let make = async || {
            reqwest::Client::builder()
                .connect_timeout(Duration::from_secs(20))
                .read_timeout(Duration::from_secs(60))
                .build()
        };
        self.client.get_or_try_init(make).await
    }
}

#[async_trait]
impl PayloadSource for Direct {
    async fn fetch(&self, request: PayloadRequest) -> Result<PayloadAnswer, PayloadError> {
        let failed = |error: reqwest::Error| PayloadError {
            repository: request.repository.clone(),
            path: request.path.clone(),
            reason: error.without_url().to_string(),
        };
        let client = self.client().await.map_err(|error| PayloadError {
            repository: request.repository.clone(),
            path: request.path.clone(),
            reason: format!("no HTTPS client ({error}); install ca-certificates or use a relay"),
        })?;
        let mut get = client.get(format!("{}/{}", request.repository, request.path));
        if request.offset > 0 || request.length > 0 {
            let last = if request.length > 0 {
                (request.offset + request.length - 1).to_string()
            } else {
                String::new()
            };
            get = get.header(header::RANGE, format!("bytes={}-{last}", request.offset));
        }
        for (name, value) in [
            (header::IF_MODIFIED_SINCE, &request.if_modified_since),
            (header::IF_NONE_MATCH, &request.if_none_match),
        ] {
            if !value.is_empty() {
                get = get.header(name, value);
            }
        }
        let response = get.send().await.map_err(failed)?;
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
        Ok(PayloadAnswer {
            status: response.status().as_u16(),
            size_bytes: response.content_length(),
            total_bytes: total_bytes.unwrap_or(0),
            last_modified: text(header::LAST_MODIFIED),
            etag: text(header::ETAG),
            content_type: text(header::CONTENT_TYPE),
            from_relay: false,
            body: response
                .bytes_stream()
                .map_err(std::io::Error::other)
                .boxed(),
        })
    }
}
