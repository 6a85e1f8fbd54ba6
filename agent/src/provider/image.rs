//! Container images that lie on the host: what the package databases inside their layers say.
//!
//! Docker keeps layers in `overlay2`, podman and CRI-O in `containers/storage`, containerd in a store of its own; all name an image
//! by the digest of its configuration, and so does a component ([`ComponentKey::image`]). Nothing is started, mounted or followed:
//! a file is looked for in the layers from the top down, as the overlay would do. A folder that a layer replaces as a whole (an
//! opaque one) is not noticed.

mod containerd;
mod docker;
mod packages;
mod rpmdb;
mod storage;

use super::tree::Tree;
use super::{Inventory, Provider, apart, problems};
use async_trait::async_trait;
use netpatch_agent_core::Failure;
use netpatch_types::{ComponentKey, Sha256};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Most images of a host.
const MAX_IMAGES: usize = 500;
/// Most layers of an image; the kernel stacks no more.
const MAX_LAYERS: usize = 500;
/// Most packages of all images.
const MAX_PACKAGES: usize = 40_000;
/// Longest file of an image store, bytes.
const MAX_INDEX_BYTES: u64 = 16 << 20;
/// Longest package database, bytes.
const MAX_DATABASE_BYTES: u64 = 64 << 20;
/// All images are looked at within this.
const MAX_TIME: Duration = Duration::from_secs(30);

/// An image: its name, and the folders of its layers from the top down.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Image {
    /// `sha256:…` of its configuration.
    id: String,
    layers: Vec<PathBuf>,
}

/// A host's images.
#[derive(Clone, Debug)]
pub(crate) struct Images {
    tree: Tree,
}

impl Images {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            tree: Tree::new(root),
        }
    }

    fn find(&self) -> Inventory {
        let mut reasons = Vec::new();
        let mut images = docker::images(&self.tree, &mut reasons);
        images.extend(storage::images(&self.tree, &mut reasons));
        images.extend(containerd::images(&self.tree, &mut reasons));
        if images.len() > MAX_IMAGES {
            reasons.push(format!("more than {MAX_IMAGES} images"));
            images.truncate(MAX_IMAGES);
        }
        let mut found = BTreeSet::new();
        let began = Instant::now();
        for image in &images {
            if found.len() > MAX_PACKAGES || began.elapsed() > MAX_TIME {
                reasons.push("there are more images than can be looked at".to_owned());
                break;
            }
            match packages::packages(&self.tree, image) {
                Ok(all) => found.extend(all),
                Err(reason) => reasons.push(format!("{}: {reason}", image.id)),
            }
        }
        Inventory {
            components: found
                .into_iter()
                .take(MAX_PACKAGES)
                .collect::<Vec<ComponentKey>>(),
            cut_short: problems(&reasons),
        }
    }
}

impl Image {
    /// The topmost layer's file; `None` when no layer has it, or one removes it.
    fn read(&self, tree: &Tree, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        for layer in &self.layers {
            match tree.read(&layer.join(path), most) {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(error),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // A device with the numbers 0 and 0 stands for "removed"; a link or a folder is not what is looked for.
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The names in a folder, of all layers; what a higher layer removes is left out.
    fn list(&self, tree: &Tree, path: &str) -> BTreeSet<String> {
        let (mut names, mut removed) = (BTreeSet::new(), BTreeSet::new());
        for layer in &self.layers {
            for (name, kind) in tree.list(&layer.join(path)).unwrap_or_default() {
                if kind == super::tree::Kind::File {
                    if !removed.contains(&name) {
                        names.insert(name);
                    }
                } else if !names.contains(&name) {
                    removed.insert(name);
                }
            }
        }
        names
    }
}

/// The name of a stack of layers with one more on it (OCI image specification, "Layer ChainID").
fn chained(below: &str, diff: String) -> String {
    if below.is_empty() {
        diff
    } else {
        let text = format!("{below} {diff}");
        format!("sha256:{}", Sha256::of(text.as_bytes()))
    }
}

/// 64 hexadecimal digits, as folders and files of the stores are named: nothing else becomes part of a path.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[async_trait]
impl Provider for Images {
    fn name(&self) -> &'static str {
        "image"
    }

    async fn detect(&self) -> bool {
        let tree = self.tree.clone();
        apart(move || {
            docker::is_there(&tree)
                || !storage::stores(&tree).is_empty()
                || !containerd::stores(&tree).is_empty()
        })
        .await
        .unwrap_or(false)
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        let this = self.clone();
        apart(move || this.find()).await
    }

    fn watched(&self) -> Vec<String> {
        let stores = storage::stores(&self.tree);
        let files: Vec<PathBuf> = stores
            .iter()
            .map(|store| store.join("overlay-images/images.json"))
            .chain([docker::names()])
            .chain(
                containerd::stores(&self.tree)
                    .iter()
                    .map(|store| containerd::content(store)),
            )
            .collect();
        super::watched(files.iter())
    }
}
