//! The program: exit codes and output.

use netpatch_proof::checkpoint::ledger_origin;
use netpatch_proof::leaf::LEAF_VERSION;
use netpatch_proof::merkle::MemoryTree;
use netpatch_proof::pack::{KeyRole, PackBody, PackEntry, PackKey, PackSubject, SCHEMA};
use netpatch_proof::{Checkpoint, Ed25519Signer, EvidencePack, LeafActor, LedgerLeaf, Signer as _};
use netpatch_types::{ActorKind, DeploymentId, OrganizationId};
use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};
use uuid::Uuid;

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netpatch-verify"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("starts")
}

#[test]
fn the_exit_code_says_failed_or_wrong_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    let pack = folder.path().join("pack.json");
    std::fs::write(&pack, b"{}\n").expect("writes");
    let path = pack.to_str().expect("utf-8");

    let failed = run(&[path]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stdout).contains("does NOT hold"));

    let json = run(&[path, "-o", "json"]);
    assert_eq!(json.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).expect("json");
    assert_eq!(report["ok"], false);
    assert_eq!(report["checks"][0]["id"], "format");

    let absent = run(&[folder.path().join("absent").to_str().expect("utf-8")]);
    assert_eq!(absent.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&absent.stderr).contains("cannot check"));

    assert_eq!(run(&[]).status.code(), Some(2));
    assert_eq!(run(&[path, "--ledger-key", "short"]).status.code(), Some(2));
    assert_eq!(run(&["-"]).status.code(), Some(1));
}

/// A pack of one entry without a document.
fn pack(ledger: &Ed25519Signer) -> Vec<u8> {
    let organization = OrganizationId(Uuid::from_u128(1));
    let at = chrono::DateTime::from_timestamp(1_795_000_000, 0).expect("a time");
    let leaf = LedgerLeaf {
        version: LEAF_VERSION,
        tenant: organization,
        sequence: 0,
        at,
        action: "deployment.changed".into(),
        actor: LeafActor::new(ActorKind::System, Uuid::nil(), &[5; 32]),
        subject: "deployment:2".into(),
        digest: None,
        details: BTreeMap::new(),
    };
    let tree = MemoryTree::from_leaf_hashes([leaf.hash().expect("a hash")]);
    let checkpoint = Checkpoint {
        origin: ledger_origin(organization),
        size: 1,
        root: tree.root(),
    };
    let body = PackBody {
        schema: SCHEMA.into(),
        organization,
        created_at: at,
        subject: PackSubject {
            deployment: DeploymentId(Uuid::from_u128(2)),
            name: "november".into(),
        },
        keys: vec![PackKey {
            role: KeyRole::Ledger,
            host: None,
            public_key: ledger.public_key(),
        }],
        checkpoint: checkpoint.sign(ledger).expect("signs"),
        entries: vec![PackEntry {
            sequence: 0,
            leaf: leaf.to_bytes().expect("bytes"),
            proof: Vec::new(),
        }],
        documents: Vec::new(),
        compliance_before: None,
        compliance_after: None,
        summary: BTreeMap::new(),
    };
    EvidencePack::seal(body, ledger)
        .expect("seals")
        .to_bytes()
        .expect("bytes")
}

#[test]
fn a_pack_that_holds_is_0_and_the_known_key_decides() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pack.json");
    let path = file.to_str().expect("utf-8");
    let ledger = Ed25519Signer::from_secret(&[1; 32]);
    let bytes = pack(&ledger);
    std::fs::write(&file, &bytes).expect("writes");
    let (key, other) = (ledger.public_key().id().to_string(), "00".repeat(32));

    assert_eq!(run(&[path]).status.code(), Some(0));
    let known = run(&[path, "--ledger-key", &key, "-o", "json"]);
    assert_eq!(known.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&known.stdout).expect("json");
    assert_eq!(report["ok"], true);
    assert_eq!(run(&[path, "--ledger-key", &other]).status.code(), Some(1));

    let mut changed = bytes;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(&file, changed).expect("writes");
    assert_eq!(run(&[path]).status.code(), Some(1));
}
