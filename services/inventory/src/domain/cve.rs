//! CVE ids. A number has four digits or more (CVE numbering rules), so none is cut or padded.

/// Whether the text is a CVE id, `CVE-<year>-<four or more digits>`.
#[must_use]
pub fn is_cve(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix("CVE-")
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(year, number)| {
            year.len() == 4 && digits(year) && (4..=19).contains(&number.len()) && digits(number)
        })
}

/// A CVE id as one number, to compare many; `None` for a text that is none or has a number beyond 48 bits.
#[must_use]
pub fn cve_key(text: &str) -> Option<u64> {
    if !is_cve(text) {
        return None;
    }
    let (year, number) = text.strip_prefix("CVE-")?.split_once('-')?;
    let (year, number): (u64, u64) = (year.parse().ok()?, number.parse().ok()?);
    (number < 1 << 48).then_some((year << 48) | number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits_and_more() {
        for right in ["CVE-1999-0001", "CVE-2026-129538", "CVE-2026-1234567"] {
            assert!(is_cve(right), "{right}");
        }
        for wrong in [
            "CVE-2026-123",
            "cve-2026-1234",
            "CVE-26-1234",
            "CVE-2026-12a4",
            "DSA-1-1",
            "",
        ] {
            assert!(!is_cve(wrong), "{wrong}");
            assert_eq!(cve_key(wrong), None);
        }
        assert!(cve_key("CVE-2025-9999999") < cve_key("CVE-2026-0001"));
        assert_ne!(cve_key("CVE-2026-10001"), cve_key("CVE-2026-1001"));
    }
}
