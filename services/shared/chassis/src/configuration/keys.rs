//! Which keys exist: those of the defaults file.

use super::ConfigurationError;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// The defaults file as a table.
pub(super) fn defaults() -> Result<toml::Table, ConfigurationError> {
    toml::from_str(super::DEFAULTS).map_err(|error| ConfigurationError::Defaults(error.to_string()))
}

/// Refuses the first key of a file that does not exist, with its line.
pub(super) fn check_file(path: &Path, text: &str) -> Result<(), ConfigurationError> {
    let syntax = |reason| ConfigurationError::Syntax {
        path: path.to_owned(),
        reason,
    };
    let parsed = DeTable::parse(text).map_err(|error| syntax(error.to_string()))?;
    let Some((key, offset, known)) = unknown(parsed.get_ref(), &defaults()?, "") else {
        return Ok(());
    };
    let line = text
        .get(..offset)
        .map_or(1, |before| before.matches('\n').count() + 1);
    Err(ConfigurationError::Unknown {
        key,
        place: format!("{}, line {line}", path.display()),
        known,
    })
}

/// Refuses a path that does not exist; `place` says who asks for it.
pub(super) fn check_path(key: &str, place: &str) -> Result<(), ConfigurationError> {
    let mut table = &defaults()?;
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let found = table.get(part);
        match found {
            Some(toml::Value::Table(inner)) if parts.peek().is_some() => table = inner,
            Some(value) if parts.peek().is_none() && !value.is_table() => return Ok(()),
            _ => break,
        }
    }
    Err(ConfigurationError::Unknown {
        key: key.to_owned(),
        place: place.to_owned(),
        known: names(table),
    })
}

/// Whether the value of a path is a list.
pub(super) fn is_list(key: &str) -> bool {
    let Ok(defaults) = defaults() else {
        return false;
    };
    let mut value = &toml::Value::Table(defaults);
    for part in key.split('.') {
        match value.get(part) {
            Some(inner) => value = inner,
            None => return false,
        }
    }
    value.is_array()
}

fn unknown(
    table: &DeTable<'_>,
    known: &toml::Table,
    prefix: &str,
) -> Option<(String, usize, String)> {
    for (key, value) in table {
        let path = format!("{prefix}{}", key.get_ref());
        match (known.get(key.get_ref().as_ref()), value.get_ref()) {
            (Some(toml::Value::Table(known)), DeValue::Table(inner)) => {
                let found = unknown(inner, known, &format!("{path}."));
                if found.is_some() {
                    return found;
                }
            }
            (Some(_), _) => {}
            (None, _) => return Some((path, key.span().start, names(known))),
        }
    }
    None
}

fn names(table: &toml::Table) -> String {
    table
        .keys()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
