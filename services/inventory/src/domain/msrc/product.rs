//! What Microsoft's advisories call an installed Windows, from what Windows says of itself.

/// Builds of Windows 10 and 11 and the version that each is.
const VERSIONS: [(u32, &str, &str); 15] = [
    (10_240, "10", ""),
    (10_586, "10", "1511"),
    (14_393, "10", "1607"),
    (17_763, "10", "1809"),
    (18_363, "10", "1909"),
    (19_041, "10", "2004"),
    (19_042, "10", "20H2"),
    (19_044, "10", "21H2"),
    (19_045, "10", "22H2"),
    (22_000, "11", "21H2"),
    (22_621, "11", "22H2"),
    (22_631, "11", "23H2"),
    (26_100, "11", "24H2"),
    (26_200, "11", "25H2"),
    (28_000, "11", "26H1"),
];

/// The product's name, from the caption (`Microsoft Windows Server 2022 Standard`), the build (`10.0.20348.4893` or `20348`), the
/// architecture (`x64`, `arm64`, `x86`) and whether it is a server without a desktop. `None` for a Windows that is not known.
#[must_use]
pub fn name(caption: &str, build: &str, arch: &str, is_core: bool) -> Option<String> {
    let core = if is_core {
        " (Server Core installation)"
    } else {
        ""
    };
    if let Some((_, rest)) = caption.split_once("Windows Server ") {
        let mut words = rest.split_whitespace();
        let year = words
            .next()
            .filter(|year| year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()))?;
        let second = if words.next() == Some("R2") {
            " R2"
        } else {
            ""
        };
        return Some(format!("Windows Server {year}{second}{core}"));
    }
    let number: u32 = match build.split('.').collect::<Vec<_>>().as_slice() {
        [number] | [_, _, number] | [_, _, number, _] => number.parse().ok()?,
        _ => return None,
    };
    let (_, major, version) = VERSIONS.into_iter().find(|(known, ..)| *known == number)?;
    let systems = match arch {
        "x64" | "x86_64" | "amd64" => "x64-based",
        "arm64" | "aarch64" => "ARM64-based",
        "x86" | "i686" => "32-bit",
        _ => return None,
    };
    Some(if version.is_empty() {
        format!("Windows {major} for {systems} Systems")
    } else {
        format!("Windows {major} Version {version} for {systems} Systems")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_is_named_as_the_advisories_name_it() {
        for (caption, build, arch, expected) in [
            (
                "Microsoft Windows Server 2022 Standard",
                "20348",
                "x64",
                Some("Windows Server 2022"),
            ),
            (
                "Microsoft Windows Server 2012 R2 Datacenter",
                "6.3.9600",
                "x64",
                Some("Windows Server 2012 R2"),
            ),
            (
                "Microsoft Windows 11 Enterprise LTSC",
                "10.0.26100.8037",
                "x64",
                Some("Windows 11 Version 24H2 for x64-based Systems"),
            ),
            (
                "Microsoft Windows 10 Pro",
                "10.0.19044",
                "arm64",
                Some("Windows 10 Version 21H2 for ARM64-based Systems"),
            ),
            ("Microsoft Windows 7", "7601", "x64", None),
            ("Windows Server next", "1", "x64", None),
            ("", "", "", None),
        ] {
            assert_eq!(
                name(caption, build, arch, false).as_deref(),
                expected,
                "{caption}"
            );
        }
        assert_eq!(
            name("Windows Server 2025", "26100", "x64", true).as_deref(),
            Some("Windows Server 2025 (Server Core installation)")
        );
    }
}
