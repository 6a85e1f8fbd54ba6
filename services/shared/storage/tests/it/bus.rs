//! The same suite on the bus of one process and on Redis.

use futures::StreamExt as _;
use netpatch_storage::bus::{self, BusError, SharedBus};
use netpatch_testkit::{Redis, poll_until};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

async fn conforms(bus: SharedBus) {
    bus.publish("nobody", b"listens").await;
    let (mut one, mut two) = (bus.subscribe("topic").await, bus.subscribe("topic").await);
    let mut other = bus.subscribe("other").await;
    bus.publish("topic", b"first").await;
    bus.publish("topic", b"\0second").await;
    for hints in [&mut one, &mut two] {
        assert_eq!(
            tokio::time::timeout(PATIENCE, hints.next())
                .await
                .unwrap()
                .unwrap(),
            b"first"
        );
        assert_eq!(
            tokio::time::timeout(PATIENCE, hints.next())
                .await
                .unwrap()
                .unwrap(),
            b"\0second"
        );
    }
    bus.publish("other", b"last").await;
    assert_eq!(
        tokio::time::timeout(PATIENCE, other.next())
            .await
            .unwrap()
            .unwrap(),
        b"last"
    );
    drop(one);
    bus.publish("topic", b"third").await;
    assert_eq!(
        tokio::time::timeout(PATIENCE, two.next())
            .await
            .unwrap()
            .unwrap(),
        b"third"
    );
    // A subscriber that does not read cannot hold the others up.
    for _ in 0..2000 {
        bus.publish("topic", b"many").await;
    }
    assert!(
        tokio::time::timeout(PATIENCE, two.next())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn the_bus_of_one_process_conforms() {
    conforms(bus::connect("memory:").await.unwrap()).await;
}

#[tokio::test]
async fn the_bus_on_redis_conforms() {
    let redis = Redis::start(None).await;
    conforms(bus::connect(&redis.address()).await.unwrap()).await;
}

#[tokio::test]
async fn a_subscription_survives_a_restart_of_redis() {
    let redis = Redis::start(None).await;
    let bus = bus::connect(&redis.address()).await.unwrap();
    let mut hints = bus.subscribe("topic").await;
    let port = redis.port();
    drop(redis);
    bus.publish("topic", b"lost").await;
    let _redis = Redis::start(Some(port)).await;
    let woken = tokio::time::timeout(Duration::from_secs(20), hints.next())
        .await
        .unwrap();
    assert_eq!(woken.unwrap(), b"", "something may have been missed");
    let arrived = poll_until("a hint", PATIENCE, async || {
        bus.publish("topic", b"again").await;
        tokio::time::timeout(Duration::from_millis(200), hints.next())
            .await
            .ok()
            .flatten()
    });
    assert_eq!(arrived.await, b"again");
}

#[tokio::test]
async fn wiping_redis_harms_nothing_because_it_holds_nothing() {
    let redis = Redis::start(None).await;
    let bus = bus::connect(&redis.address()).await.unwrap();
    let mut hints = bus.subscribe("topic").await;
    bus.publish("topic", b"before").await;
    assert_eq!(redis.ask("DBSIZE").await, ":0");
    assert_eq!(redis.ask("FLUSHALL").await, "+OK");
    bus.publish("topic", b"after").await;
    for expected in [&b"before"[..], b"after"] {
        let hint = tokio::time::timeout(PATIENCE, hints.next()).await;
        assert_eq!(hint.unwrap().unwrap(), expected);
    }
}

#[tokio::test]
async fn wrong_addresses_and_silent_servers_are_errors() {
    assert!(matches!(
        bus::connect("kafka:x").await,
        Err(BusError::Address(_))
    ));
    assert!(matches!(
        bus::connect("redis://127.0.0.1:1").await,
        Err(BusError::Connect(_))
    ));
}
