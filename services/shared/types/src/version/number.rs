//! Decimal numbers of any size.

use std::cmp::Ordering;

/// A run of decimal digits by value: `007` equals `7`, and nothing overflows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Number {
    /// Fits into 64 bits; less than any that does not.
    Small(u64),
    /// Number of digits, then the digits, without leading zeros.
    Big(usize, Box<str>),
}

impl Number {
    /// Zero.
    pub(super) const ZERO: Self = Self::Small(0);

    /// `None` unless the text is one or more ASCII digits.
    pub(super) fn parse(digits: &str) -> Option<Self> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(digits.parse().map_or_else(
            |_| {
                let digits = digits.trim_start_matches('0');
                Self::Big(digits.len(), digits.into())
            },
            Self::Small,
        ))
    }

    /// Whether it is nothing.
    pub(super) fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

/// Compares two lists as if the shorter were filled up with `fill`.
pub(super) fn padded<T: Ord>(left: &[T], right: &[T], fill: &T) -> Ordering {
    (0..left.len().max(right.len()))
        .map(|index| {
            left.get(index)
                .unwrap_or(fill)
                .cmp(right.get(index).unwrap_or(fill))
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_count_and_not_digits() {
        let number = |text| Number::parse(text).expect("digits");
        assert_eq!(number("007"), number("7"));
        assert_eq!(
            number("00018446744073709551615"),
            number("18446744073709551615")
        );
        let ascending = [
            "0",
            "9",
            "10",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999",
            "100000000000000000000",
        ];
        assert!(ascending.is_sorted_by(|left, right| number(left) < number(right)));
        for wrong in ["", "+1", "1a", "\u{0661}"] {
            assert_eq!(Number::parse(wrong), None, "{wrong:?}");
        }
    }
}
