//! One installed piece of software, named by a package URL.

use crate::Ecosystem;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// One (ecosystem, distribution, release, name, version, arch) with its source package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ComponentKey {
    /// The package world.
    pub ecosystem: Ecosystem,
    /// `debian`.
    pub distribution: String,
    /// `bookworm`.
    pub release: String,
    /// Binary package name.
    pub name: String,
    /// Binary version.
    pub version: String,
    /// `amd64`, `all`.
    pub arch: String,
    /// Source package name.
    pub source: String,
    /// Source version: without a binNMU's `+b1`.
    pub source_version: String,
}

impl ComponentKey {
    /// The package URL (ECMA-427), e.g. `pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=bookworm`.
    #[must_use]
    pub fn purl(&self) -> String {
        format!(
            "pkg:{}/{}/{}@{}?arch={}&distro={}",
            self.ecosystem.as_str(),
            escape(&self.distribution),
            escape(&self.name),
            escape(&self.version),
            escape(&self.arch),
            escape(&self.release)
        )
    }
}

/// Percent-encodes everything but the purl specification's unreserved characters and the colon.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purl_escapes_what_the_specification_says() {
        let key = ComponentKey {
            ecosystem: Ecosystem::Deb,
            distribution: "debian".into(),
            release: "bookworm".into(),
            name: "libstdc++6".into(),
            version: "1:12.2.0-14+deb12u1".into(),
            arch: "amd64".into(),
            source: "gcc-12".into(),
            source_version: "12.2.0-14+deb12u1".into(),
        };
        assert_eq!(
            key.purl(),
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1?arch=amd64&distro=bookworm"
        );
    }
}
