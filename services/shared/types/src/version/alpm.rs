//! Arch Linux: `[epoch:]version[-pkgrel]` and pacman's `vercmp` (`lib/libalpm/version.c`).

use super::number::Number;
use std::cmp::Ordering;

/// A pacman version; the derived order has a missing pkgrel before any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alpm {
    epoch: Number,
    version: Vec<Segment>,
    release: Option<Vec<Segment>>,
}

/// What can follow, in ascending order where two versions part: `1a` < `1` < `1.` < `1.a` < `1.1` < `1..a`.
///
/// `vercmp` has `1.` after `1.a`, and so goes in circles: `1.1` < `1..a` < `1.` < `1.1`. The tool is followed but for that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// Letters that follow digits directly.
    Attached(Box<str>),
    End,
    /// The end after separators, `1.0+`.
    Trailing,
    /// How many separators stand before it.
    Word(usize, Run),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Run {
    Letters(Box<str>),
    Digits(Number),
}

impl Alpm {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (Number::parse(epoch)?, rest),
            None => (Number::ZERO, text),
        };
        let (version, release) = match rest.rsplit_once('-') {
            Some((version, release)) => (version, Some(release)),
            None => (rest, None),
        };
        let fits = |part: &str| {
            part.bytes().any(|byte| byte.is_ascii_alphanumeric())
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b":/".contains(&byte))
        };
        (fits(version) && release.is_none_or(fits)).then(|| Self {
            epoch,
            version: segments(version),
            release: release.map(segments),
        })
    }

    /// The tool's answer: a pkgrel counts only where both have one.
    pub(super) fn vercmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| self.version.cmp(&other.version))
            .then_with(|| match (&self.release, &other.release) {
                (Some(left), Some(right)) => left.cmp(right),
                _ => Ordering::Equal,
            })
    }
}

fn segments(text: &str) -> Vec<Segment> {
    let is_separator = |c: char| !c.is_ascii_alphanumeric();
    let words = text.trim_end_matches(is_separator);
    let end = if words.len() < text.len() {
        Segment::Trailing
    } else {
        Segment::End
    };
    let mut text = words;
    let mut segments = Vec::new();
    while !text.is_empty() {
        let word = text.trim_start_matches(is_separator);
        let separators = text.len() - word.len();
        let digits = word.starts_with(|c: char| c.is_ascii_digit());
        let end = word
            .find(|c: char| is_separator(c) || c.is_ascii_digit() != digits)
            .unwrap_or(word.len());
        let (run, rest) = word.split_at(end);
        segments.push(match Number::parse(run) {
            Some(number) => Segment::Word(separators, Run::Digits(number)),
            None if separators == 0 && !segments.is_empty() => Segment::Attached(run.into()),
            None => Segment::Word(separators, Run::Letters(run.into())),
        });
        text = rest;
    }
    segments.push(end);
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of pacman's `vercmptest` and a few of its own answers, facts reduced to two texts and a sign.
    const VERCMP: &str = "1.5.0 1.5.0 0, 1.5.1 1.5.0 1, 1.5.1 1.5 1, 1.5.0-1 1.5.0-1 0, 1.5.0-1 1.5.0-2 -1, 1.5.0-1 1.5.1-1 -1, \
        1.5.0-2 1.5.1-1 -1, 1.5-1 1.5.1-1 -1, 1.5-2 1.5.1-1 -1, 1.5-2 1.5.1-2 -1, 1.5 1.5-1 0, 1.5-1 1.5 0, 1.1-1 1.1 0, \
        1.0-1 1.1 -1, 1.1-1 1.0 1, 1.5b-1 1.5-1 -1, 1.5b 1.5 -1, 1.5b-1 1.5 -1, 1.5b 1.5.1 -1, 1.0a 1.0alpha -1, \
        1.0alpha 1.0b -1, 1.0b 1.0beta -1, 1.0beta 1.0rc -1, 1.0rc 1.0 -1, 1.5.a 1.5 1, 1.5.b 1.5.a 1, 1.5.1 1.5.b 1, \
        1.5.b-1 1.5.b 0, 1.5-1 1.5.b -1, 2.0 2_0 0, 2.0_a 2_0.a 0, 2.0a 2.0.a -1, 2___a 2_a 1, 0:1.0 0:1.0 0, 0:1.0 0:1.1 -1, \
        1:1.0 0:1.0 1, 1:1.0 0:1.1 1, 1:1.0 2:1.1 -1, 1:1.0 0:1.0-1 1, 1:1.0-1 0:1.1-1 1, 0:1.0 1.0 0, 0:1.0 1.1 -1, 0:1.1 1.0 1, \
        1:1.0 1.0 1, 1:1.0 1.1 1, 1:1.1 1.1 1, 1.0+ 1.0 1, 1.0+ 1.0a 1, 1.0+ 1.0.1 -1, 1.0+ 1.0_ 0";

    #[test]
    fn vercmp_holds_both_ways_round() {
        for case in VERCMP.split(", ") {
            let words: Vec<_> = case.split_whitespace().collect();
            let [left, right, sign] = words[..] else {
                panic!("{case}");
            };
            let sign: i8 = sign.parse().expect("sign");
            let version = |text| Alpm::parse(text).expect("valid");
            assert_eq!(version(left).vercmp(&version(right)) as i8, sign, "{case}");
            assert_eq!(version(right).vercmp(&version(left)) as i8, -sign, "{case}");
        }
    }
}
