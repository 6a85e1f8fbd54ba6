//! One bounded walk over the places where people put software by hand; the providers share what it finds.
//!
//! Invariants: it enters no file system of the network or the kernel, follows no link ([`Tree`]) and goes so deep; entries, time
//! and finds are limited, and when a limit is reached that is said, because then what is missing may still be there. It notes
//! places only; what stands in them the providers read.

use super::tree::{Kind, Tree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where the walk begins, the likeliest first.
const BEGINNINGS: [&str; 9] = [
    "usr/local",
    "opt",
    "root",
    "home",
    "srv",
    "var/www",
    "var/opt",
    "usr/lib",
    "var/lib",
];
/// Folders with data of others that are large, or that have a provider of their own.
const LEFT_OUT: [&str; 14] = [
    "var/lib/apt",
    "var/lib/containerd",
    "var/lib/containers",
    "var/lib/docker",
    "var/lib/dpkg",
    "var/lib/flatpak",
    "var/lib/kubelet",
    "var/lib/libvirt",
    "var/lib/lxc",
    "var/lib/lxd",
    "var/lib/machines",
    "var/lib/mysql",
    "var/lib/postgresql",
    "usr/lib/modules",
];
/// Names of folders with sources, caches and builds: nothing in them is installed.
const NOT_INSTALLED: [&str; 12] = [
    ".cache",
    ".git",
    ".hg",
    ".rustup",
    ".svn",
    ".tox",
    "__pycache__",
    "containers",
    "flatpak",
    "lost+found",
    "registry",
    "target",
];
/// Most entries of all folders.
const MAX_ENTRIES: usize = 500_000;
/// Deepest folder.
const MAX_DEPTH: usize = 12;
/// A walk takes no longer.
const MAX_TIME: Duration = Duration::from_secs(20);
/// Most places of one kind.
const MAX_PLACES: usize = 1_000;
/// Most programs.
const MAX_PROGRAMS: usize = 5_000;
/// What was found is taken for true for so long: the providers of one scan ask one after the other.
const FRESH: Duration = Duration::from_secs(20);

/// What a walk found; paths are relative to the root, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// `site-packages` and `dist-packages`.
    pub(crate) python: BTreeSet<PathBuf>,
    /// `lib/node_modules`: global installations.
    pub(crate) node: BTreeSet<PathBuf>,
    /// Folders with cargo's list of what it installed.
    pub(crate) cargo: BTreeSet<PathBuf>,
    /// Files that may be programs which nobody's package manager knows.
    pub(crate) programs: BTreeSet<PathBuf>,
    /// Why there may be more; `None` when there is not.
    pub(crate) cut_short: Option<String>,
}

/// When a walk began to be true, and what it found.
type Walked = (Instant, Arc<Places>);

/// The walk, shared by the providers of a host.
#[derive(Clone, Debug)]
pub(crate) struct Survey {
    tree: Tree,
    last: Arc<Mutex<Option<Walked>>>,
}

impl Survey {
    /// Of a host's root; nothing is looked at yet.
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            tree: Tree::new(root),
            last: Arc::default(),
        }
    }

    /// The host's files.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What there is now.
    pub(crate) fn places(&self) -> Arc<Places> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, places)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return Arc::clone(places);
        }
        let places = Arc::new(Walk::new(&self.tree).all());
        *last = Some((Instant::now(), Arc::clone(&places)));
        places
    }

    /// What the last walk found, however long ago.
    pub(crate) fn last_places(&self) -> Option<Arc<Places>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|(_, places)| Arc::clone(places))
    }
}

struct Walk<'a> {
    tree: &'a Tree,
    places: Places,
    entries: usize,
    began: Instant,
}

impl<'a> Walk<'a> {
    fn new(tree: &'a Tree) -> Self {
        Self {
            tree,
            places: Places::default(),
            entries: 0,
            began: Instant::now(),
        }
    }

    fn all(mut self) -> Places {
        for beginning in BEGINNINGS {
            let beginning = Path::new(beginning);
            if self.tree.is_local_folder(beginning) {
                self.folder(beginning, 0);
            }
        }
        self.places
    }

    fn folder(&mut self, folder: &Path, depth: usize) {
        if self.is_over() {
            return;
        }
        // Deeper folders are out of the question, not a gap that the next scan may close.
        if depth > MAX_DEPTH {
            return;
        }
        let entries = match self.tree.list(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                return self.cut(format!("/{}: {error}", folder.display()));
            }
            Err(_) => return,
        };
        self.entries += entries.len();
        for (name, kind) in entries {
            let path = folder.join(&name);
            match kind {
                Kind::Folder => self.inner(path, &name, depth),
                Kind::File if matches!(name.as_str(), ".crates2.json" | ".crates.toml") => {
                    self.places.cargo.insert(folder.to_owned());
                }
                Kind::File if is_program(folder, &name) => {
                    if self.places.programs.len() < MAX_PROGRAMS {
                        self.places.programs.insert(path);
                    } else {
                        self.cut(format!("more than {MAX_PROGRAMS} programs"));
                    }
                }
                Kind::File | Kind::Other => {}
            }
        }
    }

    fn inner(&mut self, path: PathBuf, name: &str, depth: usize) {
        let found = match name {
            "site-packages" | "dist-packages" => &mut self.places.python,
            "node_modules" => {
                let is_global = path.parent().is_some_and(|parent| parent.ends_with("lib"));
                if !is_global {
                    // A project's: its own package manager's business, not the host's.
                    return;
                }
                &mut self.places.node
            }
            _ => {
                let is_left_out = NOT_INSTALLED.contains(&name)
                    || LEFT_OUT.iter().any(|folder| path == Path::new(folder))
                    || (depth == 0 && path.starts_with("usr/lib") && !may_have_packages(name));
                // A mount point is another file system.
                if !is_left_out && self.tree.is_local_folder(&path) {
                    self.folder(&path, depth + 1);
                }
                return;
            }
        };
        if found.len() < MAX_PLACES {
            found.insert(path);
        } else {
            self.cut(format!("more than {MAX_PLACES} folders of one kind"));
        }
    }

    fn is_over(&mut self) -> bool {
        if self.entries > MAX_ENTRIES {
            self.cut(format!("more than {MAX_ENTRIES} files"));
        } else if self.began.elapsed() > MAX_TIME {
            self.cut(format!("the walk took {} s", MAX_TIME.as_secs()));
        } else {
            return false;
        }
        true
    }

    fn cut(&mut self, why: String) {
        self.places.cut_short.get_or_insert(why);
    }
}

/// `/usr/lib` belongs to the distribution, but for what language package managers put there.
fn may_have_packages(name: &str) -> bool {
    name.starts_with("python") || name == "node_modules" || name == "nodejs"
}

/// Programs that a distribution did not put there stand in folders of programs, or alone below /opt and /srv.
fn is_program(folder: &Path, name: &str) -> bool {
    let is_of_distribution = folder.starts_with("usr/lib");
    let is_place = folder
        .file_name()
        .is_some_and(|name| matches!(name.to_str(), Some("bin" | "sbin" | "libexec")))
        || folder.starts_with("opt")
        || folder.starts_with("srv");
    let may_be_elf = !name.contains('.') || name.ends_with(".bin");
    is_place && may_be_elf && !is_of_distribution
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(root: &Path, path: &str) {
        fs::create_dir_all(root.join(path)).expect("folders");
    }

    fn file(root: &Path, path: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, "").expect("a file");
    }

    fn paths(all: &BTreeSet<PathBuf>) -> Vec<&str> {
        all.iter().filter_map(|path| path.to_str()).collect()
    }

    #[test]
    fn places_are_found_and_projects_caches_and_links_are_not() {
        let root = tempfile::tempdir().expect("folder");
        let root = root.path();
        folder(root, "home/ada/venv/lib/python3.11/site-packages");
        folder(root, "usr/lib/python3/dist-packages");
        folder(root, "home/ada/.cache/venv/lib/python3.11/site-packages");
        folder(root, "usr/local/lib/node_modules/npm/node_modules");
        folder(root, "home/ada/project/node_modules/x");
        file(root, "root/.cargo/.crates2.json");
        file(root, "opt/tool/tool");
        file(root, "opt/tool/notes.txt");
        file(root, "usr/local/bin/tool");
        file(root, "usr/lib/python3.11/bin/tool");
        folder(root, "elsewhere/lib/python3.11/site-packages");
        std::os::unix::fs::symlink(root.join("elsewhere"), root.join("srv")).expect("a link");
        std::os::unix::fs::symlink(root.join("elsewhere"), root.join("home/link")).expect("a link");
        let survey = Survey::new(root);
        let places = survey.places();
        assert_eq!(
            paths(&places.python),
            [
                "home/ada/venv/lib/python3.11/site-packages",
                "usr/lib/python3/dist-packages"
            ]
        );
        assert_eq!(paths(&places.node), ["usr/local/lib/node_modules"]);
        assert_eq!(paths(&places.cargo), ["root/.cargo"]);
        assert_eq!(
            paths(&places.programs),
            ["opt/tool/tool", "usr/local/bin/tool"]
        );
        assert_eq!(places.cut_short, None);
        // One walk for all providers of a scan.
        fs::remove_dir_all(root.join("opt")).expect("removed");
        assert_eq!(survey.places(), places);
    }

    #[test]
    fn a_deep_tree_is_left_and_too_many_places_are_said() {
        let root = tempfile::tempdir().expect("folder");
        let deep: PathBuf = std::iter::repeat_n("d", 40).collect();
        let deep = Path::new("opt").join(deep).join("site-packages");
        fs::create_dir_all(root.path().join(deep)).expect("folders");
        let places = Survey::new(root.path()).places();
        assert_eq!((places.python.len(), &places.cut_short), (0, &None));
        for number in 0..=MAX_PLACES {
            folder(root.path(), &format!("srv/{number}/site-packages"));
        }
        let places = Survey::new(root.path()).places();
        assert_eq!(places.python.len(), MAX_PLACES);
        assert!(places.cut_short.is_some());
    }
}
