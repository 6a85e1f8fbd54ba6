//! The store of podman, buildah and CRI-O (containers/storage, driver `overlay`): the system's, and each user's own.

use super::{Image, MAX_IMAGES, MAX_INDEX_BYTES, MAX_LAYERS, is_digest};
use crate::provider::tree::{Kind, Tree};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const SYSTEM: &str = "var/lib/containers/storage";
const USER: &str = ".local/share/containers/storage";
/// Most users whose homes are looked at.
const MAX_USERS: usize = 10_000;

#[derive(Deserialize)]
struct StoredImage {
    id: String,
    /// Its topmost layer.
    #[serde(default)]
    layer: String,
}

#[derive(Deserialize)]
struct StoredLayer {
    id: String,
    #[serde(default)]
    parent: String,
}

/// Stores with images.
pub(super) fn stores(tree: &Tree) -> Vec<PathBuf> {
    let homes = tree.list(Path::new("home")).unwrap_or_default();
    let homes = homes
        .into_iter()
        .filter(|(_, kind)| *kind == Kind::Folder)
        .take(MAX_USERS)
        .map(|(name, _)| Path::new("home").join(name).join(USER));
    [PathBuf::from(SYSTEM), Path::new("root").join(USER)]
        .into_iter()
        .chain(homes)
        .filter(|store| tree.is_file(&store.join("overlay-images/images.json")))
        .collect()
}

/// All images whose layers are here.
pub(super) fn images(tree: &Tree, reasons: &mut Vec<String>) -> Vec<Image> {
    let mut images = Vec::new();
    for store in stores(tree) {
        match of_store(tree, &store) {
            Ok(all) => images.extend(all),
            Err(reason) => reasons.push(format!("/{}: {reason}", store.display())),
        }
        if images.len() > MAX_IMAGES {
            break;
        }
    }
    images
}

fn of_store(tree: &Tree, store: &Path) -> Result<Vec<Image>, String> {
    let images: Vec<StoredImage> = read(tree, &store.join("overlay-images/images.json"))?;
    let layers: Vec<StoredLayer> = read(tree, &store.join("overlay-layers/layers.json"))?;
    let parents: HashMap<&str, &str> = layers
        .iter()
        .map(|layer| (layer.id.as_str(), layer.parent.as_str()))
        .collect();
    let mut all = Vec::new();
    for image in images.iter().filter(|image| is_digest(&image.id)) {
        let (mut folders, mut layer) = (Vec::new(), image.layer.as_str());
        while !layer.is_empty() {
            // A circle of parents ends here too.
            if folders.len() >= MAX_LAYERS || !is_digest(layer) {
                return Err(format!("image {} has odd layers", image.id));
            }
            folders.push(store.join("overlay").join(layer).join("diff"));
            layer = parents.get(layer).copied().unwrap_or_default();
        }
        all.push(Image {
            id: format!("sha256:{}", image.id),
            layers: folders,
        });
    }
    Ok(all)
}

fn read<T: serde::de::DeserializeOwned>(tree: &Tree, path: &Path) -> Result<Vec<T>, String> {
    let json = tree.read(path, MAX_INDEX_BYTES);
    let json = json.map_err(|error| error.to_string())?;
    serde_json::from_slice(&json).map_err(|error| error.to_string())
}
