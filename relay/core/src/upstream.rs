//! Where a repository's payloads are fetched: the site's settings. What they do not list is refused.

use crate::key::{PayloadKey, base_url};
use netpatch_protocol::site::SiteSettings;
use std::collections::BTreeMap;

/// The repositories that a relay serves, with the URLs to fetch from, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstreams {
    by_repository: BTreeMap<String, Vec<String>>,
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
            Some((without_scheme(&repository).to_owned(), urls))
        };
        Self {
            by_repository: settings.upstreams.iter().filter_map(entry).collect(),
        }
    }

    /// The URLs of a payload, in the order to try; `None` when its repository is not listed. Whether a host writes
    /// http or https makes no difference: on the loopback its https sources become http.
    #[must_use]
    pub fn urls_of(&self, key: &PayloadKey) -> Option<Vec<String>> {
        let bases = self.by_repository.get(without_scheme(key.repository()))?;
        let url = |base: &String| format!("{base}/{}", key.path());
        Some(bases.iter().map(url).collect())
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
}
