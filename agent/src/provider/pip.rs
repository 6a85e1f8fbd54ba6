//! Python packages: the system's `site-packages`, users' own and virtual environments, wherever the survey finds them.
//!
//! Read is what installers leave (PyPA "Recording installed projects"): `*.dist-info/METADATA`, `*.egg-info/PKG-INFO` or
//! `*.egg-info` as a file, `*.egg/EGG-INFO/PKG-INFO`. In folders of the distribution (`/usr/lib`) only what pip or one of its
//! likes says to have installed: the rest is the package manager's, which reports it itself.

use super::survey::Survey;
use super::tree::{Kind, Tree};
use super::{Inventory, Provider, apart, one_version, problems};
use async_trait::async_trait;
use netpatch_agent_core::Failure;
use netpatch_types::{ComponentKey, Ecosystem};
use std::collections::BTreeSet;
use std::path::Path;

/// Most bytes of a package's metadata that are looked at; the names stand at its beginning.
const MAX_METADATA_BYTES: u64 = 64 << 10;
/// Most packages of a host.
const MAX_PACKAGES: usize = 20_000;
/// Who installs from PyPI, as `INSTALLER` says.
const INSTALLERS: [&str; 6] = ["pip", "uv", "poetry", "pdm", "pipenv", "conda"];

/// A host's Python packages.
#[derive(Clone, Debug)]
pub(crate) struct Pip {
    survey: Survey,
}

impl Pip {
    pub(crate) fn new(survey: Survey) -> Self {
        Self { survey }
    }

    fn find(&self) -> Inventory {
        let places = self.survey.places();
        let mut found = BTreeSet::new();
        let mut reasons: Vec<String> = places.cut_short.iter().cloned().collect();
        for folder in &places.python {
            if let Err(reason) = packages(self.survey.tree(), folder, &mut found) {
                reasons.push(format!("/{}: {reason}", folder.display()));
            }
            if found.len() > MAX_PACKAGES {
                reasons.push(format!("more than {MAX_PACKAGES} packages"));
                break;
            }
        }
        Inventory {
            components: found.into_iter().take(MAX_PACKAGES).collect(),
            cut_short: problems(&reasons),
        }
    }
}

/// The packages of one folder.
fn packages(
    tree: &Tree,
    folder: &Path,
    found: &mut BTreeSet<ComponentKey>,
) -> Result<(), std::io::Error> {
    let is_of_distribution = folder.starts_with("usr/lib") || folder.starts_with("usr/lib64");
    for (name, kind) in tree.list(folder)? {
        let path = folder.join(&name);
        let metadata = match (name.rsplit_once('.').map(|(_, end)| end), kind) {
            (Some("dist-info"), Kind::Folder) => path.join("METADATA"),
            (Some("egg-info"), Kind::Folder) => path.join("PKG-INFO"),
            (Some("egg-info"), Kind::File) => path.clone(),
            (Some("egg"), Kind::Folder) => path.join("EGG-INFO/PKG-INFO"),
            _ => continue,
        };
        if is_of_distribution && !is_from_registry(tree, &path) {
            continue;
        }
        // A package that is being removed meanwhile has no metadata: the next scan knows.
        if let Ok(bytes) = tree.head(&metadata, MAX_METADATA_BYTES) {
            found.extend(component(&bytes));
        }
    }
    Ok(())
}

fn is_from_registry(tree: &Tree, path: &Path) -> bool {
    let installer = tree.read(&path.join("INSTALLER"), 256).unwrap_or_default();
    let installer = String::from_utf8_lossy(&installer);
    INSTALLERS.contains(&installer.trim())
}

/// `Name` and `Version` of the header; the description behind the first empty line may hold anything.
fn component(metadata: &[u8]) -> Option<ComponentKey> {
    let text = String::from_utf8_lossy(metadata);
    let field = |wanted: &str| {
        text.lines()
            .take_while(|line| !line.trim().is_empty())
            .find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then(|| value.trim())
            })
            .filter(|value| !value.is_empty())
    };
    let (name, version) = (field("Name")?, field("Version")?);
    one_version(Ecosystem::Pypi, &normal(name), version)
}

/// PEP 503: one name for `Foo.Bar` and `foo-bar`.
fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if !matches!(c, '-' | '_' | '.') {
            out.extend(c.to_lowercase());
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out
}

#[async_trait]
impl Provider for Pip {
    fn name(&self) -> &'static str {
        "pip"
    }

    async fn detect(&self) -> bool {
        let survey = self.survey.clone();
        apart(move || !survey.places().python.is_empty())
            .await
            .unwrap_or(false)
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        let this = self.clone();
        apart(move || this.find()).await
    }

    fn watched(&self) -> Vec<String> {
        super::watched(
            self.survey
                .last_places()
                .iter()
                .flat_map(|places| &places.python),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(metadata: &str) -> Option<(String, String)> {
        component(metadata.as_bytes()).map(|key| (key.name, key.version))
    }

    #[test]
    fn only_the_header_counts() {
        let text = "Metadata-Version: 2.1\r\nName: Foo_Bar.baz\r\nVersion: 1.0\r\n\r\nName: evil\nVersion: 9\n";
        assert_eq!(read(text), Some(("foo-bar-baz".into(), "1.0".into())));
        assert_eq!(read("name: a\nVERSION: 2"), Some(("a".into(), "2".into())));
        for odd in [
            "",
            "Name: a",
            "Name:\nVersion: 1",
            "\nName: a\nVersion: 1",
            "Name: a\nVersion: \u{7f}1",
            "\u{0}",
        ] {
            assert_eq!(read(odd), None, "{odd:?}");
        }
        assert_eq!(
            component(b"Name: a\xff\nVersion: 1\xfe\n").map(|key| key.name),
            Some("a\u{fffd}".into())
        );
        assert_eq!(component(&[b'N'; 70_000]), None);
    }
}
