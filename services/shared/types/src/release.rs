//! One name per release of a distribution, as hosts report it and advisories are kept under it: Debian's and Ubuntu's codenames, the
//! major version where a distribution keeps one package tree per major version, else the version.

/// Debian's releases by number.
const DEBIAN: [(&str, &str); 8] = [
    ("7", "wheezy"),
    ("8", "jessie"),
    ("9", "stretch"),
    ("10", "buster"),
    ("11", "bullseye"),
    ("12", "bookworm"),
    ("13", "trixie"),
    ("14", "forky"),
];

/// Ubuntu's releases with long support, by number.
const UBUNTU: [(&str, &str); 7] = [
    ("14.04", "trusty"),
    ("16.04", "xenial"),
    ("18.04", "bionic"),
    ("20.04", "focal"),
    ("22.04", "jammy"),
    ("24.04", "noble"),
    ("26.04", "resolute"),
];

/// One name per distribution, as advisories are kept under it: hosts say the `ID` of their `os-release`, and editions of one distribution
/// have several.
#[must_use]
pub fn distribution_name(id: &str) -> &str {
    match id {
        "rhel" => "redhat",
        "ol" => "oracle",
        "sled" | "sles_sap" => "sles",
        other => other,
    }
}

/// The release's name for a number, a codename or what stands in a package URL's `distro` (`debian-12`, `almalinux-9.4`, `bookworm`).
#[must_use]
pub fn release_name(distribution: &str, release: &str) -> String {
    let release = release.to_ascii_lowercase();
    let version = release
        .strip_prefix(distribution)
        .map_or(release.as_str(), |rest| {
            rest.trim_start_matches(['-', ':', ' '])
        });
    let known = |table: &[(&str, &str)], number: &str| {
        table
            .iter()
            .find(|(known, _)| *known == number)
            .map(|(_, codename)| (*codename).to_owned())
    };
    let major = version.split('.').next().unwrap_or(version);
    match distribution {
        "debian" => known(&DEBIAN, major).unwrap_or_else(|| version.to_owned()),
        "ubuntu" => known(&UBUNTU, version).unwrap_or_else(|| version.to_owned()),
        "almalinux" | "rocky" | "redhat" | "rhel" | "centos" | "oracle" | "ol" => {
            major.trim_start_matches("el").to_owned()
        }
        "alpine" => {
            let numbers: Vec<_> = version.trim_start_matches('v').split('.').take(2).collect();
            numbers.join(".")
        }
        _ => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_distribution_has_one_name() {
        for (id, name) in [("rhel", "redhat"), ("sled", "sles"), ("debian", "debian")] {
            assert_eq!(distribution_name(id), name);
        }
    }

    #[test]
    fn one_release_has_one_name() {
        for (distribution, release, name) in [
            ("debian", "12", "bookworm"),
            ("debian", "debian-12.11", "bookworm"),
            ("debian", "Bookworm", "bookworm"),
            ("debian", "sid", "sid"),
            ("ubuntu", "22.04", "jammy"),
            ("almalinux", "almalinux-9.4", "9"),
            ("almalinux", "el8", "8"),
            ("alpine", "alpine-3.19.1", "3.19"),
            ("alpine", "v3.11", "3.11"),
            ("fedora", "fedora-41", "41"),
        ] {
            assert_eq!(release_name(distribution, release), name, "{release}");
        }
    }
}
