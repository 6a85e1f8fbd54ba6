//! Lists of numbers: CRAN and Hackage, where a longer list comes after its own beginning, and Windows builds, where missing
//! numbers are zero.

use super::number::{Number, padded};
use std::cmp::Ordering;

/// `1.0` before `1.0.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Dotted(Vec<Number>);

impl Dotted {
    pub(super) fn parse(text: &str, separators: &[char]) -> Option<Self> {
        text.split(separators)
            .map(Number::parse)
            .collect::<Option<_>>()
            .map(Self)
    }
}

/// `10.0` equal to `10.0.0.0`.
#[derive(Clone, Debug)]
pub(super) struct Padded(Vec<Number>);

impl Padded {
    /// A file version has four numbers at most.
    const MOST: usize = 4;

    pub(super) fn parse(text: &str) -> Option<Self> {
        let Dotted(numbers) = Dotted::parse(text, &['.'])?;
        (numbers.len() <= Self::MOST).then_some(Self(numbers))
    }
}

impl Ord for Padded {
    fn cmp(&self, other: &Self) -> Ordering {
        padded(&self.0, &other.0, &Number::ZERO)
    }
}

impl PartialOrd for Padded {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Padded {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Padded {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_builds_compare_by_number() {
        let build = |text| Padded::parse(text).expect("valid");
        assert!(build("10.0.20348.2655") < build("10.0.20348.10000"));
        assert!(build("10.0.20348") < build("10.0.20348.1"));
        assert_eq!(build("10.0"), build("10.0.0.0"));
        for wrong in ["", "10.", "10.0.20348.2655.1", "10.x", "-1"] {
            assert!(Padded::parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
