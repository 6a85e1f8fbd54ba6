//! People and policy stop deployments, and go on.

use crate::world::{World, change};
use netpatch_policy_api::{ApprovalStatus, PolicyEventV1, Rollout, Subject};
use netpatch_scheduler_api::*;
use netpatch_types::*;

#[tokio::test]
async fn a_pause_holds_orders_back_and_a_resume_gives_them_out() {
    let world = World::direct().await;
    let id = world.deploy().await.id;
    world.settle().await;
    let host = world.ordered().await[0];
    let person = world.person();
    let paused = world
        .api
        .deployment_pause(&person, change(id, ""))
        .await
        .unwrap();
    assert_eq!(paused.status, DeploymentStatus::Paused);
    assert!(world.ordered().await.is_empty());
    let stale = DeploymentChange {
        if_match: Some("1".into()),
        ..change(id, "")
    };
    let error = world
        .api
        .deployment_resume(&person, stale)
        .await
        .unwrap_err();
    assert_eq!(
        (error.code, error.detail),
        (ErrorCode::Conflict, Some(paused.etag.clone()))
    );
    let fresh = DeploymentChange {
        if_match: Some(paused.etag),
        ..change(id, "")
    };
    world.api.deployment_resume(&person, fresh).await.unwrap();
    assert_eq!(world.ordered().await, [host]);
    assert_eq!(world.order(host).await.1.sequence, 1, "the same order");
}

#[tokio::test]
async fn after_a_halt_only_a_new_approval_and_a_new_sequence_go_on() {
    let world = World::direct().await;
    let id = world.deploy().await.id;
    world.settle().await;
    let host = world.ordered().await[0];
    world
        .ran(
            host,
            &[
                RunStatus::Accepted,
                RunStatus::Installing,
                RunStatus::Failed,
            ],
        )
        .await;
    world.settle().await;
    let person = world.person();
    let asked = world
        .api
        .deployment_resume(&person, change(id, "fixed"))
        .await;
    let asked = asked.unwrap_err();
    assert_eq!(asked.code, ErrorCode::ApprovalRequired);
    let waiting = world.get(id).await;
    assert_eq!(waiting.status, DeploymentStatus::AwaitingApproval);
    let first = waiting.approval.unwrap();
    assert_eq!(asked.detail, Some(first.public(world.tenant)));
    // Not yet; then declined, which asks anew; then approved, but not logged.
    let again = async || {
        world
            .api
            .deployment_resume(&person, change(id, "fixed"))
            .await
    };
    assert_eq!(again().await.unwrap_err().code, ErrorCode::ApprovalRequired);
    assert_eq!(world.get(id).await.approval, Some(first));
    let decide = |approval: ApprovalId, status, logged| {
        let mut facts = world.facts.lock().unwrap();
        let approval = facts.approvals.get_mut(&approval).unwrap();
        (approval.status, approval.logged) = (status, logged);
    };
    decide(first, ApprovalStatus::Declined, true);
    world.pass(1);
    assert_eq!(again().await.unwrap_err().code, ErrorCode::ApprovalRequired);
    let second = world.get(id).await.approval.unwrap();
    assert_ne!(second, first);
    decide(second, ApprovalStatus::Approved, false);
    assert_eq!(again().await.unwrap_err().code, ErrorCode::ApprovalRequired);
    decide(second, ApprovalStatus::Approved, true);
    // What was withdrawn meanwhile does not go on.
    let approved = world
        .facts
        .lock()
        .unwrap()
        .approved
        .remove(&world.patch)
        .unwrap();
    assert_eq!(again().await.unwrap_err().code, ErrorCode::InvalidState);
    world
        .facts
        .lock()
        .unwrap()
        .approved
        .insert(world.patch, approved);
    let resumed = again().await.unwrap();
    assert_eq!(
        (resumed.status, resumed.approval),
        (DeploymentStatus::Running, None)
    );
    world.settle().await;
    assert_eq!(world.ordered().await, [host]);
    let (_, order) = world.order(host).await;
    assert_eq!(order.sequence, 2);
    let counts = world.waves(id).await[0].counts;
    assert_eq!(
        (counts.failed, counts.pending),
        (0, 1),
        "the run before the halt counts no more"
    );
    world.succeeds(host).await;
    world.settle().await;
    assert_eq!(world.wave_words(id).await[0], WaveStatus::Passed);
}

#[tokio::test]
async fn a_cancelled_deployment_is_over() {
    let world = World::direct().await;
    let id = world.deploy().await.id;
    world.settle().await;
    let person = world.person();
    let short = world.api.deployment_cancel(&person, change(id, "x")).await;
    assert_eq!(short.unwrap_err().path, ["reason"]);
    let cancelled = world
        .api
        .deployment_cancel(&person, change(id, "wrong patches"))
        .await
        .unwrap();
    assert_eq!(cancelled.status, DeploymentStatus::Cancelled);
    assert!(cancelled.ended_at.is_some());
    assert!(world.ordered().await.is_empty());
    assert_eq!(
        world.documents(world.hosts[0], vec![]).await.len(),
        1,
        "the halt"
    );
    for again in [
        world
            .api
            .deployment_resume(&person, change(id, "oh no"))
            .await,
        world
            .api
            .deployment_halt(&person, change(id, "oh no"))
            .await,
        world
            .api
            .deployment_cancel(&person, change(id, "oh no"))
            .await,
    ] {
        assert_eq!(again.unwrap_err().code, ErrorCode::InvalidState);
    }
    // A run that ended before the halt arrived still tells its story.
    world.settle().await;
    assert_eq!(world.get(id).await.status, DeploymentStatus::Cancelled);
}

#[tokio::test]
async fn what_policy_withdraws_is_halted() {
    let world = World::direct().await;
    world.one_wave(Rollout::default());
    let tell = |at, status, patch| {
        let event = PolicyEventV1::ApprovalDecided {
            approval: ApprovalId::new(at),
            subject: Subject::Patch { patch, group: None },
            status,
            automatic: false,
            by: world.person().actor,
            reason: "breaks boot".into(),
            content_digest: None,
            envelope: None,
        };
        world
            .facts
            .lock()
            .unwrap()
            .tell_policy(world.tenant, at, event);
    };
    let before = world.clock.now();
    world.pass(10);
    let id = world.deploy().await.id;
    world.settle().await;
    world.pass(10);
    let now = world.clock.now();
    // Decided before it was made; about another patch; a yes.
    tell(before, ApprovalStatus::Expired, world.patch);
    tell(now, ApprovalStatus::Declined, PatchId::of("deb", "other"));
    tell(now, ApprovalStatus::Approved, world.patch);
    world.settle().await;
    assert_eq!(world.get(id).await.status, DeploymentStatus::Running);
    tell(now, ApprovalStatus::Banned, world.patch);
    world.settle().await;
    let halted = world.get(id).await;
    assert_eq!(halted.status, DeploymentStatus::Halted);
    assert_eq!(
        halted.reason,
        format!("patch {} is banned: breaks boot", world.patch.public())
    );
    assert_eq!(world.documents(world.hosts[0], vec![]).await.len(), 1);
}
