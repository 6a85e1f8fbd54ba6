//! What happens in identity reaches the ledger.

use crate::world::World;
use netpatch_auth::Role;
use netpatch_testkit::poll_until;
use std::time::Duration;

#[tokio::test]
async fn identity_events_are_appended_in_order_and_once_after_a_restart() {
    let world = World::new().await;
    world.bearer(world.own, Role::Owner).await;
    world.database.settle("identity").await;
    let run = || {
        tokio::spawn(netpatch_gateway::ledger::run(
            world.state.apis().clone(),
            world.stop.clone(),
        ))
    };
    let task = run();
    let appended = || {
        let calls = world
            .script
            .calls()
            .into_iter()
            .filter(|call| call.method == "ledger_append" && call.ctx.write == Some(world.own));
        calls.collect::<Vec<_>>()
    };
    let calls = poll_until(
        "the sign-in in the ledger",
        Duration::from_secs(20),
        async || {
            let calls = appended();
            calls
                .iter()
                .any(|call| call.body["action"] == "user.signed_in")
                .then_some(calls)
        },
    )
    .await;
    let actions: Vec<&str> = calls
        .iter()
        .map(|call| call.body["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        ["organization.created", "user.created", "user.signed_in"]
    );
    let sign_in = &calls[2];
    assert_eq!(
        (
            sign_in.ctx.actor.display.as_str(),
            &sign_in.body["details"]["actor_kind"]
        ),
        ("owner", &serde_json::json!("user"))
    );
    task.abort();

    // The cursor is kept: after a restart only what is new is sent.
    let before = poll_until("a kept cursor", Duration::from_secs(20), async || {
        let count = appended().len();
        (count >= 3).then_some(count)
    })
    .await;
    let task = run();
    world.bearer(world.own, Role::Auditor).await;
    world.database.settle("identity").await;
    poll_until("the second sign-in", Duration::from_secs(20), async || {
        appended()
            .iter()
            .filter(|call| call.body["action"] == "user.signed_in")
            .nth(1)
            .cloned()
    })
    .await;
    assert!(
        appended().len() <= before + 2 + 3,
        "the whole history was sent again"
    );
    task.abort();
}
