//! Version order of each ecosystem, over the crate that implements it.

use crate::Ecosystem;
use std::cmp::Ordering;
use std::str::FromStr as _;

/// Not a version of its ecosystem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {ecosystem} version")]
pub struct InvalidVersion {
    /// The ecosystem's word.
    pub ecosystem: &'static str,
    /// What was read, cut at 80 characters.
    pub text: String,
}

/// A parsed version; parse once, compare often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// Debian policy §5.6.12.
    Deb(debversion::Version),
}

impl Version {
    /// Parses a version; a text longer than 256 bytes is refused.
    pub fn parse(ecosystem: Ecosystem, text: &str) -> Result<Self, InvalidVersion> {
        let invalid = || InvalidVersion {
            ecosystem: ecosystem.as_str(),
            text: text.chars().take(80).collect(),
        };
        if text.len() > 256 {
            return Err(invalid());
        }
        match ecosystem {
            Ecosystem::Deb => debversion::Version::from_str(text)
                .map(Self::Deb)
                .map_err(|_| invalid()),
        }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Deb(left), Self::Deb(right)) => left.cmp(right),
        }
    }
}

/// Compares two versions of an ecosystem.
pub fn compare(ecosystem: Ecosystem, left: &str, right: &str) -> Result<Ordering, InvalidVersion> {
    Ok(Version::parse(ecosystem, left)?.cmp(&Version::parse(ecosystem, right)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dpkg_order_holds() {
        for (left, right) in [
            ("1.0~rc1-1", "1.0-1"),
            ("1.0-1", "1:0.1-1"),
            ("2.36-9+deb12u9", "2.36-9+deb12u10"),
            ("1.0", "1.0-0+b1"),
        ] {
            assert_eq!(
                compare(Ecosystem::Deb, left, right).expect("valid"),
                Ordering::Less,
                "{left} < {right}"
            );
        }
        assert!(compare(Ecosystem::Deb, "", "1").is_err());
    }
}
