//! What node-semver reads in its loose mode, as a strict Semantic Version.

use semver::{BuildMetadata, Prerelease, Version};

/// JavaScript's largest whole number; node-semver refuses greater ones.
const MOST: u64 = (1 << 53) - 1;

/// `v1.2.3`, `=1.2.3`, ` v 1.2.3-beta`, `1.2.3beta`, `1.02.3-01+build`.
pub(super) fn parse(text: &str) -> Option<Version> {
    let text = text
        .trim_start_matches(|c: char| c == 'v' || c == '=' || c.is_whitespace())
        .trim_end();
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    if build.is_some_and(|build| !build.split('.').all(is_identifier)) {
        return None;
    }
    let (major, rest) = text.split_once('.')?;
    let (minor, rest) = rest.split_once('.')?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (patch, rest) = rest.split_at(digits);
    let pre = match rest.strip_prefix('-') {
        Some("") => prerelease("-"),
        Some(rest) => prerelease(rest),
        None if rest.is_empty() => Some(Prerelease::EMPTY),
        None => prerelease(rest),
    };
    Some(Version {
        major: number(major)?,
        minor: number(minor)?,
        patch: number(patch)?,
        pre: pre?,
        build: BuildMetadata::EMPTY,
    })
}

fn number(digits: &str) -> Option<u64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|number| *number <= MOST)
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Identifiers with dots between them; a number may have leading zeros, which do not count.
pub(super) fn prerelease(text: &str) -> Option<Prerelease> {
    let strict = Prerelease::new(text).ok();
    strict.filter(|pre| !pre.is_empty()).or_else(|| {
        let identifiers: Option<Vec<_>> = text
            .split('.')
            .map(|identifier| {
                let number = identifier.bytes().all(|byte| byte.is_ascii_digit());
                let kept = match identifier.trim_start_matches('0') {
                    _ if !number => identifier,
                    "" => "0",
                    digits => digits,
                };
                is_identifier(identifier).then_some(kept)
            })
            .collect();
        Prerelease::new(&identifiers?.join(".")).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_texts_are_made_strict() {
        for (text, strict) in [
            ("1.2.3", "1.2.3"),
            (" = v 1.2.3 ", "1.2.3"),
            ("1.2.3beta", "1.2.3-beta"),
            ("1.02.3-01.a+b.01", "1.2.3-1.a"),
            ("1.2.3-00", "1.2.3-0"),
            ("1.2.3-", "1.2.3--"),
            ("1.2.3-a--b", "1.2.3-a--b"),
        ] {
            assert_eq!(parse(text).expect(text).to_string(), strict);
        }
        for wrong in [
            "",
            "1.2",
            "1.2.3.4",
            "1.2.3-a..b",
            "1.2.3+",
            "1.2.+3",
            "9007199254740992.0.0",
            "1.2.3-\u{e9}",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
