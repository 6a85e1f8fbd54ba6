//! When held bytes may be served, and when the origin has to be asked first (RFC 9111, cut to what repositories need).

use crate::key::PayloadKind;
use serde::{Deserialize, Serialize};

/// What the origin said about a version of a payload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Validators {
    /// `ETag`, quotes included; empty for none.
    pub etag: String,
    /// `Last-Modified`, an HTTP date; empty for none.
    pub last_modified: String,
}

impl Validators {
    /// Whether a requester that holds the other's version holds this one. A strong or weak tag decides before the date.
    #[must_use]
    pub fn matches(&self, if_none_match: &str, if_modified_since: &str) -> bool {
        if !if_none_match.is_empty() {
            let own = opaque(&self.etag);
            return !own.is_empty()
                && (if_none_match == "*" || tags(if_none_match).any(|tag| tag == own));
        }
        !if_modified_since.is_empty() && self.last_modified == if_modified_since
    }

    /// Whether both certainly name one version, so that parts of either fit together.
    #[must_use]
    pub fn same_version(&self, other: &Self) -> bool {
        if !self.etag.is_empty() || !other.etag.is_empty() {
            return self.etag == other.etag && !self.etag.starts_with("W/");
        }
        !self.last_modified.is_empty() && self.last_modified == other.last_modified
    }
}

/// A tag without the mark of a weak one.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The tags of a list, quotes included, whether weak or strong; a comma inside quotes is part of its tag.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let split = list.split(move |char: char| {
        quoted ^= char == '"';
        char == ',' && !quoted
    });
    split.map(|tag| opaque(tag.trim()))
}

/// What to do with held bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Serve them.
    Serve,
    /// Ask the origin whether they changed; serve them if it cannot be reached (the package manager checks dates).
    Revalidate,
}

/// Judges held bytes: what never changes is served, the rest is asked for again after `fresh_seconds`.
#[must_use]
pub fn decide(kind: PayloadKind, checked_at: i64, now: i64, fresh_seconds: i64) -> Decision {
    let age = now.saturating_sub(checked_at);
    // A clock that went back makes nothing fresh.
    if kind.is_immutable() || (0..fresh_seconds).contains(&age) {
        Decision::Serve
    } else {
        Decision::Revalidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changing_metadata_grows_stale() {
        let decide = |kind, now| decide(kind, 100, now, 10);
        assert_eq!(decide(PayloadKind::Package, 1_000_000), Decision::Serve);
        assert_eq!(
            decide(PayloadKind::NamedMetadata, 1_000_000),
            Decision::Serve
        );
        assert_eq!(decide(PayloadKind::Metadata, 109), Decision::Serve);
        assert_eq!(decide(PayloadKind::Metadata, 110), Decision::Revalidate);
        assert_eq!(decide(PayloadKind::Metadata, 50), Decision::Revalidate);
    }

    #[test]
    fn a_tag_decides_before_the_date() {
        let held = Validators {
            etag: "\"a\"".into(),
            last_modified: "Sat, 21 Nov 2026 00:00:00 GMT".into(),
        };
        assert!(held.matches("W/\"a\"", ""));
        assert!(!held.matches("\"b\"", "Sat, 21 Nov 2026 00:00:00 GMT"));
        assert!(held.matches("", "Sat, 21 Nov 2026 00:00:00 GMT"));
        assert!(!held.matches("", ""));
    }

    #[test]
    fn one_tag_of_a_list_is_enough() {
        let held = |etag: &str| Validators {
            etag: etag.into(),
            last_modified: String::new(),
        };
        assert!(held("\"a,b\"").matches("\"x\", W/\"a,b\" ,\"y\"", ""));
        assert!(!held("\"a\"").matches("\"x\",\"a,b\"", ""));
        assert!(held("W/\"a\"").matches("*", ""));
        assert!(!held("").matches("*", ""));
        assert!(!held("").matches(",,", ""));
    }

    #[test]
    fn parts_fit_only_when_the_version_is_certain() {
        let of = |etag: &str, date: &str| Validators {
            etag: etag.into(),
            last_modified: date.into(),
        };
        assert!(of("\"a\"", "").same_version(&of("\"a\"", "")));
        assert!(of("", "d").same_version(&of("", "d")));
        assert!(!of("W/\"a\"", "").same_version(&of("W/\"a\"", "")));
        assert!(!of("", "").same_version(&of("", "")));
        assert!(!of("\"a\"", "d").same_version(&of("", "d")));
    }
}
