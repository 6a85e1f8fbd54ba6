//! What a product of a CSAF document is as hosts and advisories name packages: release, name, version.

use super::platform::{release_of_cpe, release_of_suse};
use super::tree::Product;
use crate::domain::affected::Release;
use crate::domain::name::canonical_name;
use crate::domain::osv::is_name;
use netpatch_types::version::Version;
use netpatch_types::{ComponentKey, Ecosystem, Purl};

/// Architectures of rpm, to know a file name from a product name.
const RPM_ARCHES: [&str; 10] = [
    "noarch", "src", "nosrc", "x86_64", "aarch64", "ppc64le", "s390x", "i686", "i586", "armv7hl",
];

/// A package of a release or registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// Where its name counts.
    pub(super) release: Release,
    /// As advisories name it. A source package of rpm has [`SOURCE`](crate::domain::index::SOURCE) in front.
    pub(super) name: String,
    /// Which version, if one is named.
    pub(super) version: Option<String>,
}

/// The packages that a product on its platforms means; none when no host here could have it.
pub(super) fn targets(product: &Product, platforms: &[&Product]) -> Vec<Target> {
    let on = || {
        std::iter::once(product)
            .chain(platforms.iter().copied())
            .find_map(platform)
    };
    let mut all: Vec<Target> = product
        .purls
        .iter()
        .filter_map(|purl| of_purl(purl, on))
        .collect();
    // A library inside a vendor's product is not the registry's: what is true of one says nothing of the other.
    all.retain(|target| platforms.is_empty() || !target.release.distribution.is_empty());
    if all.is_empty() && product.purls.is_empty() {
        all.extend(
            on().filter(|release| release.ecosystem == Ecosystem::Rpm)
                .and_then(|release| of_file_name(&product.name, release))
                .or_else(|| of_cpe(product.cpe.as_deref()?)),
        );
    }
    all.retain(|target| {
        is_name(&target.name)
            && target
                .version
                .as_ref()
                .is_none_or(|version| Version::parse(target.release.ecosystem, version).is_ok())
    });
    all.sort();
    all.dedup();
    all
}

fn platform(product: &Product) -> Option<Release> {
    let cpe = product.cpe.as_deref().and_then(release_of_cpe);
    cpe.or_else(|| release_of_suse(&product.name))
}

fn of_purl(purl: &Purl, on: impl FnOnce() -> Option<Release>) -> Option<Target> {
    let version = purl.version.is_some();
    // The name of a package without a version is read the same way.
    let versioned = Purl {
        version: purl.version.clone().or_else(|| Some("0".to_owned())),
        ..purl.clone()
    };
    let key = ComponentKey::from_purl(&versioned).ok()?;
    let ecosystem = key.ecosystem;
    let is_os = matches!(
        ecosystem,
        Ecosystem::Deb | Ecosystem::Rpm | Ecosystem::Apk | Ecosystem::Alpm
    );
    let release = if is_os {
        // The platform knows best; else the package URL's own `distro`, or the `.el9` of a version.
        on().filter(|release| release.ecosystem == ecosystem)
            .or_else(|| {
                let is_said = !key.distribution.is_empty() && !key.release.is_empty();
                is_said.then(|| Release::os(ecosystem, &key.distribution, &key.release))
            })?
    } else {
        Release::registry(ecosystem)
    };
    let is_source = key.arch == "src";
    let (name, found) = match ecosystem {
        Ecosystem::Deb | Ecosystem::Apk => (key.source, key.source_version),
        Ecosystem::Rpm if is_source => (source_name(&key.name), key.version),
        _ => (key.name, key.version),
    };
    Some(Target {
        name: canonical_name(ecosystem, &name).into_owned(),
        release,
        version: version.then_some(found),
    })
}

/// A source package of rpm, told from the binary package of the same name.
fn source_name(name: &str) -> String {
    format!("{}{name}", crate::domain::index::SOURCE)
}

/// `curl-8.0.1-150400.5.36.1.x86_64`, or only `curl`.
fn of_file_name(text: &str, release: Release) -> Option<Target> {
    let target = |name: &str, version: Option<String>| Target {
        release,
        name: name.to_owned(),
        version,
    };
    let Some((rest, arch)) = text
        .rsplit_once('.')
        .filter(|(_, arch)| RPM_ARCHES.contains(arch))
    else {
        return is_name(text).then(|| target(text, None));
    };
    let (rest, build) = rest.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    let version = format!("{version}-{build}");
    let name = if arch == "src" {
        source_name(name)
    } else {
        name.to_owned()
    };
    Some(target(&name, Some(version)))
}

/// Software that only a CPE name tells: `cpe:2.3:a:vendor:product:1.2` is the generic package `vendor:product`.
fn of_cpe(cpe: &str) -> Option<Target> {
    let rest = cpe
        .strip_prefix("cpe:2.3:a:")
        .or_else(|| cpe.strip_prefix("cpe:/a:"))?;
    let mut parts = rest.split(':');
    let (vendor, product) = (parts.next()?, parts.next()?);
    let version = parts
        .next()
        .filter(|version| !matches!(*version, "" | "*" | "-"));
    Some(Target {
        release: Release::registry(Ecosystem::Generic),
        name: format!("{vendor}:{product}").to_ascii_lowercase(),
        version: version.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(name: &str, purl: &str, cpe: &str) -> Product {
        Product {
            name: name.into(),
            purls: purl.parse().into_iter().collect(),
            cpe: Some(cpe.to_owned()).filter(|cpe| !cpe.is_empty()),
            ..Product::default()
        }
    }

    fn first(product: &Product, platforms: &[&Product]) -> (String, String, Option<String>) {
        let target = targets(product, platforms).remove(0);
        let release = format!(
            "{} {}",
            target.release.distribution, target.release.codename
        );
        (release, target.name, target.version)
    }

    #[test]
    fn the_platform_decides_the_release() {
        let rhel = product(
            "AppStream",
            "",
            "cpe:/a:redhat:enterprise_linux:9::appstream",
        );
        let kernel = product(
            "kernel-0:5.14.0-427.13.1.el9_4.x86_64",
            "pkg:rpm/redhat/kernel@5.14.0-427.13.1.el9_4?arch=x86_64",
            "",
        );
        assert_eq!(
            first(&kernel, &[&rhel]),
            (
                "redhat 9".into(),
                "kernel".into(),
                Some("5.14.0-427.13.1.el9_4".into())
            )
        );
        let source = product("kernel", "pkg:rpm/redhat/kernel?arch=src", "");
        assert_eq!(
            first(&source, &[&rhel]),
            ("redhat 9".into(), "src:kernel".into(), None)
        );
        let bind = product(
            "bind",
            "pkg:rpm/redhat/bind@9.16.23-1.el9?arch=x86_64&epoch=32",
            "",
        );
        assert_eq!(
            first(&bind, &[&rhel]).2.as_deref(),
            Some("32:9.16.23-1.el9")
        );
    }

    #[test]
    fn names_of_files_and_cpe_names_do_where_no_package_url_is() {
        let leap = product("openSUSE Leap 15.5", "", "cpe:/o:opensuse:leap:15.5");
        let curl = product("curl-8.0.1-150400.5.36.1.x86_64", "", "");
        assert_eq!(
            first(&curl, &[&leap]),
            (
                "opensuse-leap 15.5".into(),
                "curl".into(),
                Some("8.0.1-150400.5.36.1".into())
            )
        );
        let zip = product("7-Zip 24", "", "cpe:2.3:a:7-zip:7-zip:24.07:*:*:*:*:*:*:*");
        assert_eq!(
            first(&zip, &[]),
            (" ".into(), "7-zip:7-zip".into(), Some("24.07".into()))
        );
        assert!(targets(&product("Router X", "", "cpe:/h:x:router:1"), &[]).is_empty());
        assert!(targets(&product("PyPI", "pkg:docker/x@1", ""), &[]).is_empty());
    }
}
