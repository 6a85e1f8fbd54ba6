use crate::world::{World, spec};
use netpatch_policy_api::*;
use netpatch_types::*;
use netpatch_window::{Tz, WindowRule};

fn window(name: &str, rrule: &str) -> WindowSpec {
    let rule = WindowRule {
        rrule: rrule.into(),
        starts_at: "2026-01-01T22:00:00".parse().unwrap(),
        duration_s: 7200,
        offset_days: 0,
        time_zone: None,
    };
    WindowSpec {
        name: name.into(),
        rule,
        blackout: false,
    }
}

#[tokio::test]
async fn a_window_is_kept_changed_and_previewed() {
    let world = World::direct().await;
    let ctx = world.person(1);
    let created = world
        .api
        .window_create(
            &ctx,
            WindowCreate {
                spec: window("nightly", "FREQ=DAILY"),
            },
        )
        .await
        .unwrap();
    let spec = WindowSpec {
        rule: WindowRule {
            offset_days: 2,
            time_zone: Some(Tz::Europe__Berlin),
            ..window("", "FREQ=MONTHLY;BYDAY=3TU").rule
        },
        ..window("patch thursday", "")
    };
    let update = WindowUpdate {
        id: created.id,
        if_match: Some(created.etag.clone()),
        spec: spec.clone(),
    };
    let changed = world.api.window_update(&ctx, update.clone()).await.unwrap();
    assert_eq!(changed.spec, spec);
    let stale = WindowUpdate {
        spec: window("other", "FREQ=DAILY"),
        ..update
    };
    assert_eq!(
        world.api.window_update(&ctx, stale).await.unwrap_err().code,
        ErrorCode::Conflict
    );
    assert_eq!(
        world
            .api
            .window_get(&ctx, WindowGet { id: created.id })
            .await
            .unwrap(),
        changed
    );
    let preview = WindowPreview {
        rule: spec.rule,
        time_zone: "UTC".into(),
        from: None,
        count: 2,
    };
    let next = world.api.window_preview(&ctx, preview).await.unwrap();
    // The third Tuesdays of 2026: 20 January, 17 February; 22:00 in Berlin is 21:00 UTC.
    let starts: Vec<_> = next.iter().map(|one| one.start.to_rfc3339()).collect();
    assert_eq!(
        starts,
        ["2026-01-22T21:00:00+00:00", "2026-02-19T21:00:00+00:00"]
    );
    assert!(world.events().await.iter().any(|event| matches!(event, PolicyEventV1::WindowChanged { window, .. } if *window == created.id)));
}

#[tokio::test]
async fn a_wrong_rule_is_refused_with_its_field_and_remedy() {
    let world = World::direct().await;
    let ctx = world.person(1);
    for (rrule, says) in [
        ("FREQ=SECONDLY", "DAILY"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "no calendar"),
        ("nonsense", "NAME=VALUE"),
    ] {
        let error = world
            .api
            .window_create(
                &ctx,
                WindowCreate {
                    spec: window("x", rrule),
                },
            )
            .await
            .unwrap_err();
        assert_eq!(
            (error.code, error.path.as_slice()),
            (ErrorCode::BadUserInput, ["rrule".to_owned()].as_slice())
        );
        assert!(error.message.contains(says), "{error}");
    }
    let preview = WindowPreview {
        rule: window("x", "FREQ=DAILY").rule,
        time_zone: "Mars/Olympus".into(),
        from: None,
        count: 1,
    };
    assert_eq!(
        world
            .api
            .window_preview(&ctx, preview)
            .await
            .unwrap_err()
            .path,
        ["timeZone"]
    );
}

#[tokio::test]
async fn a_window_in_use_does_not_turn_into_its_opposite() {
    let world = World::direct().await;
    let ctx = world.person(1);
    let created = world
        .api
        .window_create(
            &ctx,
            WindowCreate {
                spec: window("nightly", "FREQ=DAILY"),
            },
        )
        .await
        .unwrap();
    let policy = PolicySpec {
        windows: vec![created.id],
        ..spec("servers", vec![])
    };
    world
        .api
        .policy_create(&ctx, PolicyCreate { spec: policy })
        .await
        .unwrap();
    let update = WindowUpdate {
        id: created.id,
        if_match: None,
        spec: WindowSpec {
            blackout: true,
            ..created.spec
        },
    };
    let error = world.api.window_update(&ctx, update).await.unwrap_err();
    assert_eq!(error.path, ["blackout"]);
    assert!(error.message.contains("servers"), "{error}");
    world
        .api
        .window_create(
            &ctx,
            WindowCreate {
                spec: WindowSpec {
                    blackout: true,
                    ..window("freeze", "FREQ=YEARLY")
                },
            },
        )
        .await
        .unwrap();
    let blackouts = world
        .api
        .window_list(
            &ctx,
            WindowList {
                page: PageRequest::largest(),
                blackout: Some(true),
            },
        )
        .await
        .unwrap()
        .into_nodes();
    assert_eq!(
        blackouts
            .iter()
            .map(|window| window.spec.name.as_str())
            .collect::<Vec<_>>(),
        ["freeze"]
    );
}
