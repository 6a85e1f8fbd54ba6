//! Which release of which distribution a CPE name or a product name means.
//!
//! CSAF names the platform by CPE (`cpe:/o:redhat:enterprise_linux:9::baseos`, `cpe:/o:suse:sle-module-basesystem:15:sp5`), hosts by their
//! `os-release`. Streams with extended support (EUS, AUS, TUS, E4S) fix by other versions than the release they branched from, so they are
//! releases of their own here and match no ordinary host.

use crate::domain::affected::Release;
use netpatch_types::{Ecosystem, release_name};

/// Red Hat's streams with extended support.
const STREAMS: [&str; 5] = ["rhel_eus", "rhel_aus", "rhel_tus", "rhel_e4s", "rhel_els"];

/// The release that a CPE name means, both bindings; `None` for one that no host here has.
pub(crate) fn release_of_cpe(cpe: &str) -> Option<Release> {
    let parts: Vec<&str> = match cpe.strip_prefix("cpe:2.3:") {
        Some(rest) => rest.split(':').collect(),
        None => cpe.strip_prefix("cpe:/")?.split(':').collect(),
    };
    let part = |index: usize| {
        let value = parts.get(index).copied().unwrap_or_default();
        if matches!(value, "*" | "-") {
            ""
        } else {
            value
        }
    };
    if !matches!(part(0), "o" | "a") {
        return None;
    }
    let (vendor, product, version, update) = (part(1), part(2), part(3), part(4));
    let os = |ecosystem, distribution: &str, version: &str| {
        let codename = release_name(distribution, version);
        (!codename.is_empty()).then(|| Release::os(ecosystem, distribution, &codename))
    };
    match (vendor, product) {
        ("redhat", "enterprise_linux") => os(Ecosystem::Rpm, "redhat", version),
        ("redhat", stream) if STREAMS.contains(&stream) => {
            let stream = stream.trim_start_matches("rhel_");
            (!version.is_empty()).then(|| {
                let codename = format!("{version}-{stream}");
                Release::os(Ecosystem::Rpm, "redhat", &codename)
            })
        }
        ("suse", "sles" | "sled" | "sles_sap" | "sle_hpc") => suse(version, update),
        ("suse", module)
            if module.starts_with("sle-module") || module.starts_with("sle_module") =>
        {
            suse(version, update)
        }
        ("opensuse", "leap") => os(Ecosystem::Rpm, "opensuse-leap", version),
        ("opensuse", "tumbleweed") => Some(Release::os(Ecosystem::Rpm, "opensuse-tumbleweed", "")),
        ("almalinux", "almalinux") => os(Ecosystem::Rpm, "almalinux", version),
        ("rocky" | "resf", "rocky" | "rocky_linux") => os(Ecosystem::Rpm, "rocky", version),
        ("fedoraproject", "fedora") => os(Ecosystem::Rpm, "fedora", version),
        ("canonical", "ubuntu_linux") => os(Ecosystem::Deb, "ubuntu", version),
        ("debian", "debian_linux") => os(Ecosystem::Deb, "debian", version),
        ("alpinelinux", "alpine_linux") => os(Ecosystem::Apk, "alpine", version),
        _ => None,
    }
}

/// `15`, `sp5` → `sles` `15.5`.
fn suse(version: &str, update: &str) -> Option<Release> {
    let pack = update.trim_start_matches("sp");
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (is_number(version), pack) {
        (true, "") => Some(Release::os(Ecosystem::Rpm, "sles", version)),
        (true, pack) if is_number(pack) => {
            let codename = format!("{version}.{pack}");
            Some(Release::os(Ecosystem::Rpm, "sles", &codename))
        }
        _ => None,
    }
}

/// The release that SUSE's product names mean, in CSAF and in OSV's ecosystems: `SUSE Linux Enterprise Server 15 SP5`,
/// `Linux Enterprise Module for Basesystem 15 SP5`, `openSUSE Leap 15.5`.
pub(crate) fn release_of_suse(name: &str) -> Option<Release> {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> = name.split_whitespace().collect();
    if let Some(at) = words.iter().position(|word| *word == "leap") {
        let version = words.get(at + 1)?;
        return Some(Release::os(Ecosystem::Rpm, "opensuse-leap", version));
    }
    if words.contains(&"tumbleweed") {
        return Some(Release::os(Ecosystem::Rpm, "opensuse-tumbleweed", ""));
    }
    // Long-term support of a service pack fixes by versions of its own, beyond its end.
    if !name.contains("linux enterprise") || name.contains("ltss") {
        return None;
    }
    let major = words
        .iter()
        .rposition(|word| word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit()))?;
    let update = words
        .get(major + 1)
        .filter(|word| word.starts_with("sp"))
        .map_or("", |word| *word);
    suse(words[major], update)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpe_name_means_the_release_that_hosts_report() {
        let rpm =
            |distribution, codename| Some(Release::os(Ecosystem::Rpm, distribution, codename));
        for (cpe, release) in [
            (
                "cpe:/o:redhat:enterprise_linux:9::baseos",
                rpm("redhat", "9"),
            ),
            (
                "cpe:/a:redhat:enterprise_linux:8.10::appstream",
                rpm("redhat", "8"),
            ),
            (
                "cpe:2.3:o:redhat:enterprise_linux:9:*:baseos:*:*:*:*:*",
                rpm("redhat", "9"),
            ),
            (
                "cpe:/a:redhat:rhel_eus:9.4::appstream",
                rpm("redhat", "9.4-eus"),
            ),
            ("cpe:/o:suse:sles:15:sp5", rpm("sles", "15.5")),
            (
                "cpe:/o:suse:sle-module-basesystem:15:sp5",
                rpm("sles", "15.5"),
            ),
            ("cpe:/o:opensuse:leap:15.6", rpm("opensuse-leap", "15.6")),
            ("cpe:/o:redhat:enterprise_linux", None),
            ("cpe:/h:redhat:enterprise_linux:9", None),
            ("cpe:/a:redhat:openshift:4.15::el9", None),
            ("enterprise_linux", None),
        ] {
            assert_eq!(release_of_cpe(cpe), release, "{cpe}");
        }
    }

    #[test]
    fn a_product_name_of_suse_means_a_release() {
        for (name, codename) in [
            ("SUSE Linux Enterprise Server 15 SP5", Some("15.5")),
            (
                "Linux Enterprise Module for Basesystem 15 SP6",
                Some("15.6"),
            ),
            ("SUSE Linux Enterprise Server 12", Some("12")),
            ("openSUSE Leap 15.5", Some("15.5")),
            ("SUSE Linux Enterprise Server 15 SP2-LTSS", None),
            ("SUSE Linux Enterprise Server LTSS 12 SP5", None),
            ("SUSE Manager Proxy 4.3", None),
            ("", None),
        ] {
            let found = release_of_suse(name).map(|release| release.codename);
            assert_eq!(found.as_deref(), codename, "{name}");
        }
    }
}
