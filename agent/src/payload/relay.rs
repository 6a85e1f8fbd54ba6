//! Payloads over the outer connection to the site's relay.

use super::{PayloadAnswer, PayloadError, PayloadRequest, PayloadSource, Via};
use async_trait::async_trait;
use futures::StreamExt as _;
use netpatch_protocol::site;
use netpatch_tunnel::SiteClient;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

/// A relay that cannot be connected within this is lost; what it answers may take longer.
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// Asks the relay that the session uses too.
#[derive(Clone)]
pub struct Relay {
    site: Arc<SiteClient>,
}

impl Relay {
    /// Through this relay.
    #[must_use]
    pub fn new(site: Arc<SiteClient>) -> Self {
        Self { site }
    }
}

#[async_trait]
impl PayloadSource for Relay {
    async fn fetch(&self, request: PayloadRequest) -> Result<PayloadAnswer, PayloadError> {
        let failed = |error: netpatch_tunnel::TunnelError| PayloadError {
            repository: request.repository.clone(),
            path: request.path.clone(),
            reason: error.to_string(),
        };
        let wanted = site::PayloadRequest {
            repository: request.repository.clone(),
            path: request.path.clone(),
            offset: request.offset,
            length: request.length,
            if_modified_since: request.if_modified_since.clone(),
            if_none_match: request.if_none_match.clone(),
            sha256: request
                .sha256
                .map_or_else(Vec::new, |sha256| sha256.0.to_vec()),
        };
        let connection = match timeout(CONNECT, self.site.connection()).await {
            Ok(connection) => connection.map_err(failed)?,
            Err(_) => {
                return Err(PayloadError {
                    repository: request.repository,
                    path: request.path,
                    reason: format!("the relay was silent for {} s", CONNECT.as_secs()),
                });
            }
        };
        let (answer, stream) = connection.payload(wanted).await.map_err(failed)?;
        let size = answer.size_bytes;
        let body = ReaderStream::with_capacity(stream.take(size), PIECE);
        Ok(PayloadAnswer {
            status: u16::try_from(answer.status).unwrap_or(502),
            size_bytes: Some(size),
            total_bytes: answer.total_bytes,
            last_modified: answer.last_modified,
            etag: answer.etag,
            content_type: answer.content_type,
            via: Via::relay(),
            body: whole(body, size).boxed(),
        })
    }
}

/// The stream, ended by an error when it is shorter than announced: the package manager must not take that for an end.
fn whole<S>(body: S, size: u64) -> impl futures::Stream<Item = io::Result<bytes::Bytes>>
where
    S: futures::Stream<Item = io::Result<bytes::Bytes>>,
{
    let mut seen = 0u64;
    let mut ended = false;
    let mut body = Box::pin(body);
    futures::stream::poll_fn(move |context| {
        if ended {
            return std::task::Poll::Ready(None);
        }
        body.as_mut().poll_next(context).map(|part| match part {
            Some(Ok(bytes)) => {
                seen += bytes.len() as u64;
                Some(Ok(bytes))
            }
            None if seen < size => {
                ended = true;
                Some(Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the relay broke off",
                )))
            }
            other => {
                ended = true;
                other
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_short_body_ends_in_an_error() {
        let parts = || futures::stream::iter([Ok(bytes::Bytes::from_static(b"abc"))]);
        let enough: Vec<_> = whole(parts(), 3).collect().await;
        assert!(enough.iter().all(Result::is_ok));
        let short: Vec<_> = whole(parts(), 4).collect().await;
        assert!(short.last().expect("an end").is_err());
    }
}
