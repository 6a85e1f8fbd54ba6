//! The ecosystem names of OSV (schema 1.7, "Defined Ecosystems"), e.g. `Debian:12`, `AlmaLinux:9`, `PyPI`.

use crate::domain::affected::Release;
use crate::domain::csaf::{release_of_cpe, release_of_suse};
use netpatch_types::{Ecosystem, release_name};

/// Distributions: OSV's name, package world, the distribution's word.
const DISTRIBUTIONS: [(&str, Ecosystem, &str); 8] = [
    ("Debian", Ecosystem::Deb, "debian"),
    ("Ubuntu", Ecosystem::Deb, "ubuntu"),
    ("AlmaLinux", Ecosystem::Rpm, "almalinux"),
    ("Rocky Linux", Ecosystem::Rpm, "rocky"),
    ("Alpine", Ecosystem::Apk, "alpine"),
    ("Wolfi", Ecosystem::Apk, "wolfi"),
    ("Chainguard", Ecosystem::Apk, "chainguard"),
    ("Mageia", Ecosystem::Rpm, "mageia"),
];

/// Registries: OSV's name and the package world.
const REGISTRIES: [(&str, Ecosystem); 12] = [
    ("PyPI", Ecosystem::Pypi),
    ("npm", Ecosystem::Npm),
    ("crates.io", Ecosystem::Cargo),
    ("Go", Ecosystem::Golang),
    ("Maven", Ecosystem::Maven),
    ("NuGet", Ecosystem::Nuget),
    ("RubyGems", Ecosystem::Gem),
    ("Packagist", Ecosystem::Composer),
    ("Pub", Ecosystem::Pub),
    ("Hex", Ecosystem::Hex),
    ("CRAN", Ecosystem::Cran),
    ("Hackage", Ecosystem::Hackage),
];

/// The release or registry that an ecosystem name means; `None` for one that is not known here. What follows the release
/// (`Debian:12:lts`, `Maven:https://…`) is left out.
#[must_use]
pub fn release_of(ecosystem: &str) -> Option<Release> {
    let mut parts = ecosystem.split(':');
    let (name, version) = (parts.next()?, parts.next());
    if let Some((_, ecosystem)) = REGISTRIES.iter().find(|(known, _)| *known == name) {
        return Some(Release::registry(*ecosystem));
    }
    // These three name products as in CSAF: `Red Hat:enterprise_linux:9::baseos`, `SUSE:Linux Enterprise Server 15 SP5`.
    match name {
        "Red Hat" => {
            let (_, product) = ecosystem.split_once(':')?;
            return release_of_cpe(&format!("cpe:/o:redhat:{product}"));
        }
        "SUSE" | "openSUSE" => return release_of_suse(&ecosystem.replacen(':', " ", 1)),
        _ => {}
    }
    let (_, ecosystem, distribution) = DISTRIBUTIONS.iter().find(|(known, ..)| *known == name)?;
    // `Ubuntu:Pro:22.04:LTS` is another archive, `Wolfi` has no releases.
    let version = version.unwrap_or_default();
    let is_rolling = matches!(name, "Wolfi" | "Chainguard");
    let is_release = version.starts_with(|c: char| c.is_ascii_alphanumeric()) && version != "Pro";
    (is_release || is_rolling).then(|| {
        Release::os(
            *ecosystem,
            distribution,
            &release_name(distribution, version),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_one_name() {
        let bookworm = Release::os(Ecosystem::Deb, "debian", "bookworm");
        for name in ["Debian:12", "Debian:12:lts", "Debian:bookworm"] {
            assert_eq!(release_of(name), Some(bookworm.clone()), "{name}");
        }
        assert_eq!(
            release_of("Alpine:v3.11"),
            Some(Release::os(Ecosystem::Apk, "alpine", "3.11"))
        );
        assert_eq!(
            release_of("Maven:https://repo.example/"),
            Some(Release::registry(Ecosystem::Maven))
        );
        for (name, distribution, codename) in [
            ("Red Hat:enterprise_linux:9::baseos", "redhat", "9"),
            ("SUSE:Linux Enterprise Server 15 SP5", "sles", "15.5"),
            ("openSUSE:Leap 15.6", "opensuse-leap", "15.6"),
        ] {
            let release = Release::os(Ecosystem::Rpm, distribution, codename);
            assert_eq!(release_of(name), Some(release), "{name}");
        }
        for name in ["Debian", "Ubuntu:Pro:22.04:LTS", "Unheard of:1", ""] {
            assert_eq!(release_of(name), None, "{name}");
        }
    }
}
