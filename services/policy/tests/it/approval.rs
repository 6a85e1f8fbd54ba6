use crate::world::{World, rule};
use netpatch_policy_api::*;
use netpatch_types::*;

async fn waiting(count: u32) -> (World, PatchId, Approval) {
    let world = World::direct().await;
    world
        .policy(
            "servers",
            vec![rule("people", Decision::RequireApprovals { count })],
        )
        .await;
    let patch = world.offer("openssl", |_| {}, &["openssl"]);
    world.settle().await;
    let approval = world.the_approval().await;
    (world, patch, approval)
}

#[tokio::test]
async fn two_distinct_people_approve() {
    let (world, patch, approval) = waiting(2).await;
    let once = world
        .decide(2, approval.id, Verdict::Approve)
        .await
        .unwrap();
    assert_eq!(
        (once.status, once.decisions.len()),
        (ApprovalStatus::Awaiting, 1)
    );
    assert_eq!(
        world
            .decide(2, approval.id, Verdict::Approve)
            .await
            .unwrap_err()
            .code,
        ErrorCode::InvalidState
    );
    world.settle().await;
    assert!(world.usable(patch).await.approved.is_empty());
    let twice = world
        .decide(3, approval.id, Verdict::Approve)
        .await
        .unwrap();
    assert_eq!(twice.status, ApprovalStatus::Approved);
    world.settle().await;
    assert_eq!(world.usable(patch).await.approved[0].id, approval.id);
    let decided = world
        .events()
        .await
        .into_iter()
        .filter(|event| matches!(event, PolicyEventV1::ApprovalDecided { .. }))
        .count();
    assert_eq!(decided, 1);
}

#[tokio::test]
async fn whoever_asked_must_not_approve_even_when_the_question_stood_already() {
    let (world, patch, approval) = waiting(1).await;
    let ask = ApprovalRequest {
        subject: Subject::Patch { patch, group: None },
        required: 1,
    };
    let asked = world
        .api
        .approval_request(&world.person(5), ask)
        .await
        .unwrap();
    assert_eq!(asked.id, approval.id);
    assert_eq!(
        world
            .decide(5, approval.id, Verdict::Approve)
            .await
            .unwrap_err()
            .code,
        ErrorCode::SelfApproval
    );
    assert_eq!(
        world
            .decide(6, approval.id, Verdict::Approve)
            .await
            .unwrap()
            .status,
        ApprovalStatus::Approved
    );
}

#[tokio::test]
async fn programs_and_the_unentitled_never_approve() {
    let (world, _, approval) = waiting(1).await;
    let decide = ApprovalDecide {
        id: approval.id,
        verdict: Verdict::Approve,
        reason: "automation".into(),
    };
    let mut program = world.person(4);
    program.actor.kind = ActorKind::ApiClient;
    let mut unentitled = world.person(4);
    unentitled.permissions.remove(&Permission::Approve);
    let mut one_site = world.person(4);
    one_site.sites = Some(vec![]);
    for ctx in [program, unentitled, one_site, world.system()] {
        assert_eq!(
            world
                .api
                .approval_decide(&ctx, decide.clone())
                .await
                .unwrap_err()
                .code,
            ErrorCode::Forbidden,
            "{:?}",
            ctx.actor.kind
        );
    }
    assert_eq!(world.the_approval().await.status, ApprovalStatus::Awaiting);
}

#[tokio::test]
async fn a_yes_to_content_that_changed_meanwhile_is_refused() {
    let (world, patch, approval) = waiting(1).await;
    world.offer_content(patch, &["openssl", "libfips"]);
    let error = world
        .decide(2, approval.id, Verdict::Approve)
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidState);
    assert!(error.message.contains("changed"), "{error}");
    // The second look is at what is offered now.
    assert_eq!(
        world
            .decide(2, approval.id, Verdict::Approve)
            .await
            .unwrap()
            .status,
        ApprovalStatus::Approved
    );
    world.settle().await;
    assert_eq!(world.usable(patch).await.approved.len(), 1);
}

#[tokio::test]
async fn a_no_holds_until_somebody_asks_again() {
    let (world, patch, approval) = waiting(1).await;
    world
        .decide(2, approval.id, Verdict::Decline)
        .await
        .unwrap();
    world.settle().await;
    assert_eq!(world.the_approval().await.status, ApprovalStatus::Declined);
    assert!(
        world.usable(patch).await.missing[0]
            .reason
            .contains("declined")
    );
    let ask = ApprovalRequest {
        subject: Subject::Patch { patch, group: None },
        required: 1,
    };
    let again = world
        .api
        .approval_request(&world.person(5), ask)
        .await
        .unwrap();
    assert_eq!(again.status, ApprovalStatus::Awaiting);
    assert_ne!(again.id, approval.id);
    let statuses: Vec<_> = world
        .approvals()
        .await
        .iter()
        .map(|approval| approval.status)
        .collect();
    assert_eq!(
        statuses,
        [ApprovalStatus::Awaiting, ApprovalStatus::Declined]
    );
}

#[tokio::test]
async fn a_ban_is_for_every_group_and_forever() {
    let (world, patch, approval) = waiting(1).await;
    world.decide(2, approval.id, Verdict::Ban).await.unwrap();
    world.settle().await;
    world.offer_content(patch, &["openssl", "libssl3"]);
    world.settle().await;
    assert_eq!(world.the_approval().await.status, ApprovalStatus::Banned);
    let ask = ApprovalRequest {
        subject: Subject::Patch { patch, group: None },
        required: 1,
    };
    assert_eq!(
        world
            .api
            .approval_request(&world.person(5), ask)
            .await
            .unwrap_err()
            .code,
        ErrorCode::InvalidState
    );
    assert!(
        world.usable(patch).await.missing[0]
            .reason
            .contains("banned")
    );
}

#[tokio::test]
async fn a_yes_can_be_withdrawn() {
    let (world, patch, approval) = waiting(1).await;
    world
        .decide(2, approval.id, Verdict::Approve)
        .await
        .unwrap();
    world.settle().await;
    assert_eq!(world.usable(patch).await.approved.len(), 1);
    world
        .decide(3, approval.id, Verdict::Decline)
        .await
        .unwrap();
    assert!(world.usable(patch).await.approved.is_empty());
}

#[tokio::test]
async fn going_on_with_a_halted_deployment_is_asked_each_time() {
    let world = World::direct().await;
    let subject = Subject::Deployment {
        deployment: DeploymentId::new(world.clock.now()),
    };
    let ask = ApprovalRequest {
        subject,
        required: 1,
    };
    let first = world
        .api
        .approval_request(&world.person(1), ask)
        .await
        .unwrap();
    assert_eq!(
        world
            .api
            .approval_request(&world.person(2), ask)
            .await
            .unwrap()
            .id,
        first.id
    );
    assert_eq!(
        world
            .decide(1, first.id, Verdict::Approve)
            .await
            .unwrap_err()
            .code,
        ErrorCode::SelfApproval
    );
    world.decide(2, first.id, Verdict::Approve).await.unwrap();
    let second = world
        .api
        .approval_request(&world.person(1), ask)
        .await
        .unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(second.status, ApprovalStatus::Awaiting);
}

#[tokio::test]
async fn the_list_is_paged_with_what_waits_first() {
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
    for name in ["a1", "b1", "a2", "b2", "b3"] {
        world.offer(name, |_| {}, &[name]);
    }
    world.settle().await;
    let (mut page, mut seen) = (
        PageRequest {
            first: 2,
            after: None,
        },
        Vec::new(),
    );
    loop {
        let found = world
            .api
            .approval_list(
                &world.person(1),
                ApprovalList {
                    page: page.clone(),
                    ..ApprovalList::default()
                },
            )
            .await
            .unwrap();
        page.after = found.rows.last().map(|row| row.cursor.clone());
        let more = found.has_next;
        seen.extend(found.into_nodes());
        if !more {
            break;
        }
    }
    let statuses: Vec<_> = seen
        .iter()
        .map(|approval| approval.status == ApprovalStatus::Awaiting)
        .collect();
    assert_eq!(statuses, [true, true, true, false, false]);
    let wanted = ApprovalList {
        page: PageRequest::largest(),
        statuses: vec![ApprovalStatus::Approved],
        ..ApprovalList::default()
    };
    assert_eq!(
        world
            .api
            .approval_list(&world.person(1), wanted)
            .await
            .unwrap()
            .rows
            .len(),
        2
    );
    let broken = ApprovalList {
        page: PageRequest {
            first: 2,
            after: Some("x".into()),
        },
        ..ApprovalList::default()
    };
    assert_eq!(
        world
            .api
            .approval_list(&world.person(1), broken)
            .await
            .unwrap_err()
            .code,
        ErrorCode::BadUserInput
    );
}
