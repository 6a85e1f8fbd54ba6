//! The host's sources: read, never written. For a call through the loopback proxy, copies in which https became http.

use super::Apt;
use crate::provider::files::io_failure;
use netpatch_agent_core::{Failure, FailureCause};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

impl Apt {
    /// Base URLs as apt reads them from its configuration, sorted. Works before the first fetch of the indices.
    pub(super) async fn source_urls(&self) -> Result<Vec<String>, Failure> {
        let output = self.read("apt-get", &["--print-uris", "update"]).await?;
        if !output.ok() {
            return Err(Failure::new(
                FailureCause::Incompatible,
                output.stderr.lines(),
            ));
        }
        let urls: BTreeSet<String> = output.stdout.lines().filter_map(base_url).collect();
        Ok(urls.into_iter().collect())
    }

    /// Options that send every fetch of a call through the proxy and nowhere else.
    pub(super) async fn proxy_options(&self, proxy: Option<&str>) -> Result<Vec<String>, Failure> {
        let Some(proxy) = proxy else {
            return Ok(Vec::new());
        };
        let urls = self.source_urls().await?;
        let mut options = vec![
            format!("Acquire::http::Proxy={proxy}"),
            format!("Acquire::https::Proxy={proxy}"),
            "Acquire::Retries=2".to_owned(),
            "Acquire::http::Pipeline-Depth=0".to_owned(),
        ];
        let hosts: BTreeSet<&str> = urls.iter().filter_map(|url| host(url)).collect();
        options.extend(
            hosts
                .into_iter()
                .map(|host| format!("Acquire::http::Proxy::{host}={proxy}")),
        );
        if urls.iter().any(|url| url.starts_with("https://")) {
            let (list, parts) = self.copy_without_tls()?;
            options.push(format!("Dir::Etc::SourceList={list}"));
            options.push(format!("Dir::Etc::SourceParts={parts}"));
        }
        Ok(options
            .into_iter()
            .flat_map(|option| ["-o".to_owned(), option])
            .collect())
    }

    /// Index files are named without the scheme, so the copies share them with the originals.
    fn copy_without_tls(&self) -> Result<(String, String), Failure> {
        let parts = self.work.join("sources.d");
        let create = |error| io_failure("create", &parts, &error);
        if parts.exists() {
            fs::remove_dir_all(&parts).map_err(create)?;
        }
        fs::create_dir_all(&parts).map_err(create)?;
        let list = self.work.join("sources.list");
        copy(&self.runner.outside("/etc/apt/sources.list"), &list)?;
        for entry in fs::read_dir(self.runner.outside("/etc/apt/sources.list.d"))
            .into_iter()
            .flatten()
            .flatten()
        {
            copy(&entry.path(), &parts.join(entry.file_name()))?;
        }
        Ok((self.inside(&list), self.inside(&parts)))
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let text = match fs::read_to_string(from) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(io_failure("read", from, &error)),
    };
    fs::write(to, text.replace("https://", "http://"))
        .map_err(|error| io_failure("write", to, &error))
}

/// `'URL/dists/SUITE/InRelease' …`, or `'URL/InRelease' …` of a flat repository.
fn base_url(line: &str) -> Option<String> {
    let (url, _) = line.strip_prefix('\'')?.split_once('\'')?;
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return None;
    }
    let base = match url.find("/dists/") {
        Some(at) => &url[..at],
        None => url.rsplit_once('/')?.0.trim_end_matches("/."),
    };
    Some(base.trim_end_matches('/').to_owned())
}

fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split('/').next()?;
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    Some(authority.split(':').next().unwrap_or(authority)).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{base_url, host};

    #[test]
    fn base_urls_of_index_urls() {
        let base = |line: &str| base_url(line).unwrap_or_default();
        assert_eq!(
            base("'http://deb.example.invalid/debian/dists/bookworm/InRelease' x 0 "),
            "http://deb.example.invalid/debian"
        );
        assert_eq!(
            base("'https://flat.example.invalid/repo/./InRelease' x 0 "),
            "https://flat.example.invalid/repo"
        );
        assert_eq!(base("'file:/srv/debian/dists/x/InRelease' x 0 "), "");
        assert_eq!(base("Reading package lists..."), "");
    }

    #[test]
    fn hosts_of_urls() {
        assert_eq!(
            host("http://deb.example.invalid/debian"),
            Some("deb.example.invalid")
        );
        assert_eq!(
            host("http://u:p@deb.example.invalid:8080/debian"),
            Some("deb.example.invalid")
        );
        assert_eq!(host("file:/x"), None);
    }
}
