//! Package URLs (ECMA-427, purl-spec): `pkg:type/namespace/name@version?qualifiers#subpath`.
//!
//! Reading undoes percent-encoding and applies the rules of the type (`rules`); writing gives the canonical form. Own code: the
//! crate `packageurl` 0.7 fails 18 of the specification's 406 vectors (brew, cpan, git, mixed-case keys) and cannot be taught.

mod component;
mod rules;

pub use component::NoComponent;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;

/// Longest package URL that is read, bytes.
pub const MAX_PURL_BYTES: usize = 4_096;

/// Why a text is no package URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPurl {
    /// Longer than [`MAX_PURL_BYTES`].
    #[error("package URL has more than {MAX_PURL_BYTES} bytes")]
    TooLong,
    /// It does not begin with `pkg:`.
    #[error("package URL does not begin with pkg:")]
    Scheme,
    /// The type is absent or has other characters than letters, digits, dot and dash.
    #[error("package URL has the type {0:?}")]
    Type(String),
    /// The name is absent.
    #[error("package URL has no name")]
    Name,
    /// A part is not percent-encoded UTF-8.
    #[error("package URL has a badly encoded {0}")]
    Encoding(&'static str),
    /// A qualifier's key is malformed or there twice.
    #[error("package URL has the qualifier {0:?}")]
    Qualifier(String),
    /// A rule of the type does not hold.
    #[error("package URL of type {kind} {rule}")]
    Rule {
        /// The type.
        kind: String,
        /// What does not hold.
        rule: &'static str,
    },
}

/// A package URL, decoded and in canonical form.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purl {
    /// `deb`, `npm`, …, lower case.
    pub kind: String,
    /// `debian`, `@angular`, `github.com/gorilla`; segments joined with `/`.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The version.
    pub version: Option<String>,
    /// By key, lower case; no value is empty.
    pub qualifiers: BTreeMap<String, String>,
    /// Path inside the package.
    pub subpath: Option<String>,
}

impl Purl {
    /// Builds one from decoded parts; empty parts are absent.
    pub fn build(parts: Self) -> Result<Self, InvalidPurl> {
        let filled = |part: Option<String>| part.filter(|text| !text.is_empty());
        let kind = parts.kind.to_ascii_lowercase();
        let is_type = |kind: &str| {
            kind.starts_with(|c: char| c.is_ascii_alphabetic())
                && kind
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || ".-".contains(c))
        };
        if !is_type(&kind) {
            return Err(InvalidPurl::Type(shown(&kind)));
        }
        if parts.name.is_empty() {
            return Err(InvalidPurl::Name);
        }
        let mut purl = Self {
            kind,
            namespace: filled(parts.namespace.map(|text| path(&text, |_| true))),
            name: parts.name,
            version: filled(parts.version),
            qualifiers: BTreeMap::new(),
            subpath: filled(
                parts
                    .subpath
                    .map(|text| path(&text, |segment| segment != "." && segment != "..")),
            ),
        };
        for (key, value) in parts.qualifiers {
            purl.qualify(&key, value)?;
        }
        rules::apply(&mut purl)?;
        Ok(purl)
    }

    fn qualify(&mut self, key: &str, value: String) -> Result<(), InvalidPurl> {
        let well_formed = key.starts_with(|c: char| c.is_ascii_alphabetic())
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
        if !well_formed {
            return Err(InvalidPurl::Qualifier(shown(key)));
        }
        if !value.is_empty()
            && self
                .qualifiers
                .insert(key.to_ascii_lowercase(), value)
                .is_some()
        {
            return Err(InvalidPurl::Qualifier(shown(key)));
        }
        Ok(())
    }

    /// A qualifier's value.
    #[must_use]
    pub fn qualifier(&self, key: &str) -> Option<&str> {
        self.qualifiers.get(key).map(String::as_str)
    }
}

/// Joins the segments that are not empty.
fn path(text: &str, keep: impl Fn(&str) -> bool) -> String {
    let segments: Vec<_> = text
        .split('/')
        .filter(|segment| !segment.is_empty() && keep(segment))
        .collect();
    segments.join("/")
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

impl FromStr for Purl {
    type Err = InvalidPurl;

    fn from_str(text: &str) -> Result<Self, InvalidPurl> {
        if text.len() > MAX_PURL_BYTES {
            return Err(InvalidPurl::TooLong);
        }
        let (text, subpath) = split_right(text, '#');
        let (text, qualifiers) = split_right(text, '?');
        let (scheme, rest) = text.split_once(':').ok_or(InvalidPurl::Scheme)?;
        if !scheme.eq_ignore_ascii_case("pkg") {
            return Err(InvalidPurl::Scheme);
        }
        let (kind, rest) = rest
            .trim_start_matches('/')
            .split_once('/')
            .ok_or_else(|| InvalidPurl::Type(String::new()))?;
        // A version follows the name; an `@` before a slash is an npm scope that nobody encoded.
        let rest = rest.trim_matches('/');
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (rest, version) = match rest[last..].rfind('@') {
            Some(at) if at > 0 => (&rest[..last + at], Some(&rest[last + at + 1..])),
            Some(_) => return Err(InvalidPurl::Name),
            None => (rest, None),
        };
        let (namespace, name) = match rest.rsplit_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, rest),
        };
        let mut parts = Self {
            kind: kind.to_owned(),
            namespace: namespace
                .map(|text| decode(text, "namespace"))
                .transpose()?,
            name: decode(name, "name")?,
            version: version.map(|text| decode(text, "version")).transpose()?,
            qualifiers: BTreeMap::new(),
            subpath: subpath.map(|text| decode(text, "subpath")).transpose()?,
        };
        for pair in qualifiers.unwrap_or_default().split('&') {
            let Some((key, value)) = pair.split_once('=') else {
                if pair.is_empty() {
                    continue;
                }
                return Err(InvalidPurl::Qualifier(shown(pair)));
            };
            parts.qualify(key, decode(value, "qualifier")?)?;
        }
        Self::build(parts)
    }
}

fn split_right(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.rsplit_once(mark) {
        Some((left, right)) => (left, Some(right)),
        None => (text, None),
    }
}

/// Undoes percent-encoding.
fn decode(text: &str, part: &'static str) -> Result<String, InvalidPurl> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let [high, low, tail @ ..] = rest else {
            return Err(InvalidPurl::Encoding(part));
        };
        let (Some(high), Some(low)) = (digit(high), digit(low)) else {
            return Err(InvalidPurl::Encoding(part));
        };
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| InvalidPurl::Encoding(part))
}

/// Percent-encodes everything but the specification's unreserved characters and the colon.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

fn encode_path(out: &mut String, text: &str) {
    for (number, segment) in text.split('/').enumerate() {
        if number > 0 {
            out.push('/');
        }
        encode(out, segment);
    }
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = format!("pkg:{}/", self.kind);
        if let Some(namespace) = &self.namespace {
            encode_path(&mut out, namespace);
            out.push('/');
        }
        if rules::name_is_path(&self.kind) {
            encode_path(&mut out, &self.name);
        } else {
            encode(&mut out, &self.name);
        }
        if let Some(version) = &self.version {
            out.push('@');
            encode(&mut out, version);
        }
        for (number, (key, value)) in self.qualifiers.iter().enumerate() {
            out.push(if number == 0 { '?' } else { '&' });
            out.push_str(key);
            out.push('=');
            encode(&mut out, value);
        }
        if let Some(subpath) = &self.subpath {
            out.push('#');
            encode_path(&mut out, subpath);
        }
        f.write_str(&out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_decoded_and_written_canonically() {
        let purl: Purl = "pkg://DEB//debian/libstdc%2b%2b6@1:12.2.0-14%2Bdeb12u1?distro=bookworm&arch=amd64&x=#/a//../b/"
            .parse()
            .expect("a package URL");
        assert_eq!(
            (purl.name.as_str(), purl.qualifier("x")),
            ("libstdc++6", None)
        );
        assert_eq!(
            purl.to_string(),
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1?arch=amd64&distro=bookworm#a/b"
        );
        let npm: Purl = "pkg:npm/@babel/core".parse().expect("a package URL");
        assert_eq!(npm.to_string(), "pkg:npm/%40babel/core");
    }

    #[test]
    fn what_is_none_is_refused_with_a_reason() {
        for (text, reason) in [
            ("curl", InvalidPurl::Scheme),
            ("http://a/b", InvalidPurl::Scheme),
            ("pkg:deb", InvalidPurl::Type(String::new())),
            ("pkg:9deb/a", InvalidPurl::Type("9deb".into())),
            ("pkg:deb/debian/@1", InvalidPurl::Name),
            ("pkg:deb/a%zz", InvalidPurl::Encoding("name")),
            ("pkg:deb/a%ff", InvalidPurl::Encoding("name")),
            ("pkg:deb/a?b", InvalidPurl::Qualifier("b".into())),
            ("pkg:deb/a?b=1&B=2", InvalidPurl::Qualifier("B".into())),
        ] {
            assert_eq!(text.parse::<Purl>(), Err(reason), "{text}");
        }
        let long = format!("pkg:deb/{}", "a".repeat(MAX_PURL_BYTES));
        assert_eq!(long.parse::<Purl>(), Err(InvalidPurl::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_comes_back(text in "(pkg:)?[a-z/@?#&=%:A-Z0-9.é+-]{0,40}") {
            if let Ok(purl) = text.parse::<Purl>() {
                let written = purl.to_string();
                proptest::prop_assert_eq!(written.parse::<Purl>(), Ok(purl), "{}", written);
            }
        }
    }
}
