//! NuGet: up to four numbers, a prerelease without regard to case, build metadata that does not count.

use super::generic::Generic;

/// learn.microsoft.com/nuget/concepts/package-versioning.
pub(super) fn parse(text: &str) -> Option<Generic> {
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    let plain = numbers
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    Generic::parse(&text.to_ascii_lowercase()).filter(|version| plain && version.len() <= 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_metadata_do_not_count() {
        let version = |text| parse(text).expect("valid");
        assert_eq!(version("1.0.0-BETA+a"), version("1.0.0.0-beta"));
        assert!(version("1.0.0") < version("1.0.0.1"));
        for wrong in ["1.0.0.0.0", "v1.0", "1.0beta", ""] {
            assert!(parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
