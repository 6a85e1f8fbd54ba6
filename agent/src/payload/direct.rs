//! Payloads from the vendor itself, for a host without a relay.

use super::{PayloadAnswer, PayloadError, PayloadRequest, PayloadSource};
use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use http::header;
use std::time::Duration;

/// Fetches over HTTP and HTTPS as the sources say.
#[derive(Clone, Debug)]
pub struct Direct {
    client: reqwest::Client,
}

impl Direct {
    /// A client with a limit for silence, none for length.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(20))
            .read_timeout(Duration::from_secs(60))
            .build()?;
        Ok(Self { client })
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
        let mut get = self
            .client
            .get(format!("{}/{}", request.repository, request.path));
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
