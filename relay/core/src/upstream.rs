//! Where a repository's payloads are fetched: the site's settings. What they do not list is refused.

use crate::address::Origin;
use crate::key::{PayloadKey, base_url};
use netpatch_protocol::site::SiteSettings;
use std::collections::{BTreeMap, BTreeSet};

/// The repositories that a relay serves, with the URLs to fetch from, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstreams {
    by_repository: BTreeMap<String, Vec<String>>,
    /// Host names and addresses of all URLs, in lower case, without ports.
    hosts: BTreeSet<String>,
}

impl Upstreams {
    /// From the settings; entries that are not plain base URLs are left out.
    #[must_use]
    pub fn from_settings(settings: &SiteSettings) -> Self {
        let entry = |upstream: &netpatch_protocol::site::Upstream| {
            let repository = base_url(&upstream.repository)?;
            let mut urls: Vec<String> = upstream
                .urls
                .iter()
                .filter_map(|url| base_url(url))
                .collect();
            if upstream.urls.is_empty() {
                urls.push(repository.clone());
            }
            Some((plain(&repository), urls))
        };
        let by_repository: BTreeMap<String, Vec<String>> =
            settings.upstreams.iter().filter_map(entry).collect();
        let hosts = by_repository
            .values()
            .flatten()
            .map(|url| host(authority(without_scheme(url))).to_ascii_lowercase())
            .collect();
        Self {
            by_repository,
            hosts,
        }
    }

    /// Of no repository, with these hosts (names or addresses, without ports) as where may be connected to.
    #[must_use]
    pub fn of_hosts(hosts: &[String]) -> Self {
        let plain = |host: &String| host.trim_matches(['[', ']']).to_ascii_lowercase();
        Self {
            by_repository: BTreeMap::new(),
            hosts: hosts.iter().map(plain).collect(),
        }
    }

    /// Whether one of the URLs has this host.
    #[must_use]
    pub fn has_host(&self, host: &str) -> bool {
        self.origin_of(host) != Origin::Elsewhere
    }

    /// The URLs of a payload, in the order to try; `None` when its repository is not listed. Whether a host writes
    /// http or https makes no difference: on the loopback its https sources become http.
    #[must_use]
    pub fn urls_of(&self, key: &PayloadKey) -> Option<Vec<String>> {
        let bases = self.by_repository.get(&plain(key.repository()))?;
        let url = |base: &String| format!("{base}/{}", key.path());
        Some(bases.iter().map(url).collect())
    }

    /// Repository and path of a payload's absolute URL, of the longest repository that is listed; `None` when none is. The
    /// repository comes back as hosts with plain http write it, so that they share what is held with hosts that ask an agent.
    #[must_use]
    pub fn locate<'a>(&self, url: &'a str) -> Option<(String, &'a str)> {
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"))?;
        let slashes = rest.rmatch_indices('/').map(|(at, _)| at);
        slashes.into_iter().find_map(|at| {
            let base = plain(url.get(..url.len() - rest.len() + at)?);
            let is_listed = self.by_repository.contains_key(&base);
            is_listed.then(|| (format!("http://{base}"), &rest[at + 1..]))
        })
    }

    /// How a connection to a host, a name or an address without port, came to be wanted: because the settings have it, or not.
    #[must_use]
    pub fn origin_of(&self, host: &str) -> Origin {
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        let is_literal = host.parse::<std::net::IpAddr>().is_ok() || host == "localhost";
        match self.hosts.contains(&host) {
            false => Origin::Elsewhere,
            true if is_literal => Origin::Literal,
            true => Origin::Name,
        }
    }

    /// How many repositories are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_repository.len()
    }

    /// Whether none is listed: then nothing is served.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_repository.is_empty()
    }
}

fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// Up to the first slash.
fn authority(rest: &str) -> &str {
    rest.split_once('/')
        .map_or(rest, |(authority, _)| authority)
}

/// An authority without its port; an IPv6 address without its brackets.
fn host(authority: &str) -> &str {
    if let Some(address) = authority.strip_prefix('[') {
        return address.split_once(']').map_or(address, |(host, _)| host);
    }
    authority
        .split_once(':')
        .map_or(authority, |(host, _)| host)
}

/// A base URL as it is compared: no scheme, the authority in lower case and without the scheme's own port.
fn plain(url: &str) -> String {
    let rest = without_scheme(url);
    let authority = authority(rest);
    let path = &rest[authority.len()..];
    let port = if url.starts_with("https:") {
        ":443"
    } else {
        ":80"
    };
    let short = authority.strip_suffix(port).unwrap_or(authority);
    format!("{}{path}", short.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_protocol::site::Upstream;

    fn upstreams() -> Upstreams {
        let entry = |repository: &str, urls: &[&str]| Upstream {
            repository: repository.into(),
            urls: urls.iter().map(|url| (*url).into()).collect(),
        };
        Upstreams::from_settings(&SiteSettings {
            upstreams: vec![
                entry("https://deb.example/debian/", &[]),
                entry("http://sec.example/s", &["http://one/s/", "https://two/s"]),
                entry("file:///etc", &[]),
            ],
            ..SiteSettings::default()
        })
    }

    fn urls(repository: &str, path: &str) -> Option<Vec<String>> {
        upstreams().urls_of(&PayloadKey::new(repository, path).expect("valid"))
    }

    #[test]
    fn only_listed_repositories_have_urls() {
        let own = urls("http://deb.example/debian", "pool/a.deb");
        assert_eq!(
            own,
            Some(vec!["https://deb.example/debian/pool/a.deb".into()])
        );
        let two = urls("http://sec.example/s", "x");
        assert_eq!(
            two,
            Some(vec!["http://one/s/x".into(), "https://two/s/x".into()])
        );
        assert_eq!(urls("http://deb.example", "debian/pool/a.deb"), None);
        assert_eq!(urls("http://deb.example/debian2", "a"), None);
        assert_eq!(upstreams().len(), 2);
    }

    #[test]
    fn a_url_is_located_below_the_longest_repository_that_is_listed() {
        let entry = |repository: &str| Upstream {
            repository: repository.into(),
            urls: Vec::new(),
        };
        let upstreams = Upstreams::from_settings(&SiteSettings {
            upstreams: vec![
                entry("http://Deb.example:80/debian"),
                entry("https://deb.example/debian/sub"),
                entry("http://other.example:8080"),
            ],
            ..SiteSettings::default()
        });
        let locate = |url: &'static str| upstreams.locate(url);
        let found = |repository: &str, path| Some((repository.to_owned(), path));
        assert_eq!(
            locate("http://deb.example/debian/pool/a.deb"),
            found("http://deb.example/debian", "pool/a.deb")
        );
        assert_eq!(
            locate("http://DEB.example:80/debian/sub/a"),
            found("http://deb.example/debian/sub", "a")
        );
        assert_eq!(
            locate("https://deb.example:443/debian/a"),
            found("http://deb.example/debian", "a")
        );
        assert_eq!(
            locate("http://other.example:8080/a/b"),
            found("http://other.example:8080", "a/b")
        );
        for other in [
            "http://deb.example/debian",
            "http://deb.example/debian2/a",
            "http://other.example/a",
            "http://deb.example:81/debian/a",
            "http://x@deb.example/debian/a",
            "ftp://deb.example/debian/a",
            "/debian/a",
            "",
        ] {
            assert_eq!(locate(other), None, "{other}");
        }
        // What leaves the repository is left for the key to refuse.
        let (repository, path) = locate("http://deb.example/debian/../a").expect("listed");
        assert!(PayloadKey::new(&repository, path).is_err());
    }

    #[test]
    fn what_the_settings_name_is_told_from_what_they_do_not() {
        let entry = |url: &str| Upstream {
            repository: "http://deb.example/debian".into(),
            urls: vec![url.into()],
        };
        let of = |url: &str, host: &str| {
            let settings = SiteSettings {
                upstreams: vec![entry(url)],
                ..SiteSettings::default()
            };
            Upstreams::from_settings(&settings).origin_of(host)
        };
        assert_eq!(
            of("http://Mirror.example:81/x", "mirror.EXAMPLE"),
            Origin::Name
        );
        assert_eq!(of("http://10.0.0.1:81/x", "10.0.0.1"), Origin::Literal);
        assert_eq!(of("http://[fd00::1]:81/x", "[fd00::1]"), Origin::Literal);
        assert_eq!(of("http://[fd00::1]/x", "fd00::1"), Origin::Literal);
        assert_eq!(of("http://10.0.0.1/x", "10.0.0.2"), Origin::Elsewhere);
        // Fetched from elsewhere: how hosts name it says nothing.
        assert_eq!(of("http://10.0.0.1/x", "deb.example"), Origin::Elsewhere);
    }
}
