use crate::world::{World, rule, spec};
use netpatch_inventory_api::Group;
use netpatch_policy_api::*;
use netpatch_types::*;
use netpatch_window::WindowRule;

#[tokio::test]
async fn a_change_needs_the_etag_that_was_read() {
    let world = World::direct().await;
    let policy = world.policy("servers", vec![]).await;
    let change = |if_match: Option<&str>, name: &str| PolicyUpdate {
        id: policy.id,
        if_match: if_match.map(Into::into),
        spec: spec(name, vec![]),
    };
    let changed = world
        .api
        .policy_update(&world.person(1), change(Some(&policy.etag), "web servers"))
        .await
        .unwrap();
    assert_ne!(changed.etag, policy.etag);
    let error = world
        .api
        .policy_update(&world.person(1), change(Some(&policy.etag), "mail servers"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code, error.detail),
        (ErrorCode::Conflict, Some(changed.etag.clone()))
    );
    assert_eq!(
        world
            .api
            .policy_get(&world.person(1), PolicyGet { id: policy.id })
            .await
            .unwrap(),
        changed
    );
    let events: Vec<_> = world
        .events()
        .await
        .into_iter()
        .filter(|event| matches!(event, PolicyEventV1::PolicyChanged { .. }))
        .collect();
    assert_eq!(events.len(), 2, "{events:?}");
}

#[tokio::test]
async fn mistakes_are_named_by_field() {
    let world = World::direct().await;
    world.policy("servers", vec![]).await;
    let blackout = WindowSpec {
        name: "christmas".into(),
        rule: WindowRule {
            rrule: "FREQ=YEARLY".into(),
            starts_at: "2026-12-24T00:00:00".parse().unwrap(),
            duration_s: 3 * 86_400,
            offset_days: 0,
            time_zone: None,
        },
        blackout: true,
    };
    let blackout = world
        .api
        .window_create(&world.person(1), WindowCreate { spec: blackout })
        .await
        .unwrap();
    let refused = async |spec: PolicySpec| {
        world
            .api
            .policy_create(&world.person(1), PolicyCreate { spec })
            .await
            .unwrap_err()
    };
    assert_eq!(refused(spec("servers", vec![])).await.path, ["name"]);
    assert_eq!(refused(spec("", vec![])).await.path, ["name"]);
    assert_eq!(
        refused(spec(
            "x",
            vec![rule("a", Decision::Block), rule("a", Decision::Block)]
        ))
        .await
        .path,
        ["rules", "1", "name"]
    );
    assert_eq!(
        refused(PolicySpec {
            windows: vec![blackout.id],
            ..spec("x", vec![])
        })
        .await
        .path,
        ["windows"]
    );
    let unknown = WindowId::new(world.clock.now());
    assert_eq!(
        refused(PolicySpec {
            windows: vec![unknown],
            ..spec("x", vec![])
        })
        .await
        .code,
        ErrorCode::NotFound
    );
    let group = GroupId::new(world.clock.now());
    assert_eq!(
        refused(PolicySpec {
            group: Some(group),
            ..spec("x", vec![])
        })
        .await
        .code,
        ErrorCode::NotFound
    );
    world.facts.lock().unwrap().groups.push(Group {
        id: group,
        tenant: world.tenant,
        name: "web".into(),
        selector: Selector::default(),
    });
    world
        .api
        .policy_create(
            &world.person(1),
            PolicyCreate {
                spec: PolicySpec {
                    group: Some(group),
                    ..spec("x", vec![])
                },
            },
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn writing_needs_the_right_over_the_whole_organization() {
    let world = World::direct().await;
    let create = PolicyCreate {
        spec: spec("servers", vec![]),
    };
    let mut reader = world.person(1);
    reader.permissions = [Permission::Read].into();
    let mut one_site = world.person(1);
    one_site.sites = Some(vec![SiteId::new(world.clock.now())]);
    for ctx in [reader, one_site] {
        assert_eq!(
            world
                .api
                .policy_create(&ctx, create.clone())
                .await
                .unwrap_err()
                .code,
            ErrorCode::Forbidden
        );
        let block = BlockSet {
            package: "nginx".into(),
            reason: "because".into(),
            blocked: true,
        };
        assert_eq!(
            world.api.block_set(&ctx, block).await.unwrap_err().code,
            ErrorCode::Forbidden
        );
    }
}

#[tokio::test]
async fn the_list_is_in_order_of_name_and_paged() {
    let world = World::direct().await;
    for name in ["c", "a", "d", "b"] {
        world.policy(name, vec![]).await;
    }
    let (mut page, mut names) = (
        PageRequest {
            first: 3,
            after: None,
        },
        Vec::new(),
    );
    loop {
        let found = world
            .api
            .policy_list(&world.person(1), PolicyList { page: page.clone() })
            .await
            .unwrap();
        page.after = found.rows.last().map(|row| row.cursor.clone());
        let more = found.has_next;
        names.extend(
            found
                .into_nodes()
                .into_iter()
                .map(|policy| policy.spec.name),
        );
        if !more {
            break;
        }
    }
    assert_eq!(names, ["a", "b", "c", "d"]);
}
