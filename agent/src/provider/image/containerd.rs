//! containerd's store, also of k3s, RKE2 and newer docker: which images there are says its database, what they are made of its
//! content store, and where their layers lie the database of the snapshotter `overlayfs`. No daemon is asked.
//!
//! An image of several platforms counts for each whose layers are here.

mod bolt;

use super::{Image, MAX_DATABASE_BYTES, MAX_IMAGES, MAX_LAYERS, chained, is_digest};
use crate::provider::tree::Tree;
use bolt::{Bolt, Bucket};
use netpatch_types::Sha256;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Where it keeps everything.
const ROOTS: [&str; 4] = [
    "var/lib/containerd",
    "var/lib/docker/containerd/daemon",
    "var/lib/rancher/k3s/agent/containerd",
    "var/lib/rancher/rke2/agent/containerd",
];
const IMAGES: &str = "io.containerd.metadata.v1.bolt/meta.db";
const BLOBS: &str = "io.containerd.content.v1.content/blobs/sha256";
const SNAPSHOTTER: &str = "io.containerd.snapshotter.v1.overlayfs";
/// Most platforms of an image, and most indices within each other.
const MAX_PLATFORMS: usize = 64;
const MAX_NESTED: usize = 4;
/// Most names of images: an image has often three, by tag, by digest and by id.
const MAX_NAMES: usize = 10 * MAX_IMAGES;
/// Longest manifest, index or configuration, bytes; registries take no longer ones.
const MAX_BLOB_BYTES: u64 = 4 << 20;
/// Looks at a database that is written meanwhile.
const ATTEMPTS: usize = 5;

/// A manifest, or an index of manifests.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    manifests: Vec<Descriptor>,
    config: Option<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

#[derive(Deserialize)]
struct Configuration {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

/// Stores with images.
pub(super) fn stores(tree: &Tree) -> Vec<PathBuf> {
    let stores = ROOTS.iter().map(PathBuf::from);
    stores
        .filter(|store| tree.is_local_folder(store) && tree.is_file(&store.join(IMAGES)))
        .collect()
}

/// The folder that changes with every image; the database changes with every container too.
pub(super) fn content(store: &Path) -> PathBuf {
    store.join(BLOBS)
}

/// All images whose layers are here.
pub(super) fn images(tree: &Tree, reasons: &mut Vec<String>) -> Vec<Image> {
    let mut images = Vec::new();
    for path in stores(tree) {
        let store = Store { tree, path };
        if let Err(reason) = store.images(&mut images, reasons) {
            reasons.push(format!("/{}: {reason}", store.path.display()));
        }
    }
    images
}

struct Store<'a> {
    tree: &'a Tree,
    path: PathBuf,
}

impl Store<'_> {
    fn images(&self, images: &mut Vec<Image>, reasons: &mut Vec<String>) -> Result<(), String> {
        let database = self.database(Path::new(IMAGES))?;
        let snapshotter = Path::new(SNAPSHOTTER).join("metadata.db");
        let snapshotter = match self.tree.is_file(&self.path.join(&snapshotter)) {
            true => Some(self.database(&snapshotter)?),
            false => None,
        };
        let folders = snapshotter.as_ref().map(folders).transpose()?;
        let folders = folders.unwrap_or_default();
        let mut looks = 0;
        let Some(namespaces) = database.root().bucket("v1")? else {
            return Ok(());
        };
        for (_, namespace) in namespaces.buckets()? {
            let snapshots = snapshots(&namespace)?;
            let Some(named) = namespace.bucket("images")? else {
                continue;
            };
            for (name, image) in named.buckets()? {
                looks += 1;
                if looks > MAX_NAMES {
                    return Err(format!("more than {MAX_NAMES} names of images"));
                }
                if images.len() > MAX_IMAGES {
                    return Ok(());
                }
                let target = match image.bucket("target")? {
                    Some(target) => target.text("digest")?,
                    None => None,
                };
                let found = self.image(target.unwrap_or_default(), |chain| {
                    let id = folders.get(snapshots.get(chain)?)?;
                    let folder = self.path.join(SNAPSHOTTER).join("snapshots");
                    Some(folder.join(id.to_string()).join("fs"))
                });
                match found {
                    Ok(found) => {
                        for image in found {
                            if images.iter().all(|known| known.id != image.id) {
                                images.push(image);
                            }
                        }
                    }
                    Err(reason) => {
                        let name: String = name.chars().take(100).collect();
                        reasons.push(format!("image {name}: {reason}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// The platforms of an image whose layers are here, at least one.
    fn image(
        &self,
        digest: &str,
        folder: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Vec<Image>, String> {
        let mut configurations = BTreeSet::new();
        self.configurations(digest, 0, &mut BTreeSet::new(), &mut configurations)?;
        let images: Vec<Image> = configurations
            .into_iter()
            .filter_map(|id| {
                let layers = self.layers(&id, &folder).ok()?;
                Some(Image { id, layers })
            })
            .collect();
        if images.is_empty() {
            return Err("its layers are not unpacked for overlayfs".to_owned());
        }
        Ok(images)
    }

    /// A database as it was at one moment.
    fn database(&self, place: &Path) -> Result<Bolt, String> {
        let path = self.path.join(place);
        let failed = |error: std::io::Error| format!("{}: {error}", place.display());
        for _ in 0..ATTEMPTS {
            let head = |tree: &Tree| {
                let head = tree.head(&path, bolt::META_BYTES).map_err(failed)?;
                Ok::<_, String>(bolt::transaction(&head))
            };
            let before = head(self.tree)?;
            let bytes = self.tree.read(&path, MAX_DATABASE_BYTES).map_err(failed)?;
            if head(self.tree)? == before {
                let opened = Bolt::open(bytes);
                return opened.map_err(|error| format!("{}: {error}", place.display()));
            }
        }
        Err(format!("{} is written all the time", place.display()))
    }

    /// Digests of the configurations below a manifest or an index. What is not here belongs to a platform that was not fetched.
    fn configurations(
        &self,
        digest: &str,
        depth: usize,
        seen: &mut BTreeSet<String>,
        found: &mut BTreeSet<String>,
    ) -> Result<(), String> {
        let document: Document = self.blob(digest)?;
        found.extend(document.config.map(|config| config.digest));
        for manifest in document.manifests {
            if depth < MAX_NESTED
                && seen.len() < MAX_PLATFORMS
                && seen.insert(manifest.digest.clone())
            {
                let _ = self.configurations(&manifest.digest, depth + 1, seen, found);
            }
        }
        Ok(())
    }

    fn layers(
        &self,
        configuration: &str,
        folder: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Vec<PathBuf>, String> {
        let read: Configuration = self.blob(configuration)?;
        let ids = read.rootfs.diff_ids;
        if ids.is_empty() || ids.len() > MAX_LAYERS {
            return Err("no layers, or too many".to_owned());
        }
        let (mut chain, mut layers) = (String::new(), Vec::new());
        for diff in ids {
            chain = chained(&chain, diff);
            layers.push(folder(&chain).ok_or("a layer is not unpacked")?);
        }
        layers.reverse();
        Ok(layers)
    }

    fn blob<T: serde::de::DeserializeOwned>(&self, digest: &str) -> Result<T, String> {
        let name = digest
            .strip_prefix("sha256:")
            .filter(|name| is_digest(name));
        let name = name.ok_or("its digest is no SHA-256")?;
        let place = self.path.join(BLOBS).join(name);
        let bytes = self.tree.read(&place, MAX_BLOB_BYTES);
        let bytes = bytes.map_err(|error| format!("{name}: {error}"))?;
        if Sha256::of(&bytes).to_string() != name {
            return Err(format!("{name} has another digest"));
        }
        serde_json::from_slice(&bytes).map_err(|error| format!("{name}: {error}"))
    }
}

/// The names that a namespace's snapshots have in the snapshotter, by chain id.
fn snapshots<'a>(namespace: &Bucket<'a>) -> Result<BTreeMap<&'a str, &'a str>, String> {
    let snapshotters = namespace.bucket("snapshots")?;
    let mut names = BTreeMap::new();
    let overlay = match snapshotters {
        Some(snapshotters) => snapshotters.bucket("overlayfs")?,
        None => None,
    };
    for (key, snapshot) in overlay.map_or_else(|| Ok(Vec::new()), |all| all.buckets())? {
        if let Some(name) = snapshot.text("name")? {
            names.insert(key, name);
        }
    }
    Ok(names)
}

/// The numbers of the snapshotter's folders, by the name of their snapshot.
fn folders(database: &Bolt) -> Result<BTreeMap<&str, u64>, String> {
    let mut folders = BTreeMap::new();
    let snapshots = match database.root().bucket("v1")? {
        Some(root) => root.bucket("snapshots")?,
        None => None,
    };
    for (name, snapshot) in snapshots.map_or_else(|| Ok(Vec::new()), |all| all.buckets())? {
        if let Some(id) = snapshot.value("id")?.and_then(varint) {
            folders.insert(name, id);
        }
    }
    Ok(folders)
}

/// An unsigned number of Go's `encoding/binary`.
fn varint(bytes: &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for (place, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f).checked_shl(u32::try_from(place * 7).ok()?)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
