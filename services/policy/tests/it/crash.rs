//! Killed at any point, the work is done again and comes out the same.

use crate::world::{World, rule};
use netpatch_policy_api::*;
use netpatch_testkit::poll_until;
use netpatch_types::{Clock, SiteId};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use tokio_util::sync::CancellationToken;

/// Polls so often, then drops the future wherever it stands; whether it ended.
async fn killed_after<T>(polls: usize, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut left) = (pin!(work), polls);
    std::future::poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

#[tokio::test]
async fn killed_at_every_point_each_subject_is_decided_once() {
    let world = World::direct().await;
    world
        .policy(
            "servers",
            vec![Rule {
                packages: vec!["a*".into()],
                ..rule("a", Decision::Approve)
            }],
        )
        .await;
    for name in ["a1", "a2", "b1", "b2"] {
        world.offer(name, |_| {}, &[name]);
    }
    let host = world.host(1, vec![]);
    world.tell(
        world.tenant,
        netpatch_inventory_api::InventoryEventV1::HostRegistered {
            host,
            site: SiteId::new(world.clock.now()),
        },
    );
    let mut kills = 0;
    // A little further each time, so that every step is interrupted at some time.
    let mut polls = 1;
    while killed_after(polls, world.service.run_once(None))
        .await
        .is_none()
    {
        kills += 1;
        polls += 1;
    }
    world.settle().await;
    assert!(kills > 20, "only {kills} kills");
    let approvals = world.approvals().await;
    let by_status = |status| {
        approvals
            .iter()
            .filter(|approval| approval.status == status)
            .count()
    };
    assert_eq!(
        (
            approvals.len(),
            by_status(ApprovalStatus::Approved),
            by_status(ApprovalStatus::Awaiting)
        ),
        (4, 2, 2)
    );
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for event in world.events().await {
        let key = match event {
            PolicyEventV1::ApprovalDecided { approval, .. }
            | PolicyEventV1::ApprovalRequested { approval, .. } => approval.to_string(),
            PolicyEventV1::MembershipChanged { host, version } => format!("{host} {version}"),
            PolicyEventV1::PolicyChanged { .. }
            | PolicyEventV1::WindowChanged { .. }
            | PolicyEventV1::BaselineChanged { .. }
            | PolicyEventV1::ExceptionChanged { .. } => continue,
        };
        *told.entry(key).or_default() += 1;
    }
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told.values().all(|times| *times == 1), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn done_by_several_at_once_each_subject_is_decided_once() {
    let world = World::direct().await;
    world
        .policy(
            "servers",
            vec![rule("all", Decision::RequireApprovals { count: 3 })],
        )
        .await;
    for name in ["a1", "a2", "b1", "b2"] {
        world.offer(name, |_| {}, &[name]);
    }
    let jobs: Vec<_> = (0..4)
        .map(|_| {
            let service = world.service.clone();
            tokio::spawn(async move { service.run_once(None).await })
        })
        .collect();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    let approvals = world.approvals().await;
    assert_eq!(approvals.len(), 4, "{approvals:#?}");

    // Three people at once, one of them twice: exactly three votes count.
    let id = approvals[0].id;
    let votes: Vec<_> = [2, 3, 4, 4]
        .into_iter()
        .map(|number| {
            let (api, ctx) = (world.api.clone(), world.person(number));
            let decide = ApprovalDecide {
                id,
                verdict: Verdict::Approve,
                reason: "seen".into(),
            };
            tokio::spawn(async move { api.approval_decide(&ctx, decide).await.is_ok() })
        })
        .collect();
    let mut counted = 0;
    for vote in votes {
        counted += usize::from(vote.await.unwrap());
    }
    assert_eq!(counted, 3);
    let decided = world
        .api
        .approval_get(&world.person(1), ApprovalGet { id })
        .await
        .unwrap();
    assert_eq!(
        (decided.status, decided.decisions.len()),
        (ApprovalStatus::Approved, 3)
    );
}

#[tokio::test]
async fn the_jobs_follow_events_and_end_when_told() {
    let world = World::direct().await;
    world
        .policy("servers", vec![rule("all", Decision::Approve)])
        .await;
    let stop = CancellationToken::new();
    let (service, reporting, told) = (world.service.clone(), world.reporting.clone(), stop.clone());
    let running = tokio::spawn(async move { service.run(reporting, told).await });
    let patch = world.offer("openssl", |_| {}, &["openssl"]);
    let patience = std::time::Duration::from_secs(20);
    poll_until("a rule approves", patience, async || {
        (!world.approvals().await.is_empty()).then_some(())
    })
    .await;
    world.log_approvals().await;
    poll_until("the approval is usable", patience, async || {
        world.usable(patch).await.approved.pop()
    })
    .await;
    stop.cancel();
    running.await.unwrap();
}
