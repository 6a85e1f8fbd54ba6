//! What an operator may set: one struct per concern, with `config.default.toml` as its documentation.
//!
//! Invariants: the defaults file names every key, and a key that it does not name is refused with the place where it
//! stands; later sources win (defaults, file, environment, command line); secrets are never printed.

mod check;
mod keys;
mod load;
mod secret;

pub use load::{ConfigurationError, Sources};
pub use secret::Secret;

use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The defaults and the documentation of every key.
pub const DEFAULTS: &str = include_str!("config.default.toml");

/// Everything that may be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Where the embedded database, blobs and keys live.
    pub data_dir: PathBuf,
    /// The portal and the API.
    pub http: Http,
    /// The certificate of the portal and the API.
    pub tls: Tls,
    /// The listener for agents and relays.
    pub quic: Quic,
    /// Calls between processes of the platform.
    pub rpc: Rpc,
    /// Where roles of other processes are.
    pub services: Services,
    /// PostgreSQL.
    pub database: Database,
    /// Immutable objects.
    pub blobs: Blobs,
    /// Wake-up hints.
    pub bus: Bus,
    /// Logs, traces, metrics.
    pub telemetry: Telemetry,
    /// Sizes and times that bound what one caller can use up.
    pub limits: Limits,
    /// Where advisories come from.
    pub feeds: Feeds,
    /// Differences between versions of packages.
    pub deltas: Deltas,
    /// Payloads that the platform keeps.
    pub payloads: Payloads,
}

/// Payloads that the platform keeps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payloads {
    /// Whether any are kept.
    pub enabled: bool,
    /// Largest payload.
    pub max_bytes: u64,
    /// Most bytes that are kept.
    pub store_bytes: u64,
    /// Hosts that may be fetched from although they are inside the network.
    pub private_hosts: Vec<String>,
}

/// Differences between versions of packages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deltas {
    /// Whether they are made.
    pub enabled: bool,
    /// Largest package file.
    pub max_package_bytes: u64,
    /// Most decompressed bytes of a package.
    pub max_plain_bytes: usize,
    /// Most bytes that are kept.
    pub store_bytes: u64,
    /// Hosts that may be fetched from although they are inside the network.
    pub private_hosts: Vec<String>,
}

/// Where advisories come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feeds {
    /// Organizations (public ids) whose administrators may accept a feed for the whole platform.
    pub operators: Vec<String>,
    /// Sources may be plain HTTP and inside the network.
    pub allow_private: bool,
    /// Where feeds are fetched from, as inventory reads it.
    pub sources: Vec<toml::Table>,
}

/// The portal and the API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where to listen.
    pub addr: SocketAddr,
    /// The origin people type, if it differs from the address.
    #[serde(deserialize_with = "blank_is_none")]
    pub public_url: Option<String>,
    /// A proxy in front terminates TLS.
    pub behind_proxy: bool,
}

/// PEM files for the portal and the API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain.
    #[serde(deserialize_with = "blank_is_none")]
    pub cert: Option<PathBuf>,
    /// The private key.
    #[serde(deserialize_with = "blank_is_none")]
    pub key: Option<PathBuf>,
}

/// The listener for agents and relays.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quic {
    /// Where to listen, UDP.
    pub addr: SocketAddr,
    /// Names and addresses in the edge's certificate.
    pub names: Vec<String>,
}

/// Calls between processes of the platform.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rpc {
    /// Where this process serves its roles to others.
    #[serde(deserialize_with = "blank_is_none")]
    pub addr: Option<SocketAddr>,
    /// The key that signs request contexts.
    #[serde(deserialize_with = "blank_is_none")]
    pub key_file: Option<PathBuf>,
    /// Public keys that are trusted too.
    pub trusted_key_files: Vec<PathBuf>,
}

/// Where roles of other processes are; `None`: in this process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "one field per role")]
pub struct Services {
    #[serde(deserialize_with = "blank_is_none")]
    pub identity: Option<String>,
    #[serde(deserialize_with = "blank_is_none")]
    pub inventory: Option<String>,
    #[serde(deserialize_with = "blank_is_none")]
    pub policy: Option<String>,
    #[serde(deserialize_with = "blank_is_none")]
    pub scheduler: Option<String>,
    #[serde(deserialize_with = "blank_is_none")]
    pub reporting: Option<String>,
}

impl Services {
    /// Each role with its address.
    pub fn all(&self) -> [(&'static str, Option<&str>); 5] {
        [
            ("identity", self.identity.as_deref()),
            ("inventory", self.inventory.as_deref()),
            ("policy", self.policy.as_deref()),
            ("scheduler", self.scheduler.as_deref()),
            ("reporting", self.reporting.as_deref()),
        ]
    }
}

/// PostgreSQL.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `embedded` or the application's role.
    pub url: Secret,
    /// The role that migrates.
    #[serde(deserialize_with = "blank_is_none")]
    pub owner_url: Option<Secret>,
    /// The role of background jobs.
    #[serde(deserialize_with = "blank_is_none")]
    pub worker_url: Option<Secret>,
    /// The role that imports feeds.
    #[serde(deserialize_with = "blank_is_none")]
    pub catalog_url: Option<Secret>,
    /// Folder of `initdb` and `postgres`.
    #[serde(deserialize_with = "blank_is_none")]
    pub bin_dir: Option<PathBuf>,
    /// Of one pool.
    pub max_connections: u32,
    /// How long one statement may take.
    pub statement_timeout_ms: u64,
}

impl Database {
    /// A private PostgreSQL under the data directory.
    #[must_use]
    pub fn embedded(&self) -> bool {
        self.url.expose() == EMBEDDED
    }

    /// The addresses of an external database by role: owner, app, catalog, worker.
    pub fn external(&self) -> Result<[String; 4], ConfigurationError> {
        let refused = |text: &str| ConfigurationError::Refused(text.to_owned());
        if self.embedded() {
            return Err(refused(
                "the embedded database belongs to `netpatch serve`; set database.url",
            ));
        }
        let given = |url: &Option<Secret>, key: &str| match url {
            Some(url) => Ok(url.expose().to_owned()),
            None => Err(refused(&format!("set database.{key}"))),
        };
        Ok([
            given(&self.owner_url, "owner_url")?,
            self.url.expose().to_owned(),
            given(&self.catalog_url, "catalog_url")?,
            given(&self.worker_url, "worker_url")?,
        ])
    }
}

/// Immutable objects.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blobs {
    /// `embedded` or `s3://bucket/prefix`.
    pub url: String,
    /// An S3-compatible endpoint instead of AWS.
    #[serde(deserialize_with = "blank_is_none")]
    pub endpoint: Option<String>,
    /// The bucket's region.
    #[serde(deserialize_with = "blank_is_none")]
    pub region: Option<String>,
    /// The bucket stands in the path.
    pub path_style: bool,
    /// Instead of the AWS default chain.
    #[serde(deserialize_with = "blank_is_none")]
    pub access_key: Option<String>,
    /// Instead of the AWS default chain.
    #[serde(deserialize_with = "blank_is_none")]
    pub secret_key: Option<Secret>,
}

impl Blobs {
    /// An S3 server inside the process.
    #[must_use]
    pub fn embedded(&self) -> bool {
        self.url == EMBEDDED
    }

    /// The address of an external blob store with its settings: `s3://bucket?endpoint=…&region=…`.
    pub fn external(&self) -> Result<String, ConfigurationError> {
        let refused = |text: &str| Err(ConfigurationError::Refused(text.to_owned()));
        if self.embedded() {
            return refused("the embedded blob store belongs to `netpatch serve`; set blobs.url");
        }
        if self.access_key.is_some() || self.secret_key.is_some() {
            return refused(
                "give the credentials of the blob store in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)",
            );
        }
        let settings = [("endpoint", &self.endpoint), ("region", &self.region)];
        let given: Vec<String> = settings
            .iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={value}")))
            .collect();
        Ok(if given.is_empty() {
            self.url.clone()
        } else {
            format!("{}?{}", self.url, given.join("&"))
        })
    }
}

/// Wake-up hints.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// `embedded`, `redis://` or `rediss://`.
    pub url: Secret,
}

impl Bus {
    /// In the process.
    #[must_use]
    pub fn embedded(&self) -> bool {
        self.url.expose() == EMBEDDED
    }

    /// The bus' address; one that stays in the process when it is embedded.
    #[must_use]
    pub fn address(&self) -> &str {
        if self.embedded() {
            "memory:"
        } else {
            self.url.expose()
        }
    }
}

/// Logs, traces, metrics.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Filter directives of `tracing`.
    pub log: String,
    /// One JSON object per line.
    pub json: bool,
    /// OTLP collector over gRPC.
    #[serde(deserialize_with = "blank_is_none")]
    pub otlp_endpoint: Option<String>,
    /// A listener of its own for metrics and health.
    #[serde(deserialize_with = "blank_is_none")]
    pub addr: Option<SocketAddr>,
}

/// Sizes and times that bound what one caller can use up.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Connections that one HTTP listener keeps open.
    pub http_connections: usize,
    /// The largest body of an API request.
    pub http_request_bytes: usize,
    /// How long the header of a request may take.
    pub http_header_ms: u64,
    /// How long open requests may finish at the end.
    pub shutdown_ms: u64,
    /// Connections of agents and relays that the edge keeps open.
    pub edge_connections: usize,
    /// Enrolments of one address.
    pub enrolments_per_second: u32,
    /// Enrolments behind one relay.
    pub relayed_enrolments_per_second: u32,
}

impl Limits {
    /// How long open requests may finish at the end.
    #[must_use]
    pub fn shutdown(&self) -> Duration {
        Duration::from_millis(self.shutdown_ms)
    }
}

/// The word for "inside this process".
const EMBEDDED: &str = "embedded";

/// An empty text is "not set"; any other is read as the field's type.
fn blank_is_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    let value: serde::de::value::StringDeserializer<D::Error> =
        serde::de::IntoDeserializer::into_deserializer(text);
    T::deserialize(value).map(Some)
}
