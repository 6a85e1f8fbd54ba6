//! What a document lists, on its way to being a manifest: every entry becomes a component, or is counted with the reason why not.
//!
//! Only certain mappings count. A package of an operating system needs its release: from its package URL, else from the operating
//! system that the document names, if it is of the same distribution.

use netpatch_inventory_api::{MAX_EXAMPLES, SoftwareSkip, SoftwareSkipped};
use netpatch_types::purl::{NoComponent, Purl};
use netpatch_types::{ComponentKey, Ecosystem, MAX_COMPONENTS, distribution_name, release_name};
use std::collections::{BTreeMap, HashSet};

/// The architecture of a package of an operating system that names none: matching does not ask for it.
const NO_ARCH: &str = "unknown";
/// Longest fact of a host, bytes.
const MAX_FACT_BYTES: usize = 255;
/// Longest example, in letters.
const MAX_EXAMPLE: usize = 80;

/// More components than a host can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_COMPONENTS} components; no host has so many")]
pub struct TooMany;

/// The operating system that a document names. Fields that it does not say are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatingSystem {
    /// As os-release `ID`: `debian`.
    pub id: String,
    /// As os-release `VERSION_ID`: `12`.
    pub version: String,
    /// For people.
    pub name: String,
}

impl OperatingSystem {
    /// The release as components name it; empty when it is not known.
    #[must_use]
    pub fn release(&self) -> String {
        if self.version.is_empty() {
            return String::new();
        }
        release_name(distribution_name(&self.id), &self.version)
    }
}

/// A fact of the host as a document says it; what does not fit one is not said.
#[must_use]
pub fn fact(text: &str) -> String {
    let text = text.trim();
    if text.len() > MAX_FACT_BYTES || text.chars().any(char::is_control) {
        String::new()
    } else {
        text.to_owned()
    }
}

/// What is known of a package besides its package URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// As the document writes it.
    pub name: String,
    /// The package world, where a package URL has no word for it.
    pub ecosystem: Option<Ecosystem>,
    /// Source package; empty: not said.
    pub source: String,
    /// Its version; empty: not said.
    pub source_version: String,
    /// The image inside of which the package lies, `sha256:…`; empty: none.
    pub image: String,
}

/// What was read so far.
#[derive(Debug, Default)]
pub struct Software {
    components: HashSet<ComponentKey>,
    /// Without a release so far.
    waiting: HashSet<ComponentKey>,
    skipped: BTreeMap<SoftwareSkip, SoftwareSkipped>,
    /// Entries that say what another has said.
    pub duplicates: u64,
    /// Packages of which the source package is not named.
    pub without_source: u64,
    /// Packages of which the epoch is not known.
    pub without_epoch: u64,
}

impl Software {
    /// Takes what a package URL names.
    pub fn take(&mut self, text: &str, beside: &Beside) -> Result<(), TooMany> {
        match component(text, beside) {
            Err(reason) => {
                let name = if beside.name.is_empty() {
                    text
                } else {
                    &beside.name
                };
                self.skip(reason, name);
                Ok(())
            }
            Ok((key, has_source)) => self.put(key, has_source),
        }
    }

    fn put(&mut self, key: ComponentKey, has_source: bool) -> Result<(), TooMany> {
        let is_placed = !key.ecosystem.is_os()
            || key.ecosystem == Ecosystem::Windows
            || !key.release.is_empty();
        let places = if is_placed {
            &mut self.components
        } else {
            &mut self.waiting
        };
        if !places.insert(key) {
            self.duplicates += 1;
        } else if !has_source {
            self.without_source += 1;
        }
        if self.components.len() + self.waiting.len() > MAX_COMPONENTS {
            return Err(TooMany);
        }
        Ok(())
    }

    /// Counts what becomes no component.
    pub fn skip(&mut self, reason: SoftwareSkip, name: &str) {
        let skipped = self.skipped.entry(reason).or_insert(SoftwareSkipped {
            reason,
            count: 0,
            examples: Vec::new(),
        });
        skipped.count += 1;
        if skipped.examples.len() < MAX_EXAMPLES {
            let shown = |letter: char| {
                if letter.is_control() {
                    '\u{fffd}'
                } else {
                    letter
                }
            };
            let example = name.chars().take(MAX_EXAMPLE).map(shown).collect();
            skipped.examples.push(example);
        }
    }

    /// All components, and what became none: the document is at its end, and its operating system is known.
    #[must_use]
    pub fn finish(mut self, os: &OperatingSystem) -> (Vec<ComponentKey>, Self) {
        let (distribution, release) = (distribution_name(&os.id), os.release());
        for mut key in std::mem::take(&mut self.waiting) {
            if key.distribution.is_empty() {
                distribution.clone_into(&mut key.distribution);
            }
            if release.is_empty() || key.distribution != distribution {
                self.skip(SoftwareSkip::NoRelease, &key.name);
                continue;
            }
            key.release.clone_from(&release);
            if let Err(name) = checked(&key) {
                self.skip(SoftwareSkip::BadField, &name);
            } else if !self.components.insert(key) {
                self.duplicates += 1;
            }
        }
        (self.components.drain().collect(), self)
    }

    /// What became no component.
    #[must_use]
    pub fn into_skipped(self) -> Vec<SoftwareSkipped> {
        self.skipped.into_values().collect()
    }
}

fn checked(key: &ComponentKey) -> Result<(), String> {
    key.check().map_err(|_| key.name.clone())
}

/// The component of a package URL, and whether its source package is known where advisories name sources.
fn component(text: &str, beside: &Beside) -> Result<(ComponentKey, bool), SoftwareSkip> {
    let mut purl: Purl = text.parse().map_err(|_| SoftwareSkip::BadPurl)?;
    // Windows has no word of its own among package URLs.
    if beside.ecosystem == Some(Ecosystem::Windows) && purl.kind == Ecosystem::Generic.as_str() {
        Ecosystem::Windows.as_str().clone_into(&mut purl.kind);
    }
    let mut key = ComponentKey::from_purl(&purl).map_err(|error| match error {
        NoComponent::Ecosystem(_) => SoftwareSkip::UnknownKind,
        NoComponent::Version => SoftwareSkip::NoVersion,
    })?;
    // Package URLs write some names in lower case only.
    if key.name != beside.name && key.name.eq_ignore_ascii_case(&beside.name) {
        if key.source == key.name {
            key.source.clone_from(&beside.name);
        }
        key.name.clone_from(&beside.name);
    }
    let mut has_source = true;
    if key.ecosystem.is_os() {
        place(&mut key, &purl);
        if key.arch.is_empty() {
            NO_ARCH.clone_into(&mut key.arch);
        }
        if !beside.image.is_empty() {
            key.arch = format!("{}@{}", key.arch, beside.image);
        }
        if !beside.source.is_empty() {
            key.source.clone_from(&beside.source);
            if !beside.source_version.is_empty() {
                key.source_version.clone_from(&beside.source_version);
            }
        }
        let names_sources = matches!(key.ecosystem, Ecosystem::Deb | Ecosystem::Apk);
        has_source = !names_sources
            || !beside.source.is_empty()
            || purl.qualifier("upstream").is_some()
            || key.plain_arch() == "source";
    }
    // The release may come from elsewhere in the document.
    let mut whole = key.clone();
    if whole.ecosystem.is_os() && whole.ecosystem != Ecosystem::Windows {
        for field in [&mut whole.distribution, &mut whole.release] {
            if field.is_empty() {
                field.push('-');
            }
        }
    }
    whole.check().map_err(|_| SoftwareSkip::BadField)?;
    Ok((key, has_source))
}

/// One name for distribution and release, however the package URL writes them: `distro=rhel-9.4` under `redhat`.
fn place(key: &mut ComponentKey, purl: &Purl) {
    if key.ecosystem == Ecosystem::Windows {
        key.release.clear();
        return;
    }
    let distribution = distribution_name(&key.distribution).to_owned();
    if let Some((id, version)) = purl
        .qualifier("distro")
        .and_then(|text| text.rsplit_once('-'))
        && distribution_name(id) == distribution
    {
        key.release = release_name(&distribution, version);
    }
    key.distribution = distribution;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debian() -> OperatingSystem {
        OperatingSystem {
            id: "debian".into(),
            version: "12".into(),
            name: String::new(),
        }
    }

    fn read(entries: &[(&str, Beside)], os: &OperatingSystem) -> (Vec<ComponentKey>, Software) {
        let mut software = Software::default();
        for (purl, beside) in entries {
            software.take(purl, beside).expect("not too many");
        }
        let (mut components, told) = software.finish(os);
        components.sort();
        (components, told)
    }

    #[test]
    fn what_the_agent_reports_comes_back_from_what_the_platform_writes() {
        let os = |ecosystem,
                  distribution: &str,
                  release: &str,
                  name: &str,
                  version: &str,
                  arch: &str| {
            ComponentKey {
                distribution: distribution.into(),
                release: release.into(),
                arch: arch.into(),
                ..ComponentKey::of_registry(ecosystem, name, version)
            }
        };
        let image = format!("amd64@sha256:{}", "0".repeat(64));
        let mut libc = os(
            Ecosystem::Deb,
            "debian",
            "bookworm",
            "libc6",
            "2.36-9+b1",
            "amd64",
        );
        (libc.source, libc.source_version) = ("glibc".into(), "2.36-9".into());
        for key in [
            libc.clone(),
            ComponentKey {
                arch: image,
                ..libc
            },
            os(
                Ecosystem::Rpm,
                "redhat",
                "9",
                "NetworkManager",
                "1:1.46.0-1.el9",
                "x86_64",
            ),
            os(Ecosystem::Rpm, "sles", "15.6", "curl", "8.6.0-1", "x86_64"),
            os(
                Ecosystem::Rpm,
                "opensuse-leap",
                "15.6",
                "curl",
                "8.6.0-1",
                "noarch",
            ),
            os(
                Ecosystem::Apk,
                "alpine",
                "3.19",
                "curl",
                "8.5.0-r0",
                "x86_64",
            ),
            os(
                Ecosystem::Alpm,
                "arch",
                "rolling",
                "curl",
                "8.11.0-1",
                "x86_64",
            ),
            os(
                Ecosystem::Windows,
                "microsoft",
                "",
                "Windows Server 2022",
                "10.0.20348.2655",
                "x64",
            ),
            ComponentKey::of_registry(Ecosystem::Pypi, "Jinja2", "3.1.2"),
            ComponentKey::of_registry(Ecosystem::Npm, "@angular/core", "1.0.0"),
            ComponentKey::of_registry(Ecosystem::Golang, "github.com/BurntSushi/toml", "v1.2.0"),
            ComponentKey::of_registry(Ecosystem::Maven, "org.apache:Commons", "1"),
            ComponentKey::of_registry(Ecosystem::Generic, "org.gimp.GIMP", "2.10"),
        ] {
            key.check().expect("a component");
            let beside = Beside {
                name: key.name.clone(),
                ecosystem: Some(key.ecosystem),
                source: key.source.clone(),
                source_version: key.source_version.clone(),
                image: key.image().unwrap_or_default().to_owned(),
            };
            let (components, told) = read(&[(&key.purl(), beside)], &OperatingSystem::default());
            assert_eq!(
                (components.as_slice(), told.without_source),
                (&[key][..], 0)
            );
        }
    }

    #[test]
    fn the_document_names_the_release_for_packages_of_its_own_distribution_only() {
        let entries = [
            "pkg:deb/debian/curl@7.88.1-10",
            "pkg:deb/ubuntu/zip@3",
            "pkg:deb/tar@1",
        ]
        .map(|purl| (purl, Beside::default()));
        let (components, told) = read(&entries, &debian());
        let places: Vec<_> = components
            .iter()
            .map(|key| (key.name.as_str(), key.release.as_str(), key.arch.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                ("curl", "bookworm", "unknown"),
                ("tar", "bookworm", "unknown")
            ]
        );
        assert_eq!(told.without_source, 3);
        let skipped = told.into_skipped();
        assert_eq!(
            (skipped[0].reason, skipped[0].count),
            (SoftwareSkip::NoRelease, 1)
        );
        assert_eq!(skipped[0].examples, ["zip"]);
        let (components, told) = read(&entries, &OperatingSystem::default());
        assert!(components.is_empty());
        assert_eq!(told.into_skipped()[0].count, 3);
    }

    #[test]
    fn editions_of_one_distribution_are_placed_where_its_advisories_are() {
        let place = |purl: &str| {
            let (components, _) = read(&[(purl, Beside::default())], &OperatingSystem::default());
            (
                components[0].distribution.clone(),
                components[0].release.clone(),
            )
        };
        for (purl, distribution, release) in [
            (
                "pkg:rpm/redhat/curl@7?arch=x86_64&distro=rhel-9.4",
                "redhat",
                "9",
            ),
            (
                "pkg:rpm/rhel/curl@7?arch=x86_64&distro=rhel-9.4",
                "redhat",
                "9",
            ),
            (
                "pkg:deb/debian/curl@7?arch=amd64&distro=debian-12.4",
                "debian",
                "bookworm",
            ),
        ] {
            assert_eq!(
                place(purl),
                (distribution.to_owned(), release.to_owned()),
                "{purl}"
            );
        }
    }

    #[test]
    fn what_is_no_component_is_counted_with_its_reason() {
        let named = |name: &str| Beside {
            name: name.into(),
            ..Beside::default()
        };
        let long = format!("pkg:npm/a@{}", "1".repeat(600));
        let entries = [
            ("curl", named("a")),
            ("pkg:docker/debian@1", named("b\n")),
            ("pkg:npm/a", named("")),
            ("pkg:npm/a@1%0a", named("c")),
            (long.as_str(), named("d")),
            ("pkg:npm/a@1", named("a")),
            ("pkg:npm/a@1", named("a")),
        ];
        let (components, told) = read(&entries, &debian());
        assert_eq!((components.len(), told.duplicates), (1, 1));
        let skipped: Vec<_> = told
            .into_skipped()
            .into_iter()
            .map(|one| (one.reason, one.count, one.examples.join("|")))
            .collect();
        assert_eq!(
            skipped,
            [
                (SoftwareSkip::BadPurl, 1, "a".to_owned()),
                (SoftwareSkip::UnknownKind, 1, "b\u{fffd}".to_owned()),
                (SoftwareSkip::NoVersion, 1, "pkg:npm/a".to_owned()),
                (SoftwareSkip::BadField, 2, "c|d".to_owned()),
            ]
        );
    }

    #[test]
    fn no_host_has_more_components_than_the_limit() {
        let mut software = Software::default();
        for number in 0..MAX_COMPONENTS {
            let purl = format!("pkg:npm/p{number}@1");
            software
                .take(&purl, &Beside::default())
                .expect("within the limit");
        }
        software
            .take("pkg:npm/p0@1", &Beside::default())
            .expect("the same again");
        assert_eq!(
            software.take("pkg:npm/more@1", &Beside::default()),
            Err(TooMany)
        );
    }
}
