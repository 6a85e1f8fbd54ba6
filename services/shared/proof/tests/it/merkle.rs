//! The tree against the vectors of another implementation, and proofs against each other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use netpatch_proof::merkle::{
    Hash, MemoryTree, NodeId, NodeStore, TileId, TileSet, append, consistency_proof, empty_root,
    inclusion_proof, leaf_hash, nodes_needed, root, subtree_consistency_proof, tile_of,
    verify_consistency, verify_inclusion, verify_subtree_consistency, verify_subtree_inclusion,
};
use netpatch_types::Sha256;
use proptest::prelude::*;
use serde_json::Value;

fn cases(compressed: &[u8]) -> Vec<Value> {
    let text = zstd::decode_all(compressed).expect("zstd");
    let cases: Vec<Value> = serde_json::Deserializer::from_slice(&text)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("json lines");
    assert!(cases.len() > 60, "only {} cases", cases.len());
    cases
}

/// A hash of the vectors. Some are short words: our type cannot even say them, so they are filled up with zeros,
/// which keeps equal words equal. An absent hash stays absent: no proof can be asked for.
fn hash(value: &Value) -> Option<Hash> {
    let mut bytes = STANDARD.decode(value.as_str()?).expect("base64");
    if bytes.is_empty() {
        return None;
    }
    bytes.resize(32, 0);
    Sha256::from_slice(&bytes)
}

fn number(case: &Value, field: &str) -> u64 {
    case[field]
        .as_u64()
        .unwrap_or_else(|| panic!("{field} is no number"))
}

fn proof(case: &Value) -> Option<Vec<Hash>> {
    case["proof"]
        .as_array()
        .map_or(Some(Vec::new()), |hashes| hashes.iter().map(hash).collect())
}

fn check(case: &Value, accepted: Option<bool>) {
    let want = !case["wantErr"].as_bool().expect("wantErr");
    assert_eq!(accepted.unwrap_or(false), want, "{}", case["_file"]);
}

#[test]
fn inclusion_vectors_hold() {
    for case in cases(include_bytes!("../data/merkle/inclusion.jsonl.zst")) {
        let accepted = (|| {
            let (leaf, root, proof) = (
                hash(&case["leafHash"])?,
                hash(&case["root"])?,
                proof(&case)?,
            );
            Some(
                verify_inclusion(
                    &leaf,
                    number(&case, "leafIdx"),
                    number(&case, "treeSize"),
                    &proof,
                    &root,
                )
                .is_ok(),
            )
        })();
        check(&case, accepted);
    }
}

#[test]
fn consistency_vectors_hold() {
    for case in cases(include_bytes!("../data/merkle/consistency.jsonl.zst")) {
        let accepted = (|| {
            let (old, new, proof) = (hash(&case["root1"])?, hash(&case["root2"])?, proof(&case)?);
            Some(
                verify_consistency(
                    number(&case, "size1"),
                    number(&case, "size2"),
                    &proof,
                    &old,
                    &new,
                )
                .is_ok(),
            )
        })();
        check(&case, accepted);
    }
}

#[test]
fn subtree_inclusion_vectors_hold() {
    for case in cases(include_bytes!("../data/merkle/subtreeinclusion.jsonl.zst")) {
        let accepted = (|| {
            let range = (number(&case, "start"), number(&case, "end"));
            let (leaf, root, proof) = (
                hash(&case["leafHash"])?,
                hash(&case["root"])?,
                proof(&case)?,
            );
            Some(
                verify_subtree_inclusion(&leaf, number(&case, "leafIdx"), range, &proof, &root)
                    .is_ok(),
            )
        })();
        check(&case, accepted);
    }
}

#[test]
fn subtree_consistency_vectors_hold() {
    for case in cases(include_bytes!(
        "../data/merkle/subtreeconsistency.jsonl.zst"
    )) {
        let accepted = (|| {
            let range = (number(&case, "start"), number(&case, "end"));
            let (subtree, root, proof) =
                (hash(&case["root1"])?, hash(&case["root2"])?, proof(&case)?);
            Some(
                verify_subtree_consistency(range, number(&case, "size"), &proof, &subtree, &root)
                    .is_ok(),
            )
        })();
        check(&case, accepted);
    }
}

fn tree(size: u64) -> MemoryTree {
    MemoryTree::from_leaf_hashes((0..size).map(|leaf| leaf_hash(&leaf.to_be_bytes())))
}

#[test]
fn the_empty_tree_and_the_empty_leaf_are_the_rfcs() {
    assert_eq!(
        empty_root().to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    assert_eq!(
        leaf_hash(b"").to_string(),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
    assert_eq!(MemoryTree::default().root(), empty_root());
}

#[test]
fn every_proof_of_a_small_tree_holds_and_no_other() {
    let full = tree(40);
    for size in 1..=40 {
        let head = root(&full, size).expect("a root");
        for index in 0..size {
            let proof = inclusion_proof(&full, index, size).expect("a proof");
            let leaf = leaf_hash(&index.to_be_bytes());
            assert_eq!(verify_inclusion(&leaf, index, size, &proof, &head), Ok(()));
            assert!(verify_inclusion(&leaf, index ^ 1, size, &proof, &head).is_err());
        }
        for old in 1..=size {
            let proof = consistency_proof(&full, old, size).expect("a proof");
            let old_head = root(&full, old).expect("a root");
            assert_eq!(
                verify_consistency(old, size, &proof, &old_head, &head),
                Ok(())
            );
            if old < size {
                assert!(
                    verify_consistency(old, size, &proof, &leaf_hash(b"other"), &head).is_err()
                );
            }
        }
        for level in 0..6 {
            for start in (0..size).step_by(1 << level) {
                let end = (start + (1 << level)).min(size);
                let subtree = MemoryTree::from_leaf_hashes(
                    (start..end).map(|leaf| leaf_hash(&leaf.to_be_bytes())),
                )
                .root();
                let proof = subtree_consistency_proof(&full, start, end, size).expect("a proof");
                assert_eq!(
                    verify_subtree_consistency((start, end), size, &proof, &subtree, &head),
                    Ok(()),
                    "{start}..{end} of {size}"
                );
            }
        }
    }
}

#[test]
fn a_tree_grown_in_tiles_is_the_same_tree() {
    let size = 700;
    let whole = tree(size);
    let mut tiles = TileSet::default();
    for index in 0..size {
        let made = append(&tiles, index, leaf_hash(&index.to_be_bytes())).expect("appends");
        for (node, hash) in made {
            tiles.push(node, hash);
        }
    }
    assert_eq!(root(&tiles, size).expect("a root"), whole.root());
    assert_eq!(TileId { level: 1, index: 0 }.width(size), 2);

    let needed = nodes_needed(|store| inclusion_proof(store, 300, size)).expect("nodes");
    let mut few = TileSet::default();
    for id in needed.iter().map(|node| tile_of(*node)) {
        assert!(few.insert(id, &tiles.bytes(id).expect("a tile")));
    }
    assert_eq!(
        inclusion_proof(&few, 300, size),
        inclusion_proof(&whole, 300, size)
    );
    assert!(inclusion_proof(&TileSet::default(), 300, size).is_err());
    assert!(!few.insert(TileId { level: 0, index: 0 }, &[0; 33]));
}

#[test]
fn a_store_with_holes_is_an_error_and_not_a_wrong_root() {
    struct Holes(MemoryTree);
    impl NodeStore for Holes {
        fn node(&self, id: NodeId) -> Option<Hash> {
            if id.index == 2 { None } else { self.0.node(id) }
        }
    }
    assert!(root(&Holes(tree(5)), 5).is_ok());
    assert!(inclusion_proof(&Holes(tree(5)), 3, 5).is_err());
}

proptest! {
    #[test]
    fn no_input_makes_a_verifier_panic(
        index: u64, size: u64, start: u64, end: u64,
        hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let hashes: Vec<Hash> = hashes.into_iter().map(Sha256).collect();
        let one = Sha256::default();
        prop_assert!(verify_inclusion(&one, index, size, &hashes, &one).is_err());
        let _ = verify_consistency(start, end, &hashes, &one, &one);
        let _ = verify_subtree_consistency((start, end), size, &hashes, &one, &one);
        let _ = verify_subtree_inclusion(&one, index, (start, end), &hashes, &one);
    }

    #[test]
    fn proofs_of_larger_trees_hold(size in 1u64..600, old in 0u64..600, index in 0u64..600) {
        let whole = tree(600);
        let (old, index) = (1 + old % size, index % size);
        let head = root(&whole, size).expect("a root");
        let inclusion = inclusion_proof(&whole, index, size).expect("a proof");
        prop_assert_eq!(verify_inclusion(&leaf_hash(&index.to_be_bytes()), index, size, &inclusion, &head), Ok(()));
        let consistency = consistency_proof(&whole, old, size).expect("a proof");
        prop_assert_eq!(verify_consistency(old, size, &consistency, &root(&whole, old).expect("a root"), &head), Ok(()));
    }
}
