//! Sending a webhook: signed (<https://www.standardwebhooks.com>), to public addresses only, without redirects.
//!
//! Invariant: the address that was judged is the address that is connected to, because the judging is done by the
//! resolver of the connection itself. A name that changes its address in between gains nothing.

use chrono::{DateTime, Utc};
use netpatch_types::address::is_public;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long one try may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long nobody else tries a delivery that somebody has taken.
pub(crate) const LEASE: chrono::Duration = chrono::Duration::seconds(60);

/// No HTTP client.
#[derive(Debug, thiserror::Error)]
#[error("make the HTTP client for webhooks: {0}")]
pub struct WebhookClientError(#[from] reqwest::Error);

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The endpoint answered.
    Status(u16),
    /// It did not; why, for the customer.
    Failed(String),
}

/// Sends webhooks.
#[derive(Clone, Debug)]
pub(crate) struct WebhookClient {
    http: Client,
    allow_private: bool,
}

impl WebhookClient {
    pub(crate) fn new(allow_private: bool) -> Result<Self, WebhookClientError> {
        let http = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .user_agent(concat!("NetPatch/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(PublicOnly { allow_private }))
            .build()?;
        Ok(Self {
            http,
            allow_private,
        })
    }

    /// One try.
    pub(crate) async fn send(
        &self,
        url: &str,
        secret: &str,
        id: &str,
        now: DateTime<Utc>,
        body: &str,
    ) -> Answer {
        let url = match checked_url(url, self.allow_private) {
            Ok(url) => url,
            Err(reason) => return Answer::Failed(reason),
        };
        let timestamp = now.timestamp();
        let signature = match standardwebhooks::Webhook::new(secret)
            .and_then(|key| key.sign(id, timestamp, body.as_bytes()))
        {
            Ok(signature) => signature,
            Err(error) => return Answer::Failed(format!("cannot sign: {error}")),
        };
        let request = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .header(standardwebhooks::HEADER_WEBHOOK_ID, id)
            .header(standardwebhooks::HEADER_WEBHOOK_TIMESTAMP, timestamp)
            .header(standardwebhooks::HEADER_WEBHOOK_SIGNATURE, signature)
            .body(body.to_owned());
        match request.send().await {
            Ok(response) => Answer::Status(response.status().as_u16()),
            Err(error) => Answer::Failed(reason(&error)),
        }
    }
}

/// The innermost cause: "connection refused" says more than "error sending request".
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", TIMEOUT.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().chars().take(300).collect()
}

/// HTTPS, a host, no user name; an address that is written out must be public.
pub(crate) fn checked_url(url: &str, allow_private: bool) -> Result<Url, String> {
    if url.len() > 2000 {
        return Err("a webhook's url has at most 2000 characters".to_owned());
    }
    let url = Url::parse(url).map_err(|error| format!("not a url: {error}"))?;
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        _ => return Err("a webhook's url starts with https://".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a webhook's url has no user name; the signature proves who sends".to_owned());
    }
    let host = url.host_str().ok_or("a webhook's url names a host")?;
    let literal = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
        .ok();
    if let Some(address) = literal
        && !allow_private
        && !is_public(address)
    {
        return Err(format!("{address} is not a public address"));
    }
    Ok(url)
}

/// Resolves names and leaves out what is not public.
#[derive(Debug)]
struct PublicOnly {
    allow_private: bool,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found
                .filter(|address| allow_private || is_public(address.ip()))
                .collect();
            if public.is_empty() {
                return Err(format!("{} has no public address", name.as_str()).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_look_inside_are_refused() {
        for url in [
            "http://example.com/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://10.0.0.1:8443/x",
            "https://169.254.169.254/latest",
            "https://user@example.com/",
            "ftp://example.com/",
            "https://",
            "not a url",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::ffff:192.168.0.1]/",
        ] {
            assert!(checked_url(url, false).is_err(), "{url}");
        }
        assert!(checked_url("https://example.com/hook", false).is_ok());
        assert!(checked_url("https://1.1.1.1/hook", false).is_ok());
        assert!(checked_url("http://127.0.0.1:9/", true).is_ok());
    }

    #[tokio::test]
    async fn a_name_that_resolves_inside_is_refused() {
        let client = WebhookClient::new(false).expect("a client");
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let now = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
        let answer = client
            .send("https://localhost:9/", secret, "id", now, "{}")
            .await;
        assert_eq!(
            answer,
            Answer::Failed("localhost has no public address".to_owned())
        );
    }
}
