//! RubyGems: `Gem::Version` of `lib/rubygems/version.rb`.

use super::number::{Number, padded};
use std::cmp::Ordering;

/// A gem's version: its canonical segments.
#[derive(Clone, Debug)]
pub(super) struct Gem(Vec<Segment>);

/// A word comes before any number, so that a prerelease comes before its release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Word(Box<str>),
    Number(Number),
}

const ZERO: Segment = Segment::Number(Number::ZERO);

impl Gem {
    /// `digits{.alphanumerics}[-alphanumerics and dashes{.the same}]`; a dash stands for `.pre.`. The empty text, which Ruby
    /// takes as 0, is refused.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (release, pre) = match text.split_once('-') {
            Some((release, pre)) => (release, Some(pre)),
            None => (text, None),
        };
        let fits = |part: &str, more: &[u8]| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        let first = release.split('.').next().unwrap_or_default();
        let valid = first.bytes().all(|byte| byte.is_ascii_digit())
            && release.split('.').all(|part| fits(part, b""))
            && pre.is_none_or(|pre| pre.split('.').all(|part| fits(part, b"-")));
        valid.then(|| {
            let mut segments = segments(release);
            for pre in pre.into_iter().flat_map(|pre| pre.split('-')) {
                segments.push(Segment::Word("pre".into()));
                segments.extend(self::segments(pre));
            }
            Self(canonical(segments))
        })
    }
}

/// Runs of digits and runs of letters.
fn segments(text: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    for mut part in text.split('.') {
        while let Some(first) = part.bytes().next() {
            let end = part
                .bytes()
                .position(|byte| byte.is_ascii_digit() != first.is_ascii_digit())
                .unwrap_or(part.len());
            let (run, rest) = part.split_at(end);
            segments.push(
                Number::parse(run).map_or_else(|| Segment::Word(run.into()), Segment::Number),
            );
            part = rest;
        }
    }
    segments
}

/// Without zeros before the first word and at the end.
fn canonical(mut segments: Vec<Segment>) -> Vec<Segment> {
    let first_word = segments
        .iter()
        .position(|segment| matches!(segment, Segment::Word(_)))
        .unwrap_or(segments.len());
    let mut rest = segments.split_off(first_word);
    for part in [&mut segments, &mut rest] {
        while part.last() == Some(&ZERO) {
            part.pop();
        }
    }
    segments.append(&mut rest);
    segments
}

impl Ord for Gem {
    fn cmp(&self, other: &Self) -> Ordering {
        padded(&self.0, &other.0, &ZERO)
    }
}

impl PartialOrd for Gem {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Gem {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Gem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_is_a_prerelease_and_timestamps_are_numbers() {
        let version = |text| Gem::parse(text).expect("valid");
        assert_eq!(version("1.0.0-alpha1"), version("1.pre.alpha.1"));
        assert!(version("1.0-x") < version("1"));
        assert!(version("1.0.20191231235959") < version("1.0.20200101000000"));
        assert!(version("1.0.9") < version("1.0.20200101000000"));
        for wrong in ["", "a", "1..2", "1.", "1-", "1_0", "junk", "1.0\n2.0"] {
            assert!(Gem::parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
