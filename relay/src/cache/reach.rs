//! Where the relay connects for payloads: judged at each address, after name resolution and at each redirect, so that neither a
//! name that leads elsewhere today nor an upstream that redirects makes it ask a machine of the own network or its own.

use super::lock;
use netpatch_relay_core::Upstreams;
use netpatch_relay_core::address::{Origin, may_fetch_from};
use netpatch_tunnel::{Proxies, Proxy};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

/// Redirects of one request.
const REDIRECTS: usize = 5;

/// The site's upstreams as they are now, and what follows for connections.
#[derive(Clone, Default)]
pub(crate) struct Reach {
    upstreams: Arc<Mutex<Arc<Upstreams>>>,
    /// Where connections lead that go through a proxy: whoever configured the relay meant it.
    proxies: Arc<Proxies>,
}

/// A connection that is not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreachable {
    #[error("{0} leads to {1}, where the relay fetches nothing from")]
    Address(String, IpAddr),
    #[error("{0} has no address")]
    Nowhere(String),
    #[error("upstream redirects to {0:?}, which is not http or https")]
    Scheme(String),
    #[error("upstream redirects more than {REDIRECTS} times")]
    Redirects,
}

impl Reach {
    pub(crate) fn through(proxies: Arc<Proxies>) -> Self {
        Self {
            upstreams: Arc::default(),
            proxies,
        }
    }

    pub(crate) fn proxies(&self) -> &Arc<Proxies> {
        &self.proxies
    }

    pub(crate) fn upstreams(&self) -> Arc<Upstreams> {
        lock(&self.upstreams).clone()
    }

    /// Whether they are others than before.
    pub(crate) fn set(&self, upstreams: Upstreams) -> bool {
        let mut held = lock(&self.upstreams);
        let is_new = **held != upstreams;
        *held = Arc::new(upstreams);
        is_new
    }

    /// An address in a URL is not resolved, so it is judged here.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Unreachable> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Unreachable::Scheme(url.scheme().to_owned()));
        }
        let host = url.host_str().unwrap_or_default();
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) => self.judge(host, address),
            Err(_) => Ok(()),
        }
    }

    fn judge(&self, host: &str, address: IpAddr) -> Result<(), Unreachable> {
        let is_proxy = |proxy: &Proxy| {
            proxy
                .host()
                .eq_ignore_ascii_case(host.trim_matches(['[', ']']))
        };
        let origin = match self.proxies.proxy().is_some_and(is_proxy) {
            true => Origin::Literal,
            false => self.upstreams().origin_of(host),
        };
        match may_fetch_from(address, origin) {
            true => Ok(()),
            false => Err(Unreachable::Address(host.to_owned(), address)),
        }
    }

    /// Follows few redirects, and none to where nothing is fetched from.
    pub(crate) fn redirects(&self) -> Policy {
        let this = self.clone();
        Policy::custom(move |attempt: Attempt<'_>| {
            if attempt.previous().len() > REDIRECTS {
                return attempt.error(Unreachable::Redirects);
            }
            match this.check(attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(error) => attempt.error(error),
            }
        })
    }

    async fn addresses(self, host: String) -> Result<Vec<SocketAddr>, crate::cache::BoxError> {
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
        let (good, bad): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|address| self.judge(&host, address.ip()).is_ok());
        match (good.is_empty(), bad.first()) {
            (false, _) => Ok(good),
            (true, Some(address)) => Err(Unreachable::Address(host, address.ip()).into()),
            (true, None) => Err(Unreachable::Nowhere(host).into()),
        }
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let looking = self.clone().addresses(name.as_str().to_owned());
        Box::pin(async move {
            let found = looking.await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_protocol::site::{SiteSettings, Upstream};

    fn reach(url: &str) -> Reach {
        let reach = Reach::default();
        reach.set(Upstreams::from_settings(&SiteSettings {
            upstreams: vec![Upstream {
                repository: url.into(),
                urls: Vec::new(),
            }],
            ..SiteSettings::default()
        }));
        reach
    }

    #[test]
    fn an_address_in_a_url_is_judged_however_it_is_written() {
        let reach = reach("http://mirror.example/debian");
        for url in [
            "http://169.254.169.254/latest",
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://10.0.0.1/",
            "http://0/",
        ] {
            let judged = reach.check(&Url::parse(url).expect("url"));
            assert!(matches!(judged, Err(Unreachable::Address(..))), "{url}");
        }
        for url in ["file:///etc/passwd", "ftp://mirror.example/"] {
            let judged = reach.check(&Url::parse(url).expect("url"));
            assert!(matches!(judged, Err(Unreachable::Scheme(_))), "{url}");
        }
        assert!(
            reach
                .check(&Url::parse("https://8.8.8.8/").expect("url"))
                .is_ok()
        );
    }

    #[tokio::test]
    async fn a_name_that_leads_to_the_own_machine_is_refused_unless_it_is_localhost_itself() {
        let elsewhere = reach("http://mirror.example/debian");
        assert!(elsewhere.addresses("localhost".into()).await.is_err());
        let named = reach("http://localhost/debian");
        assert!(named.addresses("localhost".into()).await.is_ok());
    }
}
