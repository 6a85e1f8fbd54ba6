//! The host's repositories (`/etc/zypp/repos.d`, INI), and the agent's versions of them.
//!
//! The host's files are read and never written. The agent's say the same, but for the address: everything on the web is fetched
//! through the loopback proxy when there is one. Variables such as `$releasever` are left to zypper.

use super::Zypper;
use super::ask::READ_LIMIT;
use crate::provider::files::io_failure;
use netpatch_agent_core::{Failure, FailureCause};
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Where the host names them.
const HOST: &str = "/etc/zypp/repos.d";
/// Largest file, bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Most repositories.
const MAX_REPOSITORIES: usize = 1000;
/// What the agent takes over besides the address. What is not here concerns the host's own caches and services.
const KEPT: [&str; 9] = [
    "name",
    "enabled",
    "path",
    "type",
    "priority",
    "gpgcheck",
    "repo_gpgcheck",
    "pkg_gpgcheck",
    "gpgkey",
];

/// A repository as the host's file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Section {
    alias: String,
    lines: Vec<(String, String)>,
    urls: Vec<String>,
}

/// A repository as zypper resolves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repository {
    /// Its short name, which also names its folder.
    pub(super) alias: String,
    /// For people.
    pub(super) name: String,
    /// The lowest wins.
    pub(super) priority: i64,
    /// Whether its index must be signed.
    pub(super) is_index_signed: bool,
    /// Whether anything of it must be signed.
    pub(super) is_signed: bool,
    /// Where it lies.
    pub(super) urls: Vec<String>,
}

impl Repository {
    /// Addresses on the web that the loopback proxy can serve.
    pub(super) fn web(&self) -> impl Iterator<Item = &str> {
        let urls = self.urls.iter().map(String::as_str);
        urls.filter(|url| is_web(url) && !url.contains('?'))
    }

    /// The folder of its fetched index, below zypper's caches.
    pub(super) fn index(&self, caches: &Path) -> PathBuf {
        index_folder(caches, &self.alias)
    }
}

/// Which repositories zypper shall see, and how it reaches them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reach<'a> {
    /// All, to fetch from, through this proxy if there is one.
    Through(Option<&'a str>),
    /// All, only to be listed.
    All,
    /// Only those whose index was fetched: zypper would fetch the others at any question, and past the proxy.
    Fetched,
}

fn index_folder(caches: &Path, alias: &str) -> PathBuf {
    caches.join("raw").join(alias.replace('/', "_"))
}

impl Zypper {
    /// Caches of the agent's own, as this process reaches them.
    pub(super) fn caches(&self) -> PathBuf {
        self.work.join("cache")
    }

    /// Writes the agent's versions of the host's repositories and says where they are.
    pub(super) fn own_repositories(&self, reach: Reach<'_>) -> Result<PathBuf, Failure> {
        let mut sections = Vec::new();
        for text in self.host_files()? {
            sections.extend(parse(&text));
        }
        sections.truncate(MAX_REPOSITORIES);
        let caches = self.caches();
        let text: String = sections
            .iter()
            .map(|section| match reach {
                Reach::Through(proxy) => section.own(proxy, true),
                Reach::All => section.own(None, true),
                Reach::Fetched => {
                    let directory =
                        index_folder(&caches, &section.alias).join("repodata/repomd.xml");
                    section.own(None, !section.is_on_the_web() || directory.exists())
                }
            })
            .collect();
        let name = match reach {
            Reach::Through(Some(proxy)) => {
                proxy.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")
            }
            Reach::Through(None) | Reach::All => "all".to_owned(),
            Reach::Fetched => "fetched".to_owned(),
        };
        let folder = self.work.join("repositories").join(name);
        fs::create_dir_all(&folder).map_err(|error| io_failure("create", &folder, &error))?;
        let place = folder.join("host.repo");
        if fs::read(&place).ok().as_deref() != Some(text.as_bytes()) {
            crate::state::write_durably(&place, text.as_bytes())
                .map_err(|error| io_failure("write", &place, &error))?;
        }
        Ok(folder)
    }

    fn host_files(&self) -> Result<Vec<String>, Failure> {
        let folder = self.runner.outside(HOST);
        let mut places: Vec<PathBuf> = match fs::read_dir(&folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io_failure("read", &folder, &error)),
        };
        places.retain(|place| place.extension().is_some_and(|ext| ext == "repo"));
        places.sort();
        let mut texts = Vec::new();
        for place in places {
            let mut bytes = Vec::new();
            fs::File::open(&place)
                .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
                .map_err(|error| io_failure("read", &place, &error))?;
            if bytes.len() as u64 > MAX_FILE_BYTES {
                let line = format!("{} is larger than {MAX_FILE_BYTES} bytes", place.display());
                return Err(Failure::new(FailureCause::Unknown(None), [line]));
            }
            texts.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(texts)
    }

    /// The enabled repositories as zypper resolves them, the most important first.
    pub(super) async fn resolved(&self) -> Result<Vec<Repository>, Failure> {
        let repositories = self.own_repositories(Reach::All)?;
        let words = ["repos".to_owned()];
        let answer = self
            .said(&repositories, &self.caches(), &words, READ_LIMIT)
            .await?;
        // ZYPPER_EXIT_NO_REPOS
        if answer.code != Some(6) && answer.code != Some(0) {
            return Err(answer.failure());
        }
        let mut found: Vec<Repository> = answer
            .stream
            .all("repo")
            .into_iter()
            .filter(|repo| repo.attribute("enabled") == "1")
            .map(|repo| {
                let is = |name: &str| repo.attribute(name) == "1";
                Repository {
                    alias: repo.attribute("alias").to_owned(),
                    name: repo.attribute("name").to_owned(),
                    priority: repo.attribute("priority").parse().unwrap_or(99),
                    is_index_signed: is("repo_gpgcheck"),
                    is_signed: is("gpgcheck") || is("repo_gpgcheck") || is("pkg_gpgcheck"),
                    urls: repo.all("url").iter().map(|url| url.text.clone()).collect(),
                }
            })
            .collect();
        found.sort_by(|left, right| {
            (left.priority, &left.alias).cmp(&(right.priority, &right.alias))
        });
        Ok(found)
    }
}

impl Section {
    fn is_on_the_web(&self) -> bool {
        self.urls.iter().any(|url| is_web(url))
    }

    /// The agent's version. Of several addresses the first on the web is taken.
    fn own(&self, proxy: Option<&str>, is_seen: bool) -> String {
        let mut text = format!("[{}]\nautorefresh=0\nkeeppackages=0\n", self.alias);
        for (key, value) in &self.lines {
            let value = if key == "enabled" && !is_seen {
                "0"
            } else {
                value
            };
            let _ = writeln!(text, "{key}={value}");
        }
        if !is_seen && !self.lines.iter().any(|(key, _)| key == "enabled") {
            text.push_str("enabled=0\n");
        }
        let url = self
            .urls
            .iter()
            .find(|url| is_web(url))
            .or(self.urls.first());
        if let Some(url) = url {
            let _ = writeln!(text, "baseurl={}", through(url, proxy));
        }
        text.push('\n');
        text
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// The address as zypper shall fetch it: `?proxy=HOST&proxyport=PORT` is zypper's own word for a proxy. Credentials of the vendor's
/// own service are dropped; whoever serves the loopback proxy does not have them.
fn through(url: &str, proxy: Option<&str>) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let base = base.trim_end_matches('/');
    let rest: Vec<&str> = query
        .split('&')
        .filter(|part| !part.is_empty() && !part.starts_with("credentials="))
        .collect();
    let address = proxy.and_then(|proxy| proxy.strip_prefix("http://")?.rsplit_once(':'));
    match (address, base.split_once("://")) {
        (Some((host, port)), Some((_, place))) if rest.is_empty() && is_web(url) => {
            format!("http://{place}?proxy={host}&proxyport={port}")
        }
        _ if rest.is_empty() => base.to_owned(),
        _ => format!("{base}?{}", rest.join("&")),
    }
}

/// Reads a file of repositories.
fn parse(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut continued = false;
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(alias) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            continued = false;
            sections.push(Section {
                alias: alias.to_owned(),
                ..Section::default()
            });
            continue;
        }
        let Some(section) = sections.last_mut() else {
            continue;
        };
        let pair = line
            .split_once('=')
            .map(|(key, value)| (key.trim(), value.trim()));
        match pair {
            // Further addresses stand on lines of their own, and may have a query.
            _ if continued && is_web(line) => section.urls.push(line.to_owned()),
            Some(("baseurl", value)) => {
                continued = true;
                section.urls.push(value.to_owned());
            }
            Some((key, value)) => {
                continued = false;
                if KEPT.contains(&key) {
                    section.lines.push((key.to_owned(), value.to_owned()));
                }
            }
            None => {}
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# made by hand\n[oss]\nname=Main (OSS)\nenabled=1\nautorefresh=1\nbaseurl=https://a.example/leap/$releasever/\n  https://b.example/leap?x=1\npath=/\ntype=rpm-md\nkeeppackages=1\nservice=openSUSE\n\n[local]\nbaseurl = dir:///srv/repo\ngpgcheck = 0\nstray\n";

    #[test]
    fn the_agents_version_goes_through_the_proxy() {
        let found = parse(TEXT);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].urls.len(), 2);
        let own: String = found
            .iter()
            .map(|one| one.own(Some("http://127.0.0.1:8080"), true))
            .collect();
        assert_eq!(
            own,
            "[oss]\nautorefresh=0\nkeeppackages=0\nname=Main (OSS)\nenabled=1\npath=/\ntype=rpm-md\nbaseurl=http://a.example/leap/$releasever?proxy=127.0.0.1&proxyport=8080\n\n[local]\nautorefresh=0\nkeeppackages=0\ngpgcheck=0\nbaseurl=dir:///srv/repo\n\n"
        );
        let direct = found[0].own(None, true);
        assert!(
            direct.contains("baseurl=https://a.example/leap/$releasever\n"),
            "{direct}"
        );
        for unseen in [found[0].own(None, false), found[1].own(None, false)] {
            assert!(unseen.contains("\nenabled=0\n"), "{unseen}");
            assert!(!unseen.contains("enabled=1"), "{unseen}");
        }
    }

    #[test]
    fn addresses_with_a_query_keep_it_but_for_credentials() {
        let proxy = Some("http://127.0.0.1:80");
        for (url, expected) in [
            (
                "https://rmt/repo/SUSE?credentials=SCCcredentials",
                "http://rmt/repo/SUSE?proxy=127.0.0.1&proxyport=80",
            ),
            ("https://scc/updates?token", "https://scc/updates?token"),
            ("dir:///srv", "dir:///srv"),
            ("plugin:x?y=1&credentials=z", "plugin:x?y=1"),
        ] {
            assert_eq!(through(url, proxy), expected);
        }
        assert_eq!(
            through("https://rmt/repo/?credentials=c", None),
            "https://rmt/repo"
        );
    }

    #[test]
    fn hostile_files_are_read_without_harm() {
        for text in [
            "",
            "[",
            "]",
            "=",
            "baseurl=http://x",
            "[]\n=\n",
            "\u{0}[a]\u{0}\n",
        ] {
            for section in parse(text) {
                let own = section.own(None, true);
                assert!(own.lines().count() <= 5, "{text:?}: {own:?}");
            }
        }
    }
}
