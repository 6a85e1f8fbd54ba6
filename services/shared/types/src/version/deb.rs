//! Debian Policy §5.6.12, deb-version(7): `[epoch:]upstream[-revision]`.
//!
//! The crate for it, `debversion` 0.5, is no help: it takes versions that dpkg refuses, and has `1a0` after `1a` where missing
//! digits count as zero.

use std::cmp::Ordering;

/// A Debian version.
#[derive(Clone, Debug)]
pub(super) struct Deb {
    /// Absent is 0.
    epoch: u32,
    /// Upstream version and revision one after the other; where the revision begins.
    text: Box<str>,
    revision_at: usize,
}

impl Deb {
    /// What dpkg takes without a warning: `parseversion()` of its `lib/dpkg/parsehelp.c` in strict mode.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t']);
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (parse_epoch(epoch)?, rest),
            None => (0, text),
        };
        let revision_at = rest.rfind('-').map_or(rest.len(), |dash| dash + 1);
        let upstream = rest[..revision_at].strip_suffix('-').unwrap_or(rest);
        let revision = &rest[revision_at..];
        let fits = |part: &str, more: &[u8]| {
            part.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        let valid = upstream.starts_with(|first: char| first.is_ascii_digit())
            && fits(upstream, b".-+~:")
            && fits(revision, b".+~")
            && (revision_at == upstream.len() || !revision.is_empty());
        valid.then(|| Self {
            epoch,
            text: rest.into(),
            revision_at,
        })
    }

    fn upstream(&self) -> &[u8] {
        let upstream = &self.text.as_bytes()[..self.revision_at];
        if self.revision_at == self.text.len() {
            upstream
        } else {
            &upstream[..self.revision_at - 1]
        }
    }

    /// Empty when absent, which is as good as `0`.
    fn revision(&self) -> &[u8] {
        &self.text.as_bytes()[self.revision_at..]
    }
}

fn parse_epoch(text: &str) -> Option<u32> {
    let epoch = text.parse().ok()?;
    (text.starts_with(|first: char| first.is_ascii_digit()) && epoch <= i32::MAX.unsigned_abs())
        .then_some(epoch)
}

impl Ord for Deb {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_part(self.upstream(), other.upstream()))
            .then_with(|| compare_part(self.revision(), other.revision()))
    }
}

impl PartialOrd for Deb {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Deb {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Deb {}

/// Runs of other characters and runs of digits by turns, beginning with the former, either possibly empty.
fn compare_part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    loop {
        // As long as both are the same they need no weighing, but a run of digits must be seen whole.
        let (mut at, mut digits_from) = (0, 0);
        while at < left.len() && at < right.len() && left[at] == right[at] {
            at += 1;
            if !left[at - 1].is_ascii_digit() {
                digits_from = at;
            }
        }
        if at == left.len() && at == right.len() {
            return Ordering::Equal;
        }
        let (before, after) = (&left[digits_from..], &right[digits_from..]);
        let weights = (weight(before.first()), weight(after.first()));
        if weights.0 != weights.1 {
            return weights.0.cmp(&weights.1);
        }
        // Both begin with a digit, or one with a digit and the other does not go on.
        let (value, rest) = take_digits(before);
        let (other_value, other_rest) = take_digits(after);
        let order = value
            .len()
            .cmp(&other_value.len())
            .then_with(|| value.cmp(other_value));
        if order.is_ne() {
            return order;
        }
        (left, right) = (rest, other_rest);
    }
}

/// `~` before the end of a run before letters before everything else.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None | Some(b'0'..=b'9') => 0,
        Some(b'~') => -1,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

/// The leading digits without their zeros, and what follows.
fn take_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits
        .iter()
        .position(|byte| *byte != b'0')
        .unwrap_or(digits.len());
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dpkg_order_holds() {
        let version = |text| Deb::parse(text).expect("valid");
        for (left, right) in [
            ("1.0~rc1-1", "1.0-1"),
            ("1.0-1", "1:0.1-1"),
            ("2.36-9+deb12u9", "2.36-9+deb12u10"),
            ("1.0", "1.0-0+b1"),
            ("1.0~~", "1.0~~a"),
            ("1.0~~a", "1.0~"),
            ("1.0a", "1.0+"),
            ("1", "1a"),
            ("0", "18446744073709551616"),
        ] {
            assert!(version(left) < version(right), "{left} < {right}");
        }
        assert_eq!(version("1.0-0"), version("0:1.00"));
        assert_eq!(version("1.0~dfsg0-1"), version("1.0~dfsg-1"));
    }

    #[test]
    fn what_dpkg_refuses_is_refused() {
        for wrong in [
            "",
            "1.0-",
            "-1",
            ":1",
            "1:",
            "a1",
            "1 0",
            "+1:1",
            "2147483648:1",
            "1.0\u{e9}",
        ] {
            assert!(Deb::parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
