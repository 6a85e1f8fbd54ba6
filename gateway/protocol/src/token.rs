//! The enrolment token file: `np1.<secret>.<SHA-256 of the platform root's SubjectPublicKeyInfo, hexadecimal>`.
//!
//! It carries the trust anchor with the secret, so the first connection is verified already.

use netpatch_types::Sha256;
use std::fmt;
use std::str::FromStr;

/// A right to enrol, and the platform root it is good for.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentToken {
    /// 16–128 characters of the URL-safe base64 alphabet. Never logged.
    pub secret: String,
    /// SHA-256 of the platform root's SubjectPublicKeyInfo DER.
    pub platform_root: Sha256,
}

/// Not an enrolment token. Never quotes the input, which may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Another shape.
    #[error("enrolment token has the form np1.<secret>.<fingerprint>")]
    Shape,
    /// Another version.
    #[error("enrolment token is of a version other than np1")]
    Version,
    /// The secret has another alphabet or length.
    #[error("enrolment token's secret has 16 to 128 letters, digits, - and _")]
    Secret,
    /// The fingerprint is not a digest.
    #[error("enrolment token's fingerprint has 64 hexadecimal digits")]
    Fingerprint,
}

impl FromStr for EnrolmentToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim().split('.');
        let (Some(version), Some(secret), Some(fingerprint), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidToken::Shape);
        };
        if version != "np1" {
            return Err(InvalidToken::Version);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(16..=128).contains(&secret.len()) || !secret.bytes().all(allowed) {
            return Err(InvalidToken::Secret);
        }
        Ok(Self {
            secret: secret.to_owned(),
            platform_root: parse_fingerprint(fingerprint).ok_or(InvalidToken::Fingerprint)?,
        })
    }
}

impl fmt::Display for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "np1.{}.{}", self.secret, self.platform_root)
    }
}

impl fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "np1.(secret).{}", self.platform_root)
    }
}

/// A fingerprint as people type it: 64 hexadecimal digits in any case, with or without colons and blanks.
#[must_use]
pub fn parse_fingerprint(text: &str) -> Option<Sha256> {
    if text.len() > 128 {
        return None;
    }
    let digits: String = text
        .chars()
        .filter(|character| !matches!(character, ':' | ' '))
        .collect();
    digits.to_ascii_lowercase().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_survives_the_round_trip(secret in "[A-Za-z0-9_-]{16,128}", root: [u8; 32]) {
            let token = EnrolmentToken { secret, platform_root: Sha256(root) };
            prop_assert_eq!(format!("{token}\n").parse(), Ok(token.clone()));
            let shown = format!("{token:?}");
            prop_assert!(!shown.contains(&token.secret));
        }

        #[test]
        fn any_text_is_refused_or_read(text in ".{0,200}") {
            let _ = text.parse::<EnrolmentToken>();
            let _ = parse_fingerprint(&text);
        }
    }

    #[test]
    fn each_part_is_checked() {
        let hex = "ab".repeat(32);
        let read = |text: String| text.parse::<EnrolmentToken>();
        assert!(read(format!("np1.0123456789abcdef.{hex}")).is_ok());
        assert_eq!(
            read(format!("np2.0123456789abcdef.{hex}")),
            Err(InvalidToken::Version)
        );
        assert_eq!(read(format!("np1.short.{hex}")), Err(InvalidToken::Secret));
        assert_eq!(
            read("np1.0123456789abcdef.00".into()),
            Err(InvalidToken::Fingerprint)
        );
        assert_eq!(read("np1".into()), Err(InvalidToken::Shape));
    }
}
