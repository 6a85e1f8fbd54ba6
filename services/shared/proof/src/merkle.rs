//! The Merkle tree of a transparency log (RFC 6962 §2.1), SHA-256.
//!
//! A tree is known by its *nodes*: the hashes of complete subtrees, named by level and index. They never change
//! once written, so they can lie in immutable tiles. Everything else, the root of any size and every proof, is
//! computed from them. Verifying needs no store.

mod prove;
mod tile;
mod verify;

pub use prove::{
    RecordingStore, consistency_proof, inclusion_proof, nodes_needed, root,
    subtree_consistency_proof,
};
pub use tile::{TILE_HEIGHT, TILE_WIDTH, TileId, TileSet, tile_of};
pub use verify::{
    ProofError, verify_consistency, verify_inclusion, verify_subtree_consistency,
    verify_subtree_inclusion,
};

use netpatch_types::Sha256;
use sha2::Digest as _;

/// A hash of the tree.
pub type Hash = Sha256;

/// A complete subtree: `2^level` leaves starting at leaf `index << level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Height above the leaves, 0–63.
    pub level: u8,
    /// Position among the nodes of the level.
    pub index: u64,
}

/// Where the hashes of complete subtrees lie.
pub trait NodeStore {
    /// The hash, or `None` if the store does not have it.
    fn node(&self, id: NodeId) -> Option<Hash>;
}

/// A node that the store should have and does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The store lacks a node of the tree.
    #[error("the tree has no hash at level {}, index {}", .0.level, .0.index)]
    MissingNode(NodeId),
    /// Asked for something beyond the tree.
    #[error("position {position} is outside of a tree of {size} leaves")]
    OutOfRange {
        /// What was asked for.
        position: u64,
        /// Leaves in the tree.
        size: u64,
    },
}

/// The root of the tree without leaves.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::of(b"")
}

/// The hash of a leaf's bytes.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut hasher = sha2::Sha256::new();
    hasher.update([0]);
    hasher.update(leaf);
    Sha256(hasher.finalize().into())
}

/// The hash of an inner node.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = sha2::Sha256::new();
    hasher.update([1]);
    hasher.update(left.0);
    hasher.update(right.0);
    Sha256(hasher.finalize().into())
}

/// Nodes that come into being when a leaf is appended to a tree of `size` leaves, lowest first. Needs the
/// right edge of the tree from the store.
pub fn append(
    store: &impl NodeStore,
    size: u64,
    leaf: Hash,
) -> Result<Vec<(NodeId, Hash)>, TreeError> {
    let mut made = vec![(
        NodeId {
            level: 0,
            index: size,
        },
        leaf,
    )];
    let (mut hash, mut index, mut level) = (leaf, size, 0u8);
    while index & 1 == 1 {
        let sibling = NodeId {
            level,
            index: index - 1,
        };
        let left = store.node(sibling).ok_or(TreeError::MissingNode(sibling))?;
        hash = node_hash(&left, &hash);
        index >>= 1;
        level += 1;
        made.push((NodeId { level, index }, hash));
    }
    Ok(made)
}

/// A whole tree in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTree {
    levels: Vec<Vec<Hash>>,
}

impl MemoryTree {
    /// A tree over these leaf hashes.
    #[must_use]
    pub fn from_leaf_hashes(leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut tree = Self::default();
        for leaf in leaves {
            tree.push(leaf);
        }
        tree
    }

    /// How many leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Appends a leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(hash);
            let count = nodes.len();
            if count % 2 == 1 {
                return;
            }
            hash = node_hash(&nodes[count - 2], &nodes[count - 1]);
        }
    }

    /// The root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        root(self, self.size()).unwrap_or_else(|_| empty_root())
    }
}

impl NodeStore for MemoryTree {
    fn node(&self, id: NodeId) -> Option<Hash> {
        self.levels
            .get(usize::from(id.level))?
            .get(usize::try_from(id.index).ok()?)
            .copied()
    }
}
