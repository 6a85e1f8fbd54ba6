//! The relay's configuration: one TOML file over the defaults, flags over both.

use netpatch_tunnel::{Proxies, Proxy, ProxyError};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Every setting with its default; it is the documentation.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The settings; see `config.default.toml` for what each means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where agents reach the relay, UDP.
    pub listen: SocketAddr,
    /// Where agents reach the relay, `host:port`, as the portal shows it.
    pub advertise: String,
    /// Most bytes of the payload cache.
    pub cache_budget_bytes: u64,
    /// How long changing metadata is served without asking its origin.
    pub metadata_fresh_seconds: u32,
    /// Most decompressed bytes of a package that is rebuilt from an older version and a difference; 0: none is.
    pub delta_plain_bytes: usize,
    /// When the platform is asked for payloads that it keeps.
    pub platform_payloads: PlatformPayloads,
    /// Hosts inside the network that the platform's blob store may be at.
    pub platform_store_hosts: Vec<String>,
    /// The site's forward proxy, for the way to the edge over TCP and to mirrors.
    #[serde(deserialize_with = "proxy_or_empty")]
    pub proxy: Proxies,
    /// Who made its certificate, a file in PEM; empty: whom the machine trusts.
    pub proxy_ca: PathBuf,
    /// What is reached without it, as in NO_PROXY.
    pub proxy_except: String,
    /// Whether hosts on its links are told of the relay by multicast DNS.
    pub mdns: bool,
    /// How often the platform hears of the relay.
    pub report_seconds: u32,
    /// Where the relay's numbers are read, TCP; `None` for nowhere.
    #[serde(deserialize_with = "address_or_empty")]
    pub metrics_listen: Option<SocketAddr>,
    /// Where hosts without an agent reach the cache as an HTTP proxy, TCP; `None` for nowhere.
    #[serde(deserialize_with = "address_or_empty")]
    pub proxy_listen: Option<SocketAddr>,
}

/// When the platform is asked for payloads that it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlatformPayloads {
    /// When no mirror has it, or answers.
    After,
    /// Before the mirrors.
    Before,
    /// Not at all.
    Never,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("cannot use configuration {path}: {reason}")]
    Parse {
        /// Which file.
        path: String,
        /// What and where.
        reason: String,
    },
    /// There is a password in it that others can read.
    #[error(
        "configuration {path} holds the proxy's password and has mode {mode:o}: let only the relay's user read it (chmod 600)"
    )]
    Open {
        /// Which file.
        path: String,
        /// Its permissions.
        mode: u32,
    },
    /// The authorities of the proxy.
    #[error("cannot use {path}: {error}")]
    Authorities {
        /// Which file.
        path: String,
        /// Why.
        error: ProxyError,
    },
    /// What the environment says of a proxy.
    #[error("cannot use HTTPS_PROXY: {0}")]
    Environment(ProxyError),
}

impl Config {
    /// Listens at another address, if one is given. What agents are told follows it where it can be told from it.
    pub fn listen_at(&mut self, listen: Option<SocketAddr>) {
        self.listen = listen.unwrap_or(self.listen);
        if self.advertise.is_empty() && !self.listen.ip().is_unspecified() {
            self.advertise = self.listen.to_string();
        }
    }

    /// The defaults with a file's values over them.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let (path, text) = match file {
            Some(path) => {
                let shown = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
                    path: shown.clone(),
                    source,
                })?;
                (shown, text)
            }
            None => ("(defaults)".to_owned(), String::new()),
        };
        let mut config = Self::over_defaults(&text).map_err(|error| ConfigError::Parse {
            path: path.clone(),
            reason: said(&error, &text),
        })?;
        config.proxy = config.proxy.except(&config.proxy_except);
        if let Some(file) = file
            && config.proxy.proxy().is_some_and(Proxy::authenticates)
        {
            let metadata = std::fs::metadata(file);
            let mode = metadata.map_or(0o777, |metadata| metadata.permissions().mode()) & 0o777;
            if mode & 0o077 != 0 {
                return Err(ConfigError::Open { path, mode });
            }
        }
        Ok(config)
    }

    /// With what the environment says of a proxy, where the file says nothing, and with the proxy's authorities.
    pub fn with_environment(mut self) -> Result<Self, ConfigError> {
        if self.proxy.proxy().is_none() {
            self.proxy = Proxies::of_environment().map_err(ConfigError::Environment)?;
        }
        if !self.proxy_ca.as_os_str().is_empty() {
            let pem = std::fs::read(&self.proxy_ca).map_err(|source| ConfigError::Read {
                path: self.proxy_ca.display().to_string(),
                source,
            })?;
            let known = self.proxy.with_authorities(&pem);
            self.proxy = known.map_err(|error| ConfigError::Authorities {
                path: self.proxy_ca.display().to_string(),
                error,
            })?;
        }
        Ok(self)
    }

    fn over_defaults(text: &str) -> Result<Self, toml::de::Error> {
        let mut table: toml::Table = toml::from_str(DEFAULTS)?;
        table.extend(toml::from_str::<toml::Table>(text)?);
        let config: Self = table.try_into()?;
        if config.report_seconds == 0 {
            return Err(toml::de::Error::custom("report_seconds must be at least 1"));
        }
        Ok(config)
    }
}

/// What is wrong and in which line; never the line itself, for it may hold a password.
fn said(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().trim_end().replace('\n', " ");
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

/// A proxy; none for an empty text.
fn proxy_or_empty<'de, D: Deserializer<'de>>(text: D) -> Result<Proxies, D::Error> {
    let text = String::deserialize(text)?;
    if text.is_empty() {
        return Ok(Proxies::default());
    }
    let proxy = text.parse::<Proxy>();
    proxy.map(Proxies::through).map_err(D::Error::custom)
}

/// An address; nothing for an empty text.
fn address_or_empty<'de, D: Deserializer<'de>>(text: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(text)?;
    if text.is_empty() {
        return Ok(None);
    }
    let read = text.parse().map(Some);
    read.map_err(|_| D::Error::custom(format!("{text:?} is not an address like 127.0.0.1:9464")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_complete_and_a_file_goes_over_them() {
        let plain = Config::load(None).expect("defaults");
        assert_eq!(plain.metadata_fresh_seconds, 10);
        assert!(plain.metrics_listen.is_some_and(|at| at.ip().is_loopback()));
        assert_eq!(plain.proxy_listen, None, "off until somebody wants it");
        let open = Config::over_defaults("proxy_listen = '[::]:3142'").expect("valid");
        assert_eq!(open.proxy_listen.map(|at| at.port()), Some(3142));
        let silent = Config::over_defaults("metrics_listen = ''").expect("valid");
        assert_eq!(silent.metrics_listen, None);
        assert!(Config::over_defaults("metrics_listen = 'here'").is_err());
        let changed = Config::over_defaults("cache_budget_bytes = 5").expect("valid");
        assert_eq!(changed.cache_budget_bytes, 5);
        assert_eq!(changed.listen, plain.listen);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = Config::over_defaults("cache_budget = 5").expect_err("refused");
        assert!(error.to_string().contains("cache_budget"), "{error}");
        assert!(Config::over_defaults("report_seconds = 0").is_err());
    }

    #[test]
    fn a_proxys_password_is_in_no_message_and_in_no_file_that_others_can_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("relay.toml");
        let write = |text: &str, mode: u32| {
            std::fs::write(&file, text).expect("written");
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&file, permissions).expect("set");
            Config::load(Some(&file))
        };
        let known = "report_seconds = 5\nproxy = 'http://u:sesame@proxy:3128'";
        let open = write(known, 0o640).expect_err("refused").to_string();
        assert!(
            open.contains("chmod 600") && !open.contains("sesame"),
            "{open}"
        );
        let config = write(known, 0o600).expect("kept secret");
        assert_eq!(config.proxy.proxy().map(Proxy::address), Some("proxy:3128"));
        assert!(!format!("{config:?}").contains("sesame"));
        let anybody = write("proxy = 'http://proxy:3128'", 0o644).expect("no secret");
        assert!(anybody.proxy.proxy().is_some());
        for bad in [
            "\nproxy = 'http://u:sesame@proxy:3128",
            "\nproxy = 'ftp://u:sesame@proxy:3128'",
            "\nproxy = ['http://u:sesame@proxy:3128']",
        ] {
            let error = write(bad, 0o600).expect_err("refused").to_string();
            assert!(!error.contains("sesame"), "{error}");
        }
        let broken = write("\nproxy = 'http://u:sesame", 0o600).expect_err("refused");
        assert!(broken.to_string().contains("line 2"), "{broken}");
    }

    #[test]
    fn what_agents_are_told_follows_an_address_that_they_can_use() {
        let mut config = Config::load(None).expect("defaults");
        config.listen_at(None);
        assert_eq!(config.advertise, "", "every address is none to tell");
        config.listen_at(Some(([10, 0, 0, 1], 7443).into()));
        assert_eq!(config.advertise, "10.0.0.1:7443");
        let mut named = Config::over_defaults("advertise = 'relay.office:1'").expect("valid");
        named.listen_at(Some(([10, 0, 0, 1], 7443).into()));
        assert_eq!(named.advertise, "relay.office:1");
    }
}
