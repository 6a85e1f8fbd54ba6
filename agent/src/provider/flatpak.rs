//! Flatpak applications and runtimes, from the folders where flatpak deploys them: the system's and each user's.
//!
//! Flatpak has no package URL type and no advisories of its own; the version is the one that the application's metadata names,
//! else the branch, and the source version is the commit that is deployed.

use super::tree::{Kind, Tree};
use super::{Inventory, Provider, apart, problems};
use async_trait::async_trait;
use netpatch_agent_core::Failure;
use netpatch_types::{ComponentKey, Ecosystem};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The system's installation.
const SYSTEM: &str = "var/lib/flatpak";
/// A user's, below the home.
const USER: &str = ".local/share/flatpak";
/// Longest deploy file that is read, bytes.
const MAX_DEPLOY_BYTES: u64 = 1 << 20;
/// Most users whose homes are looked at.
const MAX_USERS: usize = 10_000;
/// Most applications and runtimes.
const MAX_DEPLOYED: usize = 5_000;

/// A host's Flatpak installations.
#[derive(Clone, Debug)]
pub(crate) struct Flatpak {
    tree: Tree,
}

impl Flatpak {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            tree: Tree::new(root),
        }
    }

    fn installations(&self) -> Vec<PathBuf> {
        let homes = self.tree.list(Path::new("home")).unwrap_or_default();
        let homes = homes
            .into_iter()
            .filter(|(_, kind)| *kind == Kind::Folder)
            .take(MAX_USERS)
            .map(|(name, _)| Path::new("home").join(name).join(USER));
        [PathBuf::from(SYSTEM), Path::new("root").join(USER)]
            .into_iter()
            .chain(homes)
            .filter(|folder| self.tree.is_local_folder(folder))
            .collect()
    }

    fn find(&self) -> Inventory {
        let mut found = BTreeSet::new();
        let mut reasons = Vec::new();
        for installation in self.installations() {
            for kind in ["app", "runtime"] {
                self.deployed(&installation.join(kind), &mut found);
            }
        }
        if found.len() > MAX_DEPLOYED {
            reasons.push(format!("more than {MAX_DEPLOYED} are deployed"));
        }
        Inventory {
            components: found.into_iter().take(MAX_DEPLOYED).collect(),
            cut_short: problems(&reasons),
        }
    }

    /// `<id>/<arch>/<branch>/active` is a link to the folder of a commit.
    fn deployed(&self, folder: &Path, found: &mut BTreeSet<ComponentKey>) {
        for id in self.folders(folder) {
            for arch in self.folders(&folder.join(&id)) {
                let branches = folder.join(&id).join(&arch);
                for branch in self.folders(&branches) {
                    if found.len() > MAX_DEPLOYED {
                        return;
                    }
                    found.extend(self.component(&id, &branch, &branches.join(&branch)));
                }
            }
        }
    }

    fn component(&self, id: &str, branch: &str, folder: &Path) -> Option<ComponentKey> {
        let commit = self.tree.link(&folder.join("active")).ok()?;
        let is_commit = commit.len() == 64 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_commit {
            return None;
        }
        let deploy = folder.join(&commit).join("deploy");
        let deploy = self.tree.read(&deploy, MAX_DEPLOY_BYTES).ok()?;
        let version = named_version(&deploy).unwrap_or_else(|| branch.to_owned());
        let name = format!("flatpak/{id}");
        let key = ComponentKey {
            source_version: commit,
            ..ComponentKey::of_registry(Ecosystem::Generic, &name, &version)
        };
        key.check().is_ok().then_some(key)
    }

    fn folders(&self, folder: &Path) -> Vec<String> {
        let entries = self.tree.list(folder).unwrap_or_default();
        entries
            .into_iter()
            .filter(|(_, kind)| *kind == Kind::Folder)
            .map(|(name, _)| name)
            .collect()
    }
}

/// `appdata-version` of a deploy file: a GVariant dictionary, in which a text stands behind its key, aligned with zeros.
fn named_version(deploy: &[u8]) -> Option<String> {
    const KEY: &[u8] = b"appdata-version\0";
    let at = deploy.windows(KEY.len()).position(|window| window == KEY)?;
    let rest = &deploy[at + KEY.len()..];
    let begins = rest.iter().take(8).position(|byte| *byte != 0)?;
    let text = &rest[begins..];
    let end = text.iter().take(256).position(|byte| *byte == 0)?;
    let version = std::str::from_utf8(&text[..end]).ok()?.trim();
    let is_version = !version.is_empty() && !version.chars().any(char::is_control);
    is_version.then(|| version.to_owned())
}

#[async_trait]
impl Provider for Flatpak {
    fn name(&self) -> &'static str {
        "flatpak"
    }

    async fn detect(&self) -> bool {
        let this = self.clone();
        apart(move || !this.installations().is_empty())
            .await
            .unwrap_or(false)
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        let this = self.clone();
        apart(move || this.find()).await
    }

    fn watched(&self) -> Vec<String> {
        let installations = self.installations();
        let folders: Vec<PathBuf> = installations
            .iter()
            // flatpak touches `.changed` when it has changed anything.
            .map(|folder| folder.join(".changed"))
            .collect();
        super::watched(folders.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_or_there_is_none() {
        let deploy =
            b"\x01repo\0xyz\0appdata-version\x00\x00\x00\x00124.2.1\0\0s\x07appdata-license";
        assert_eq!(named_version(deploy), Some("124.2.1".into()));
        for odd in [
            &b""[..],
            b"appdata-version",
            b"appdata-version\0",
            b"appdata-version\0\0\0\0\0\0\0\0\0\0",
            b"appdata-version\0\0\xff\xfe\0",
            b"appdata-version\0never ends",
            b"appdata-version\0a\x1b[0m\0",
        ] {
            assert_eq!(named_version(odd), None);
        }
    }
}
