//! What firmware says of a machine (SMBIOS: vendor, model, serial number, chassis), told apart from what vendors leave in when nobody
//! filled it in.

/// Words of vendors that say nothing, in lower case.
const NOTHING: [&str; 30] = [
    "to be filled by o.e.m.",
    "to be filled by o.e.m",
    "to be filled by oem",
    "o.e.m.",
    "o.e.m",
    "oem",
    "default string",
    "system manufacturer",
    "system product name",
    "system serial number",
    "system version",
    "system name",
    "chassis serial number",
    "chassis manufacturer",
    "base board serial number",
    "manufacturer",
    "product name",
    "serial number",
    "type1productconfigid",
    "not specified",
    "not available",
    "not applicable",
    "not present",
    "unspecified",
    "undefined",
    "unknown",
    "none",
    "n/a",
    "invalid",
    "empty",
];
/// Numbers that say nothing.
const COUNTED: [&str; 4] = ["123456789", "0123456789", "1234567890", "0123456789abcdef"];

/// The text without spaces around; `""` when it says nothing.
#[must_use]
pub fn said(text: &str) -> &str {
    let text = text.trim();
    let lower = text.to_lowercase();
    let mut letters = lower.chars().filter(|letter| letter.is_alphanumeric());
    let first = letters.next();
    // `0`, `00000000`, `xxxx`, `--`: one letter over and over.
    let is_one_letter = first.is_none_or(|first| letters.all(|letter| letter == first));
    if is_one_letter || COUNTED.contains(&&*lower) || NOTHING.contains(&&*lower) {
        ""
    } else {
        text
    }
}

/// The word for a chassis of this type (SMBIOS 3.7, table 17); `""` for those that say nothing.
#[must_use]
pub fn chassis(kind: u32) -> &'static str {
    match kind {
        3 | 4 | 5 | 6 | 7 | 13 | 15 | 16 | 24 | 35 | 36 => "desktop",
        8 | 9 | 10 | 14 => "laptop",
        11 => "handheld",
        17 | 23 | 25 => "server",
        28 | 29 => "blade",
        30 => "tablet",
        31 | 32 => "convertible",
        33 | 34 => "embedded",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_filled_in_says_nothing() {
        for nothing in [
            "",
            " ",
            "0",
            "00000000",
            "xxxx",
            "--",
            "To Be Filled By O.E.M.",
            "Default string",
            "System Product Name",
            " Not Specified ",
            "0123456789",
            "\u{0}",
        ] {
            assert_eq!(said(nothing), "", "{nothing:?}");
        }
        for (text, expected) in [
            (" PF3ABCDE ", "PF3ABCDE"),
            ("Dell Inc.", "Dell Inc."),
            ("VMware-56 4d", "VMware-56 4d"),
            ("Überrechner", "Überrechner"),
        ] {
            assert_eq!(said(text), expected);
        }
    }

    #[test]
    fn chassis_have_words() {
        assert_eq!(
            [3, 10, 23, 29, 30, 31].map(chassis),
            [
                "desktop",
                "laptop",
                "server",
                "blade",
                "tablet",
                "convertible"
            ]
        );
        // Other, unknown, and what no table has.
        assert_eq!([0, 1, 2, 99, u32::MAX].map(chassis), [""; 5]);
    }
}
