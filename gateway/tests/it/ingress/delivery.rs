use super::world::*;
use netpatch_gateway::ingress::request_scan;
use netpatch_protocol::document::{Envelope, Membership, Order};
use netpatch_protocol::seal;
use netpatch_protocol::session::{Hello, OrderAnswer, agent_message, edge_message};
use netpatch_tunnel::SessionClient;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

async fn document(session: &mut SessionClient) -> netpatch_protocol::document::Envelope {
    match message(session).await {
        edge_message::Body::Document(envelope) => envelope,
        other => panic!("no document: {other:?}"),
    }
}

#[tokio::test]
async fn membership_comes_first_then_orders_each_once() {
    let world = World::start().await;
    let host = world.host();
    world.played.script.lock().unwrap().orders = vec![world.order(1)];
    let mut session = world.agent(&host, 1, 1);
    up(&mut session).await;
    // Without membership no order: the agent would refuse it.
    let member = world.membership(4);
    world.played.script.lock().unwrap().membership = Some(member);
    world.bus.publish("policy.outbox", b"").await;
    assert!(document(&mut session).await.is::<Membership>());
    let first = document(&mut session).await;
    assert!(first.is::<Order>());
    let answer = OrderAnswer {
        order: first.digest().0.to_vec(),
        accepted: true,
        ..OrderAnswer::default()
    };
    session
        .handle()
        .send(agent_message::Body::OrderAnswer(answer))
        .unwrap();
    world
        .until("the answer", |script| !script.answers.is_empty())
        .await;
    assert!(world.played.script.lock().unwrap().answers[0].accepted);

    let second = world.order(2);
    world
        .played
        .script
        .lock()
        .unwrap()
        .orders
        .push(second.clone());
    world.bus.publish("scheduler.outbox", b"").await;
    assert_eq!(document(&mut session).await.digest(), second.digest());
}

/// A membership that says by which way the host may come.
fn strict(world: &World, version: u64, direct_forbidden: bool) -> (u64, Envelope) {
    let membership = Membership {
        version,
        direct_forbidden,
        ..Membership::default()
    };
    let sealed = seal(&membership, &[&world.played.director]);
    (version, sealed.unwrap())
}

#[tokio::test]
async fn a_host_that_comes_directly_against_its_sites_will_hears_of_its_relays_and_nothing_else() {
    let world = World::start_with(|options| options.look_every = Duration::from_millis(50)).await;
    let host = world.host();
    let relays = vec!["relay.test:8443".to_owned()];
    {
        let (member, order) = (strict(&world, 4, true), world.order(1));
        let mut script = world.played.script.lock().unwrap();
        (script.direct_forbidden, script.relays) = (true, relays.clone());
        (script.membership, script.orders) = (Some(member), vec![order]);
    }
    for counter in [1, 1000] {
        let mut session = world.agent(&host, 1, counter);
        assert_eq!(up(&mut session).await.relay_hints, relays);
        assert!(document(&mut session).await.is::<Membership>());
        match message(&mut session).await {
            edge_message::Body::Error(error) => {
                assert_eq!(error.code, "FORBIDDEN");
                assert!(error.message.contains("through its relays"), "{error:?}");
            }
            other => panic!("no refusal: {other:?}"),
        }
        down(&mut session).await;
    }
}

#[tokio::test]
async fn a_direct_session_ends_when_its_site_begins_to_forbid_it() {
    let world = World::start_with(|options| options.look_every = Duration::from_millis(50)).await;
    let host = world.host();
    world.played.script.lock().unwrap().membership = Some(strict(&world, 1, false));
    let mut session = world.agent(&host, 1, 1);
    up(&mut session).await;
    assert!(document(&mut session).await.is::<Membership>());
    world.played.script.lock().unwrap().membership = Some(strict(&world, 2, true));
    assert!(document(&mut session).await.is::<Membership>());
    world.played.script.lock().unwrap().orders = vec![world.order(1)];
    let refusal = message(&mut session).await;
    assert!(
        matches!(refusal, edge_message::Body::Error(_)),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn hints_may_be_lost() {
    let world =
        World::start_with(|options| options.look_every = std::time::Duration::from_millis(50))
            .await;
    let host = world.host();
    let mut session = world.agent(&host, 1, 1);
    up(&mut session).await;
    let member = world.membership(1);
    world.played.script.lock().unwrap().membership = Some(member);
    assert!(document(&mut session).await.is::<Membership>());
}

#[tokio::test]
async fn a_host_that_holds_them_gets_neither_order_nor_membership_again() {
    let world = World::start().await;
    let host = world.host();
    let (held, new) = (world.order(1), world.order(2));
    {
        let member = world.membership(4);
        let mut script = world.played.script.lock().unwrap();
        script.orders = vec![held.clone(), new.clone()];
        script.membership = Some(member);
    }
    let counters = Arc::new(AtomicU64::new(1));
    let signing = host.clone();
    let digest = held.digest();
    let mut session = world.agent_saying(&host, move |resume_id| Hello {
        protocol: 1,
        resume_id,
        counter: Some(signing.counter(1, counters.fetch_add(1, Ordering::Relaxed))),
        membership_version: 4,
        active_orders: vec![digest.0.to_vec()],
        ..Hello::default()
    });
    up(&mut session).await;
    assert_eq!(document(&mut session).await.digest(), new.digest());
}

#[tokio::test]
async fn a_wish_for_a_scan_reaches_the_host_alone() {
    let world = World::start().await;
    let (host, other) = (world.host(), world.host());
    let mut session = world.agent(&host, 1, 1);
    let mut bystander = world.agent(&other, 1, 1);
    up(&mut session).await;
    up(&mut bystander).await;
    request_scan(
        &world.bus,
        world.organization.organization,
        vec![host.host()],
    )
    .await;
    assert!(matches!(
        message(&mut session).await,
        edge_message::Body::ScanNow(_)
    ));
    // Anything later reaches the bystander first if nothing was sent before.
    let member = world.membership(1);
    world.played.script.lock().unwrap().membership = Some(member);
    world.bus.publish("policy.outbox", b"").await;
    assert!(document(&mut bystander).await.is::<Membership>());
}
