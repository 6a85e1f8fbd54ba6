//! Roots and proofs from the nodes of a tree (RFC 6962 §2.1.1, §2.1.2).

use super::{Hash, NodeId, NodeStore, TreeError, empty_root, node_hash};
use std::cell::RefCell;

/// The root of the first `size` leaves.
pub fn root(store: &impl NodeStore, size: u64) -> Result<Hash, TreeError> {
    if size == 0 {
        Ok(empty_root())
    } else {
        range(store, 0, size)
    }
}

/// The audit path of leaf `index` in the tree of `size` leaves, from the leaf upwards.
pub fn inclusion_proof(
    store: &impl NodeStore,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, TreeError> {
    if index >= size {
        return Err(TreeError::OutOfRange {
            position: index,
            size,
        });
    }
    let mut proof = Vec::new();
    path(store, index, 0, size, &mut proof)?;
    Ok(proof)
}

/// That the tree of `old` leaves is the beginning of the tree of `new` leaves. Empty for `old` = 0 and `old` = `new`.
pub fn consistency_proof(
    store: &impl NodeStore,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, TreeError> {
    subtree_consistency_proof(store, 0, old, new)
}

/// That the leaves `start..end`, a subtree, are part of the tree of `size` leaves. `start` must be a multiple of
/// the least power of two that is not smaller than `end - start` (draft-ietf-plants-merkle-tree-certs §4).
pub fn subtree_consistency_proof(
    store: &impl NodeStore,
    start: u64,
    end: u64,
    size: u64,
) -> Result<Vec<Hash>, TreeError> {
    if start > end || end > size || !super::verify::is_subtree(start, end) {
        return Err(TreeError::OutOfRange {
            position: end,
            size,
        });
    }
    let mut proof = Vec::new();
    if start < end {
        subproof(store, (start, end), (0, size), true, &mut proof)?;
    }
    Ok(proof)
}

/// Which nodes a computation reads, so that a caller can fetch them first. The computation runs over zero hashes.
pub fn nodes_needed<T>(
    computation: impl FnOnce(&RecordingStore) -> Result<T, TreeError>,
) -> Result<Vec<NodeId>, TreeError> {
    let store = RecordingStore(RefCell::new(Vec::new()));
    computation(&store)?;
    let mut nodes = store.0.into_inner();
    nodes.sort_unstable();
    nodes.dedup();
    Ok(nodes)
}

/// Has every node, remembers which were read.
#[derive(Debug)]
pub struct RecordingStore(RefCell<Vec<NodeId>>);

impl NodeStore for RecordingStore {
    fn node(&self, id: NodeId) -> Option<Hash> {
        self.0.borrow_mut().push(id);
        Some(Hash::default())
    }
}

/// The largest power of two below `n`, for n ≥ 2.
fn split(n: u64) -> u64 {
    1 << (u64::BITS - 1 - (n - 1).leading_zeros())
}

/// The hash of the leaves `low..high`, where `low` is a multiple of the next power of two.
fn range(store: &impl NodeStore, low: u64, high: u64) -> Result<Hash, TreeError> {
    let count = high - low;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        let id = NodeId {
            level: u8::try_from(level).unwrap_or(63),
            index: low >> level,
        };
        return store.node(id).ok_or(TreeError::MissingNode(id));
    }
    let middle = low + split(count);
    Ok(node_hash(
        &range(store, low, middle)?,
        &range(store, middle, high)?,
    ))
}

fn path(
    store: &impl NodeStore,
    index: u64,
    low: u64,
    high: u64,
    out: &mut Vec<Hash>,
) -> Result<(), TreeError> {
    if high - low == 1 {
        return Ok(());
    }
    let middle = low + split(high - low);
    if index < middle {
        path(store, index, low, middle, out)?;
        out.push(range(store, middle, high)?);
    } else {
        path(store, index, middle, high, out)?;
        out.push(range(store, low, middle)?);
    }
    Ok(())
}

/// `known`: the verifier has the hash of exactly these leaves already.
fn subproof(
    store: &impl NodeStore,
    (start, end): (u64, u64),
    (low, high): (u64, u64),
    known: bool,
    out: &mut Vec<Hash>,
) -> Result<(), TreeError> {
    if (start, end) == (low, high) {
        if !known {
            out.push(range(store, low, high)?);
        }
        return Ok(());
    }
    let middle = low + split(high - low);
    if end <= middle {
        subproof(store, (start, end), (low, middle), known, out)?;
        out.push(range(store, middle, high)?);
    } else if start >= middle {
        subproof(store, (start, end), (middle, high), known, out)?;
        out.push(range(store, low, middle)?);
    } else {
        subproof(store, (middle, end), (middle, high), false, out)?;
        out.push(range(store, low, middle)?);
    }
    Ok(())
}
