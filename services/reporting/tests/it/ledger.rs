//! The ledger: order of steps, proofs, deaths at every step, a signer that refuses.

use crate::append::{entries, request};
use crate::documents::{Story, person};
use crate::rig::Rig;
use netpatch_inventory_api::{InventoryEventV1, RiskWeights};
use netpatch_policy_api::{PolicyEventV1, Standard};
use netpatch_proof::merkle::{leaf_hash, verify_consistency, verify_inclusion};
use netpatch_proof::{Checkpoint, LedgerLeaf, PublicKey, checkpoint::ledger_origin};
use netpatch_reporting_api::{
    CheckpointGet, ConsistencyGet, LedgerGet, LedgerKeyGet, LedgerList, LedgerProofGet,
    ReportingEventV1,
};
use netpatch_scheduler_api::{DeploymentStatus, SchedulerEventV1};
use netpatch_types::{BaselineId, Clock as _, PageRequest, Sha256};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use uuid::Uuid;

/// Appends in one call, then lets the tree grow.
async fn append(
    rig: &Rig,
    numbers: impl IntoIterator<Item = u128>,
) -> netpatch_types::ServiceResult<Vec<u64>> {
    let places = rig.api.ledger_append(&rig.ctx, request(numbers)).await?;
    rig.service.run_once().await?;
    Ok(places)
}

/// By what findings are ranked and dated is on the record, with who changed it.
#[tokio::test]
async fn weights_and_baselines_stand_in_the_ledger() {
    let rig = Rig::new().await;
    let (tenant, now) = (rig.tenant(), rig.clock.now());
    let weights = InventoryEventV1::RiskWeightsChanged {
        version: 2,
        weights: RiskWeights::default(),
        digest: Sha256([5; 32]),
        by: person(tenant),
    };
    rig.neighbours.inventory_event(tenant, now, weights);
    let baseline = BaselineId::from(Uuid::from_u128(9));
    for archived in [false, true] {
        let event = PolicyEventV1::BaselineChanged {
            baseline,
            name: "cardholder data".into(),
            standard: Standard::PciDss401,
            followed: !archived,
            archived,
            digest: Sha256([6; 32]),
            by: person(tenant),
        };
        rig.neighbours.policy_event(tenant, now, event);
    }
    rig.service.run_once().await.unwrap();
    let list = LedgerList {
        page: PageRequest::largest(),
        ..LedgerList::default()
    };
    let entries = rig.api.ledger_list(&rig.ctx, list).await.unwrap();
    let find = |action: &str| {
        let found = entries.rows.iter().find(|row| row.node.action == action);
        found.unwrap_or_else(|| panic!("no {action}")).node.clone()
    };
    let ranked = find("risk_weights.changed");
    assert_eq!(ranked.subject, "risk-weights:2");
    assert_eq!(ranked.actor.display, "Ada Example");
    assert_eq!(
        (
            ranked.details["version"].as_str(),
            ranked.details["kev"].as_str(),
            ranked.details["weights_sha256"].as_str()
        ),
        ("2", "50", Sha256([5; 32]).to_string().as_str())
    );
    let dated = find("baseline.changed");
    assert_eq!(dated.subject, format!("baseline:{baseline}"));
    assert_eq!(
        (
            dated.details["standard"].as_str(),
            dated.details["followed"].as_str()
        ),
        ("pci_dss401", "true")
    );
    assert_eq!(find("baseline.archived").details["followed"], "false");
}

#[tokio::test]
async fn events_become_entries_once_and_release_what_waits() {
    let rig = Rig::new().await;
    let story = Story::new(&rig);
    story.tell(&rig);
    rig.service.run_once().await.unwrap();
    rig.service.run_once().await.unwrap();

    let list = LedgerList {
        page: PageRequest::largest(),
        ..LedgerList::default()
    };
    let entries = rig
        .api
        .ledger_list(&rig.ctx, list)
        .await
        .unwrap()
        .into_nodes();
    let actions: Vec<&str> = entries
        .iter()
        .rev()
        .map(|entry| entry.action.as_str())
        .collect();
    let expected = [
        "approval.decided",
        "deployment.changed",
        "order.signed",
        "deployment.changed",
        "run.ended",
        "deployment.changed",
    ];
    assert_eq!(actions, expected);
    assert_eq!(
        entries
            .iter()
            .map(|entry| entry.sequence)
            .rev()
            .collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5]
    );

    let told = rig.told().await;
    let order = story.order_digest();
    let released = [
        ReportingEventV1::ApprovalLogged {
            approval: story.approval,
            sequence: 0,
        },
        ReportingEventV1::OrderLogged {
            deployment: story.deployment,
            wave: story.wave,
            order,
            sequence: 2,
        },
    ];
    assert_eq!(told, released);

    let approval = &entries[5];
    let leaf = String::from_utf8(approval.leaf.clone()).unwrap();
    assert!(!leaf.contains("Ada"), "a leaf names no person: {leaf}");
    assert!(approval.details.contains_key("reason_hash"));
    assert_eq!(approval.actor.display, "Ada Example");
    assert_eq!(
        rig.api
            .ledger_get(&rig.ctx, LedgerGet { id: approval.id })
            .await
            .unwrap(),
        *approval
    );

    let subject = Some(format!("run:{}", story.run));
    let runs = LedgerList {
        page: PageRequest::largest(),
        subject,
        actions: vec!["run.ended".into()],
        ..LedgerList::default()
    };
    assert_eq!(
        rig.api
            .ledger_list(&rig.ctx, runs)
            .await
            .unwrap()
            .into_nodes()
            .len(),
        1
    );
    let page = LedgerList {
        page: PageRequest {
            first: 4,
            after: None,
        },
        ..LedgerList::default()
    };
    let first = rig.api.ledger_list(&rig.ctx, page).await.unwrap();
    assert!(first.has_next);
    let after = first.rows.last().map(|row| row.cursor.clone());
    let rest = LedgerList {
        page: PageRequest { first: 4, after },
        ..LedgerList::default()
    };
    let rest = rig
        .api
        .ledger_list(&rig.ctx, rest)
        .await
        .unwrap()
        .into_nodes();
    assert_eq!(
        rest.iter().map(|entry| entry.sequence).collect::<Vec<_>>(),
        [1, 0]
    );
}

#[tokio::test]
async fn every_proof_holds_under_the_signed_checkpoint() {
    let rig = Rig::new().await;
    let tenant = rig.tenant();
    let none = rig
        .api
        .ledger_checkpoint(&rig.ctx, CheckpointGet { tenant })
        .await;
    assert_eq!(none.unwrap_err().code, netpatch_types::ErrorCode::NotFound);

    let mut roots = Vec::new();
    for number in 0..9 {
        assert_eq!(append(&rig, [number]).await.unwrap(), [number as u64]);
        let entry = entries(&rig, &rig.ctx).await.pop().unwrap();
        assert_eq!(entry.subject, format!("host:{number}"));
        assert_eq!(entry.leaf_hash, leaf_hash(&entry.leaf));
        assert_eq!(
            LedgerLeaf::parse(&entry.leaf).unwrap().sequence,
            entry.sequence
        );
        roots.push(
            rig.api
                .ledger_checkpoint(&rig.ctx, CheckpointGet { tenant })
                .await
                .unwrap()
                .root_hash,
        );
    }
    assert_eq!(append(&rig, [3]).await.unwrap(), [3]);

    let newest = rig
        .api
        .ledger_checkpoint(&rig.ctx, CheckpointGet { tenant })
        .await
        .unwrap();
    let key = PublicKey::ed25519(&newest.public_key).unwrap();
    assert_eq!(
        rig.api
            .ledger_key(&rig.ctx, LedgerKeyGet {})
            .await
            .unwrap()
            .public_key,
        newest.public_key
    );
    let opened = Checkpoint::open(&newest.note, &ledger_origin(tenant), key).unwrap();
    assert_eq!((opened.size, opened.root), (9, newest.root_hash));

    for size in 1..=9 {
        for sequence in 0..size {
            let request = LedgerProofGet {
                tenant,
                sequence,
                tree_size: Some(size),
            };
            let proof = rig.api.ledger_proof(&rig.ctx, request).await.unwrap();
            assert_eq!(proof.root_hash, roots[size as usize - 1]);
            let signed =
                Checkpoint::open(&proof.signed_checkpoint, &ledger_origin(tenant), key).unwrap();
            assert_eq!((signed.size, signed.root), (size, proof.root_hash));
            let list = LedgerList {
                page: PageRequest::largest(),
                subject: Some(format!("host:{sequence}")),
                ..LedgerList::default()
            };
            let entry = rig
                .api
                .ledger_list(&rig.ctx, list)
                .await
                .unwrap()
                .into_nodes()
                .remove(0);
            verify_inclusion(
                &leaf_hash(&entry.leaf),
                sequence,
                size,
                &proof.path,
                &proof.root_hash,
            )
            .unwrap();
        }
        let proof = rig
            .api
            .ledger_consistency(
                &rig.ctx,
                ConsistencyGet {
                    tenant,
                    from: size,
                    to: None,
                },
            )
            .await
            .unwrap();
        verify_consistency(
            size,
            proof.to,
            &proof.path,
            &roots[size as usize - 1],
            &newest.root_hash,
        )
        .unwrap();
    }
    for (sequence, tree_size) in [(9, None), (0, Some(10)), (5, Some(5)), (0, Some(0))] {
        assert!(
            rig.api
                .ledger_proof(
                    &rig.ctx,
                    LedgerProofGet {
                        tenant,
                        sequence,
                        tree_size
                    }
                )
                .await
                .is_err()
        );
    }
    for (from, to) in [(0, None), (10, None), (5, Some(4)), (1, Some(10))] {
        assert!(
            rig.api
                .ledger_consistency(&rig.ctx, ConsistencyGet { tenant, from, to })
                .await
                .is_err()
        );
    }
}

/// Lets a future run until it has waited `polls` times, then drops it, as kill -9 does: transactions end without commit.
/// Whether it came to its end.
pub(crate) async fn killed_after<F: Future>(future: F, polls: usize) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        future.as_mut().poll(context).map(|_| true)
    })
    .await
}

#[tokio::test]
async fn a_death_at_any_step_changes_nothing() {
    let rig = Rig::new().await;
    let story = Story::new(&rig);
    story.tell(&rig);
    let mut deaths = 0;
    let mut polls = 1;
    loop {
        let process = rig.another().await;
        if killed_after(process.run_once(), polls).await {
            break;
        }
        deaths += 1;
        polls += 1;
        assert!(deaths < 5000);
    }
    println!("{deaths} deaths");
    assert!(deaths > 100, "only {deaths} deaths");
    rig.service.run_once().await.unwrap();

    let list = LedgerList {
        page: PageRequest::largest(),
        ..LedgerList::default()
    };
    let entries = rig
        .api
        .ledger_list(&rig.ctx, list)
        .await
        .unwrap()
        .into_nodes();
    assert_eq!(entries.len(), 6);
    assert_eq!(rig.told().await.len(), 2, "each release is told once");
    let tenant = rig.tenant();
    for entry in entries {
        let request = LedgerProofGet {
            tenant,
            sequence: entry.sequence,
            tree_size: None,
        };
        let proof = rig.api.ledger_proof(&rig.ctx, request).await.unwrap();
        verify_inclusion(
            &entry.leaf_hash,
            entry.sequence,
            6,
            &proof.path,
            &proof.root_hash,
        )
        .unwrap();
    }
}

#[tokio::test]
async fn two_processes_make_one_log() {
    let rig = Rig::new().await;
    let other = rig.another().await;
    let mut work = tokio::task::JoinSet::new();
    for number in 0..24u128 {
        let service = if number % 2 == 0 {
            rig.service.clone()
        } else {
            other.clone()
        };
        let ctx = rig.ctx.clone();
        work.spawn(async move {
            use netpatch_reporting_api::ReportingApi as _;
            // Each event comes four times, with others before and behind it.
            let first = number / 2;
            let places = service
                .ledger_append(&ctx, request([first, first + 1]))
                .await
                .unwrap();
            service.run_once().await.unwrap();
            places
        });
    }
    let mut sequences = work.join_all().await.concat();
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!(sequences, (0..13).collect::<Vec<u64>>());
    let head = rig
        .api
        .ledger_checkpoint(
            &rig.ctx,
            CheckpointGet {
                tenant: rig.tenant(),
            },
        )
        .await
        .unwrap();
    assert_eq!(head.tree_size, 13);
}

#[tokio::test]
async fn the_signer_refuses_a_smaller_and_a_different_tree() {
    let rig = Rig::new().await;
    let key = format!("ledger/{}/checkpoint", rig.tenant());
    append(&rig, 0..3).await.unwrap();
    let old = rig.blobs.get(&key).await.unwrap().unwrap();
    append(&rig, 3..6).await.unwrap();
    let newest = rig.blobs.get(&key).await.unwrap().unwrap();

    // The database forgets three entries, as after a restore from an old backup, and goes on with others.
    let tenant = rig.tenant();
    let owner = sea_orm::Database::connect(rig.database.admin_url())
        .await
        .unwrap();
    use sea_orm::ConnectionTrait as _;
    for sql in [
        "delete from reporting.ledger_entries where sequence >= 3".to_owned(),
        "delete from reporting.ledger_checkpoints where size > 3".to_owned(),
        "update reporting.ledger_heads set next_sequence = 3, size = 3".to_owned(),
    ] {
        owner.execute_unprepared(&sql).await.unwrap();
    }
    restore_partial_tiles(&rig, &old, &newest).await;
    let refused = append(&rig, [100]).await;
    assert!(refused.is_err(), "a smaller tree was signed");
    for number in 101..106 {
        assert!(
            append(&rig, [number]).await.is_err(),
            "a different tree was signed"
        );
    }
    assert_eq!(
        rig.blobs.get(&key).await.unwrap().unwrap(),
        newest,
        "the last checkpoint stands"
    );
    assert_eq!(
        rig.api
            .ledger_checkpoint(&rig.ctx, CheckpointGet { tenant })
            .await
            .unwrap()
            .tree_size,
        3
    );

    rig.blobs.delete(&key).await.unwrap();
    assert!(
        append(&rig, [200]).await.is_err(),
        "a log without its last checkpoint was signed"
    );
}

/// The tiles of the old size were swept; the backup of the blobs has them.
async fn restore_partial_tiles(rig: &Rig, old: &[u8], newest: &[u8]) {
    assert_ne!(old, newest);
    let prefix = format!("ledger/{}/tile/0/000.p", rig.tenant());
    let tile = rig
        .blobs
        .get(&format!("{prefix}/6"))
        .await
        .unwrap()
        .unwrap();
    rig.blobs
        .put(&format!("{prefix}/3"), tile.slice(..96))
        .await
        .unwrap();
    assert_eq!(
        rig.blobs.list(&prefix).await.unwrap().len(),
        2,
        "replaced tiles are swept"
    );
}

#[tokio::test]
async fn a_document_that_is_not_what_the_event_says_releases_nothing() {
    let rig = Rig::new().await;
    let story = Story::new(&rig);
    let SchedulerEventV1::OrderSigned {
        deployment,
        wave,
        sequence,
        envelope,
        ..
    } = story.ordered()
    else {
        panic!()
    };
    let lie = SchedulerEventV1::OrderSigned {
        deployment,
        wave,
        sequence,
        order: Sha256::of(b"another"),
        envelope,
    };
    rig.neighbours
        .scheduler_event(rig.tenant(), rig.clock.now(), lie);
    rig.neighbours.scheduler_event(
        rig.tenant(),
        rig.clock.now(),
        story.changed(DeploymentStatus::Paused),
    );
    rig.service.run_once().await.unwrap();
    assert!(rig.told().await.is_empty());
    let list = LedgerList {
        page: PageRequest::largest(),
        actions: vec!["order.signed".into()],
        ..LedgerList::default()
    };
    let entry = rig
        .api
        .ledger_list(&rig.ctx, list)
        .await
        .unwrap()
        .into_nodes()
        .remove(0);
    assert_eq!(entry.document, None);
    assert!(entry.details["document_refused"].contains("another digest"));
}

#[tokio::test]
async fn the_background_work_releases_by_itself() {
    let rig = Rig::new().await;
    let story = Story::new(&rig);
    let stop = tokio_util::sync::CancellationToken::new();
    let service = rig.service.clone();
    let background = tokio::spawn({
        let stop = stop.clone();
        async move { service.run(stop).await }
    });
    story.tell(&rig);
    netpatch_testkit::poll_until(
        "both are released",
        std::time::Duration::from_secs(30),
        async || (rig.told().await.len() == 2).then_some(()),
    )
    .await;
    stop.cancel();
    background.await.unwrap();
}

#[tokio::test]
async fn a_log_of_several_tiles_is_proven_and_kept_in_bundles() {
    let rig = Rig::new().await;
    let (story, tenant) = (Story::new(&rig), rig.tenant());
    for batch in [300, 400] {
        for _ in 0..batch {
            let event = story.changed(DeploymentStatus::Paused);
            rig.neighbours
                .scheduler_event(tenant, rig.clock.now(), event);
        }
        rig.service.run_once().await.unwrap();
    }
    let head = rig
        .api
        .ledger_checkpoint(&rig.ctx, CheckpointGet { tenant })
        .await
        .unwrap();
    assert_eq!(head.tree_size, 700);
    let list = LedgerList {
        page: PageRequest::largest(),
        ..LedgerList::default()
    };
    let newest = rig
        .api
        .ledger_list(&rig.ctx, list)
        .await
        .unwrap()
        .into_nodes();
    for entry in [&newest[0], &newest[50], &newest[99]] {
        let request = LedgerProofGet {
            tenant,
            sequence: entry.sequence,
            tree_size: None,
        };
        let proof = rig.api.ledger_proof(&rig.ctx, request).await.unwrap();
        assert_eq!(proof.root_hash, head.root_hash);
        verify_inclusion(
            &entry.leaf_hash,
            entry.sequence,
            700,
            &proof.path,
            &head.root_hash,
        )
        .unwrap();
    }
    let first = LedgerProofGet {
        tenant,
        sequence: 0,
        tree_size: Some(300),
    };
    let first = rig.api.ledger_proof(&rig.ctx, first).await.unwrap();
    let grown = ConsistencyGet {
        tenant,
        from: 300,
        to: None,
    };
    let grown = rig.api.ledger_consistency(&rig.ctx, grown).await.unwrap();
    verify_consistency(300, 700, &grown.path, &first.root_hash, &head.root_hash).unwrap();

    let prefix = format!("ledger/{tenant}/tile");
    let kept = rig.blobs.list(&prefix).await.unwrap();
    let expected = [
        "0/000",
        "0/001",
        "0/002.p/188",
        "1/000.p/2",
        "entries/000",
        "entries/001",
        "entries/002.p/188",
    ];
    assert_eq!(kept, expected.map(|name| format!("{prefix}/{name}")));
    let bundle = rig
        .blobs
        .get(&format!("{prefix}/entries/002.p/188"))
        .await
        .unwrap()
        .unwrap();
    let length = usize::from(u16::from_be_bytes([bundle[0], bundle[1]]));
    assert_eq!(
        LedgerLeaf::parse(&bundle[2..2 + length]).unwrap().sequence,
        512
    );
}
