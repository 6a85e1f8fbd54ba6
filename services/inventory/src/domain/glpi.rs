//! What a GLPI agent lists as software (`operatingsystem` and `softwares` of its JSON inventory), as components.
//!
//! Taken are packages of dpkg and rpm on a distribution that is known by its name: there the name of the program is the name of the
//! package. The agent says neither source packages nor rpm's epochs; both are counted, because advisories that need them are missed
//! or misjudged.

use crate::domain::software::{Beside, OperatingSystem, Software, TooMany, fact};
use netpatch_inventory_api::{GlpiProgram, GlpiSoftware, SoftwareSkip};
use netpatch_types::ComponentKey;
use netpatch_types::purl::Purl;

/// What the agent calls a distribution (`Distro` of lsb_release, `NAME` of os-release), in lower case; its os-release `ID`; its package
/// manager. The first that fits counts.
const DISTRIBUTIONS: [(&str, &str, &str); 14] = [
    ("debian", "debian", "deb"),
    ("ubuntu", "ubuntu", "deb"),
    ("almalinux", "almalinux", "rpm"),
    ("rocky", "rocky", "rpm"),
    ("red hat enterprise linux", "rhel", "rpm"),
    ("redhatenterprise", "rhel", "rpm"),
    ("centos", "centos", "rpm"),
    ("oracle", "ol", "rpm"),
    ("fedora", "fedora", "rpm"),
    ("opensuse leap", "opensuse-leap", "rpm"),
    ("opensuse tumbleweed", "opensuse-tumbleweed", "rpm"),
    ("suse linux enterprise server", "sles", "rpm"),
    ("sles", "sles", "rpm"),
    ("amazon linux", "amzn", "rpm"),
];

/// What an inventory says.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Its operating system.
    pub os: OperatingSystem,
    /// Components.
    pub components: Vec<ComponentKey>,
    /// What became none.
    pub told: Software,
}

/// Reads what an inventory lists.
pub fn read(said: &GlpiSoftware) -> Result<Inventory, TooMany> {
    let name = said.os_name.trim().to_lowercase();
    let known = DISTRIBUTIONS
        .iter()
        .find(|(word, ..)| name.starts_with(word));
    let os = OperatingSystem {
        id: known.map(|(_, id, _)| (*id).to_owned()).unwrap_or_default(),
        version: fact(&said.os_version),
        name: fact(&said.os_full_name),
    };
    let mut software = Software::default();
    for program in &said.programs {
        match known {
            Some((_, id, manager)) if program.from == *manager => {
                take(&mut software, program, id, &os)?;
            }
            _ => software.skip(SoftwareSkip::Unmapped, &program.name),
        }
    }
    let (components, told) = software.finish(&os);
    Ok(Inventory {
        os,
        components,
        told,
    })
}

fn take(
    software: &mut Software,
    program: &GlpiProgram,
    id: &str,
    os: &OperatingSystem,
) -> Result<(), TooMany> {
    // rpm lists the keys that it trusts as packages without an architecture.
    if program.arch == "(none)" || program.version.is_empty() {
        software.skip(SoftwareSkip::Unmapped, &program.name);
        return Ok(());
    }
    let mut purl = Purl {
        kind: program.from.clone(),
        namespace: Some(id.to_owned()),
        name: program.name.clone(),
        version: Some(program.version.clone()),
        ..Purl::default()
    };
    for (key, value) in [("arch", &program.arch), ("distro", &os.version)] {
        if !value.is_empty() {
            purl.qualifiers.insert(key.to_owned(), value.clone());
        }
    }
    let beside = Beside {
        name: program.name.clone(),
        ..Beside::default()
    };
    if purl.kind == "rpm" && !program.version.contains(':') {
        software.without_epoch += 1;
    }
    software.take(&purl.to_string(), &beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(os: &str, version: &str, programs: &[(&str, &str, &str, &str)]) -> Inventory {
        let programs = programs
            .iter()
            .map(|(from, name, version, arch)| GlpiProgram {
                name: (*name).into(),
                version: (*version).into(),
                arch: (*arch).into(),
                from: (*from).into(),
            })
            .collect();
        let said = GlpiSoftware {
            os_name: os.into(),
            os_version: version.into(),
            programs,
            ..GlpiSoftware::default()
        };
        let mut read = read(&said).expect("not too many");
        read.components.sort();
        read
    }

    #[test]
    fn packages_of_the_operating_system_become_components_and_all_else_is_told() {
        let read = inventory(
            "Debian GNU/Linux",
            "12.11",
            &[
                ("deb", "adduser", "3.134", "all"),
                ("deb", "libstdc++6", "12.2.0-14+b1", "amd64"),
                ("snap", "lxd", "5.0", ""),
                ("rpm", "curl", "7-1", "x86_64"),
                ("deb", "broken", "", "all"),
                ("deb", "odd\n", "1", "all"),
                ("deb", "adduser", "3.134", "all"),
            ],
        );
        let [adduser, libstdc] = read.components.as_slice() else {
            panic!("{:?}", read.components);
        };
        assert_eq!(
            adduser.purl(),
            "pkg:deb/debian/adduser@3.134?arch=all&distro=bookworm"
        );
        assert_eq!(
            (libstdc.name.as_str(), libstdc.source_version.as_str()),
            ("libstdc++6", "12.2.0-14")
        );
        assert_eq!(
            (
                read.told.duplicates,
                read.told.without_source,
                read.told.without_epoch
            ),
            (1, 2, 0)
        );
        let skipped: Vec<_> = read
            .told
            .into_skipped()
            .into_iter()
            .map(|one| (one.reason, one.examples.join(" ")))
            .collect();
        assert_eq!(
            skipped,
            [
                (SoftwareSkip::BadField, "odd\u{fffd}".to_owned()),
                (SoftwareSkip::Unmapped, "lxd curl broken".to_owned()),
            ]
        );
    }

    #[test]
    fn rpm_packages_are_placed_under_the_name_that_advisories_have() {
        for (os, version, distribution, release) in [
            ("AlmaLinux", "9.4", "almalinux", "9"),
            ("Red Hat Enterprise Linux", "8.10", "redhat", "8"),
            ("Rocky Linux", "9.4", "rocky", "9"),
            ("Fedora Linux", "41", "fedora", "41"),
            ("SLES", "15.6", "sles", "15.6"),
        ] {
            let read = inventory(
                os,
                version,
                &[
                    ("rpm", "NetworkManager", "1.46.0-1.el9", "x86_64"),
                    ("rpm", "gpg-pubkey", "1-2", "(none)"),
                ],
            );
            let key = &read.components[0];
            assert_eq!(
                (key.distribution.as_str(), key.release.as_str()),
                (distribution, release),
                "{os}"
            );
            assert_eq!(
                (
                    key.name.as_str(),
                    read.components.len(),
                    read.told.without_epoch
                ),
                ("NetworkManager", 1, 1)
            );
        }
    }

    #[test]
    fn what_runs_on_an_unknown_system_is_not_guessed() {
        for os in ["", "Microsoft Windows 11 Pro", "macOS", "Gentoo"] {
            let read = inventory(
                os,
                "1",
                &[
                    ("deb", "curl", "7", "amd64"),
                    ("registry", "7-Zip", "22", "x86_64"),
                ],
            );
            assert!(read.components.is_empty());
            assert_eq!(read.told.into_skipped()[0].count, 2, "{os}");
        }
        let unnamed = inventory("Debian GNU/Linux", "", &[("deb", "curl", "7", "amd64")]);
        assert_eq!(
            unnamed.told.into_skipped()[0].reason,
            SoftwareSkip::NoRelease
        );
    }
}
