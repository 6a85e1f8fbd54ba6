//! Entries that the platform appends, many in one call: all or none, in order, once, and only within the limits.

use crate::documents::person;
use crate::ledger::killed_after;
use crate::rig::Rig;
use netpatch_policy_api::{PolicyEventV1, Subject};
use netpatch_reporting_api::{
    CheckpointGet, DeliveryList, LedgerAppend, LedgerEntry, LedgerList, MAX_APPEND, NewLedgerEntry,
    ReportingApi as _, WebhookCreate,
};
use netpatch_testkit::test_context;
use netpatch_types::{Clock as _, ErrorCode, PageRequest, RequestContext, Sha256};
use std::collections::BTreeMap;
use uuid::Uuid;

pub(crate) fn request(numbers: impl IntoIterator<Item = u128>) -> LedgerAppend {
    let at = netpatch_types::SystemClock::default().now();
    let entry = |number| NewLedgerEntry {
        event: Uuid::from_u128(number),
        at,
        action: "host.enrolled".into(),
        actor: test_context(at).actor,
        subject: format!("host:{number}"),
        details: BTreeMap::new(),
    };
    LedgerAppend {
        entries: numbers.into_iter().map(entry).collect(),
    }
}

/// The newest entries of an organization, oldest first.
pub(crate) async fn entries(rig: &Rig, ctx: &RequestContext) -> Vec<LedgerEntry> {
    let list = LedgerList {
        page: PageRequest::largest(),
        ..LedgerList::default()
    };
    let mut entries = rig.api.ledger_list(ctx, list).await.unwrap().into_nodes();
    entries.reverse();
    entries
}

async fn subjects(rig: &Rig, ctx: &RequestContext) -> Vec<String> {
    let entries = entries(rig, ctx).await;
    entries.into_iter().map(|entry| entry.subject).collect()
}

fn hosts(numbers: impl IntoIterator<Item = u128>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("host:{n}")).collect()
}

#[tokio::test]
async fn a_page_is_recorded_in_its_order_and_once_however_often_it_comes() {
    let rig = Rig::new().await;
    let append = async |numbers: &[u128]| {
        let request = request(numbers.iter().copied());
        rig.api.ledger_append(&rig.ctx, request).await.unwrap()
    };
    assert_eq!(append(&[]).await, [0; 0]);
    assert_eq!(append(&[9, 1, 5]).await, [0, 1, 2]);
    assert_eq!(append(&[9, 1, 5]).await, [0, 1, 2], "again");
    assert_eq!(append(&[5, 7, 9, 7, 2]).await, [2, 3, 0, 3, 4]);
    assert_eq!(subjects(&rig, &rig.ctx).await, hosts([9, 1, 5, 7, 2]));

    // Another organization's log is its own, with the same events.
    let other = test_context(rig.clock.now());
    let places = rig.api.ledger_append(&other, request([7, 1])).await;
    assert_eq!(places.unwrap(), [0, 1]);
    rig.service.run_once().await.unwrap();
    for (ctx, size) in [(&rig.ctx, 5), (&other, 2)] {
        let tenant = ctx.write.unwrap();
        let head = rig.api.ledger_checkpoint(ctx, CheckpointGet { tenant });
        assert_eq!(head.await.unwrap().tree_size, size);
    }
}

#[tokio::test]
async fn a_death_while_a_page_is_recorded_leaves_all_of_it_or_nothing() {
    let rig = Rig::new().await;
    let (mut page, mut unrecorded, mut recorded) = (0, 0, 0);
    for _ in 0..8 {
        for polls in 1.. {
            let numbers = page * 40..(page + 1) * 40;
            page += 1;
            let process = rig.another().await;
            let append = process.ledger_append(&rig.ctx, request(numbers.clone()));
            let is_dead = !killed_after(append, polls).await;
            let expected = hosts(numbers.clone());
            let mut found = subjects(&rig, &rig.ctx).await;
            found.retain(|subject| expected.contains(subject));
            if found.is_empty() {
                assert!(is_dead, "answered and not recorded");
                unrecorded += 1;
            } else {
                assert_eq!(found, expected);
                recorded += 1;
            }
            // What the gateway does without an answer.
            let again = rig.api.ledger_append(&rig.ctx, request(numbers)).await;
            let first = (page as u64 - 1) * 40;
            assert_eq!(again.unwrap(), (first..first + 40).collect::<Vec<_>>());
            if !is_dead {
                break;
            }
            assert!(polls < 1000);
        }
    }
    println!("{unrecorded} deaths before the commit, {recorded} pages recorded");
    assert!(unrecorded >= 8, "only {unrecorded} deaths");
    rig.service.run_once().await.unwrap();
    let tenant = rig.tenant();
    let head = rig
        .api
        .ledger_checkpoint(&rig.ctx, CheckpointGet { tenant });
    assert_eq!(head.await.unwrap().tree_size, page as u64 * 40);
}

#[tokio::test]
async fn too_many_and_too_large_entries_are_refused_with_their_whole_page() {
    let rig = Rig::new().await;
    let with = |change: fn(&mut NewLedgerEntry)| {
        let mut request = request(0..3);
        change(&mut request.entries[1]);
        request
    };
    let refused = [
        (
            request(0..=MAX_APPEND as u128),
            "501 entries; at most 500 at once, send the rest in another call",
        ),
        (
            with(|entry| entry.action.clear()),
            "action and subject have 1 to 200 characters",
        ),
        (
            with(|entry| entry.subject = "s".repeat(201)),
            "action and subject have 1 to 200 characters",
        ),
        (
            with(|entry| {
                entry.details.insert("text".into(), "d".repeat(16 * 1024));
            }),
            "details of 16388 bytes, at most 16384",
        ),
    ];
    for (request, expected) in refused {
        let error = rig.api.ledger_append(&rig.ctx, request).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::BadUserInput);
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(subjects(&rig, &rig.ctx).await, hosts([]));
    let most = request(0..MAX_APPEND as u128);
    let places = rig.api.ledger_append(&rig.ctx, most).await.unwrap();
    assert_eq!(places, (0..MAX_APPEND as u64).collect::<Vec<_>>());
}

/// In one page two organizations' events, and one between them that nobody can read.
#[tokio::test]
async fn an_unreadable_event_stops_the_stream_there_and_loses_nothing_before_it() {
    let rig = Rig::new().await;
    let (now, other) = (rig.clock.now(), test_context(rig.clock.now()));
    let (own, foreign) = (rig.tenant(), other.write.unwrap());
    let create = WebhookCreate {
        url: "http://127.0.0.1:9/".into(),
        events: Vec::new(),
    };
    let created = rig.api.webhook_create(&rig.ctx, create).await.unwrap();
    let changed = |tenant, number: u128| {
        let event = PolicyEventV1::PolicyChanged {
            policy: Uuid::from_u128(number).into(),
            name: number.to_string(),
            digest: Sha256([7; 32]),
            by: person(tenant),
        };
        rig.neighbours.policy_event(tenant, now, event);
    };
    let requested = || {
        let event = PolicyEventV1::ApprovalRequested {
            approval: Uuid::from_u128(3).into(),
            subject: Subject::Deployment {
                deployment: Uuid::from_u128(4).into(),
            },
            title: "all hosts".into(),
        };
        rig.neighbours.policy_event(own, now, event);
    };
    let names = async |ctx: &RequestContext| -> Vec<String> {
        let entries = entries(&rig, ctx).await;
        entries.iter().map(|e| e.details["name"].clone()).collect()
    };
    let deliveries = async || {
        let list = DeliveryList {
            webhook: created.webhook.id,
            page: PageRequest::largest(),
        };
        let page = rig.api.webhook_deliveries(&rig.ctx, list).await.unwrap();
        page.into_nodes().len()
    };
    changed(own, 1);
    changed(foreign, 2);
    requested();
    changed(own, 3);
    let bad = rig.neighbours.policy.push(own, now, &"of another version");
    changed(foreign, 4);
    changed(own, 5);
    requested();
    for _ in 0..2 {
        rig.service.run_once().await.unwrap_err();
        assert_eq!(names(&rig.ctx).await, ["1", "3"]);
        assert_eq!(names(&other).await, ["2"]);
        assert_eq!(deliveries().await, 1);
    }
    rig.neighbours.policy.forget(bad);
    rig.service.run_once().await.unwrap();
    assert_eq!(names(&rig.ctx).await, ["1", "3", "5"]);
    assert_eq!(names(&other).await, ["2", "4"]);
    assert_eq!(deliveries().await, 2);
}
