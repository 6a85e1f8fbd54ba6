//! Idempotency keys.

use crate::world::{World, code};
use netpatch_auth::Idempotency;
use netpatch_types::ErrorCode;
use uuid::Uuid;

#[tokio::test]
async fn the_same_key_with_the_same_body_answers_the_same() {
    let world = World::new().await;
    let ctx = world.person(world.customer().await);
    let begin = async |ctx, key, body: &str| {
        world
            .auth
            .idempotency_begin(ctx, key, body.as_bytes())
            .await
    };
    assert_eq!(begin(&ctx, "k", "one").await.unwrap(), Idempotency::Fresh);
    assert_eq!(code(begin(&ctx, "k", "one").await), ErrorCode::Conflict);
    let answer = serde_json::json!({"site": "s"});
    world
        .auth
        .idempotency_finish(&ctx, "k", Some(&answer))
        .await
        .unwrap();
    assert_eq!(
        begin(&ctx, "k", "one").await.unwrap(),
        Idempotency::Done(answer.clone())
    );
    let mismatch = begin(&ctx, "k", "two").await.unwrap_err();
    assert_eq!(mismatch.code, ErrorCode::IdempotencyMismatch);
    assert_eq!(mismatch.path, ["idempotencyKey"]);
    // What was done stays done.
    world
        .auth
        .idempotency_finish(&ctx, "k", None)
        .await
        .unwrap();
    assert_eq!(
        begin(&ctx, "k", "one").await.unwrap(),
        Idempotency::Done(answer)
    );
    // Another client's and another organization's keys are others.
    let mut other = ctx.clone();
    other.actor.id = Uuid::from_u128(8);
    assert_eq!(begin(&other, "k", "two").await.unwrap(), Idempotency::Fresh);
    let elsewhere = world.person(world.customer().await);
    assert_eq!(
        begin(&elsewhere, "k", "two").await.unwrap(),
        Idempotency::Fresh
    );
    let long = "k".repeat(129);
    for key in ["", long.as_str()] {
        let error = begin(&ctx, key, "one").await.unwrap_err();
        assert_eq!(error.path, ["idempotencyKey"]);
    }
}

#[tokio::test]
async fn of_many_at_once_one_does_the_work() {
    let world = World::new().await;
    let ctx = world.person(world.customer().await);
    let fresh = async || {
        let tries = (0..8).map(|_| world.auth.idempotency_begin(&ctx, "k", b"body"));
        let answers = futures::future::join_all(tries).await;
        let (fresh, other): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .partition(|answer| matches!(answer, Ok(Idempotency::Fresh)));
        for answer in other {
            assert_eq!(code(answer), ErrorCode::Conflict);
        }
        fresh.len()
    };
    assert_eq!(fresh().await, 1);
    // Its process died; a minute later one other takes over.
    world.pass(59);
    assert_eq!(fresh().await, 0);
    world.pass(1);
    assert_eq!(fresh().await, 1);
    // Nothing was done: the key is free.
    world
        .auth
        .idempotency_finish(&ctx, "k", None)
        .await
        .unwrap();
    assert_eq!(fresh().await, 1);
}

#[tokio::test]
async fn keys_are_kept_for_two_days() {
    let world = World::new().await;
    let (one, two) = (world.customer().await, world.customer().await);
    for organization in [one, two] {
        let ctx = world.person(organization);
        world
            .auth
            .idempotency_begin(&ctx, "k", b"body")
            .await
            .unwrap();
    }
    world.pass(48 * 3600);
    assert_eq!(world.auth.idempotency_sweep().await.unwrap(), 0);
    world.pass(1);
    assert_eq!(world.auth.idempotency_sweep().await.unwrap(), 2);
    assert_eq!(world.count(one, "idempotency_keys").await, 0);
}
