//! The rpm database, as `rpm -qa` tells it. rpm itself reads every format that it ever had.

use netpatch_types::{ComponentKey, Ecosystem, version};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// One line per package; a header's own tab or line feed makes a line that does not fit.
pub(crate) const FORMAT: &str =
    r"%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{SIGMD5}\n";
/// A key of a vendor, which is kept in the database like a package.
const KEY: &str = "gpg-pubkey";

/// One installed package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Package {
    /// Binary package.
    pub(crate) name: String,
    /// `x86_64`, `noarch`.
    pub(crate) arch: String,
    /// `[epoch:]version-release`.
    pub(crate) version: String,
    /// Source package.
    pub(crate) source: String,
    /// `version-release` of the source; rpm does not keep its epoch.
    pub(crate) source_version: String,
    /// Digest of header and payload, for comparison only.
    pub(crate) digest: String,
}

impl Package {
    /// `name-version-release.arch`, as rpm takes it on its command line.
    pub(crate) fn nevra(&self) -> String {
        format!("{}-{}.{}", self.name, self.version, self.arch)
    }
}

/// What is installed, sorted by name, arch and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Database {
    /// Its packages, without keys.
    pub(crate) packages: Vec<Package>,
    /// Entries that cannot be read.
    pub(crate) unreadable: usize,
}

impl Database {
    /// Reads lines of [`FORMAT`].
    pub(crate) fn parse(text: &str) -> Self {
        let mut database = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match package(line) {
                Some(package) if package.name == KEY => {}
                Some(package) => database.packages.push(package),
                None => database.unreadable += 1,
            }
        }
        database.packages.sort_by(|left, right| {
            (&left.name, &left.arch)
                .cmp(&(&right.name, &right.arch))
                .then_with(|| compare(&left.version, &right.version))
        });
        database
    }

    /// All versions of a package, the lowest first: kernels are installed side by side.
    pub(crate) fn versions(&self, name: &str, arch: &str) -> Vec<&Package> {
        self.packages
            .iter()
            .filter(|package| package.name == name && package.arch == arch)
            .collect()
    }

    /// The components of a manifest; of several versions the highest comes last.
    pub(crate) fn components(&self, distribution: &str, release: &str) -> Vec<ComponentKey> {
        self.packages
            .iter()
            .map(|package| ComponentKey {
                ecosystem: Ecosystem::Rpm,
                distribution: distribution.to_owned(),
                release: release.to_owned(),
                name: package.name.clone(),
                version: package.version.clone(),
                arch: package.arch.clone(),
                source: package.source.clone(),
                source_version: package.source_version.clone(),
            })
            .collect()
    }
}

/// rpm's order; what it cannot read is equal.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    version::compare(Ecosystem::Rpm, left, right).unwrap_or(Ordering::Equal)
}

/// The name of a package's file in a run's folder.
pub(crate) fn file_name(name: &str, version: &str, arch: &str) -> String {
    format!("{name}-{}.{arch}.rpm", version.replace(':', "%3a"))
}

fn package(line: &str) -> Option<Package> {
    let mut fields = line.split('\t');
    let mut next = || fields.next();
    let (name, epoch, version, release) = (next()?, next()?, next()?, next()?);
    let (arch, source_file, digest) = (next()?, next()?, next()?);
    if next().is_some() || name.is_empty() || version.is_empty() {
        return None;
    }
    let (source, source_version) =
        source(source_file).unwrap_or_else(|| (name.to_owned(), format!("{version}-{release}")));
    Some(Package {
        name: name.to_owned(),
        arch: arch.to_owned(),
        version: evr(epoch, version, release),
        source,
        source_version,
        digest: digest.to_owned(),
    })
}

/// `[epoch:]version-release`; an epoch of 0 is none.
pub(crate) fn evr(epoch: &str, version: &str, release: &str) -> String {
    match epoch {
        "0" | "(none)" | "" => format!("{version}-{release}"),
        epoch => format!("{epoch}:{version}-{release}"),
    }
}

/// `bash-5.1.8-6.el9.src.rpm`
pub(crate) fn source(file: &str) -> Option<(String, String)> {
    let stem = file
        .strip_suffix(".src.rpm")
        .or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some((name.to_owned(), format!("{version}-{release}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "gpg-pubkey\t0\tb86b3716\t61e69f29\t(none)\t(none)\t(none)\nkernel\t0\t5.14.0\t70.el9\tx86_64\tkernel-5.14.0-70.el9.src.rpm\taa\nkernel\t0\t5.14.0\t427.el9\tx86_64\tkernel-5.14.0-427.el9.src.rpm\tbb\nbind-libs\t32\t9.16.23\t11.el9\tx86_64\tbind-9.16.23-11.el9.src.rpm\tcc\nodd\tpackage\n\nmade-here\t(none)\t1\t1\tnoarch\t(none)\tdd\n";

    #[test]
    fn epochs_sources_and_keys() {
        let database = Database::parse(TEXT);
        assert_eq!(database.unreadable, 1);
        let bind = database.versions("bind-libs", "x86_64");
        assert_eq!(bind[0].version, "32:9.16.23-11.el9");
        assert_eq!(
            (bind[0].source.as_str(), bind[0].source_version.as_str()),
            ("bind", "9.16.23-11.el9")
        );
        assert_eq!(
            database.versions("made-here", "noarch")[0].source,
            "made-here"
        );
        assert!(database.packages.iter().all(|package| package.name != KEY));
    }

    #[test]
    fn versions_side_by_side_are_in_rpms_order() {
        let database = Database::parse(TEXT);
        let versions: Vec<_> = database
            .versions("kernel", "x86_64")
            .iter()
            .map(|package| package.version.as_str())
            .collect();
        assert_eq!(versions, ["5.14.0-70.el9", "5.14.0-427.el9"]);
        let components = database.components("almalinux", "9");
        assert_eq!(components.len(), 4);
        assert_eq!(
            components[0].purl(),
            "pkg:rpm/almalinux/bind-libs@9.16.23-11.el9?arch=x86_64&distro=almalinux-9&epoch=32"
        );
    }

    #[test]
    fn hostile_text_is_counted_or_ignored() {
        for text in [
            "\u{0}\t\t",
            "a\tb\tc\td\te\tf\tg\th\n",
            "\t\t\t\t\t\t\n",
            "x\n",
        ] {
            assert!(Database::parse(text).packages.is_empty(), "{text:?}");
        }
    }
}
