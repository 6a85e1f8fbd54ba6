//! Which payload: a repository and a path below it.

use netpatch_types::Sha256;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How the names of package files end: dpkg's, rpm's, apk's, pacman's.
const PACKAGES: [&str; 8] = [
    ".deb",
    ".udeb",
    ".ddeb",
    ".rpm",
    ".apk",
    ".pkg.tar.zst",
    ".pkg.tar.xz",
    ".pkg.tar.gz",
];
/// Longest path, bytes.
pub const MAX_PATH_BYTES: usize = 1024;

/// A payload's name: the base URL of its repository as hosts write it, without the last slash, and the path below.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PayloadKey {
    repository: String,
    path: String,
}

/// Names a payload on disk: SHA-256(repository ‖ LF ‖ path).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub Sha256);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a payload is to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// A package: never changes under its name, kept longest.
    Package,
    /// Metadata named by its hash: never changes.
    NamedMetadata,
    /// Metadata that changes: `InRelease`, `Packages`, `Contents`.
    Metadata,
}

impl PayloadKind {
    /// Whether the bytes under this name never change.
    #[must_use]
    pub fn is_immutable(self) -> bool {
        !matches!(self, Self::Metadata)
    }
}

/// Not the name of a payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not `http://` or `https://` with a host, or with a query, fragment or user.
    #[error("repository is not a plain http or https base url")]
    Repository,
    /// Absolute, empty, too long, with a query, `..`, an empty segment or a character that no path has.
    #[error("path does not stay below its repository")]
    Path,
}

impl PayloadKey {
    /// Checks and joins repository and path. The path stays percent-encoded as the host wrote it.
    pub fn new(repository: &str, path: &str) -> Result<Self, BadKey> {
        Ok(Self {
            repository: base_url(repository).ok_or(BadKey::Repository)?,
            path: plain_path(path).ok_or(BadKey::Path)?,
        })
    }

    /// The base URL as hosts write it, without the last slash.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Below the repository.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name on disk.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId(Sha256::of(
            format!("{}\n{}", self.repository, self.path).as_bytes(),
        ))
    }

    /// Judged by the path alone: package files have their version in their name, by-hash is Debian's.
    #[must_use]
    pub fn kind(&self) -> PayloadKind {
        let package = PACKAGES.iter().any(|suffix| self.path.ends_with(suffix));
        if package || self.path.starts_with("pool/") {
            PayloadKind::Package
        } else if self.path.contains("/by-hash/") {
            PayloadKind::NamedMetadata
        } else {
            PayloadKind::Metadata
        }
    }
}

/// A base URL without its last slash; `None` unless plain http or https.
pub(crate) fn base_url(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))?;
    let fine = |byte: u8| byte.is_ascii_graphic() && !b"?#@\\\"<>".contains(&byte);
    let escapes = rest.split('/').any(is_dots);
    (!rest.is_empty()
        && !rest.starts_with('/')
        && text.len() <= MAX_PATH_BYTES
        && rest.bytes().all(fine)
        && !escapes)
        .then(|| text.to_owned())
}

fn plain_path(text: &str) -> Option<String> {
    let fine = |byte: u8| byte.is_ascii_graphic() && !b"?#\\\"<>".contains(&byte);
    let segments = text
        .split('/')
        .all(|segment| !segment.is_empty() && !is_dots(segment));
    (text.len() <= MAX_PATH_BYTES && text.bytes().all(fine) && segments).then(|| text.to_owned())
}

/// `.` or `..`, percent-encoded or not.
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    // An encoded slash would split the segment behind our back.
    plain == "." || plain == ".." || plain.contains("%2f") || plain.contains("%5c")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: &str = "http://deb.example/debian";

    #[test]
    fn kinds_follow_the_repository_format() {
        let kind = |path: &str| PayloadKey::new(BASE, path).expect("valid").kind();
        assert_eq!(kind("dists/stable/InRelease"), PayloadKind::Metadata);
        let named = "dists/stable/main/binary-amd64/by-hash/SHA256/ab";
        assert_eq!(kind(named), PayloadKind::NamedMetadata);
        let package = "pool/main/l/libstdc%2b%2b/a_1%3a2.deb";
        assert_eq!(kind(package), PayloadKind::Package);
        assert_eq!(kind("a_1_all.deb"), PayloadKind::Package);
        assert_eq!(kind("x86_64/a-1-r0.apk"), PayloadKind::Package);
        assert_eq!(kind("x86_64/APKINDEX.tar.gz"), PayloadKind::Metadata);
        assert_eq!(kind("a-1-1-any.pkg.tar.zst"), PayloadKind::Package);
        assert_eq!(kind("core.db.tar.xz"), PayloadKind::Metadata);
    }

    #[test]
    fn what_leaves_the_repository_is_refused() {
        for path in [
            "",
            "/etc/passwd",
            "a//b",
            "../x",
            "a/../b",
            "a/%2e%2E/b",
            "a/..",
            ".",
            "a?b",
            "a#b",
            "a b",
            "a\nb",
            "a/%2F../b",
            "a\\b",
            "a/",
        ] {
            assert_eq!(PayloadKey::new(BASE, path), Err(BadKey::Path), "{path:?}");
        }
        for repository in [
            "",
            "ftp://x",
            "http://",
            "http:///x",
            "http://u@h/x",
            "http://h/x?y",
            "http://h/../x",
            "file:///etc",
        ] {
            let made = PayloadKey::new(repository, "a");
            assert_eq!(made, Err(BadKey::Repository), "{repository:?}");
        }
    }

    #[test]
    fn a_last_slash_makes_no_difference() {
        let one = PayloadKey::new("http://deb.example/debian/", "a").expect("valid");
        assert_eq!(one, PayloadKey::new(BASE, "a").expect("valid"));
        let other = PayloadKey::new("http://deb.example/debia", "n/a").expect("valid");
        assert_ne!(one.id(), other.id());
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_plain(repository in ".{0,60}", path in ".{0,60}") {
            if let Ok(key) = PayloadKey::new(&repository, &path) {
                prop_assert!(!key.path().split('/').any(|segment| segment == ".." || segment.is_empty()));
            }
        }
    }
}
