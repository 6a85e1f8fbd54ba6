//! Docker's image store with `overlay2` (moby `image/`, `layer/`): configurations by digest, each with the digests of its layers
//! unpacked; a layer is found under its chain id, which names the folder of its files.

use super::{Image, MAX_IMAGES, MAX_INDEX_BYTES, MAX_LAYERS, chained, is_digest};
use crate::provider::tree::{Kind, Tree};
use serde::Deserialize;
use std::path::{Path, PathBuf};

const ROOT: &str = "var/lib/docker";
const CONFIGURATIONS: &str = "var/lib/docker/image/overlay2/imagedb/content/sha256";
const LAYERS: &str = "var/lib/docker/image/overlay2/layerdb/sha256";

#[derive(Deserialize)]
struct Configuration {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

/// Whether docker keeps images here.
pub(super) fn is_there(tree: &Tree) -> bool {
    tree.is_local_folder(Path::new(CONFIGURATIONS))
}

/// The file that changes with every image.
pub(super) fn names() -> PathBuf {
    Path::new(ROOT).join("image/overlay2/repositories.json")
}

/// All images whose layers are here.
pub(super) fn images(tree: &Tree, reasons: &mut Vec<String>) -> Vec<Image> {
    let entries = tree.list(Path::new(CONFIGURATIONS)).unwrap_or_default();
    let mut images = Vec::new();
    for (id, kind) in entries {
        if kind != Kind::File || !is_digest(&id) {
            continue;
        }
        if images.len() > MAX_IMAGES {
            break;
        }
        match layers(tree, &id) {
            Ok(layers) => images.push(Image {
                id: format!("sha256:{id}"),
                layers,
            }),
            Err(reason) => reasons.push(format!("image {id}: {reason}")),
        }
    }
    images
}

fn layers(tree: &Tree, id: &str) -> Result<Vec<PathBuf>, String> {
    let json = tree
        .read(&Path::new(CONFIGURATIONS).join(id), MAX_INDEX_BYTES)
        .map_err(|error| error.to_string())?;
    let configuration: Configuration =
        serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    let ids = configuration.rootfs.diff_ids;
    if ids.len() > MAX_LAYERS {
        return Err(format!("more than {MAX_LAYERS} layers"));
    }
    let (mut chain, mut layers) = (String::new(), Vec::new());
    for diff in ids {
        chain = chained(&chain, diff);
        let name = chain.strip_prefix("sha256:").filter(|name| is_digest(name));
        let name = name.ok_or("a layer has no digest")?;
        let folder = tree
            .read(&Path::new(LAYERS).join(name).join("cache-id"), 256)
            .map_err(|error| format!("layer {name}: {error}"))?;
        let folder = String::from_utf8(folder).unwrap_or_default();
        if !is_digest(folder.trim()) {
            return Err(format!("layer {name} has no folder"));
        }
        layers.push(
            Path::new(ROOT)
                .join("overlay2")
                .join(folder.trim())
                .join("diff"),
        );
    }
    layers.reverse();
    Ok(layers)
}
