//! The loopback proxy itself.

use super::expected::Expected;
use super::{PayloadAnswer, PayloadRequest, PayloadSource};
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use netpatch_agent_core::plan::Plan;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

type Body = BoxBody<Bytes, io::Error>;

/// How many bytes were handed to the package manager.
#[derive(Debug, Default)]
pub struct Served {
    /// From the relay.
    pub relay_bytes: AtomicU64,
    /// From the source directly.
    pub origin_bytes: AtomicU64,
}

struct Inside {
    source: Arc<dyn PayloadSource>,
    repositories: Vec<String>,
    expected: RwLock<Expected>,
    served: Arc<Served>,
}

/// An open proxy; dropping it closes the port and every connection.
pub struct PayloadOrigin {
    address: SocketAddr,
    served: Arc<Served>,
    inside: Arc<Inside>,
    _stop: DropGuard,
}

impl PayloadOrigin {
    /// Opens a free port that serves these base URLs from the source.
    pub async fn open(
        source: Arc<dyn PayloadSource>,
        repositories: Vec<String>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let served = Arc::new(Served::default());
        let inside = Arc::new(Inside {
            source,
            repositories,
            expected: RwLock::default(),
            served: Arc::clone(&served),
        });
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, Arc::clone(&inside), stop.clone()));
        Ok(Self {
            address,
            served,
            inside,
            _stop: stop.drop_guard(),
        })
    }

    /// What the package manager is told as its proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on the source is told the hashes of what this plan brings.
    pub fn expect(&self, plan: &Plan) {
        let expected = Expected::of(plan);
        let held = self.inside.expected.write();
        *held.unwrap_or_else(PoisonError::into_inner) = expected;
    }

    /// Bytes handed out so far: from the relay, from the source directly.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.served.relay_bytes.load(Ordering::Relaxed),
            self.served.origin_bytes.load(Ordering::Relaxed),
        )
    }
}

async fn serve(listener: TcpListener, inside: Arc<Inside>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(connection(stream, Arc::clone(&inside))); }
                Err(error) => tracing::warn!(%error, "cannot accept a connection of the package manager"),
            },
        }
    }
}

async fn connection(stream: TcpStream, inside: Arc<Inside>) {
    let service = service_fn(move |request| {
        let inside = Arc::clone(&inside);
        async move { Ok::<_, std::convert::Infallible>(answer(&inside, &request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the package manager broke");
    }
}

async fn answer(inside: &Inside, request: &Request<Incoming>) -> Response<Body> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
    }
    let Some((repository, path)) = locate(&inside.repositories, &request.uri().to_string()) else {
        return plain(StatusCode::FORBIDDEN, "not below a source of this host");
    };
    let headers = request.headers();
    let (offset, length) = range(headers);
    let expected = inside.expected.read();
    let sha256 = expected
        .unwrap_or_else(PoisonError::into_inner)
        .of_path(&path);
    let wanted = PayloadRequest {
        repository,
        path,
        offset,
        length,
        if_modified_since: text(headers, &header::IF_MODIFIED_SINCE),
        if_none_match: text(headers, &header::IF_NONE_MATCH),
        sha256,
    };
    match inside.source.fetch(wanted).await {
        Ok(answer) => forward(
            answer,
            offset,
            request.method() == Method::HEAD,
            Arc::clone(&inside.served),
        ),
        Err(error) => {
            tracing::warn!(%error, "payload not served");
            plain(StatusCode::BAD_GATEWAY, &error.to_string())
        }
    }
}

fn forward(answer: PayloadAnswer, offset: u64, head: bool, served: Arc<Served>) -> Response<Body> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut builder = Response::builder().status(status);
    for (name, value) in [
        (header::LAST_MODIFIED, &answer.last_modified),
        (header::ETAG, &answer.etag),
        (header::CONTENT_TYPE, &answer.content_type),
    ] {
        if !value.is_empty() {
            builder = builder.header(name, value);
        }
    }
    if let Some(size) = answer.size_bytes {
        builder = builder.header(header::CONTENT_LENGTH, size);
        if status == StatusCode::PARTIAL_CONTENT && size > 0 {
            let total = if answer.total_bytes == 0 {
                "*".to_owned()
            } else {
                answer.total_bytes.to_string()
            };
            builder = builder.header(
                header::CONTENT_RANGE,
                format!("bytes {offset}-{}/{total}", offset + size - 1),
            );
        }
    }
    let via = answer.via;
    let body: Body = if head {
        empty()
    } else {
        let frames = answer.body.map(move |part| {
            part.map(|bytes| {
                let counter = if via.is_relay() {
                    &served.relay_bytes
                } else {
                    &served.origin_bytes
                };
                counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Frame::data(bytes)
            })
        });
        BodyExt::boxed(StreamBody::new(SyncStream(std::sync::Mutex::new(
            frames.boxed(),
        ))))
    };
    builder.body(body).unwrap_or_else(|_| {
        plain(
            StatusCode::BAD_GATEWAY,
            "the source sent a header that is none",
        )
    })
}

/// Which repository a URL lies below, and where. The scheme does not count: https sources arrive as http.
fn locate(repositories: &[String], url: &str) -> Option<(String, String)> {
    let wanted = url.split_once("://")?.1;
    repositories
        .iter()
        .filter_map(|repository| {
            let base = repository.split_once("://")?.1;
            let path = wanted.strip_prefix(base)?.strip_prefix('/')?;
            Some((repository.clone(), path.to_owned()))
        })
        .filter(|(_, path)| {
            !path.is_empty() && path.split('/').all(|part| part != ".." && part != ".")
        })
        .max_by_key(|(repository, _)| repository.len())
}

/// `Range: bytes=a-` or `bytes=a-b` as (offset, length); anything else is the whole.
fn range(headers: &HeaderMap) -> (u64, u64) {
    let value = text(headers, &header::RANGE);
    let Some((first, last)) = value
        .strip_prefix("bytes=")
        .and_then(|rest| rest.split_once('-'))
    else {
        return (0, 0);
    };
    let Ok(first) = first.parse::<u64>() else {
        return (0, 0);
    };
    match last.parse::<u64>() {
        Ok(last) if last >= first => (first, last - first + 1),
        _ => (first, 0),
    }
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn plain(status: StatusCode, message: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(message.to_owned()))
        .map_err(|never| match never {})
        .boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn empty() -> Body {
    http_body_util::Empty::new()
        .map_err(|never: std::convert::Infallible| match never {})
        .boxed()
}

/// A boxed stream may not be shared between threads; the body of a response must be. It is polled by one at a time.
struct SyncStream<S>(std::sync::Mutex<S>);

impl<S: futures::Stream + Unpin> futures::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<S::Item>> {
        let stream = self
            .0
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        stream.poll_next_unpin(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_below_a_source_is_located() {
        let repositories = [
            "https://deb.example.invalid/debian".to_owned(),
            "http://deb.example.invalid/debian-security".to_owned(),
        ];
        let found = locate(
            &repositories,
            "http://deb.example.invalid/debian/pool/a.deb",
        )
        .expect("below");
        assert_eq!(found, (repositories[0].clone(), "pool/a.deb".to_owned()));
        let security = locate(
            &repositories,
            "http://deb.example.invalid/debian-security/dists/x",
        )
        .expect("below");
        assert_eq!(security.0, repositories[1]);
        for refused in [
            "http://deb.example.invalid/debian",
            "http://deb.example.invalid/debian/../etc/passwd",
            "http://other.invalid/debian/pool/a.deb",
            "/debian/pool/a.deb",
        ] {
            assert_eq!(locate(&repositories, refused), None, "{refused}");
        }
    }

    #[test]
    fn ranges_are_read() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, value.parse().expect("value"));
            range(&headers)
        };
        assert_eq!(with("bytes=5-"), (5, 0));
        assert_eq!(with("bytes=5-9"), (5, 5));
        assert_eq!(with("bytes=9-5"), (9, 0));
        assert_eq!(with("lines=1-"), (0, 0));
    }
}
