//! Semantic Versioning taken loosely: any number of numbers, of any size, an optional `v`, missing numbers are zero.

use super::npm::prerelease;
use super::number::{Number, padded};
use semver::Prerelease;
use std::cmp::Ordering;

/// Numbers, then a prerelease; build metadata does not count.
#[derive(Clone, Debug)]
pub(super) struct Generic {
    numbers: Vec<Number>,
    /// An empty one comes after all others.
    pre: Prerelease,
}

impl Generic {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (text, build) = text.split_once('+').unwrap_or((text, "-"));
        // A prerelease may follow without its dash: `1.20rc1`, `1.0.alpha`.
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        let pre = match rest.strip_prefix('-').unwrap_or(rest) {
            "" if rest.is_empty() => Prerelease::EMPTY,
            pre => prerelease(pre)?,
        };
        prerelease(build)?;
        let numbers = match numbers.strip_suffix('.') {
            Some(numbers) if rest.starts_with(|c: char| c.is_ascii_alphabetic()) => numbers,
            _ => numbers,
        };
        let numbers = numbers.split('.').map(Number::parse);
        Some(Self {
            numbers: numbers.collect::<Option<_>>()?,
            pre,
        })
    }

    /// How many numbers were written.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }
}

impl Ord for Generic {
    fn cmp(&self, other: &Self) -> Ordering {
        padded(&self.numbers, &other.numbers, &Number::ZERO).then_with(|| self.pre.cmp(&other.pre))
    }
}

impl PartialOrd for Generic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Generic {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Generic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_versions_compare() {
        let version = |text| Generic::parse(text).expect("valid");
        assert_eq!(version("v1"), version("1.0.0.0+build"));
        assert_eq!(version("1.20rc1"), version("1.20.0-rc1"));
        assert_eq!(version("1.0.alpha"), version("1-alpha"));
        assert!(version("1.0-rc.9") < version("1.0-rc.10"));
        assert!(version("1.0-rc") < version("1"));
        assert!(version("1.9") < version("1.10.0.1"));
        for wrong in ["", "v", "1.", "1-", "1+", "a", ".a", "1..a", "1.-a", "1 0"] {
            assert!(Generic::parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
