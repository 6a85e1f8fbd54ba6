//! One installed piece of software, and which of its fields may be empty. Its package URL is in [`crate::purl`].
//!
//! Invariant of what [`ComponentKey::check`] lets through: a package of an operating system names distribution, release and
//! architecture, but for Windows, whose products carry the release in their name; a package of a registry (PyPI, npm, crates.io,
//! Go, …) has none of the three, so that one package at one version is one component whatever the host. Everybody who takes
//! components from outside asks here.

use crate::Ecosystem;
use serde::{Deserialize, Serialize};

/// Most components of one host.
pub const MAX_COMPONENTS: usize = 50_000;

/// Longest field of a component, bytes.
pub const MAX_FIELD_BYTES: usize = 512;

/// Why a component is refused; the field's name as people know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidComponent {
    /// More than [`MAX_FIELD_BYTES`].
    #[error("its {0} has more than {MAX_FIELD_BYTES} bytes")]
    TooLong(&'static str),
    /// A field separates nothing and no line.
    #[error("its {0} holds a control character")]
    Control(&'static str),
    /// Needed, but empty.
    #[error("its {0} is empty")]
    Empty(&'static str),
    /// A package of a registry is the same everywhere.
    #[error("its {0} should be empty: packages of its kind have none")]
    NotEmpty(&'static str),
}

/// One (ecosystem, distribution, release, name, version, arch) with its source package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ComponentKey {
    /// The package world.
    pub ecosystem: Ecosystem,
    /// `debian`; empty in a registry.
    pub distribution: String,
    /// `bookworm`; empty in a registry.
    pub release: String,
    /// Package name; binary, with its namespace: `@scope/name`, `group:artifact`.
    pub name: String,
    /// Binary version.
    pub version: String,
    /// `amd64`, `all`; empty in a registry. Of a package inside a container image that lies on the host, the image's
    /// digest follows: `amd64@sha256:…`.
    pub arch: String,
    /// Source package name.
    pub source: String,
    /// Source version: without a binNMU's `+b1`.
    pub source_version: String,
}

impl ComponentKey {
    /// Whether every field is as the ecosystem wants it.
    pub fn check(&self) -> Result<(), InvalidComponent> {
        let fields = [
            ("name", &self.name),
            ("version", &self.version),
            ("source", &self.source),
            ("source version", &self.source_version),
        ];
        let places = [
            ("distribution", &self.distribution),
            ("release", &self.release),
            ("architecture", &self.arch),
        ];
        for (field, text) in fields.iter().chain(&places) {
            if text.len() > MAX_FIELD_BYTES {
                return Err(InvalidComponent::TooLong(field));
            }
            if text.chars().any(char::is_control) {
                return Err(InvalidComponent::Control(field));
            }
        }
        if let Some((field, _)) = fields.iter().find(|(_, text)| text.is_empty()) {
            return Err(InvalidComponent::Empty(field));
        }
        for (field, text) in places {
            let is_named = match self.ecosystem {
                Ecosystem::Windows => field != "release",
                other => other.is_os(),
            };
            match (is_named, text.is_empty()) {
                (true, true) => return Err(InvalidComponent::Empty(field)),
                (false, false) => return Err(InvalidComponent::NotEmpty(field)),
                _ => {}
            }
        }
        Ok(())
    }

    /// A package of a registry.
    #[must_use]
    pub fn of_registry(ecosystem: Ecosystem, name: &str, version: &str) -> Self {
        Self {
            ecosystem,
            distribution: String::new(),
            release: String::new(),
            name: name.to_owned(),
            version: version.to_owned(),
            arch: String::new(),
            source: name.to_owned(),
            source_version: version.to_owned(),
        }
    }

    /// The container image that the package is inside of, `sha256:…`; `None` when it is installed on the host itself.
    #[must_use]
    pub fn image(&self) -> Option<&str> {
        self.arch.split_once('@').map(|(_, image)| image)
    }

    /// The architecture without the image.
    #[must_use]
    pub fn plain_arch(&self) -> &str {
        self.arch
            .split_once('@')
            .map_or(&self.arch, |(arch, _)| arch)
    }

    /// Whether the host's own package manager put it there, so that it can take it away or replace it.
    #[must_use]
    pub fn is_of_host(&self) -> bool {
        self.ecosystem.is_os() && self.image().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deb() -> ComponentKey {
        ComponentKey {
            distribution: "debian".into(),
            release: "bookworm".into(),
            arch: "amd64".into(),
            ..ComponentKey::of_registry(Ecosystem::Deb, "curl", "7.88.1-10")
        }
    }

    #[test]
    fn an_os_package_names_its_release_and_a_registrys_package_has_none() {
        assert_eq!(deb().check(), Ok(()));
        let registry = ComponentKey::of_registry(Ecosystem::Pypi, "requests", "2.31.0");
        assert_eq!(registry.check(), Ok(()));
        let windows = ComponentKey {
            ecosystem: Ecosystem::Windows,
            release: String::new(),
            ..deb()
        };
        assert_eq!(windows.check(), Ok(()));
        let placed = ComponentKey {
            ecosystem: Ecosystem::Windows,
            ..deb()
        };
        assert_eq!(placed.check(), Err(InvalidComponent::NotEmpty("release")));
        type Change = fn(&mut ComponentKey) -> &mut String;
        let places: [(&str, Change); 3] = [
            ("distribution", |key| &mut key.distribution),
            ("release", |key| &mut key.release),
            ("architecture", |key| &mut key.arch),
        ];
        for (field, change) in places {
            let (mut os, mut other) = (deb(), registry.clone());
            change(&mut os).clear();
            assert_eq!(os.check(), Err(InvalidComponent::Empty(field)));
            change(&mut other).push('x');
            assert_eq!(other.check(), Err(InvalidComponent::NotEmpty(field)));
        }
        let needed: [(&str, Change); 4] = [
            ("name", |key| &mut key.name),
            ("version", |key| &mut key.version),
            ("source", |key| &mut key.source),
            ("source version", |key| &mut key.source_version),
        ];
        for (field, change) in needed.into_iter().chain(places) {
            let mut key = deb();
            if field != "architecture" && field != "distribution" && field != "release" {
                let mut empty = registry.clone();
                change(&mut empty).clear();
                assert_eq!(empty.check(), Err(InvalidComponent::Empty(field)));
            }
            *change(&mut key) = "x".repeat(MAX_FIELD_BYTES + 1);
            assert_eq!(key.check(), Err(InvalidComponent::TooLong(field)));
            *change(&mut key) = "a\u{1f}b".into();
            assert_eq!(key.check(), Err(InvalidComponent::Control(field)));
        }
    }

    #[test]
    fn a_package_inside_an_image_is_not_the_hosts_own() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let inside = ComponentKey {
            arch: format!("amd64@{digest}"),
            ..deb()
        };
        assert_eq!(inside.check(), Ok(()));
        assert_eq!(inside.image(), Some(digest.as_str()));
        assert_eq!(
            (inside.plain_arch(), deb().plain_arch()),
            ("amd64", "amd64")
        );
        assert!(deb().is_of_host() && !inside.is_of_host());
        assert!(!ComponentKey::of_registry(Ecosystem::Npm, "npm", "9").is_of_host());
        assert_eq!(inside.purl(), deb().purl());
    }
}
