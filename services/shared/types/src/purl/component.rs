//! Between components and package URLs.

use super::Purl;
use crate::release::release_name;
use crate::{ComponentKey, Ecosystem};
use std::collections::BTreeMap;

/// Why a package URL names no component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoComponent {
    /// Its type is no package world that is known here.
    #[error("package URL is of the type {0:?}, which has no version order here")]
    Ecosystem(String),
    /// It names a package, not an installed version of it.
    #[error("package URL has no version")]
    Version,
}

impl ComponentKey {
    /// The package URL (ECMA-427), e.g. `pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=bookworm`, `pkg:npm/%40angular/core@1.0.0`.
    /// Windows has no type of its own and is `generic`. Where the package lies, an image for instance, is not in it.
    #[must_use]
    pub fn purl(&self) -> String {
        let mut qualifiers = BTreeMap::new();
        let mut qualify = |key: &str, value: &str| {
            if !value.is_empty() {
                qualifiers.insert(key.to_owned(), value.to_owned());
            }
        };
        qualify("arch", self.plain_arch());
        let mut version = self.version.as_str();
        let (namespace, name) = if self.ecosystem.is_os() {
            if self.ecosystem == Ecosystem::Rpm {
                // rpm alone writes the epoch apart.
                if let Some((epoch, rest)) = version.split_once(':') {
                    qualify("epoch", epoch);
                    version = rest;
                }
                qualify("distro", &joined(&self.distribution, &self.release));
            } else {
                qualify("distro", &self.release);
            }
            (Some(self.distribution.clone()), self.name.clone())
        } else {
            let separator = if self.ecosystem == Ecosystem::Maven {
                ':'
            } else {
                '/'
            };
            match self.name.rsplit_once(separator) {
                Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
                None => (None, self.name.clone()),
            }
        };
        let kind = match self.ecosystem {
            Ecosystem::Windows => Ecosystem::Generic.as_str(),
            other => other.as_str(),
        };
        // A component's parts are what the host said; no rule of a type makes it nameless.
        Purl {
            kind: kind.to_owned(),
            namespace: namespace.filter(|text| !text.is_empty()),
            name,
            version: Some(version.to_owned()),
            qualifiers,
            subpath: None,
        }
        .to_string()
    }

    /// The component that a package URL names. The release is read from `distro`, or from the `.el9` of an rpm's version; empty when
    /// neither says it. The source package is `upstream`'s (`name` or `name@version`, as syft writes it), else the package itself.
    pub fn from_purl(purl: &Purl) -> Result<Self, NoComponent> {
        let ecosystem = Ecosystem::from_word(&purl.kind)
            .ok_or_else(|| NoComponent::Ecosystem(purl.kind.clone()))?;
        let mut version = purl.version.clone().ok_or(NoComponent::Version)?;
        if !ecosystem.is_os() {
            let separator = if ecosystem == Ecosystem::Maven {
                ":"
            } else {
                "/"
            };
            let name = match &purl.namespace {
                Some(namespace) => format!("{namespace}{separator}{}", purl.name),
                None => purl.name.clone(),
            };
            return Ok(Self {
                ecosystem,
                distribution: String::new(),
                release: String::new(),
                arch: String::new(),
                source: name.clone(),
                source_version: version.clone(),
                name,
                version,
            });
        }
        if let Some(epoch) = purl.qualifier("epoch").filter(|_| !version.contains(':')) {
            version = format!("{epoch}:{version}");
        }
        let distro = purl.qualifier("distro");
        let distribution = match &purl.namespace {
            Some(namespace) => namespace.clone(),
            None => distro
                .and_then(|distro| distro.split_once('-'))
                .map_or_else(String::new, |(name, _)| name.to_owned()),
        };
        let release = match distro {
            Some(distro) => release_name(&distribution, distro),
            None => enterprise_release(&version).unwrap_or_default(),
        };
        let arch = purl.qualifier("arch").unwrap_or_default().to_owned();
        let (source, source_version) = source(purl, &version, &arch);
        Ok(Self {
            ecosystem,
            distribution,
            release,
            name: purl.name.clone(),
            arch,
            source,
            source_version,
            version,
        })
    }
}

fn joined(distribution: &str, release: &str) -> String {
    if release.is_empty() {
        String::new()
    } else {
        format!("{distribution}-{release}")
    }
}

fn source(purl: &Purl, version: &str, arch: &str) -> (String, String) {
    // A rebuild without a change of the source appends +b<n> to the binary version only.
    let plain = match version.rsplit_once("+b") {
        Some((plain, n))
            if purl.kind == Ecosystem::Deb.as_str()
                && arch != "source"
                && !n.is_empty()
                && n.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            plain
        }
        _ => version,
    };
    match purl.qualifier("upstream") {
        Some(upstream) if !upstream.ends_with(".src.rpm") => match upstream.split_once('@') {
            Some((source, version)) => (source.to_owned(), version.to_owned()),
            None => (upstream.to_owned(), plain.to_owned()),
        },
        _ => (purl.name.clone(), plain.to_owned()),
    }
}

/// The `9` of `1.2-3.el9_4` and of `1.2-3.module_el9.2.0+11+ab`.
fn enterprise_release(version: &str) -> Option<String> {
    let (_, rest) = version.rsplit_once("el")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(purl: &str) -> ComponentKey {
        ComponentKey::from_purl(&purl.parse().expect("a package URL")).expect("a component")
    }

    #[test]
    fn a_component_comes_back_from_its_package_url() {
        for purl in [
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1?arch=amd64&distro=bookworm",
            "pkg:rpm/almalinux/dbus@1.12.8-14.el8?arch=x86_64&distro=almalinux-8&epoch=1",
            "pkg:rpm/almalinux/curl@7.76.1-26.el9?arch=x86_64&distro=almalinux-9",
            "pkg:apk/alpine/curl@7.83.0-r0?arch=x86_64&distro=3.11",
            "pkg:npm/%40angular/core@1.0.0",
            "pkg:maven/org.apache.commons/io@1.3.4",
            "pkg:golang/github.com/gorilla/mux@v1.8.0",
            "pkg:pypi/django@1.11.1",
            "pkg:cargo/rand@0.7.2",
        ] {
            assert_eq!(read(purl).purl(), purl);
        }
        assert_eq!(
            read("pkg:maven/org.apache.commons/io@1.3.4").name,
            "org.apache.commons:io"
        );
    }

    #[test]
    fn a_purl_escapes_what_the_specification_says() {
        let key = ComponentKey {
            ecosystem: Ecosystem::Deb,
            distribution: "debian".into(),
            release: "bookworm".into(),
            name: "libstdc++6".into(),
            version: "1:12.2.0-14+deb12u1".into(),
            arch: "amd64".into(),
            source: "gcc-12".into(),
            source_version: "12.2.0-14+deb12u1".into(),
        };
        assert_eq!(
            key.purl(),
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1?arch=amd64&distro=bookworm"
        );
    }

    #[test]
    fn the_release_and_the_source_are_found() {
        let dbus = read("pkg:rpm/almalinux/dbus@1:1.12.8-14.el8_5");
        assert_eq!(
            (dbus.release.as_str(), dbus.version.as_str()),
            ("8", "1:1.12.8-14.el8_5")
        );
        let module = read("pkg:rpm/almalinux/pygtk2@2.24.0-25.module_el8.9.0%2B3725%2Bd1441900");
        assert_eq!(module.release, "8");
        let libc = read("pkg:deb/debian/libc6@2.36-9%2Bb1?distro=debian-12&upstream=glibc");
        assert_eq!(
            (
                libc.release.as_str(),
                libc.source.as_str(),
                libc.source_version.as_str()
            ),
            ("bookworm", "glibc", "2.36-9")
        );
        let image = read(
            "pkg:deb/debian/linux-image-amd64@6.1.1-1?distro=bookworm&upstream=linux-signed-amd64%406.1.1%2B1",
        );
        assert_eq!(image.source_version, "6.1.1+1");
        assert_eq!(read("pkg:deb/debian/curl@7").release, "");
    }

    #[test]
    fn what_has_no_version_order_is_refused() {
        let refused = |purl: &str| {
            ComponentKey::from_purl(&purl.parse().expect("a package URL")).expect_err("refused")
        };
        assert_eq!(
            refused("pkg:docker/debian@1"),
            NoComponent::Ecosystem("docker".into())
        );
        assert_eq!(refused("pkg:npm/a"), NoComponent::Version);
    }
}
