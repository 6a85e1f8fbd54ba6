//! The packages of an image: dpkg's status, or its parts in images without dpkg (`status.d`), apk's list of what is installed, and
//! rpm's database where it is SQLite's.

use super::{Image, MAX_DATABASE_BYTES, rpmdb};
use crate::provider::apt::control::{self, Stanza};
use crate::provider::tree::Tree;
use netpatch_types::{ComponentKey, Ecosystem};

/// Longest part of a status, and longest os-release, bytes.
const MAX_PART_BYTES: u64 = 4 << 20;
/// Most parts of a status.
const MAX_PARTS: usize = 10_000;

/// What an image has installed. An error when there is a database that cannot be read.
pub(super) fn packages(tree: &Tree, image: &Image) -> Result<Vec<ComponentKey>, String> {
    let read = |path: &str, most| {
        let bytes = image.read(tree, path, most);
        bytes.map_err(|error| format!("{path}: {error}"))
    };
    let os = match read("usr/lib/os-release", MAX_PART_BYTES)? {
        Some(text) => Some(text),
        None => read("etc/os-release", MAX_PART_BYTES)?,
    };
    // Without it nobody knows whose packages these are; an image of one program alone has none.
    let Some(os) = os else {
        return Ok(Vec::new());
    };
    let (distribution, release) = crate::facts::distribution(&String::from_utf8_lossy(&os));
    let place = Place {
        distribution,
        release,
        image: &image.id,
    };
    let mut all = Vec::new();
    if let Some(status) = read("var/lib/dpkg/status", MAX_DATABASE_BYTES)? {
        all.extend(place.dpkg(&String::from_utf8_lossy(&status), true));
    }
    let parts = image.list(tree, "var/lib/dpkg/status.d");
    for part in parts
        .iter()
        .take(MAX_PARTS)
        .filter(|part| !part.contains('.'))
    {
        let path = format!("var/lib/dpkg/status.d/{part}");
        if let Some(status) = read(&path, MAX_PART_BYTES)? {
            all.extend(place.dpkg(&String::from_utf8_lossy(&status), false));
        }
    }
    for path in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        if let Some(installed) = read(path, MAX_DATABASE_BYTES)? {
            all.extend(place.apk(&String::from_utf8_lossy(&installed)));
        }
    }
    for path in [
        "var/lib/rpm/rpmdb.sqlite",
        "usr/lib/sysimage/rpm/rpmdb.sqlite",
    ] {
        if let Some(database) = read(path, MAX_DATABASE_BYTES)? {
            let packages = rpmdb::read(&database).map_err(|error| format!("{path}: {error}"))?;
            all.extend(packages.into_iter().map(|package| ComponentKey {
                source: package.source,
                ..place.key(
                    Ecosystem::Rpm,
                    &package.arch,
                    &package.name,
                    &package.version,
                )
            }));
        }
    }
    all.retain(|key| key.check().is_ok());
    Ok(all)
}

struct Place<'a> {
    distribution: String,
    release: String,
    image: &'a str,
}

impl Place<'_> {
    fn key(&self, ecosystem: Ecosystem, arch: &str, name: &str, version: &str) -> ComponentKey {
        ComponentKey {
            ecosystem,
            distribution: self.distribution.clone(),
            release: self.release.clone(),
            arch: format!("{arch}@{}", self.image),
            ..ComponentKey::of_registry(ecosystem, name, version)
        }
    }

    /// Parts of a status have no state: what is there is installed.
    fn dpkg(&self, text: &str, has_state: bool) -> Vec<ComponentKey> {
        let is_present = |stanza: &Stanza| {
            let state = stanza.get("status").split_whitespace().nth(2);
            !has_state || !matches!(state, None | Some("not-installed" | "config-files"))
        };
        let stanzas = control::parse(text).into_iter().filter(is_present);
        stanzas
            .map(|stanza| {
                let (source, source_version) = stanza.source();
                ComponentKey {
                    source,
                    source_version,
                    ..self.key(
                        Ecosystem::Deb,
                        stanza.get("architecture"),
                        stanza.get("package"),
                        stanza.get("version"),
                    )
                }
            })
            .collect()
    }

    /// apk's database: a letter, a colon and a value a line; an empty line ends a package.
    fn apk(&self, text: &str) -> Vec<ComponentKey> {
        let mut all = Vec::new();
        for package in text.split("\n\n") {
            let field = |letter: &str| {
                package
                    .lines()
                    .find_map(|line| line.strip_prefix(letter)?.strip_prefix(':'))
                    .unwrap_or_default()
            };
            let (name, version, origin) = (field("P"), field("V"), field("o"));
            let mut key = self.key(Ecosystem::Apk, field("A"), name, version);
            if !origin.is_empty() {
                key.source = origin.to_owned();
            }
            all.push(key);
        }
        all
    }
}
