//! Fetching from a repository's upstreams over HTTP(S).
//!
//! No upstream is waited for without end, and one that failed a moment ago is asked after the others.

use super::lock;
use super::reach::Reach;
use super::store::StoreError;
use bytes::{Bytes, BytesMut};
use netpatch_relay_core::Validators;
use netpatch_tunnel::{Proxies, Proxy};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, ClientBuilder, Response, StatusCode, Url, Version};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// So long is waited for an upstream's next byte.
const PATIENCE: Duration = Duration::from_secs(30);
/// An upstream that failed is asked after the others for so long.
const SHUNNED: Duration = Duration::from_secs(60);
/// Upstreams that are remembered for it.
const MAX_SHUNNED: usize = 1_000;
/// Bytes that are taken from the one connection at once.
const CARRIED_BYTES: usize = 64 << 10;

/// The HTTP client.
pub struct Origin {
    client: reqwest::Client,
    reach: Reach,
    patience_ms: AtomicU64,
    /// When each upstream failed last, by scheme and authority.
    failed: Mutex<HashMap<String, Instant>>,
}

/// What an upstream answered.
pub enum Answer {
    /// The held version is the current one.
    Unchanged,
    /// The payload, from its first byte.
    Whole(Head, Body),
    /// The payload from the byte that was asked for.
    Rest(Head, Body),
    /// It says that there is no such payload.
    Absent,
    /// It cannot answer; another one, or later, might.
    Failed(String),
}

/// Bytes on their way.
pub enum Body {
    /// From an upstream.
    Http(Response),
    /// From the platform, over the one connection.
    Carried(Box<dyn AsyncRead + Send + Unpin>),
}

impl Body {
    /// The next bytes; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        match self {
            // An address may be one that lets in whoever has it.
            Self::Http(response) => {
                let came = response.chunk().await;
                came.map_err(|error| chain(&error.without_url()))
            }
            Self::Carried(stream) => {
                let mut piece = BytesMut::with_capacity(CARRIED_BYTES);
                match stream.read_buf(&mut piece).await {
                    Ok(0) => Ok(None),
                    Ok(_) => Ok(Some(piece.freeze())),
                    Err(error) => Err(chain(&error)),
                }
            }
        }
    }
}

/// What an upstream says of a payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Names the version.
    pub validators: Validators,
    /// `Content-Type`, empty for none.
    pub content_type: String,
    /// Length of the whole payload, if it says.
    pub total_bytes: Option<u64>,
    /// Whether only the end of the connection ends the payload: a torn one looks whole.
    pub may_be_torn: bool,
}

/// What is asked for beyond the URL.
pub enum Ask<'a> {
    /// The payload.
    Whole,
    /// The payload, unless it is still this version.
    IfChanged(&'a Validators),
    /// The payload from a byte on, if it is still this version.
    From(u64, &'a Validators),
    /// The payload from a byte on, whatever its version is called there: its hash will tell.
    Part(u64),
}

impl Origin {
    /// A client that connects only to where payloads may come from and waits for no upstream for ever.
    pub(crate) fn new(reach: &Reach) -> Result<Self, StoreError> {
        let building = reqwest::Client::builder().no_proxy();
        let building = match reach.proxies().proxy() {
            Some(proxy) => through(building, proxy, reach.proxies())?,
            None => building,
        };
        let built = building
            .user_agent(concat!("netpatch-relay/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .redirect(reach.redirects())
            .dns_resolver(Arc::new(reach.clone()))
            .build();
        let client = built.map_err(|error| StoreError::Client(error.to_string()))?;
        Ok(Self {
            client,
            reach: reach.clone(),
            patience_ms: AtomicU64::new(millis(PATIENCE)),
            failed: Mutex::default(),
        })
    }

    /// So long is waited for an upstream's next byte.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn set_patience(&self, patience: Duration) {
        let patience_ms = millis(patience);
        self.patience_ms.store(patience_ms, Ordering::Relaxed);
    }

    /// The URLs in the order to ask: as they are, but what failed a moment ago last.
    pub(crate) fn in_order(&self, urls: &[String]) -> Vec<String> {
        let failed = lock(&self.failed);
        let is_shunned = |url: &String| {
            let at = failed.get(place(url));
            at.is_some_and(|at| at.elapsed() < SHUNNED)
        };
        let (last, first): (Vec<_>, Vec<_>) = urls.iter().cloned().partition(is_shunned);
        first.into_iter().chain(last).collect()
    }

    /// This upstream failed, or sent what it should not.
    pub(crate) fn shun(&self, url: &str) {
        let mut failed = lock(&self.failed);
        if failed.len() >= MAX_SHUNNED {
            failed.retain(|_, at| at.elapsed() < SHUNNED);
        }
        if failed.len() < MAX_SHUNNED {
            failed.insert(place(url).to_owned(), Instant::now());
        }
    }

    /// Asks one upstream.
    pub async fn ask(&self, url: &str, what: &Ask<'_>) -> Answer {
        let answer = self.ask_once(url, what).await;
        if matches!(answer, Answer::Failed(_)) {
            self.shun(url);
        }
        answer
    }

    async fn ask_once(&self, url: &str, what: &Ask<'_>) -> Answer {
        let parsed = match Url::parse(url) {
            Ok(parsed) => parsed,
            Err(error) => return Answer::Failed(format!("{:?} is not a url: {error}", place(url))),
        };
        if let Err(error) = self.reach.check(&parsed) {
            return Answer::Failed(error.to_string());
        }
        // Of addresses that let in whoever has them nothing is told.
        let is_signed = parsed.query().is_some();
        let mut request = self.client.get(parsed);
        match what {
            Ask::Whole => {}
            Ask::IfChanged(held) => {
                if !held.etag.is_empty() {
                    request = request.header(header::IF_NONE_MATCH, &held.etag);
                }
                if !held.last_modified.is_empty() {
                    request = request.header(header::IF_MODIFIED_SINCE, &held.last_modified);
                }
            }
            Ask::From(offset, held) => {
                let version = match held.etag.as_str() {
                    "" => &held.last_modified,
                    etag => etag,
                };
                request = request.header(header::RANGE, format!("bytes={offset}-"));
                if !version.is_empty() {
                    request = request.header(header::IF_RANGE, version);
                }
            }
            Ask::Part(offset) => {
                request = request.header(header::RANGE, format!("bytes={offset}-"));
            }
        }
        match tokio::time::timeout(self.patience(), request.send()).await {
            Ok(Ok(response)) => judge(response, what),
            Ok(Err(error)) if is_signed => Answer::Failed(chain(&error.without_url())),
            Ok(Err(error)) => Answer::Failed(chain(&error)),
            Err(_) => Answer::Failed("upstream does not answer".into()),
        }
    }
}

/// Through the site's proxy: plain HTTP is asked for there, TLS goes through it by CONNECT.
fn through(
    building: ClientBuilder,
    proxy: &Proxy,
    proxies: &Arc<Proxies>,
) -> Result<ClientBuilder, StoreError> {
    let failed = |error: reqwest::Error| StoreError::Client(error.without_url().to_string());
    let scheme = if proxy.is_secured() { "https" } else { "http" };
    let address = format!("{scheme}://{}", proxy.address());
    let address = Url::parse(&address).map_err(|error| StoreError::Client(error.to_string()))?;
    let shared = proxies.clone();
    let mut way = reqwest::Proxy::custom(move |url| {
        let host = url.host_str().unwrap_or_default();
        shared.towards(host).map(|_| address.clone())
    });
    if let Some(authorization) = proxy.authorization() {
        let mut authorization = HeaderValue::try_from(authorization)
            .map_err(|error| StoreError::Client(error.to_string()))?;
        authorization.set_sensitive(true);
        way = way.custom_http_auth(authorization);
    }
    let authorities: Result<Vec<Certificate>, _> = { proxy.authorities().iter() }
        .map(|authority| Certificate::from_der(authority))
        .collect();
    Ok(building
        .proxy(way)
        .tls_certs_merge(authorities.map_err(failed)?))
}

/// Scheme and authority of a URL.
fn place(url: &str) -> &str {
    let rest = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(rest..).and_then(|rest| rest.find('/'));
    end.and_then(|end| url.get(..rest + end)).unwrap_or(url)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn judge(response: Response, what: &Ask<'_>) -> Answer {
    let headers = response.headers();
    let mut head = Head {
        validators: Validators {
            etag: text(headers, &header::ETAG),
            last_modified: text(headers, &header::LAST_MODIFIED),
        },
        content_type: text(headers, &header::CONTENT_TYPE),
        total_bytes: text(headers, &header::CONTENT_LENGTH).parse().ok(),
        may_be_torn: false,
    };
    let is_chunked = text(headers, &header::TRANSFER_ENCODING)
        .to_ascii_lowercase()
        .ends_with("chunked");
    let is_old = response.version() <= Version::HTTP_11;
    head.may_be_torn = head.total_bytes.is_none() && is_old && !is_chunked;
    match (response.status(), what) {
        (StatusCode::OK, _) => Answer::Whole(head, Body::Http(response)),
        (StatusCode::NOT_MODIFIED, Ask::IfChanged(_)) => Answer::Unchanged,
        (StatusCode::PARTIAL_CONTENT, Ask::From(offset, held)) => {
            match content_range(&text(headers, &header::CONTENT_RANGE)) {
                Some((start, total)) if start == *offset && head.validators.same_version(held) => {
                    head.total_bytes = Some(total);
                    Answer::Rest(head, Body::Http(response))
                }
                _ => Answer::Failed("upstream answered another part than asked for".into()),
            }
        }
        (StatusCode::PARTIAL_CONTENT, Ask::Part(offset)) => {
            match content_range(&text(headers, &header::CONTENT_RANGE)) {
                Some((start, total)) if start == *offset => {
                    head.total_bytes = Some(total);
                    Answer::Rest(head, Body::Http(response))
                }
                _ => Answer::Failed("upstream answered another part than asked for".into()),
            }
        }
        (StatusCode::NOT_FOUND | StatusCode::GONE, _) => Answer::Absent,
        (status, _) => Answer::Failed(format!("upstream answered {status}")),
    }
}

/// `bytes 5-9/10` is (5, 10).
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, total.parse().ok()?))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        out = format!("{out}: {inner}");
        cause = inner.source();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{content_range, place};

    #[test]
    fn an_upstream_is_told_by_scheme_and_authority() {
        assert_eq!(place("http://a.example:81/x/y"), "http://a.example:81");
        assert_eq!(place("https://a.example"), "https://a.example");
        assert_eq!(place("nothing"), "nothing");
        assert_eq!(place(""), "");
    }

    #[test]
    fn a_content_range_is_read_or_refused() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 10)));
        for text in ["", "bytes */10", "bytes 5-9/*", "bytes 5", "items 5-9/10"] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }
}
