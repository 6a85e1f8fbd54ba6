//! One answer over HTTP: asked for only if it changed, picked up where it was torn off, and never more than was allowed.

use super::{Reach, Wanted};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderMap};
use reqwest::{Response, StatusCode, Url};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(15);
/// How long the next bytes of an answer may take.
const READ: Duration = Duration::from_secs(30);
/// How often a torn answer is picked up again.
const RESUMES: u32 = 3;
/// How many redirects are followed.
const REDIRECTS: u32 = 5;

/// Why a feed could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No HTTP client.
    #[error("make the HTTP client for feeds: {0}")]
    Client(#[source] reqwest::Error),
    /// The address, or one that it leads to, may not be asked.
    #[error("{url}: {reason}")]
    Address {
        /// Which.
        url: String,
        /// Why not.
        reason: String,
    },
    /// No answer, or one that was torn off for good.
    #[error("{url}: {reason}")]
    Broken {
        /// Which address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// It took too long.
    #[error("{url}: no whole answer within {seconds} s")]
    Slow {
        /// Which address.
        url: String,
        /// How long it was waited.
        seconds: u64,
    },
    /// An answer that is none.
    #[error("{url} answered {status}")]
    Status {
        /// Which address.
        url: String,
        /// What it answered.
        status: u16,
    },
    /// A page instead of a feed.
    #[error("{url} answered with the content type {kind}, which no feed has")]
    Kind {
        /// Which address.
        url: String,
        /// The content type.
        kind: String,
    },
    /// More than was allowed.
    #[error("{url} has more than {max_bytes} bytes")]
    TooLarge {
        /// Which address.
        url: String,
        /// The limit.
        max_bytes: u64,
    },
}

/// What is held of a source: the cursor of the next request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

/// What a source answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing new.
    NotModified,
    /// All of it.
    Fresh(Vec<u8>, Known),
}

/// Fetches feeds and payloads.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    reach: Reach,
}

impl Client {
    /// A client that goes no further than `reach`.
    pub(crate) fn new(reach: Reach) -> Result<Self, FetchError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(READ)
            .user_agent(concat!("NetPatch/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Judged(reach.clone())))
            .build()
            .map_err(FetchError::Client)?;
        Ok(Self { http, reach })
    }

    /// Asks for a source, unless it is still what is known.
    pub(crate) async fn get(
        &self,
        source: Wanted<'_>,
        known: &Known,
    ) -> Result<Answer, FetchError> {
        match tokio::time::timeout(source.timeout, self.whole(source, known)).await {
            Ok(answer) => answer,
            Err(_) => Err(FetchError::Slow {
                url: source.url.to_owned(),
                seconds: source.timeout.as_secs(),
            }),
        }
    }

    async fn whole(&self, source: Wanted<'_>, known: &Known) -> Result<Answer, FetchError> {
        let mut conditions = HeaderMap::new();
        condition(&mut conditions, header::IF_NONE_MATCH, &known.etag);
        condition(
            &mut conditions,
            header::IF_MODIFIED_SINCE,
            &known.last_modified,
        );
        let mut body = Vec::new();
        let mut said = Known::default();
        let mut last = String::new();
        for _ in 0..=RESUMES {
            let mut response = self.follow(source, conditions).await?;
            match response.status() {
                StatusCode::NOT_MODIFIED if body.is_empty() => return Ok(Answer::NotModified),
                StatusCode::OK => body.clear(),
                StatusCode::PARTIAL_CONTENT if goes_on(&response, body.len()) => {}
                status => {
                    return Err(FetchError::Status {
                        url: source.url.to_owned(),
                        status: status.as_u16(),
                    });
                }
            }
            kind(&response)?;
            let too_large = || FetchError::TooLarge {
                url: source.url.to_owned(),
                max_bytes: source.max_bytes,
            };
            if response.content_length() > Some(source.max_bytes) {
                return Err(too_large());
            }
            said = Known {
                etag: text(response.headers(), header::ETAG),
                last_modified: text(response.headers(), header::LAST_MODIFIED),
            };
            let torn = loop {
                match response.chunk().await {
                    Ok(Some(chunk)) => {
                        body.extend_from_slice(&chunk);
                        if u64::try_from(body.len()).unwrap_or(u64::MAX) > source.max_bytes {
                            return Err(too_large());
                        }
                    }
                    Ok(None) => break None,
                    Err(error) => break Some(reason(&error)),
                }
            };
            let Some(reason) = torn else {
                return Ok(Answer::Fresh(body, said));
            };
            last = reason;
            // Only what is certainly the same content may be put together.
            conditions = HeaderMap::new();
            let strong = said.etag.clone().filter(|etag| !etag.starts_with("W/"));
            if !body.is_empty() && strong.is_some() {
                condition(&mut conditions, header::IF_RANGE, &strong);
                let range = Some(format!("bytes={}-", body.len()));
                condition(&mut conditions, header::RANGE, &range);
            } else {
                body.clear();
            }
        }
        let _ = said;
        Err(FetchError::Broken {
            url: source.url.to_owned(),
            reason: format!("torn off again and again: {last}"),
        })
    }

    /// Follows redirects by hand, so that each address is judged.
    async fn follow(
        &self,
        source: Wanted<'_>,
        conditions: HeaderMap,
    ) -> Result<Response, FetchError> {
        let mut url = self.checked(source.url)?;
        for _ in 0..=REDIRECTS {
            let request = self.http.get(url.clone()).headers(conditions.clone());
            let response = request.send().await.map_err(|error| FetchError::Broken {
                url: url.to_string(),
                reason: reason(&error),
            })?;
            let target = text(response.headers(), header::LOCATION);
            let (true, Some(target)) = (response.status().is_redirection(), target) else {
                return Ok(response);
            };
            let next = url.join(&target).map_err(|error| FetchError::Address {
                url: url.to_string(),
                reason: format!("redirects to what is no address: {error}"),
            })?;
            url = self.checked(next.as_str())?;
        }
        Err(FetchError::Address {
            url: source.url.to_owned(),
            reason: format!("more than {REDIRECTS} redirects"),
        })
    }

    /// HTTPS, no user name; an address that is written out must be public. Names are judged by the resolver.
    fn checked(&self, url: &str) -> Result<Url, FetchError> {
        let refused = |reason: String| FetchError::Address {
            url: url.chars().take(300).collect(),
            reason,
        };
        let parsed = Url::parse(url).map_err(|error| refused(format!("no address: {error}")))?;
        match parsed.scheme() {
            "https" => {}
            "http" if self.reach.takes_plain_http() => {}
            _ => return Err(refused("a feed's address starts with https://".to_owned())),
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(refused("a feed's address has no user name".to_owned()));
        }
        let host = parsed.host_str().unwrap_or_default();
        let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        match literal {
            Some(address) if !self.reach.may(host, address) => {
                Err(refused(format!("{address} is not a public address")))
            }
            _ => Ok(parsed),
        }
    }
}

fn condition(headers: &mut HeaderMap, name: header::HeaderName, value: &Option<String>) {
    if let Some(value) = value.as_ref().and_then(|value| value.parse().ok()) {
        headers.insert(name, value);
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (value.len() <= 1_000).then(|| value.to_owned())
}

/// Whether a part begins where the last one was torn off.
fn goes_on(response: &Response, at: usize) -> bool {
    text(response.headers(), header::CONTENT_RANGE)
        .is_some_and(|range| range.starts_with(&format!("bytes {at}-")))
}

/// A page is what captive portals and error handlers answer with, with status 200.
fn kind(response: &Response) -> Result<(), FetchError> {
    let kind = text(response.headers(), header::CONTENT_TYPE).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if matches!(
        essence.to_ascii_lowercase().as_str(),
        "text/html" | "application/xhtml+xml"
    ) {
        return Err(FetchError::Kind {
            url: response.url().to_string(),
            kind: essence.chars().take(100).collect(),
        });
    }
    Ok(())
}

/// The innermost cause: "connection refused" says more than "error sending request".
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().chars().take(300).collect()
}

/// Resolves names and leaves out what may not be reached, at the connection itself: a name that changes in between gains nothing.
#[derive(Debug)]
struct Judged(Reach);

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found
                .filter(|address| reach.may(name.as_str(), address.ip()))
                .collect();
            if public.is_empty() {
                return Err(format!("{} has no public address", name.as_str()).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}
