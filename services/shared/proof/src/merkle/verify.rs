//! Verifying proofs (RFC 9162 §2.1.3.2, §2.1.4.2; subtrees: draft-ietf-plants-merkle-tree-certs §4). Needs no store.

use super::{Hash, empty_root, node_hash};

/// A tree of 2^64 leaves has proofs no longer than this.
const MAX_PROOF: usize = 65;

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A position outside of the tree, or a range that is no subtree.
    #[error("the proof is for a position that the tree does not have")]
    OutOfRange,
    /// Too few or too many hashes.
    #[error("the proof has the wrong length")]
    Length,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
    /// An empty tree says nothing about a later one.
    #[error("nothing follows from an empty tree")]
    EmptyTree,
}

/// Checks that a leaf stands at `index` in the tree of `size` leaves with this root.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange);
    }
    if proof.len() > MAX_PROOF {
        return Err(ProofError::Length);
    }
    let (mut position, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if position & 1 == 1 || position == last {
            hash = node_hash(sibling, &hash);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if hash == *root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

/// Checks that a leaf stands at `index` (of the whole tree) in the subtree of the leaves `start..end`.
pub fn verify_subtree_inclusion(
    leaf: &Hash,
    index: u64,
    (start, end): (u64, u64),
    proof: &[Hash],
    subtree_root: &Hash,
) -> Result<(), ProofError> {
    if start >= end || index < start || index >= end || !is_subtree(start, end) {
        return Err(ProofError::OutOfRange);
    }
    verify_inclusion(leaf, index - start, end - start, proof, subtree_root)
}

/// Checks that the tree of `old` leaves is the beginning of the tree of `new` leaves; equal trees need no hashes.
pub fn verify_consistency(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), ProofError> {
    if old == 0 {
        if new != 0 {
            return Err(ProofError::EmptyTree);
        }
        if old_root != new_root {
            return Err(ProofError::Root);
        }
    }
    verify_subtree_consistency((0, old), new, proof, old_root, new_root)
}

/// Checks that the subtree of the leaves `start..end` is part of the tree of `size` leaves. An empty subtree is
/// part of every tree.
pub fn verify_subtree_consistency(
    (start, end): (u64, u64),
    size: u64,
    proof: &[Hash],
    subtree_root: &Hash,
    root: &Hash,
) -> Result<(), ProofError> {
    if start > end || end > size || !is_subtree(start, end) {
        return Err(ProofError::OutOfRange);
    }
    if proof.len() > MAX_PROOF {
        return Err(ProofError::Length);
    }
    if start == end {
        return match (proof.is_empty(), *subtree_root == empty_root()) {
            (false, _) => Err(ProofError::Length),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    let (mut first, mut last, mut tree_last) = (start, end - 1, size - 1);
    while first != last && (last == tree_last || last & 1 == 1) {
        first >>= 1;
        last >>= 1;
        tree_last >>= 1;
    }
    let (seed, rest) = if first == last {
        (*subtree_root, proof)
    } else {
        let (seed, rest) = proof.split_first().ok_or(ProofError::Length)?;
        (*seed, rest)
    };
    let (mut subtree, mut tree) = (seed, seed);
    for sibling in rest {
        if tree_last == 0 {
            return Err(ProofError::Length);
        }
        if last & 1 == 1 || last == tree_last {
            if first < last {
                subtree = node_hash(sibling, &subtree);
            }
            tree = node_hash(sibling, &tree);
            while last & 1 == 0 && last != 0 {
                first >>= 1;
                last >>= 1;
                tree_last >>= 1;
            }
        } else {
            tree = node_hash(&tree, sibling);
        }
        first >>= 1;
        last >>= 1;
        tree_last >>= 1;
    }
    if tree_last != 0 {
        return Err(ProofError::Length);
    }
    if subtree == *subtree_root && tree == *root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

/// Whether the range starts at a multiple of the least power of two that is not smaller than its length.
pub(super) fn is_subtree(start: u64, end: u64) -> bool {
    match (end - start).checked_next_power_of_two() {
        Some(width) => start.is_multiple_of(width),
        None => start == 0,
    }
}
