//! Another organization's id is indistinguishable from an unknown one, in every operation.

use crate::baseline;
use crate::exception;
use crate::world::{World, rule, spec};
use netpatch_policy_api::*;
use netpatch_storage::hole_test;
use netpatch_types::*;
use netpatch_window::WindowRule;
use std::collections::BTreeSet;

#[tokio::test]
async fn the_schema_has_no_holes() {
    let world = World::direct().await;
    assert_eq!(
        hole_test(world.test.database()).await.unwrap(),
        Vec::<String>::new()
    );
}

/// What one organization has.
struct Owned {
    policy: PolicyId,
    window: WindowId,
    approval: ApprovalId,
    patch: PatchId,
    host: HostId,
    baseline: BaselineId,
    exception: ExceptionId,
    group: GroupId,
}

async fn owner(world: &World) -> Owned {
    let policy = world
        .policy(
            "servers",
            vec![rule("people", Decision::RequireApprovals { count: 1 })],
        )
        .await
        .id;
    let window = world
        .api
        .window_create(&world.person(1), WindowCreate { spec: nightly() })
        .await
        .unwrap()
        .id;
    let patch = world.offer("openssl", |_| {}, &["openssl"]);
    let host = world.host(1, vec![]);
    let block = BlockSet {
        package: "nginx".into(),
        reason: "because".into(),
        blocked: true,
    };
    world.api.block_set(&world.person(1), block).await.unwrap();
    let scan = ScanScheduleSet {
        site: SiteId(uuid::Uuid::from_u128(99)),
        rule: Some(ScanRule {
            cron: "30 3 * * *".into(),
            jitter_seconds: 900,
        }),
    };
    let set = world.api.scan_schedule_set(&world.person(1), scan).await;
    set.unwrap();
    let strict = SiteWay {
        site: SiteId(uuid::Uuid::from_u128(99)),
        direct_allowed: false,
    };
    let set = world.api.site_way_set(&world.system(), strict).await;
    set.unwrap();
    let create = BaselineCreate {
        spec: baseline::spec("ours", true),
    };
    let baseline = world.api.baseline_create(&world.person(1), create).await;
    let group = netpatch_inventory_api::Group {
        id: GroupId::new(world.clock.now()),
        tenant: world.tenant,
        name: "ours".into(),
        selector: Selector::default(),
    };
    world.facts.lock().unwrap().groups.push(group.clone());
    world.settle().await;
    let approval = world.the_approval().await.id;
    let request = ExceptionRequest {
        spec: exception::spec(world, "late", 30),
        required: 1,
    };
    let exception = world.api.exception_request(&world.person(1), request).await;
    Owned {
        policy,
        window,
        approval,
        patch,
        host,
        baseline: baseline.unwrap().id,
        exception: exception.unwrap().id,
        group: group.id,
    }
}

fn nightly() -> WindowSpec {
    let rule = WindowRule {
        rrule: "FREQ=DAILY".into(),
        starts_at: "2026-01-01T22:00:00".parse().unwrap(),
        duration_s: 7200,
        offset_days: 0,
        time_zone: None,
    };
    WindowSpec {
        name: "nightly".into(),
        rule,
        blackout: false,
    }
}

#[tokio::test]
async fn every_operation_keeps_organizations_apart() {
    let world = World::direct().await;
    let owned = owner(&world).await;
    let stranger = TenantId::new(world.clock.now());
    let ctx = world.person_of(stranger, 50);
    let system = RequestContext::system(stranger, "test", world.clock.now());
    let api = &world.api;
    let mut tested = BTreeSet::new();
    // The same request with an id that nobody has must give the same answer.
    macro_rules! same_as_unknown {
        ($method:ident, $ctx:expr, $foreign:expr, $unknown:expr) => {{
            let foreign = api.$method($ctx, $foreign).await.unwrap_err();
            let unknown = api.$method($ctx, $unknown).await.unwrap_err();
            assert_eq!(foreign.code, ErrorCode::NotFound, stringify!($method));
            assert_eq!(foreign, unknown, stringify!($method));
            tested.insert(stringify!($method).to_owned());
        }};
    }
    macro_rules! sees_nothing {
        ($method:ident, $ctx:expr, $request:expr, |$answer:ident| $empty:expr) => {{
            let $answer = api.$method($ctx, $request).await.unwrap();
            assert!($empty, "{}: {:?}", stringify!($method), $answer);
            tested.insert(stringify!($method).to_owned());
        }};
    }
    let now = world.clock.now();
    let update = |id| PolicyUpdate {
        id,
        if_match: None,
        spec: spec("theirs", vec![]),
    };
    same_as_unknown!(
        policy_get,
        &ctx,
        PolicyGet { id: owned.policy },
        PolicyGet {
            id: PolicyId::new(now)
        }
    );
    same_as_unknown!(
        policy_update,
        &ctx,
        update(owned.policy),
        update(PolicyId::new(now))
    );
    let evaluate = |id| PolicyEvaluate { id, dry_run: false };
    same_as_unknown!(
        policy_evaluate,
        &ctx,
        evaluate(owned.policy),
        evaluate(PolicyId::new(now))
    );
    let explain = |host| PolicyExplain {
        host,
        patch: owned.patch,
    };
    same_as_unknown!(
        policy_explain,
        &ctx,
        explain(owned.host),
        explain(HostId::new(now))
    );
    let create = |windows| PolicyCreate {
        spec: PolicySpec {
            windows,
            ..spec("theirs", vec![])
        },
    };
    same_as_unknown!(
        policy_create,
        &ctx,
        create(vec![owned.window]),
        create(vec![WindowId::new(now)])
    );
    same_as_unknown!(
        window_get,
        &ctx,
        WindowGet { id: owned.window },
        WindowGet {
            id: WindowId::new(now)
        }
    );
    let update = |id| WindowUpdate {
        id,
        if_match: None,
        spec: nightly(),
    };
    same_as_unknown!(
        window_update,
        &ctx,
        update(owned.window),
        update(WindowId::new(now))
    );
    same_as_unknown!(
        approval_get,
        &ctx,
        ApprovalGet { id: owned.approval },
        ApprovalGet {
            id: ApprovalId::new(now)
        }
    );
    let decide = |id| ApprovalDecide {
        id,
        verdict: Verdict::Approve,
        reason: "because".into(),
    };
    same_as_unknown!(
        approval_decide,
        &ctx,
        decide(owned.approval),
        decide(ApprovalId::new(now))
    );
    let request = |patch| ApprovalRequest {
        subject: Subject::Patch { patch, group: None },
        required: 1,
    };
    same_as_unknown!(
        approval_request,
        &ctx,
        request(owned.patch),
        request(PatchId::of("deb", "unknown"))
    );
    let membership = |host| MembershipGet {
        host,
        held_version: 0,
    };
    same_as_unknown!(
        membership_get,
        &system,
        membership(owned.host),
        membership(HostId::new(now))
    );
    let theirs = MembershipList {
        held: vec![membership(owned.host)],
    };
    let none = api.membership_list(&system, theirs).await.unwrap();
    assert_eq!(none, []);
    tested.insert("membership_list".to_owned());
    let create = |group| BaselineCreate {
        spec: BaselineSpec {
            group: Some(group),
            ..baseline::spec("theirs", true)
        },
    };
    same_as_unknown!(
        baseline_create,
        &ctx,
        create(owned.group),
        create(GroupId::new(now))
    );
    same_as_unknown!(
        baseline_get,
        &ctx,
        BaselineGet { id: owned.baseline },
        BaselineGet {
            id: BaselineId::new(now)
        }
    );
    let update = |id| BaselineUpdate {
        id,
        if_match: None,
        spec: baseline::spec("theirs", false),
    };
    same_as_unknown!(
        baseline_update,
        &ctx,
        update(owned.baseline),
        update(BaselineId::new(now))
    );
    let archive = |id| BaselineArchive { id, if_match: None };
    same_as_unknown!(
        baseline_archive,
        &ctx,
        archive(owned.baseline),
        archive(BaselineId::new(now))
    );
    let all = BaselineList {
        archived: true,
        ..BaselineList::default()
    };
    sees_nothing!(baseline_list, &ctx, all, |page| page.rows.is_empty());
    same_as_unknown!(
        exception_get,
        &ctx,
        ExceptionGet {
            id: owned.exception
        },
        ExceptionGet {
            id: ExceptionId::new(now)
        }
    );
    same_as_unknown!(
        exception_end,
        &ctx,
        ExceptionEnd {
            id: owned.exception
        },
        ExceptionEnd {
            id: ExceptionId::new(now)
        }
    );
    let late = |group| {
        let mut spec = exception::spec(&world, "theirs", 30);
        spec.covers.group = Some(group);
        ExceptionRequest { spec, required: 1 }
    };
    same_as_unknown!(
        exception_request,
        &ctx,
        late(owned.group),
        late(GroupId::new(now))
    );
    sees_nothing!(exception_list, &ctx, ExceptionList::default(), |page| page
        .rows
        .is_empty());
    sees_nothing!(policy_list, &ctx, PolicyList::default(), |page| page
        .rows
        .is_empty());
    sees_nothing!(window_list, &ctx, WindowList::default(), |page| page
        .rows
        .is_empty());
    sees_nothing!(approval_list, &ctx, ApprovalList::default(), |page| page
        .rows
        .is_empty());
    let theirs = ApprovalList {
        tenant: Some(world.tenant),
        ..ApprovalList::default()
    };
    sees_nothing!(approval_list, &ctx, theirs, |page| page.rows.is_empty());
    let site = SiteId(uuid::Uuid::from_u128(99));
    let scans = ScanScheduleList { sites: vec![site] };
    sees_nothing!(scan_schedule_list, &ctx, scans.clone(), |list| list
        .is_empty());
    let set = ScanScheduleSet { site, rule: None };
    sees_nothing!(scan_schedule_set, &ctx, set, |now| now.is_none());
    let way = SiteWay {
        site,
        direct_allowed: true,
    };
    let refused = api.site_way_set(&ctx, way).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden);
    // The platform acting elsewhere changes nothing here, as is seen below.
    sees_nothing!(site_way_set, &system, way, |now| now == way);
    sees_nothing!(block_list, &ctx, BlockList {}, |list| list.is_empty());
    let block = BlockSet {
        package: "nginx".into(),
        reason: "because".into(),
        blocked: false,
    };
    sees_nothing!(block_set, &ctx, block, |list| list.is_empty());
    sees_nothing!(
        approval_usable,
        &system,
        ApprovalUsable {
            patches: vec![owned.patch],
            group: None
        },
        |usable| usable.approved.is_empty() && usable.missing[0].approval.is_none()
    );
    // A name taken by one organization is free for another.
    sees_nothing!(
        window_create,
        &ctx,
        WindowCreate { spec: nightly() },
        |window| window.tenant == stranger
    );
    let preview = WindowPreview {
        rule: nightly().rule,
        time_zone: "UTC".into(),
        from: None,
        count: 1,
    };
    sees_nothing!(window_preview, &ctx, preview, |next| next.len() == 1);
    let ours = api
        .approval_key(&world.system(), ApprovalKeyGet {})
        .await
        .unwrap();
    sees_nothing!(approval_key, &system, ApprovalKeyGet {}, |key| key != ours);
    // Events are for the platform only.
    assert_eq!(
        api.events(&ctx, EventsAfter::default())
            .await
            .unwrap_err()
            .code,
        ErrorCode::Forbidden
    );
    tested.insert("events".to_owned());

    // Nothing of the owner's changed, and no operation was forgotten.
    assert_eq!(
        api.policy_get(&world.person(1), PolicyGet { id: owned.policy })
            .await
            .unwrap()
            .spec
            .name,
        "servers"
    );
    assert_eq!(
        api.baseline_get(&world.person(1), BaselineGet { id: owned.baseline })
            .await
            .unwrap()
            .spec,
        baseline::spec("ours", true)
    );
    assert_eq!(
        api.block_list(&world.person(1), BlockList {})
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        api.scan_schedule_list(&world.person(1), scans)
            .await
            .unwrap()
            .len(),
        1
    );
    let document = crate::membership::held(&world, owned.host, 0).await;
    assert!(document.unwrap().direct_forbidden, "as its owner said");
    let statuses: Vec<_> = world
        .approvals()
        .await
        .into_iter()
        .map(|approval| approval.status)
        .collect();
    assert_eq!(statuses, [ApprovalStatus::Awaiting; 2]);
    assert_eq!(
        operations().difference(&tested).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}

#[tokio::test]
async fn a_partner_reads_several_organizations_and_writes_to_one() {
    let world = World::direct().await;
    let owned = owner(&world).await;
    let other = TenantId::new(world.clock.now());
    let mut partner = world.person_of(other, 60);
    partner.read.push(world.tenant);
    assert_eq!(
        world
            .api
            .policy_get(&partner, PolicyGet { id: owned.policy })
            .await
            .unwrap()
            .tenant,
        world.tenant
    );
    let update = PolicyUpdate {
        id: owned.policy,
        if_match: None,
        spec: spec("taken over", vec![]),
    };
    assert_eq!(
        world
            .api
            .policy_update(&partner, update)
            .await
            .unwrap_err()
            .code,
        ErrorCode::NotFound
    );
    let decide = ApprovalDecide {
        id: owned.approval,
        verdict: Verdict::Approve,
        reason: "because".into(),
    };
    assert_eq!(
        world
            .api
            .approval_decide(&partner, decide)
            .await
            .unwrap_err()
            .code,
        ErrorCode::NotFound
    );
    partner.write = None;
    let create = PolicyCreate {
        spec: spec("nowhere", vec![]),
    };
    assert_eq!(
        world
            .api
            .policy_create(&partner, create)
            .await
            .unwrap_err()
            .path,
        ["organizationId"]
    );
}

/// The operations of the contract, read from its text.
fn operations() -> BTreeSet<String> {
    let text = include_str!("../../api/src/lib.rs");
    let body = text.split_once("fn policy_router").unwrap().1;
    let found: BTreeSet<String> = body
        .lines()
        .map(str::trim)
        .filter(|line| line.ends_with(';') && line.contains(") -> "))
        .filter_map(|line| line.split_once('(').map(|(name, _)| name.to_owned()))
        .collect();
    assert!(found.len() >= 20, "{found:?}");
    found
}
