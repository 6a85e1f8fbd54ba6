use crate::world::{World, rule, spec};
use netpatch_inventory_api::Group;
use netpatch_policy_api::*;
use netpatch_proof::PublicKey;
use netpatch_protocol::{document, open_envelope};
use netpatch_types::*;
use prost::Message as _;
use std::time::Duration;

fn approve_security() -> Rule {
    Rule {
        classifications: vec![Classification::Security, Classification::Critical],
        ..rule("security by itself", Decision::Approve)
    }
}

#[tokio::test]
async fn a_rule_approves_and_the_signed_approval_is_usable_once_logged() {
    for world in [World::direct().await, World::remote().await] {
        let policy = world.policy("servers", vec![approve_security()]).await;
        let patch = world.offer("openssl", |_| {}, &["libssl3", "openssl"]);
        world.service.run_once(None).await.unwrap();
        let approval = world.the_approval().await;
        assert_eq!(
            (approval.status, approval.automatic, approval.logged),
            (ApprovalStatus::Approved, true, false)
        );
        assert_eq!(
            (approval.policy, approval.rule.as_deref()),
            (Some(policy.id), Some("security by itself"))
        );
        assert_eq!(approval.title, "openssl 2 for all hosts");
        let usable = world.usable(patch).await;
        assert!(
            usable.approved.is_empty() && usable.missing[0].reason.contains("ledger"),
            "{usable:?}"
        );

        world.settle().await;
        let usable = world.usable(patch).await;
        let [signed] = usable.approved.as_slice() else {
            panic!("{usable:?}")
        };
        let key = world
            .api
            .approval_key(&world.system(), ApprovalKeyGet {})
            .await
            .unwrap();
        let envelope = document::Envelope::decode(signed.envelope.as_slice()).unwrap();
        let opened: document::Approval = open_envelope(
            &envelope,
            &[PublicKey::ed25519(&key.public_key).unwrap()],
            1,
        )
        .unwrap();
        assert_eq!(opened.approval_id, approval.id.to_string());
        assert_eq!(opened.content_digest, signed.content_digest.0);
        assert_eq!(opened.patch_id, patch.public());
        assert_eq!(
            opened.decided_by,
            format!("rule:{}/security by itself", policy.id)
        );
        assert_eq!(
            opened.expires_at_ms,
            approval.expires_at.unwrap().timestamp_millis()
        );
    }
}

#[tokio::test]
async fn without_a_rule_a_person_must_decide_and_without_a_policy_nobody_is_asked() {
    let world = World::direct().await;
    let patch = world.offer(
        "nginx",
        |patch| patch.classification = Classification::Update,
        &["nginx"],
    );
    world.settle().await;
    assert!(world.approvals().await.is_empty());
    assert!(
        world.usable(patch).await.missing[0]
            .reason
            .contains("nobody has decided")
    );

    world.policy("servers", vec![approve_security()]).await;
    world.settle().await;
    let approval = world.the_approval().await;
    assert_eq!(
        (approval.status, approval.required),
        (ApprovalStatus::Awaiting, 1)
    );
    assert!(
        world
            .events()
            .await
            .contains(&PolicyEventV1::ApprovalRequested {
                approval: approval.id,
                subject: approval.subject,
                title: approval.title.clone()
            })
    );
    let missing = world.usable(patch).await.missing.remove(0);
    assert_eq!(
        (missing.approval, missing.reason.as_str()),
        (Some(approval.id), "the approval is awaiting")
    );
}

#[tokio::test]
async fn the_same_events_again_change_nothing() {
    let world = World::direct().await;
    world.policy("servers", vec![approve_security()]).await;
    let patch = world.offer("openssl", |_| {}, &["openssl"]);
    world.settle().await;
    let (approvals, events) = (world.approvals().await, world.events().await.len());
    for _ in 0..3 {
        world.offer_content(patch, &["openssl"]);
        world.settle().await;
    }
    assert_eq!(world.approvals().await, approvals);
    assert_eq!(world.events().await.len(), events);
}

#[tokio::test]
async fn other_content_needs_a_new_decision_and_less_does_not() {
    let world = World::direct().await;
    world
        .policy(
            "servers",
            vec![rule("people", Decision::RequireApprovals { count: 1 })],
        )
        .await;
    let patch = world.offer("openssl", |_| {}, &["libssl3", "openssl"]);
    world.settle().await;
    let first = world.the_approval().await;
    world.decide(2, first.id, Verdict::Approve).await.unwrap();
    world.settle().await;
    assert_eq!(world.usable(patch).await.approved[0].id, first.id);

    // One host is done: the rest needs less. The decision holds under a new signature.
    world.offer_content(patch, &["openssl"]);
    assert!(world.usable(patch).await.approved.is_empty());
    world.settle().await;
    let narrowed = world.the_approval().await;
    assert_ne!(narrowed.id, first.id);
    assert_eq!(
        narrowed.decisions,
        world
            .api
            .approval_get(&world.person(1), ApprovalGet { id: first.id })
            .await
            .unwrap()
            .decisions
    );
    assert_eq!(world.usable(patch).await.approved[0].id, narrowed.id);

    // Another package comes in: nobody approved that.
    world.offer_content(patch, &["openssl", "libfips"]);
    world.settle().await;
    let anew = world.the_approval().await;
    assert_eq!(anew.status, ApprovalStatus::Awaiting);
    assert!(world.usable(patch).await.approved.is_empty());
}

#[tokio::test]
async fn a_changed_rule_takes_back_what_it_approved() {
    let world = World::direct().await;
    let policy = world.policy("servers", vec![approve_security()]).await;
    let patch = world.offer("openssl", |_| {}, &["openssl"]);
    world.settle().await;
    assert_eq!(world.usable(patch).await.approved.len(), 1);
    let strict = spec(
        "servers",
        vec![rule("two people", Decision::RequireApprovals { count: 2 })],
    );
    world
        .api
        .policy_update(
            &world.person(1),
            PolicyUpdate {
                id: policy.id,
                if_match: Some(policy.etag),
                spec: strict,
            },
        )
        .await
        .unwrap();
    world.settle().await;
    let approval = world.the_approval().await;
    assert_eq!(
        (approval.status, approval.required),
        (ApprovalStatus::Awaiting, 2)
    );
    assert!(world.usable(patch).await.approved.is_empty());
}

#[tokio::test]
async fn the_block_list_wins_over_everything_and_back() {
    let world = World::direct().await;
    world.policy("servers", vec![approve_security()]).await;
    let patch = world.offer("openssl", |_| {}, &["libssl3", "openssl"]);
    world.settle().await;
    assert_eq!(world.usable(patch).await.approved.len(), 1);
    let block = |blocked| BlockSet {
        package: "libssl*".into(),
        reason: "breaks the till".into(),
        blocked,
    };
    let list = world
        .api
        .block_set(&world.person(1), block(true))
        .await
        .unwrap();
    assert_eq!(list.len(), 1);
    // At once, before any job ran.
    assert!(
        world.usable(patch).await.missing[0]
            .reason
            .contains("breaks the till")
    );
    world.settle().await;
    assert_eq!(world.approvals().await[0].status, ApprovalStatus::Expired);
    let error = world
        .api
        .approval_request(
            &world.person(1),
            ApprovalRequest {
                subject: Subject::Patch { patch, group: None },
                required: 1,
            },
        )
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidState);
    assert!(
        world
            .api
            .block_set(&world.person(1), block(false))
            .await
            .unwrap()
            .is_empty()
    );
    world.settle().await;
    assert_eq!(world.usable(patch).await.approved.len(), 1);
}

#[tokio::test]
async fn a_deferral_ends_when_its_time_is_over() {
    let world = World::direct().await;
    world
        .policy(
            "servers",
            vec![
                rule("a day later", Decision::Defer { seconds: 86_400 }),
                rule("then", Decision::Approve),
            ],
        )
        .await;
    let patch = world.offer("openssl", |_| {}, &["openssl"]);
    world.settle().await;
    let approval = world.the_approval().await;
    assert_eq!(
        (approval.status, approval.automatic),
        (ApprovalStatus::Deferred, true)
    );
    assert_eq!(
        approval.expires_at,
        Some(world.clock.now() + chrono::Duration::days(1))
    );
    world.clock.advance(Duration::from_secs(86_399));
    world.settle().await;
    assert_eq!(world.the_approval().await.id, approval.id);
    world.clock.advance(Duration::from_secs(1));
    world.settle().await;
    assert_eq!(world.the_approval().await.status, ApprovalStatus::Approved);
    assert_eq!(world.usable(patch).await.approved.len(), 1);
}

#[tokio::test]
async fn an_approval_ends_after_its_time_and_a_rule_gives_a_new_one() {
    let world = World::direct().await;
    world.policy("servers", vec![approve_security()]).await;
    let patch = world.offer("openssl", |_| {}, &["openssl"]);
    world.settle().await;
    let first = world.the_approval().await;
    world.clock.advance(Duration::from_secs(90 * 86_400));
    assert!(
        world.usable(patch).await.missing[0]
            .reason
            .contains("expired")
    );
    world.settle().await;
    assert_ne!(world.the_approval().await.id, first.id);
    assert_eq!(world.usable(patch).await.approved.len(), 1);
}

#[tokio::test]
async fn hosts_that_disagree_and_newer_patches_stand_in_the_way() {
    let world = World::direct().await;
    world.policy("servers", vec![approve_security()]).await;
    let patch = world.offer("openssl", |_| {}, &["openssl"]);
    world
        .facts
        .lock()
        .unwrap()
        .content
        .get_mut(&(world.tenant, patch))
        .unwrap()
        .disagreement = Some("openssl on web-1 and web-2".into());
    world.settle().await;
    assert!(world.approvals().await.is_empty());
    assert!(
        world.usable(patch).await.missing[0]
            .reason
            .contains("web-2")
    );
    let newer = PatchId::of("deb", "debian/bookworm/openssl/3");
    let old = world.offer(
        "nginx",
        |patch| patch.superseded_by = Some(newer),
        &["nginx"],
    );
    world.settle().await;
    assert!(
        world.usable(old).await.missing[0]
            .reason
            .contains("newer patch")
    );
}

#[tokio::test]
async fn evaluate_says_what_it_would_do_and_then_does_it() {
    let world = World::direct().await;
    let policy = world.policy("servers", vec![approve_security()]).await;
    world.offer("openssl", |_| {}, &["openssl"]);
    let ask = |dry_run| PolicyEvaluate {
        id: policy.id,
        dry_run,
    };
    let would = world
        .api
        .policy_evaluate(&world.person(1), ask(true))
        .await
        .unwrap();
    assert_eq!(would.len(), 1);
    assert!(world.approvals().await.is_empty());
    world
        .api
        .policy_evaluate(&world.person(1), ask(false))
        .await
        .unwrap();
    assert_eq!(world.the_approval().await.status, ApprovalStatus::Approved);
    assert!(
        world
            .api
            .policy_evaluate(&world.person(1), ask(false))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn explain_names_the_policy_and_the_rule() {
    let world = World::direct().await;
    let policy = world.policy("servers", vec![approve_security()]).await;
    let patch = world.offer("openssl", |_| {}, &["openssl"]);
    let host = world.host(7, vec![]);
    let said = world
        .api
        .policy_explain(&world.person(1), PolicyExplain { host, patch })
        .await
        .unwrap();
    assert_eq!(
        (said.policy, said.rule.as_deref(), said.decision),
        (
            Some(policy.id),
            Some("security by itself"),
            Decision::Approve
        )
    );
    assert!(
        said.sentence.contains("openssl 2 is approved"),
        "{}",
        said.sentence
    );
}

#[tokio::test]
async fn each_group_is_decided_by_its_own_policy_and_blocked_by_those_for_all() {
    let world = World::direct().await;
    let web = GroupId::new(world.clock.now());
    let group = Group {
        id: web,
        tenant: world.tenant,
        name: "web".into(),
        selector: Selector::default(),
    };
    world.facts.lock().unwrap().groups.push(group);
    let of_web = PolicySpec {
        group: Some(web),
        ..spec(
            "web",
            vec![rule("two people", Decision::RequireApprovals { count: 2 })],
        )
    };
    world
        .api
        .policy_create(&world.person(1), PolicyCreate { spec: of_web })
        .await
        .unwrap();
    let everywhere = vec![
        Rule {
            packages: vec!["linux".into()],
            ..rule("never", Decision::Block)
        },
        approve_security(),
    ];
    world.policy("all", everywhere).await;
    let openssl = world.offer("openssl", |_| {}, &["openssl"]);
    let linux = world.offer("linux", |_| {}, &["linux-image-amd64"]);
    world.settle().await;
    let mut found: Vec<_> = world
        .approvals()
        .await
        .into_iter()
        .map(|approval| (approval.title, approval.status, approval.required))
        .collect();
    found.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(
        found,
        [
            (
                "openssl 2 for all hosts".to_owned(),
                ApprovalStatus::Approved,
                0
            ),
            (
                "openssl 2 for group web".to_owned(),
                ApprovalStatus::Awaiting,
                2
            ),
        ]
    );
    // A question needs no right to write.
    let reader = RequestContext {
        write: None,
        ..world.person(1)
    };
    let ask = |group| ApprovalUsable {
        patches: vec![openssl, linux],
        group,
    };
    let everywhere = world.api.approval_usable(&reader, ask(None)).await.unwrap();
    assert_eq!(
        (everywhere.approved.len(), everywhere.approved[0].patch),
        (1, openssl)
    );
    let in_web = world
        .api
        .approval_usable(&reader, ask(Some(web)))
        .await
        .unwrap();
    assert!(in_web.approved.is_empty());
    let why = |patch| {
        in_web
            .missing
            .iter()
            .find(|missing| missing.patch == patch)
            .unwrap()
            .reason
            .clone()
    };
    assert_eq!(why(openssl), "the approval is awaiting");
    assert!(
        why(linux).contains("\"never\" of policy \"all\""),
        "{}",
        why(linux)
    );
}
