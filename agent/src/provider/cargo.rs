//! Programs that `cargo install` built: cargo's own lists, `.crates2.json`, or `.crates.toml` of older ones.
//!
//! What came from crates.io is a crate; what came from a folder or a git repository is named but matched with nothing, because
//! a name there means nothing.

use super::survey::Survey;
use super::tree::Tree;
use super::{Inventory, Provider, apart, one_version, problems};
use async_trait::async_trait;
use netpatch_agent_core::Failure;
use netpatch_types::{ComponentKey, Ecosystem};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Longest list that is read, bytes.
const MAX_LIST_BYTES: u64 = 4 << 20;
/// Most programs of a host.
const MAX_PROGRAMS: usize = 5_000;

/// A host's programs from cargo.
#[derive(Clone, Debug)]
pub(crate) struct Cargo {
    survey: Survey,
}

#[derive(Deserialize)]
struct List {
    installs: BTreeMap<String, IgnoredAny>,
}

impl Cargo {
    pub(crate) fn new(survey: Survey) -> Self {
        Self { survey }
    }

    fn find(&self) -> Inventory {
        let places = self.survey.places();
        let mut reasons: Vec<String> = places.cut_short.iter().cloned().collect();
        let mut found = BTreeSet::new();
        for folder in &places.cargo {
            match installed(self.survey.tree(), folder) {
                Ok(all) => found.extend(all),
                Err(reason) => reasons.push(format!("/{}: {reason}", folder.display())),
            }
        }
        if found.len() > MAX_PROGRAMS {
            reasons.push(format!("more than {MAX_PROGRAMS} programs"));
        }
        Inventory {
            components: found.into_iter().take(MAX_PROGRAMS).collect(),
            cut_short: problems(&reasons),
        }
    }
}

/// What the list in a folder says; the newer form is asked first.
fn installed(tree: &Tree, folder: &Path) -> Result<Vec<ComponentKey>, String> {
    let json = folder.join(".crates2.json");
    if tree.is_file(&json) {
        let bytes = tree.read(&json, MAX_LIST_BYTES);
        let bytes = bytes.map_err(|error| error.to_string())?;
        let list: List = serde_json::from_slice(&bytes)
            .map_err(|error| format!(".crates2.json cannot be read: {error}"))?;
        return Ok(list
            .installs
            .keys()
            .filter_map(|key| component(key))
            .collect());
    }
    let bytes = tree.read(&folder.join(".crates.toml"), MAX_LIST_BYTES);
    let bytes = bytes.map_err(|error| error.to_string())?;
    // One table, `[v1]`, with a quoted key a line.
    let text = String::from_utf8_lossy(&bytes);
    let key = |line: &str| component(line.trim().strip_prefix('"')?.split('"').next()?);
    Ok(text.lines().filter_map(key).collect())
}

/// `ripgrep 14.1.0 (registry+https://…)`
fn component(key: &str) -> Option<ComponentKey> {
    let (name, rest) = key.split_once(' ')?;
    let (version, source) = rest.split_once(' ')?;
    let source = source.strip_prefix('(')?.strip_suffix(')')?;
    let is_crates_io = [
        "registry+https://github.com/rust-lang/crates.io-index",
        "sparse+https://index.crates.io/",
        "registry+sparse+https://index.crates.io/",
    ]
    .contains(&source);
    if is_crates_io {
        one_version(Ecosystem::Cargo, name, version)
    } else {
        one_version(Ecosystem::Generic, name, version)
    }
}

#[async_trait]
impl Provider for Cargo {
    fn name(&self) -> &'static str {
        "cargo"
    }

    async fn detect(&self) -> bool {
        let survey = self.survey.clone();
        apart(move || !survey.places().cargo.is_empty())
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
                .flat_map(|places| &places.cargo),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_from_the_registry_is_a_crate() {
        let read = |key: &str| component(key).map(|key| (key.ecosystem, key.name, key.version));
        let known = |ecosystem, name: &str, version: &str| {
            Some((ecosystem, name.to_owned(), version.to_owned()))
        };
        assert_eq!(
            read("ripgrep 14.1.0 (registry+https://github.com/rust-lang/crates.io-index)"),
            known(Ecosystem::Cargo, "ripgrep", "14.1.0")
        );
        assert_eq!(
            read("np-tool 0.2.0 (path+file:///home/ada/np-tool)"),
            known(Ecosystem::Generic, "np-tool", "0.2.0")
        );
        assert_eq!(
            read("x 1.0.0 (registry+https://crates.example.org/index)"),
            known(Ecosystem::Generic, "x", "1.0.0")
        );
        for odd in [
            "",
            "a",
            "a 1",
            "a 1 registry",
            "a  (x)",
            " 1 (x)",
            "a 1\u{7} (x)",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn both_lists_are_read_and_a_broken_one_is_named() {
        let root = tempfile::tempdir().expect("folder");
        let place = |folder: &str, name: &str, text: &str| {
            let folder = root.path().join(folder);
            std::fs::create_dir_all(&folder).expect("folders");
            std::fs::write(folder.join(name), text).expect("a file");
        };
        place(
            "root/.cargo",
            ".crates2.json",
            r#"{"installs":{"a 1.0.0 (sparse+https://index.crates.io/)":{"bins":["a"]}}}"#,
        );
        place(
            "opt/rust",
            ".crates.toml",
            "[v1]\n\"b 2.0.0 (registry+https://github.com/rust-lang/crates.io-index)\" = [\"b\"]\n",
        );
        place("srv/rust", ".crates2.json", r#"{"installs":[]}"#);
        let found = Cargo::new(Survey::new(root.path())).find();
        let names: Vec<&str> = found
            .components
            .iter()
            .map(|key| key.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert!(
            found
                .cut_short
                .is_some_and(|why| why.starts_with("/srv/rust"))
        );
    }
}
