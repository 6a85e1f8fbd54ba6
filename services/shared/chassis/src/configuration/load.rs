//! Reads the sources in order.

use super::{Configuration, DEFAULTS, keys};
use config::builder::DefaultState;
use config::{Config, ConfigBuilder, Environment, File, FileFormat};
use std::path::{Path, PathBuf};

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The file cannot be read.
    #[error("read the configuration {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("read the configuration {path}: {reason}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What and where.
        reason: String,
    },
    /// There is no such key.
    #[error("unknown key {key} ({place}); known here: {known}")]
    Unknown {
        /// The key's path.
        key: String,
        /// File and line, environment variable or flag.
        place: String,
        /// The keys at this level.
        known: String,
    },
    /// A value does not fit its key.
    #[error("read the configuration: {place}: {reason}")]
    Value {
        /// File, environment variable or flag.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Values that do not go together.
    #[error("{0}")]
    Refused(String),
    /// The built-in defaults are broken.
    #[error("read the built-in defaults: {0}")]
    Defaults(String),
}

/// Where values come from; later ones win.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    environment: Vec<(String, String)>,
    flags: Vec<(String, String, String)>,
}

impl Sources {
    /// The defaults alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A TOML file.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Environment variables. Of those named `NETPATCH_…` only paths count: with two underscores, or `NETPATCH_DATA_DIR`.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(
            variables
                .into_iter()
                .filter(|(name, _)| path_of(name).is_some()),
        );
        self.environment.sort();
        self
    }

    /// The environment of this process.
    #[must_use]
    pub fn process_environment(self) -> Self {
        self.environment(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// A value from the command line: the flag's name, the key's path, the text.
    #[must_use]
    pub fn flag(mut self, flag: &str, key: &str, value: impl Into<String>) -> Self {
        self.flags
            .push((flag.to_owned(), key.to_owned(), value.into()));
        self
    }

    /// Reads all, refuses unknown keys and values that do not go together.
    pub fn load(self) -> Result<Configuration, ConfigurationError> {
        let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(path) = &self.file {
            builder = with_file(builder, path)?;
        }
        for (name, value) in &self.environment {
            let Some(key) = path_of(name) else { continue };
            builder = with_text(
                builder,
                &format!("environment variable {name}"),
                &key,
                value,
            )?;
        }
        for (flag, key, value) in &self.flags {
            builder = with_text(builder, flag, key, value)?;
        }
        let configuration = read(builder, "all sources")?;
        configuration.check()?;
        Ok(configuration)
    }
}

fn with_file(
    builder: ConfigBuilder<DefaultState>,
    path: &Path,
) -> Result<ConfigBuilder<DefaultState>, ConfigurationError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigurationError::Read {
        path: path.to_owned(),
        source,
    })?;
    keys::check_file(path, &text)?;
    let builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    read(builder.clone(), &path.display().to_string())?;
    Ok(builder)
}

/// One key as text, checked at once so that a mistake is attributed to its place.
fn with_text(
    builder: ConfigBuilder<DefaultState>,
    place: &str,
    key: &str,
    value: &str,
) -> Result<ConfigBuilder<DefaultState>, ConfigurationError> {
    keys::check_path(key, place)?;
    let mut source = Environment::default().separator(".").source(Some(
        [(key.to_owned(), value.to_owned())].into_iter().collect(),
    ));
    if keys::is_list(key) {
        source = source
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key(key);
    }
    let builder = builder.add_source(source);
    read(builder.clone(), place)?;
    Ok(builder)
}

fn read(
    builder: ConfigBuilder<DefaultState>,
    place: &str,
) -> Result<Configuration, ConfigurationError> {
    let value = |error: config::ConfigError| ConfigurationError::Value {
        place: place.to_owned(),
        reason: error.to_string(),
    };
    builder
        .build()
        .map_err(value)?
        .try_deserialize()
        .map_err(value)
}

/// `NETPATCH_HTTP__ADDR` → `http.addr`.
fn path_of(name: &str) -> Option<String> {
    let rest = name.strip_prefix("NETPATCH_")?;
    (rest.contains("__") || rest == "DATA_DIR")
        .then(|| rest.to_ascii_lowercase().replace("__", "."))
}
