use super::document::encode;
use super::*;
use crate::checkpoint::ledger_origin;
use crate::leaf::LEAF_VERSION;
use crate::merkle::{MemoryTree, inclusion_proof, leaf_hash};
use crate::{Checkpoint, Ed25519Signer, LeafActor, LedgerLeaf, P256Signer};
use netpatch_types::{ActorKind, ApprovalId};
use p256::pkcs8::EncodePublicKey as _;
use uuid::Uuid;

struct World {
    ledger: Ed25519Signer,
    director: Ed25519Signer,
    approval: Ed25519Signer,
    host: P256Signer,
    body: PackBody,
}

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).expect("a time")
}

fn leaf(sequence: u64, action: &str, digest: Option<Sha256>) -> Vec<u8> {
    LedgerLeaf {
        version: LEAF_VERSION,
        tenant: OrganizationId(Uuid::from_u128(1)),
        sequence,
        at: at(),
        action: action.into(),
        actor: LeafActor::new(ActorKind::System, Uuid::nil(), &[5; 32]),
        subject: "deployment:2".into(),
        digest,
        details: BTreeMap::new(),
    }
    .to_bytes()
    .expect("bytes")
}

/// One approval, one order that rests on it, one run result, and an entry without a document.
fn world() -> World {
    world_of(true)
}

fn world_of(with_result: bool) -> World {
    let (organization, deployment, host_id) = (
        OrganizationId(Uuid::from_u128(1)),
        DeploymentId(Uuid::from_u128(2)),
        HostId(Uuid::from_u128(3)),
    );
    let ledger = Ed25519Signer::from_secret(&[1; 32]);
    let director = Ed25519Signer::from_secret(&[2; 32]);
    let approval = Ed25519Signer::from_secret(&[3; 32]);
    let host = P256Signer::from_secret(&[4; 32]).expect("a secret");
    let spki = p256::PublicKey::from_sec1_bytes(host.public_key().as_bytes()).expect("a point");
    let spki = spki.to_public_key_der().expect("spki").into_vec();

    let sign = |kind: DocumentKind, payload, signer: &dyn Signer| {
        Envelope::sign(kind.payload_type(), payload, &[signer]).expect("signs")
    };
    let decided = sign(
        DocumentKind::Approval,
        encode::approval(organization, ApprovalId(Uuid::from_u128(9))),
        &approval,
    );
    let order = encode::order(organization, deployment, std::slice::from_ref(&decided));
    let order = sign(DocumentKind::Order, order, &director);
    let result = encode::run_result(organization, deployment, host_id, order.digest(), spki);
    let result = sign(DocumentKind::RunResult, result, &host);

    let leaves = [
        leaf(0, "policy.changed", None),
        leaf(1, APPROVAL_DECIDED, Some(decided.digest())),
        leaf(2, ORDER_SIGNED, Some(order.digest())),
        if with_result {
            leaf(3, RUN_RESULT, Some(result.digest()))
        } else {
            leaf(3, "run.started", None)
        },
    ];
    let tree = MemoryTree::from_leaf_hashes(leaves.iter().map(|leaf| leaf_hash(leaf)));
    let checkpoint = Checkpoint {
        origin: ledger_origin(organization),
        size: 4,
        root: tree.root(),
    };
    let entry = |(sequence, leaf): (usize, &Vec<u8>)| PackEntry {
        sequence: sequence as u64,
        leaf: leaf.clone(),
        proof: inclusion_proof(&tree, sequence as u64, 4).expect("a proof"),
    };
    let key = |role, host, signer: &dyn Signer| PackKey {
        role,
        host,
        public_key: signer.public_key(),
    };
    let mut body = PackBody {
        schema: SCHEMA.into(),
        organization,
        created_at: at(),
        subject: PackSubject {
            deployment,
            name: "november".into(),
        },
        keys: vec![
            key(KeyRole::Ledger, None, &ledger),
            key(KeyRole::Director, None, &director),
            key(KeyRole::Approval, None, &approval),
            key(KeyRole::Host, Some(host_id), &host),
        ],
        checkpoint: checkpoint.sign(&ledger).expect("signs"),
        entries: leaves.iter().enumerate().map(entry).collect(),
        documents: vec![
            PackDocument {
                kind: DocumentKind::Approval,
                entry: 1,
                envelope: decided,
            },
            PackDocument {
                kind: DocumentKind::Order,
                entry: 2,
                envelope: order,
            },
            PackDocument {
                kind: DocumentKind::RunResult,
                entry: 3,
                envelope: result,
            },
        ],
        compliance_before: Some(ComplianceState {
            at: at(),
            counts: vec![ComplianceCount {
                site: None,
                severity: Severity::High,
                hosts: 3,
                compliant: 0,
                unknown: 0,
            }],
        }),
        compliance_after: None,
        summary: [("hosts".to_owned(), "1".to_owned())].into(),
    };
    if !with_result {
        body.documents.pop();
    }
    World {
        ledger,
        director,
        approval,
        host,
        body,
    }
}

fn bytes(world: &World) -> Vec<u8> {
    EvidencePack::seal(world.body.clone(), &world.ledger)
        .expect("seals")
        .to_bytes()
        .expect("bytes")
}

/// The ids of the checks that fail when the pack was sealed by its own ledger key.
fn failing(world: &World) -> BTreeMap<String, String> {
    let report = verify(&bytes(world), &Options::default());
    report
        .checks
        .into_iter()
        .filter(|check| !check.ok)
        .map(|check| (check.id, check.detail))
        .collect()
}

#[test]
fn an_honest_pack_holds() {
    let world = world();
    let pack = bytes(&world);
    let known = Options {
        ledger_key: Some(world.ledger.public_key().id()),
    };
    let report = verify(&pack, &known);
    assert!(report.ok(), "{}", report.to_table());
    assert!(
        report
            .to_table()
            .contains("4 entries included under the checkpoint")
    );

    let stranger = Options {
        ledger_key: Some(world.director.public_key().id()),
    };
    assert!(!verify(&pack, &stranger).ok());
    assert!(!Report::default().ok());
}

/// Every byte of a pack with orders and approvals; of one with run results a sample, because P-256 is slow unoptimised.
#[test]
fn every_changed_byte_is_found() {
    for (pack, step) in [(bytes(&world_of(false)), 1), (bytes(&world()), 11)] {
        assert!(verify(&pack, &Options::default()).ok());
        for position in (0..pack.len()).step_by(step) {
            let mut changed = pack.clone();
            changed[position] ^= 1 << (position % 8);
            assert!(
                !verify(&changed, &Options::default()).ok(),
                "byte {position} changed"
            );
        }
    }
}

#[test]
fn added_removed_and_respelled_bytes_are_found() {
    let pack = bytes(&world());
    let text = String::from_utf8(pack.clone()).expect("utf-8");
    let spellings = [
        format!(" {text}"),
        format!("{text}\n"),
        text.trim_end().to_owned(),
        text.replacen("\"body\":", "\"body\": ", 1),
        text.replacen("{\"body\"", "{\"aaa\":1,\"body\"", 1),
        text.replacen("\"checkpoint\"", "\"added\":1,\"checkpoint\"", 1),
        text.replacen("november", "n\\u006fvember", 1),
    ];
    for changed in spellings {
        assert!(
            !verify(changed.as_bytes(), &Options::default()).ok(),
            "{}",
            &changed[..40]
        );
    }
    for length in (0..pack.len()).step_by(97) {
        assert!(!verify(&pack[..length], &Options::default()).ok());
    }
}

/// The platform itself cheats: it holds the ledger key and seals what it likes.
#[test]
fn a_lying_ledger_is_found_by_its_proofs_and_bindings() {
    let found = |change: &dyn Fn(&mut World)| {
        let mut world = world();
        change(&mut world);
        failing(&world)
    };
    let other = |world: &World| Checkpoint {
        origin: ledger_origin(world.body.organization),
        size: 4,
        root: Sha256::of(b"x"),
    };
    assert!(
        found(&|w| w.body.checkpoint = other(w).sign(&w.ledger).expect("signs"))
            .contains_key("entries.inclusion")
    );
    assert!(
        found(&|w| w.body.checkpoint = other(w).sign(&w.director).expect("signs"))
            .contains_key("checkpoint")
    );
    assert!(
        found(&|w| w.body.entries[2].leaf = leaf(2, ORDER_SIGNED, None))
            .contains_key("entries.inclusion")
    );
    assert!(found(&|w| w.body.entries[2].sequence = 1).contains_key("entries.leaf"));
    assert!(found(&|w| w.body.entries[1].proof.clear()).contains_key("entries.inclusion"));
    assert!(found(&|w| drop(w.body.entries.remove(3))).contains_key("documents.logged"));
    assert!(found(&|w| w.body.documents[1].entry = 3).contains_key("documents.logged"));
    assert!(found(&|w| drop(w.body.documents.remove(1))).contains_key("documents.binding"));
    assert!(found(&|w| drop(w.body.documents.remove(0))).contains_key("documents.binding"));
    assert!(found(&|w| drop(w.body.documents.remove(2))).contains_key("entries.documents"));
    assert!(
        found(&|w| w.body.subject.deployment = DeploymentId(Uuid::from_u128(8)))
            .contains_key("documents.binding")
    );
    assert!(
        found(&|w| w.body.organization = OrganizationId(Uuid::from_u128(8)))
            .contains_key("entries.leaf")
    );
    assert!(
        found(&|w| w.body.keys[3].host = Some(HostId(Uuid::from_u128(8))))
            .contains_key("documents.signature")
    );
    assert!(
        found(&|w| w.body.keys[1].public_key = w.approval.public_key())
            .contains_key("documents.signature")
    );
    assert!(
        found(&|w| w.body.keys[3].public_key = w.director.public_key())
            .contains_key("documents.signature")
    );
    assert!(
        found(&|w| w.body.documents[2].envelope.signatures.clear())
            .contains_key("documents.signature")
    );
    assert!(found(&|w| w.body.keys.push(w.body.keys[0].clone())).contains_key("ledger.key"));
    assert!(found(&|w| w.body.schema = "netpatch-evidence/2".into()).contains_key("format"));
    let forged = found(&|w| {
        let payload = w.body.documents[1].envelope.payload.clone();
        w.body.documents[1].envelope =
            Envelope::sign(DocumentKind::Order.payload_type(), payload, &[&w.host]).expect("signs");
    });
    assert!(forged.contains_key("documents.signature"), "{forged:?}");
}

#[test]
fn the_table_carries_no_control_characters_of_the_pack() {
    let mut report = Report::default();
    report.add("x", Err("a\u{1b}[2Jb".into()));
    assert!(!report.to_table().contains('\u{1b}'));
}

proptest::proptest! {
    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        assert!(!verify(&bytes, &Options::default()).ok());
    }
}
