//! Go modules (go.dev/ref/mod#versions): Semantic Versions with a `v`; feeds leave the letter out.

use semver::Version;

/// `v1.2.3`, pseudo-versions (`v0.0.0-20190101000000-abcdefabcdef`), `v2.0.0+incompatible`, and the short forms `v1` and
/// `v1.2` that `golang.org/x/mod/semver` takes.
pub(super) fn parse(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let short = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
        .then(|| text.matches('.').count());
    match short {
        Some(0) => Version::parse(&format!("{text}.0.0")),
        Some(1) => Version::parse(&format!("{text}.0")),
        _ => Version::parse(text),
    }
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_orders_pseudo_versions_by_their_time() {
        let ascending = [
            "v0.0.0-20190101000000-ffffffffffff",
            "v0.0.0-20190102000000-000000000000",
            "0.0.0",
            "v1",
            "v1.0.1-0.20200101000000-abcdefabcdef",
            "v1.0.1",
            "v1.1",
            "v2.0.0+incompatible",
        ];
        let version = |text| parse(text).expect("valid");
        assert!(
            ascending
                .is_sorted_by(|left, right| version(left).cmp_precedence(&version(right)).is_lt())
        );
        for wrong in ["", "v", "v1.", "vv1.0.0", "v01.0.0", "v1.2.3.4", "go1.20"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
