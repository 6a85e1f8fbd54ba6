//! A relay that lives and whose own line to the platform is cut: its hosts go past it, or to another relay, or wait, as their site allows,
//! and come back by themselves. The agents, the relays, the edge and PostgreSQL are real.

use crate::delta::{running_relay, running_relay_at};
use crate::direct::{Trap, carrying, free};
use crate::line::Line;
use crate::renewal::World;
use netpatch_agent::agent::{Status, read_status};
use netpatch_testkit::poll_until;
use std::time::{Duration, Instant};

/// Longer than the longest of all waits: the relay connects again within 40 s, its hosts try it each minute.
const LONG: Duration = Duration::from_secs(300);

/// What the agent writes of itself, once it is so.
async fn until(world: &World, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
    poll_until(what, LONG, async || {
        read_status(&world.state()).unwrap().filter(&is_so)
    })
    .await
}

async fn until_over(world: &World, carrier: &str) -> Status {
    until(world, carrier, |status| {
        status.carrier.as_deref() == Some(carrier)
    })
    .await
}

async fn until_through(world: &World, relay: &str) -> Status {
    until(world, relay, |status| {
        let is_through = status.carrier.as_deref() == Some("relay");
        is_through && status.relay.as_deref() == Some(relay)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_enrol_and_go_past_a_relay_whose_line_is_cut_and_return_when_it_is_mended() {
    let mut world = World::before_enrolment().await;
    let uplink = Line::to(world.edge_address()).await;
    let to = uplink.address.to_string();
    let (relay, _folder) = running_relay(&world.sandbox, &world.place(), &to).await;
    world.relay = Some(relay.local_addr().unwrap());
    // The relay itself answers all the time.
    uplink.carries(false, false);
    world.enrol(false).await.unwrap();
    let agent = world.start();
    let status = until_over(&world, "direct").await;
    assert!(status.relay.is_some(), "it still knows of it");
    uplink.carries(true, true);
    until_over(&world, "relay").await;

    uplink.carries(false, false);
    let cut = Instant::now();
    let status = until_over(&world, "direct").await;
    println!("direct after {:?}", cut.elapsed());
    assert!(status.relay.is_some(), "it still knows of it");
    uplink.carries(true, true);
    until_over(&world, "relay").await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_direct_way_is_forbidden_a_relay_whose_line_is_cut_is_waited_for() {
    let mut world = World::before_enrolment().await;
    let _carrying = carrying(&world);
    let uplink = Line::to(world.edge_address()).await;
    let to = uplink.address.to_string();
    let (relay, _folder) = running_relay(&world.sandbox, &world.place(), &to).await;
    let trap = Trap::start().await;
    (world.relay, world.server) = (Some(relay.local_addr().unwrap()), Some(trap.address));
    world.enrol(false).await.unwrap();
    let agent = world.start();
    until_over(&world, "relay").await;
    world.allows_direct(false).await;
    until(&world, "the site's word", |status| {
        status.direct_forbidden && status.carrier.as_deref() == Some("relay")
    })
    .await;
    let knocks = trap.knocks();

    uplink.carries(false, false);
    let status = until(&world, "a search in vain", |status| {
        status.session == "down" && !status.relays_refused.is_empty()
    })
    .await;
    let reason = &status.relays_refused[0].reason;
    assert!(reason.contains("reach the edge"), "{reason}");
    assert!(status.relay.is_some(), "it waits for it: {status:?}");
    uplink.carries(true, true);
    until_over(&world, "relay").await;
    assert_eq!(trap.knocks(), knocks, "nobody has dialled the edge");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_relay_whose_line_is_cut_is_given_up_for_another_and_returned_to() {
    let mut world = World::before_enrolment().await;
    let _carrying = carrying(&world);
    let (place, edge) = (world.place(), world.edge_address());
    let uplink = Line::to(edge).await;
    let to = uplink.address.to_string();
    let (named, _folder) = running_relay(&world.sandbox, &place, &to).await;
    let (first, second) = (named.local_addr().unwrap(), free());
    let edge = edge.to_string();
    let other = running_relay_at(&world.sandbox, &place, &edge, second).await;
    let trap = Trap::start().await;
    (world.relay, world.server) = (Some(first), Some(trap.address));
    world.enrol(false).await.unwrap();
    world.allows_direct(false).await;
    let agent = world.start();
    let (first, second) = (first.to_string(), second.to_string());
    until(&world, "the site's word", |status| {
        let is_through = status.carrier.as_deref() == Some("relay");
        is_through && status.direct_forbidden && status.relay.as_ref() == Some(&first)
    })
    .await;
    let knocks = trap.knocks();

    uplink.carries(false, false);
    let status = until_through(&world, &second).await;
    let refused = &status.relays_refused[0];
    assert_eq!(refused.address, first);
    assert!(
        refused.reason.contains("reach the edge"),
        "{}",
        refused.reason
    );
    uplink.carries(true, true);
    until_through(&world, &first).await;
    assert_eq!(trap.knocks(), knocks, "nobody has dialled the edge");
    agent.stop().await;
    drop(other);
}
