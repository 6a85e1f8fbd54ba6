//! Global npm packages: `lib/node_modules` wherever the survey finds one (`/usr/local`, nvm, a user's prefix), and what they bring
//! along in `node_modules` of their own. A project's packages are its own affair.

use super::survey::Survey;
use super::tree::{Kind, Tree};
use super::{Inventory, Provider, apart, one_version, problems};
use async_trait::async_trait;
use netpatch_agent_core::Failure;
use netpatch_types::{ComponentKey, Ecosystem};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

/// Longest package.json that is read, bytes.
const MAX_PACKAGE_BYTES: u64 = 1 << 20;
/// Most packages of a host.
const MAX_PACKAGES: usize = 20_000;
/// Most packages inside one another.
const MAX_DEPTH: usize = 8;

/// A host's global npm packages.
#[derive(Clone, Debug)]
pub(crate) struct Npm {
    survey: Survey,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

impl Npm {
    pub(crate) fn new(survey: Survey) -> Self {
        Self { survey }
    }

    fn find(&self) -> Inventory {
        let places = self.survey.places();
        let mut search = Search {
            tree: self.survey.tree(),
            found: BTreeSet::new(),
            seen: 0,
            reasons: places.cut_short.iter().cloned().collect(),
        };
        for folder in &places.node {
            search.modules(folder, 0);
        }
        Inventory {
            components: search.found.into_iter().collect(),
            cut_short: problems(&search.reasons),
        }
    }
}

struct Search<'a> {
    tree: &'a Tree,
    found: BTreeSet<ComponentKey>,
    seen: usize,
    reasons: Vec<String>,
}

impl Search<'_> {
    /// A folder of packages; `@scope` is one more folder of them. Links (`npm link`) are a developer's and are not followed.
    fn modules(&mut self, folder: &Path, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let entries = match self.tree.list(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.reasons.push(format!("/{}: {error}", folder.display()));
                return;
            }
        };
        for (name, kind) in entries {
            if kind != Kind::Folder || name.starts_with('.') {
                continue;
            }
            let path = folder.join(&name);
            if name.starts_with('@') {
                for (name, kind) in self.tree.list(&path).unwrap_or_default() {
                    if kind == Kind::Folder {
                        self.package(&path.join(name), depth);
                    }
                }
            } else {
                self.package(&path, depth);
            }
        }
    }

    fn package(&mut self, folder: &Path, depth: usize) {
        if self.seen >= MAX_PACKAGES {
            self.reasons
                .push(format!("more than {MAX_PACKAGES} packages"));
            return;
        }
        self.seen += 1;
        if let Ok(json) = self
            .tree
            .read(&folder.join("package.json"), MAX_PACKAGE_BYTES)
        {
            self.found.extend(component(&json));
        }
        let inner = folder.join("node_modules");
        if self.tree.is_local_folder(&inner) {
            self.modules(&inner, depth + 1);
        }
    }
}

fn component(json: &[u8]) -> Option<ComponentKey> {
    let package: Package = serde_json::from_slice(json).ok()?;
    one_version(Ecosystem::Npm, &package.name, &package.version)
}

#[async_trait]
impl Provider for Npm {
    fn name(&self) -> &'static str {
        "npm"
    }

    async fn detect(&self) -> bool {
        let survey = self.survey.clone();
        apart(move || !survey.places().node.is_empty())
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
                .flat_map(|places| &places.node),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_package_is_left_out() {
        let read = |json: &str| component(json.as_bytes()).map(|key| (key.name, key.version));
        assert_eq!(
            read(r#"{"name":"@a/b","version":"1.2.3","dependencies":{}}"#),
            Some(("@a/b".into(), "1.2.3".into()))
        );
        let deep = "[".repeat(100_000);
        for odd in [
            "",
            "null",
            "[]",
            r#"{"name":1,"version":"1"}"#,
            r#"{"name":"a"}"#,
            r#"{"name":"","version":"1"}"#,
            r#"{"name":"a\n","version":"1"}"#,
            "\u{feff}{}",
            &deep,
        ] {
            assert_eq!(read(odd), None);
        }
        assert_eq!(component(b"{\"name\":\"a\xff\",\"version\":\"1\"}"), None);
    }

    #[test]
    fn packages_inside_packages_and_scopes_are_found_but_no_links() {
        let root = tempfile::tempdir().expect("folder");
        let modules = root.path().join("usr/local/lib/node_modules");
        let package = |path: &str, name: &str| {
            let folder = modules.join(path);
            std::fs::create_dir_all(&folder).expect("folders");
            let json = format!(r#"{{"name":"{name}","version":"1.0.0"}}"#);
            std::fs::write(folder.join("package.json"), json).expect("a file");
        };
        package("npm", "npm");
        package("npm/node_modules/@scope/inner", "@scope/inner");
        package("@scope/outer", "@scope/outer");
        package(".bin", "no");
        std::os::unix::fs::symlink(modules.join("npm"), modules.join("linked")).expect("a link");
        let deep: std::path::PathBuf = std::iter::repeat_n("x/node_modules", 12).collect();
        package(&deep.join("y").to_string_lossy(), "too-deep");
        let inventory = Npm::new(Survey::new(root.path())).find();
        let names: Vec<&str> = inventory
            .components
            .iter()
            .map(|key| key.name.as_str())
            .collect();
        assert_eq!(names, ["@scope/inner", "@scope/outer", "npm"]);
        assert_eq!(inventory.cut_short, None);
    }
}
