//! Tiles: 256 hashes of one level in one immutable object (<https://c2sp.org/tlog-tiles>).

use super::{Hash, NodeId, NodeStore, node_hash};
use std::collections::BTreeMap;

/// Levels of the tree in one tile.
pub const TILE_HEIGHT: u8 = 8;
/// Hashes in a full tile.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;

/// Names a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Tile level: its hashes stand at tree level `8 * level`.
    pub level: u8,
    /// Position among the tiles of the level.
    pub index: u64,
}

impl TileId {
    /// How many hashes the tile has in a tree of `size` leaves: 0–256.
    #[must_use]
    pub fn width(self, size: u64) -> u64 {
        let shift = u32::from(self.level) * u32::from(TILE_HEIGHT);
        size.checked_shr(shift)
            .unwrap_or(0)
            .saturating_sub(self.index.saturating_mul(TILE_WIDTH))
            .min(TILE_WIDTH)
    }

    /// The path of the specification, `tile/<level>/<index>` with `.p/<width>` for a partial tile.
    #[must_use]
    pub fn path(self, width: u64) -> String {
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        let partial = if width == TILE_WIDTH {
            String::new()
        } else {
            format!(".p/{width}")
        };
        format!("tile/{}/{}{partial}", self.level, groups.join("/"))
    }
}

/// The tile from which a node can be computed.
#[must_use]
pub fn tile_of(node: NodeId) -> TileId {
    let level = node.level / TILE_HEIGHT;
    TileId {
        level,
        index: node.index >> (TILE_HEIGHT - node.level % TILE_HEIGHT),
    }
}

/// Tiles in memory: those that a caller has fetched. Serves nodes, takes new ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TileSet {
    tiles: BTreeMap<TileId, Vec<Hash>>,
}

impl TileSet {
    /// Whether the tile is here.
    #[must_use]
    pub fn contains(&self, id: TileId) -> bool {
        self.tiles.contains_key(&id)
    }

    /// Takes a tile's bytes; `false` for bytes that are no tile.
    pub fn insert(&mut self, id: TileId, bytes: &[u8]) -> bool {
        let (hashes, []) = bytes.as_chunks::<32>() else {
            return false;
        };
        if hashes.len() as u64 > TILE_WIDTH {
            return false;
        }
        self.tiles.insert(
            id,
            hashes
                .iter()
                .map(|hash| netpatch_types::Sha256(*hash))
                .collect(),
        );
        true
    }

    /// Adds a node made by [`super::append`]; nodes inside of a tile are computed, so only tile rows are kept.
    /// Returns the tile that grew.
    pub fn push(&mut self, node: NodeId, hash: Hash) -> Option<TileId> {
        if !node.level.is_multiple_of(TILE_HEIGHT) {
            return None;
        }
        let id = tile_of(node);
        let hashes = self.tiles.entry(id).or_default();
        (hashes.len() as u64 == node.index % TILE_WIDTH).then(|| {
            hashes.push(hash);
            id
        })
    }

    /// A tile's bytes.
    #[must_use]
    pub fn bytes(&self, id: TileId) -> Option<Vec<u8>> {
        self.tiles
            .get(&id)
            .map(|hashes| hashes.iter().flat_map(|hash| hash.0).collect())
    }
}

impl NodeStore for TileSet {
    fn node(&self, id: NodeId) -> Option<Hash> {
        let hashes = self.tiles.get(&tile_of(id))?;
        let height = id.level % TILE_HEIGHT;
        let count = 1usize << height;
        let first = usize::try_from((id.index << height) % TILE_WIDTH).ok()?;
        let mut row = hashes.get(first..first + count)?.to_vec();
        while row.len() > 1 {
            row = row
                .chunks_exact(2)
                .map(|pair| node_hash(&pair[0], &pair[1]))
                .collect();
        }
        row.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_specifications_examples() {
        assert_eq!(
            TileId {
                level: 0,
                index: 1_234_067
            }
            .path(256),
            "tile/0/x001/x234/067"
        );
        assert_eq!(TileId { level: 1, index: 0 }.path(5), "tile/1/000.p/5");
        assert_eq!(
            TileId {
                level: 0,
                index: 273
            }
            .width(70_000),
            112
        );
        assert_eq!(TileId { level: 1, index: 1 }.width(70_000), 17);
        assert_eq!(TileId { level: 8, index: 0 }.width(70_000), 0);
    }
}
