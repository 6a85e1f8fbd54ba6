//! The host's configuration as `pacman-conf` resolves it, and the agent's versions of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Options that would lead past the proxy, or into folders that are not the agent's.
const DROPPED: [&str; 5] = [
    "DBPath",
    "CacheDir",
    "XferCommand",
    "DownloadUser",
    "CacheServer",
];

/// One repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Repository {
    name: String,
    lines: Vec<(String, String)>,
}

/// Options and repositories, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Configuration {
    options: Vec<(String, String)>,
    repositories: Vec<Repository>,
}

impl Configuration {
    /// Reads what `pacman-conf` prints.
    pub(super) fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let section = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'));
            if let Some(name) = section {
                if name != "options" {
                    let name = name.to_owned();
                    let lines = Vec::new();
                    found.repositories.push(Repository { name, lines });
                }
                continue;
            }
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            let (key, value) = (key.trim(), value.trim());
            if key.is_empty() {
                continue;
            }
            let place = match found.repositories.last_mut() {
                Some(repository) => &mut repository.lines,
                None => &mut found.options,
            };
            place.push((key.to_owned(), value.to_owned()));
        }
        found
    }

    /// An option's first value; `""` when absent.
    pub(super) fn option(&self, name: &'static str) -> &str {
        values(&self.options, name).next().unwrap_or_default()
    }

    /// The names of the repositories, the most important first.
    pub(super) fn repositories(&self) -> impl Iterator<Item = &str> {
        self.repositories.iter().map(|one| one.name.as_str())
    }

    /// The first server of each repository that is on the web: the others are copies of it.
    pub(super) fn servers(&self) -> Vec<String> {
        let servers = self.repositories.iter().filter_map(Repository::server);
        let servers: BTreeSet<String> = servers
            .filter(|url| is_web(url))
            .map(str::to_owned)
            .collect();
        servers.into_iter().collect()
    }

    /// Where a repository's packages lie on the web: its first server.
    pub(super) fn server_of(&self, repository: &str) -> Option<&str> {
        let own = self.repositories.iter().find(|one| one.name == repository);
        own?.server().filter(|url| is_web(url))
    }

    /// Whether something vouches for what a repository offers: signed packages or a signed database.
    pub(super) fn checks(&self, repository: &str) -> bool {
        let own = self.repositories.iter().find(|one| one.name == repository);
        let own: Vec<&str> =
            own.map_or_else(Vec::new, |one| values(&one.lines, "SigLevel").collect());
        let levels = if own.is_empty() {
            values(&self.options, "SigLevel").collect()
        } else {
            own
        };
        levels
            .iter()
            .flat_map(|level| level.split_whitespace())
            .any(|word| ["PackageRequired", "DatabaseRequired", "Required"].contains(&word))
    }

    /// The same repositories over databases of the agent's own, by http: the loopback proxy speaks https.
    pub(super) fn own(&self, databases: &str) -> String {
        let mut text = self.options_with(databases);
        for repository in &self.repositories {
            let _ = writeln!(text, "[{}]", repository.name);
            for (key, value) in &repository.lines {
                if key != "Server" && !DROPPED.contains(&key.as_str()) {
                    line(&mut text, key, value);
                }
            }
            if let Some(server) = repository.server() {
                let server = match server.strip_prefix("https://") {
                    Some(rest) => format!("http://{rest}"),
                    None => server.to_owned(),
                };
                line(&mut text, "Server", &server);
            }
        }
        text
    }

    /// No repository at all.
    pub(super) fn without_repositories(&self, databases: &str) -> String {
        self.options_with(databases)
    }

    fn options_with(&self, databases: &str) -> String {
        let mut text = "[options]\n".to_owned();
        for (key, value) in &self.options {
            if !DROPPED.contains(&key.as_str()) {
                line(&mut text, key, value);
            }
        }
        line(&mut text, "DBPath", databases);
        text
    }
}

impl Repository {
    fn server(&self) -> Option<&str> {
        values(&self.lines, "Server").next()
    }
}

fn values<'a>(lines: &'a [(String, String)], name: &'static str) -> impl Iterator<Item = &'a str> {
    lines
        .iter()
        .filter(move |(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

fn line(text: &mut String, key: &str, value: &str) {
    let _ = if value.is_empty() {
        writeln!(text, "{key}")
    } else {
        writeln!(text, "{key} = {value}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[options]\nRootDir = /\nDBPath = /var/lib/pacman/\nCacheDir = /var/cache/pacman/pkg/\nIgnorePkg = linux\nDownloadUser = alpm\nCheckSpace\nArchitecture = x86_64\nSigLevel = PackageRequired\nSigLevel = DatabaseOptional\n[core]\nUsage = All\nServer = https://mirror.example.invalid/core/os/x86_64\nServer = https://other.example.invalid/core/os/x86_64\n[mine]\nSigLevel = PackageNever\nSigLevel = DatabaseNever\nServer = file:///srv/mine\n";

    #[test]
    fn the_agents_version_has_its_own_databases_and_one_server_each() {
        let found = Configuration::parse(TEXT);
        assert_eq!(found.option("Architecture"), "x86_64");
        assert_eq!(
            found.servers(),
            ["https://mirror.example.invalid/core/os/x86_64"]
        );
        assert_eq!(
            found.server_of("core"),
            Some("https://mirror.example.invalid/core/os/x86_64")
        );
        assert_eq!(
            (found.server_of("mine"), found.server_of("no")),
            (None, None)
        );
        let own = found.own("/work/db");
        assert!(own.contains("\nDBPath = /work/db\n[core]\n"), "{own}");
        assert!(
            own.contains("Server = http://mirror.example.invalid/core")
                && own.contains("\nCheckSpace\n")
        );
        for dropped in [
            "/var/lib/pacman",
            "alpm",
            "other.example",
            "https",
            "CacheDir",
        ] {
            assert!(!own.contains(dropped), "{dropped}: {own}");
        }
        assert!(!found.without_repositories("/x").contains("core"));
    }

    #[test]
    fn a_repository_without_any_check_is_known() {
        let found = Configuration::parse(TEXT);
        assert!(found.checks("core") && !found.checks("mine"));
        assert_eq!(found.repositories().collect::<Vec<_>>(), ["core", "mine"]);
    }
}
