//! Killed at any point, the work is done again and comes out the same.

use crate::world::{World, rule};
use netpatch_policy_api::*;
use netpatch_types::{Clock, SiteId};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

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
            PolicyEventV1::PolicyChanged { .. } | PolicyEventV1::WindowChanged { .. } => continue,
        };
        *told.entry(key).or_default() += 1;
    }
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told.values().all(|times| *times == 1), "{told:?}");
}
