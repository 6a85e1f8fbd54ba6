//! Policies that deploy by themselves.

use crate::world::{World, change};
use netpatch_policy_api::{PolicyEventV1, Rollout};
use netpatch_scheduler_api::*;
use netpatch_types::*;
use uuid::Uuid;

async fn deployments(world: &World) -> Vec<Deployment> {
    let list = DeploymentList {
        page: PageRequest::largest(),
        ..DeploymentList::default()
    };
    world
        .api
        .deployment_list(&world.person(), list)
        .await
        .unwrap()
        .into_nodes()
}

fn automatic(world: &World, is_automatic: bool) {
    world.set_policy(Rollout::default(), |spec| spec.automatic = is_automatic);
    let event = PolicyEventV1::PolicyChanged {
        policy: world.policy,
        name: "servers".into(),
        digest: Sha256::default(),
        by: world.person().actor,
    };
    let now = world.clock.now();
    world
        .facts
        .lock()
        .unwrap()
        .tell_policy(world.tenant, now, event);
}

#[tokio::test]
async fn what_is_approved_is_deployed_once() {
    let world = World::direct().await;
    let waiting = world.offer("nginx");
    automatic(&world, true);
    for _ in 0..3 {
        world.settle().await;
        world.pass(61);
    }
    let made = deployments(&world).await;
    assert_eq!(made.len(), 1);
    assert_eq!(
        made[0].patches,
        [world.patch],
        "the other one waits for its approval"
    );
    assert_eq!(made[0].created_by.kind, ActorKind::System);
    assert_eq!(made[0].name, "servers: 1 patch");
    // Approved later: a deployment of its own.
    world.approve(waiting);
    world.settle().await;
    let made = deployments(&world).await;
    assert_eq!(made.len(), 2);
    assert_eq!(made[0].patches, [waiting]);
}

#[tokio::test]
async fn a_policy_that_is_not_automatic_deploys_nothing() {
    let world = World::direct().await;
    automatic(&world, false);
    world.settle().await;
    assert!(deployments(&world).await.is_empty());
    automatic(&world, true);
    automatic(&world, false);
    world.settle().await;
    world.pass(61);
    world.settle().await;
    assert!(deployments(&world).await.is_empty());
}

#[tokio::test]
async fn only_a_window_within_a_day_makes_a_deployment() {
    let world = World::direct().await;
    // Saturdays; it is Thursday noon.
    let saturdays = WindowId(Uuid::from_u128(600));
    world.window(saturdays, "FREQ=WEEKLY;BYDAY=SA", "2026-01-03T10:00:00");
    automatic(&world, true);
    world.settle().await;
    assert!(deployments(&world).await.is_empty());
    world.pass(86_400);
    world.settle().await;
    assert_eq!(deployments(&world).await.len(), 1);
}

#[tokio::test]
async fn what_a_person_cancelled_only_a_person_deploys_again() {
    let world = World::direct().await;
    automatic(&world, true);
    world.settle().await;
    let made = deployments(&world).await;
    world
        .api
        .deployment_cancel(&world.person(), change(made[0].id, "not this one"))
        .await
        .unwrap();
    world.pass(2 * 86_400);
    world.settle().await;
    assert_eq!(deployments(&world).await.len(), 1);
    world.deploy().await;
}
