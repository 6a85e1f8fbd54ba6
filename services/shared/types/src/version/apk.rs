//! Alpine's versions, as `apk version` has them since apk-tools 2.14 (`src/version.c`):
//! `digits{.digits}[letter]{_suffix[digits]}[~commit][-rdigits]`.

use super::number::Number;

/// An apk version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Apk {
    first: Number,
    /// Ends with [`Token::End`].
    rest: Vec<Token>,
}

/// What can follow, in ascending order where two versions part: `1_rc` < `1` < `1-r1` < `1~a` < `1_p` < `1a` < `1.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    /// `_alpha`, `_beta`, `_pre`, `_rc`.
    Before(u8),
    End,
    /// `-r1`.
    Revision(Number),
    /// `~0a1b`.
    Commit(Box<str>),
    /// The `2` of `_rc2`.
    SuffixNumber(Number),
    /// `_cvs`, `_svn`, `_git`, `_hg`, `_p`.
    After(u8),
    Letter(u8),
    Part(Part),
}

/// A number after the first: with a leading zero it is a decimal fraction, compared as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Fraction(Box<str>),
    Whole(Number),
}

const BEFORE: [&str; 4] = ["alpha", "beta", "pre", "rc"];
const AFTER: [&str; 5] = ["cvs", "svn", "git", "hg", "p"];

impl Apk {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (first, mut text) = take(text, |byte| byte.is_ascii_digit());
        let first = Number::parse(first)?;
        let mut rest = Vec::new();
        while let Some(after) = text.strip_prefix('.') {
            let (digits, left) = take(after, |byte| byte.is_ascii_digit());
            let number = Number::parse(digits)?;
            rest.push(Token::Part(if digits.starts_with('0') {
                Part::Fraction(digits.into())
            } else {
                Part::Whole(number)
            }));
            text = left;
        }
        if let Some(letter) = text.bytes().next().filter(u8::is_ascii_lowercase) {
            rest.push(Token::Letter(letter));
            text = &text[1..];
        }
        while let Some(after) = text.strip_prefix('_') {
            let (word, after) = take(after, |byte| byte.is_ascii_lowercase());
            let place = |list: &[&str]| {
                list.iter()
                    .zip(0..)
                    .find_map(|(known, place)| (*known == word).then_some(place))
            };
            rest.push(match place(&BEFORE) {
                Some(place) => Token::Before(place),
                None => Token::After(place(&AFTER)?),
            });
            let (digits, left) = take(after, |byte| byte.is_ascii_digit());
            rest.extend(Number::parse(digits).map(Token::SuffixNumber));
            text = left;
        }
        if let Some(after) = text.strip_prefix('~') {
            let (hash, left) = take(after, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if hash.is_empty() {
                return None;
            }
            rest.push(Token::Commit(hash.into()));
            text = left;
        }
        if let Some(after) = text.strip_prefix("-r") {
            let (digits, left) = take(after, |byte| byte.is_ascii_digit());
            rest.push(Token::Revision(Number::parse(digits)?));
            text = left;
        }
        rest.push(Token::End);
        text.is_empty().then_some(Self { first, rest })
    }
}

fn take(text: &str, wanted: impl Fn(u8) -> bool) -> (&str, &str) {
    text.split_at(
        text.bytes()
            .position(|byte| !wanted(byte))
            .unwrap_or(text.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_what_follows() {
        let version = |text| Apk::parse(text).expect("valid");
        let ascending = [
            "1_alpha", "1_alpha0", "1_beta", "1_pre", "1_rc-r1", "1", "1-r0", "1-r10", "1~abc",
            "1_cvs", "1_p", "1_p1", "1a", "1.0", "1.01", "1.1", "1.9", "1.10",
        ];
        assert!(ascending.is_sorted_by(|left, right| version(left) < version(right)));
        assert_eq!(version("01"), version("1"));
    }
}
