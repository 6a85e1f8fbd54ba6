//! The relay's configuration: one TOML file over the defaults, flags over both.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::path::Path;

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
    /// How often the platform hears of the relay.
    pub report_seconds: u32,
    /// Where the relay's numbers are read, TCP; `None` for nowhere.
    #[serde(deserialize_with = "address_or_empty")]
    pub metrics_listen: Option<SocketAddr>,
    /// Where hosts without an agent reach the cache as an HTTP proxy, TCP; `None` for nowhere.
    #[serde(deserialize_with = "address_or_empty")]
    pub proxy_listen: Option<SocketAddr>,
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
        Self::over_defaults(&text).map_err(|error| ConfigError::Parse {
            path,
            reason: error.to_string().trim_end().replace('\n', " "),
        })
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
