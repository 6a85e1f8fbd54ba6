//! What repositories offer, from the indices that zypper fetched and verified (rpm-md: `repomd.xml`, `primary`, `updateinfo`).
//!
//! zypper's answers name no hash, source, group or erratum; its indices do. They are read as streams, only for the packages that
//! are asked for. A repository of another kind, or one that was never fetched, offers nothing here.

use super::Zypper;
use super::repositories::Repository;
use super::xml::{self, Element};
use crate::command::{CommandLine, ENVIRONMENT, Runner};
use crate::provider::rpm::database::{compare, evr, source};
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::Sha256;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Largest index when unpacked, bytes: the largest that SUSE publishes has some 300 MB.
const MAX_INDEX_BYTES: u64 = 2 << 30;
/// Largest `repomd.xml`, bytes.
const MAX_DIRECTORY_BYTES: u64 = 4 << 20;
/// Most offers and most errata that are kept.
const MAX_KEPT: usize = 200_000;
/// Most errata that one update names.
const MAX_ERRATA: usize = 200;
/// What of a package nobody asks for here.
const DEPENDENCIES: [&str; 12] = [
    "provides",
    "requires",
    "conflicts",
    "obsoletes",
    "recommends",
    "suggests",
    "supplements",
    "enhances",
    "file",
    "description",
    "summary",
    "license",
];

/// A package of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// The repository's alias.
    pub(super) repository: String,
    pub(super) name: String,
    pub(super) arch: String,
    /// `[epoch:]version-release`.
    pub(super) version: String,
    pub(super) sha256: Sha256,
    pub(super) size_bytes: u64,
    /// Below its repository.
    pub(super) location: String,
    pub(super) source: String,
    pub(super) source_version: String,
    pub(super) group: String,
}

/// What a vendor says of some packages.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Erratum {
    id: String,
    is_security: bool,
    is_retracted: bool,
    packages: Vec<(String, String, String)>,
}

/// The offers and errata for some packages, of the most important repository first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    offers: Vec<Offer>,
    errata: Vec<Erratum>,
}

impl Index {
    /// The offers of exactly this version.
    pub(super) fn offers<'a>(
        &'a self,
        name: &'a str,
        arch: &'a str,
        version: &'a str,
    ) -> impl Iterator<Item = &'a Offer> {
        self.offers.iter().filter(move |offer| {
            (&*offer.name, &*offer.arch, &*offer.version) == (name, arch, version)
        })
    }

    /// Whether the vendor took this version back.
    pub(super) fn is_retracted(&self, name: &str, arch: &str, version: &str) -> bool {
        self.errata.iter().any(|erratum| {
            erratum.is_retracted
                && erratum
                    .packages
                    .iter()
                    .any(|package| (&*package.0, &*package.1, &*package.2) == (name, arch, version))
        })
    }

    /// The errata between two versions, and whether one of them is a security fix.
    pub(super) fn errata(
        &self,
        name: &str,
        arch: &str,
        installed: &str,
        candidate: &str,
    ) -> (Vec<String>, bool) {
        let is_between = |version: &str| {
            compare(version, installed) == Ordering::Greater
                && compare(version, candidate) != Ordering::Greater
        };
        let applying: Vec<&Erratum> = self
            .errata
            .iter()
            .filter(|erratum| !erratum.is_retracted)
            .filter(|erratum| {
                erratum.packages.iter().any(|package| {
                    (&*package.0, &*package.1) == (name, arch) && is_between(&package.2)
                })
            })
            .collect();
        let is_security = applying.iter().any(|erratum| erratum.is_security);
        let ids: BTreeSet<String> = applying.iter().map(|one| one.id.clone()).collect();
        (ids.into_iter().take(MAX_ERRATA).collect(), is_security)
    }

    fn read_repository(
        &mut self,
        runner: &Runner,
        folder: &Path,
        repository: &Repository,
        names: &BTreeSet<String>,
    ) -> Result<(), String> {
        let directory = folder.join("repodata").join("repomd.xml");
        let Ok(file) = File::open(&directory) else {
            return Ok(());
        };
        let mut parts: Vec<(String, String)> = Vec::new();
        let input = BufReader::new(file.take(MAX_DIRECTORY_BYTES));
        xml::each(input, "data", &[], |data| {
            let location = data.child("location").map(|one| one.attribute("href"));
            parts.push((
                data.attribute("type").to_owned(),
                location.unwrap_or_default().to_owned(),
            ));
            Ok(())
        })
        .map_err(|error| format!("{}: {error}", directory.display()))?;
        for (kind, location) in parts {
            let name = match kind.as_str() {
                "primary" => "package",
                "updateinfo" => "update",
                _ => continue,
            };
            // Only the last part counts: zypper puts every file of an index into one folder.
            let file = location.rsplit('/').next().unwrap_or_default();
            let place = folder.join("repodata").join(file);
            if file.is_empty() || !place.exists() {
                continue;
            }
            let mut open = Unpacked::open(runner, &place)?;
            let read = xml::each(open.reader(), name, &DEPENDENCIES, |element| {
                if name == "package" {
                    self.offers.extend(offer(&element, repository, names));
                } else {
                    self.errata.extend(erratum(&element, names));
                }
                if self.offers.len().max(self.errata.len()) > MAX_KEPT {
                    return Err(format!("more than {MAX_KEPT} entries"));
                }
                Ok(())
            });
            open.end(read)
                .map_err(|error| format!("{}: {error}", place.display()))?;
        }
        Ok(())
    }
}

impl Zypper {
    /// The offers for packages of these names.
    pub(super) async fn index(
        &self,
        repositories: &[Repository],
        names: BTreeSet<String>,
    ) -> Result<Index, Failure> {
        let (runner, caches) = (self.runner.clone(), self.caches());
        let repositories = repositories.to_vec();
        let read = move || -> Result<Index, String> {
            let mut index = Index::default();
            for repository in &repositories {
                let folder = repository.index(&caches);
                index.read_repository(&runner, &folder, repository, &names)?;
            }
            Ok(index)
        };
        crate::provider::apart(read).await?.map_err(|problem| {
            Failure::new(
                FailureCause::Unknown(None),
                [format!("cannot read a repository's index: {problem}")],
            )
        })
    }
}

/// An index while it is unpacked by the host's own program.
struct Unpacked {
    reader: Box<dyn BufRead>,
    program: Option<(Child, &'static str)>,
}

impl Unpacked {
    fn open(runner: &Runner, place: &Path) -> Result<Self, String> {
        let shown = place.display();
        let kind = place.extension().and_then(|kind| kind.to_str());
        let program = match kind.unwrap_or_default() {
            "xml" => {
                let file = File::open(place).map_err(|error| format!("{shown}: {error}"))?;
                return Ok(Self {
                    reader: Box::new(BufReader::new(file.take(MAX_INDEX_BYTES))),
                    program: None,
                });
            }
            "gz" => "gzip",
            "zst" => "zstd",
            "xz" => "xz",
            "bz2" => "bzip2",
            kind => {
                return Err(format!(
                    "{shown}: indices packed as \".{kind}\" are not read"
                ));
            }
        };
        let inside = runner.inside(place).to_string_lossy().into_owned();
        let argv = runner.argv(&CommandLine::new(program, ["-d", "-c", "-q", &inside]));
        let (first, rest) = argv.split_first().ok_or("no program")?;
        let mut child = Command::new(first)
            .args(rest)
            .env_clear()
            .envs(ENVIRONMENT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{shown} needs {program}: {error}"))?;
        let output = child.stdout.take().ok_or("no output")?;
        Ok(Self {
            reader: Box::new(BufReader::new(output.take(MAX_INDEX_BYTES))),
            program: Some((child, program)),
        })
    }

    fn reader(&mut self) -> &mut dyn BufRead {
        &mut *self.reader
    }

    /// Ends the program; what it could not unpack is the better reason.
    fn end(self, read: Result<(), String>) -> Result<(), String> {
        let Self { reader, program } = self;
        drop(reader);
        let Some((mut child, program)) = program else {
            return read;
        };
        if read.is_err() {
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        match status.code() {
            Some(code) if code != 0 => Err(format!("{program} ended with {code}")),
            _ => read,
        }
    }
}

fn offer(element: &Element, repository: &Repository, names: &BTreeSet<String>) -> Option<Offer> {
    let name = element.said("name");
    if !names.contains(name) {
        return None;
    }
    let checksum = element.child("checksum")?;
    if checksum.attribute("type") != "sha256" {
        return None;
    }
    let version = element.child("version")?;
    let version = evr(
        version.attribute("epoch"),
        version.attribute("ver"),
        version.attribute("rel"),
    );
    let format = element.child("format");
    let said = |name| format.map_or("", |format| format.said(name));
    let (source, source_version) =
        source(said("sourcerpm")).unwrap_or_else(|| (name.to_owned(), version.clone()));
    Some(Offer {
        repository: repository.alias.clone(),
        name: name.to_owned(),
        arch: element.said("arch").to_owned(),
        sha256: checksum.text.parse().ok()?,
        size_bytes: element.child("size")?.attribute("package").parse().ok()?,
        location: location(element),
        source,
        source_version,
        group: said("group").to_owned(),
        version,
    })
}

/// Empty for a package that its index says lies elsewhere.
fn location(element: &Element) -> String {
    let Some(location) = element.child("location") else {
        return String::new();
    };
    match location.attribute("xml:base") {
        "" => location.attribute("href").to_owned(),
        _ => String::new(),
    }
}

fn erratum(element: &Element, names: &BTreeSet<String>) -> Option<Erratum> {
    let packages: Vec<(String, String, String)> = element
        .all("package")
        .into_iter()
        .filter(|package| names.contains(package.attribute("name")))
        .map(|package| {
            let version = evr(
                package.attribute("epoch"),
                package.attribute("version"),
                package.attribute("release"),
            );
            (
                package.attribute("name").to_owned(),
                package.attribute("arch").to_owned(),
                version,
            )
        })
        .collect();
    (!packages.is_empty()).then(|| Erratum {
        id: element.said("id").to_owned(),
        is_security: element.attribute("type") == "security",
        is_retracted: element.attribute("status") == "retracted",
        packages,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(alias: &str) -> Repository {
        Repository {
            alias: alias.to_owned(),
            name: alias.to_owned(),
            priority: 99,
            is_index_signed: true,
            is_signed: true,
            urls: Vec::new(),
        }
    }

    fn read(primary: &str, updates: &str) -> Result<Index, String> {
        let folder = tempfile::tempdir().expect("folder");
        let data = folder.path().join("repodata");
        std::fs::create_dir(&data).expect("folder");
        let directory = "<repomd><data type='primary'><location href='repodata/p.xml'/></data><data type='updateinfo'><location href='../../repodata/u.xml'/></data><data type='other'/></repomd>";
        std::fs::write(data.join("repomd.xml"), directory).expect("a file");
        std::fs::write(data.join("p.xml"), primary).expect("a file");
        std::fs::write(data.join("u.xml"), updates).expect("a file");
        let mut index = Index::default();
        let names = BTreeSet::from(["a".to_owned()]);
        let one = repository("one");
        index.read_repository(&Runner::default(), folder.path(), &one, &names)?;
        Ok(index)
    }

    fn package(name: &str, version: &str, hash: &str) -> String {
        format!(
            "<package type='rpm'><name>{name}</name><arch>noarch</arch><version epoch='1' ver='{version}' rel='1'/><checksum type='sha256'>{hash}</checksum><size package='7'/><format><rpm:sourcerpm xmlns:rpm='r'>s-2-3.src.rpm</rpm:sourcerpm><rpm:provides xmlns:rpm='r'/></format></package>"
        )
    }

    #[test]
    fn offers_and_errata_of_the_asked_packages() {
        let hash = "ab".repeat(32);
        let primary = format!(
            "<metadata>{}{}{}</metadata>",
            package("a", "2", &hash),
            package("b", "2", &hash),
            package("a", "3", "no hash")
        );
        let update = |id: &str, kind: &str, status: &str, version: &str| {
            format!(
                "<update type='{kind}' status='{status}'><id>{id}</id><pkglist><collection><package name='a' epoch='1' version='{version}' release='1' arch='noarch'/></collection></pkglist></update>"
            )
        };
        let updates = format!(
            "<updates>{}{}{}</updates>",
            update("S-2", "security", "stable", "2"),
            update("S-9", "security", "stable", "9"),
            update("R-3", "recommended", "retracted", "3")
        );
        let index = read(&primary, &updates).expect("an index");
        assert_eq!(index.offers.len(), 1, "no hash, no offer");
        let offer = index.offers("a", "noarch", "1:2-1").next().expect("there");
        assert_eq!((&*offer.source, &*offer.source_version), ("s", "2-3"));
        assert_eq!((offer.size_bytes, &*offer.repository), (7, "one"));
        assert_eq!(
            index.errata("a", "noarch", "1:1-1", "1:2-1"),
            (vec!["S-2".to_owned()], true)
        );
        assert_eq!(
            index.errata("a", "noarch", "1:2-1", "1:3-1"),
            (Vec::new(), false)
        );
        assert!(index.is_retracted("a", "noarch", "1:3-1"));
        assert!(!index.is_retracted("a", "noarch", "1:2-1"));
    }

    #[test]
    fn a_torn_index_is_an_error() {
        let whole = format!(
            "<metadata>{}</metadata>",
            package("a", "2", &"ab".repeat(32))
        );
        let torn = &whole[..whole.len() - 20];
        for primary in [torn, "", "no index"] {
            assert!(read(primary, "<updates/>").is_err(), "{primary}");
        }
        assert!(read(&whole, "<updates/>").is_ok());
    }
}
