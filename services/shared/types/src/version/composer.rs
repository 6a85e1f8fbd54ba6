//! Composer: versions normalized as `composer/semver` does and compared as PHP's `version_compare()` does.

use super::number::Number;

/// A Composer version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Composer(Vec<Token>);

/// In the order of `version_compare()`; words of one rank are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Unknown,
    Dev,
    Alpha,
    Beta,
    Candidate,
    End,
    Number(Number),
    Patch,
}

/// What `x` means in the branch `1.x-dev`.
const BRANCH: Number = Number::Small(9_999_999);

impl Composer {
    /// Any text of printable characters without blanks: a branch may have any name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let numbered = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_digit());
        let text = text.strip_prefix('v').filter(numbered).unwrap_or(&text);
        let text = match text.split_once('+') {
            Some((text, _)) if numbered(&text) => text,
            _ => text,
        };
        let printable = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if !printable || !text.contains(char::is_alphanumeric) {
            return None;
        }
        let words = words(text);
        let numbers = words
            .iter()
            .take_while(|word| Number::parse(word).is_some())
            .count();
        let branch = numbers > 0
            && words.len() >= 2
            && words[numbers..].split_last().is_some_and(|(last, before)| {
                *last == "dev" && !before.is_empty() && before.iter().all(|word| *word == "x")
            });
        let fill = if branch { BRANCH } else { Number::ZERO };
        let missing = if numbers == 0 {
            0
        } else {
            4_usize.saturating_sub(numbers)
        };
        let rest = if branch {
            &["dev"][..]
        } else {
            &words[numbers..]
        };
        let head = words[..numbers].iter().copied().map(token);
        let tokens = head
            .chain(std::iter::repeat_n(Token::Number(fill), missing))
            .chain(
                rest.iter()
                    .copied()
                    .filter(|word| *word != "stable")
                    .map(token),
            )
            .chain([Token::End]);
        Some(Self(tokens.collect()))
    }
}

/// Runs of digits and runs of letters; everything else stands between them.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for mut part in text.split(|c: char| !c.is_alphanumeric()) {
        while let Some(first) = part.chars().next() {
            let end = part
                .find(|c: char| c.is_ascii_digit() != first.is_ascii_digit())
                .unwrap_or(part.len());
            let (word, rest) = part.split_at(end);
            words.push(word);
            part = rest;
        }
    }
    words
}

/// PHP looks at the beginning of a word only.
fn token(word: &str) -> Token {
    if let Some(number) = Number::parse(word) {
        return Token::Number(number);
    }
    let known = [
        ("dev", Token::Dev),
        ("a", Token::Alpha),
        ("b", Token::Beta),
        ("rc", Token::Candidate),
        ("p", Token::Patch),
    ];
    known
        .into_iter()
        .find_map(|(beginning, token)| word.starts_with(beginning).then_some(token))
        .unwrap_or(Token::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composer_fills_up_and_knows_stabilities() {
        let version = |text| Composer::parse(text).expect("valid");
        for (left, right) in [
            ("1.0", "v1.0.0.0"),
            ("1.0-stable", "1"),
            ("1.0.0-BETA2", "1.0b2"),
            ("1.0+abc", "1.0"),
        ] {
            assert_eq!(version(left), version(right), "{left} = {right}");
        }
        let ascending = [
            "dev-main",
            "1.0-dev",
            "1.0-alpha1",
            "1.0-RC1",
            "1.0",
            "1.0-p1",
            "1.0.1",
            "1.9",
            "1.x-dev",
            "2",
        ];
        assert!(ascending.is_sorted_by(|left, right| version(left) < version(right)));
        for wrong in ["", "1 0", "-", "\u{7}"] {
            assert!(Composer::parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
