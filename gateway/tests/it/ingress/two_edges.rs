//! Two edges behind one name, each with its own connection to one Redis: a host's session is at one of them, and what it is to do now
//! becomes known beside the other. No look comes due by itself in these tests: only the bus wakes a session.

use super::world::*;
use netpatch_gateway::ingress::{request_scan, standing_changed};
use netpatch_protocol::SubjectKind;
use netpatch_protocol::document::{Membership, Order};
use netpatch_protocol::session::{Hello, edge_message};
use netpatch_protocol::site::{SiteRequest, stream_open};
use netpatch_storage::{SharedBus, bus};
use netpatch_testkit::{Redis, poll_until};
use netpatch_tunnel::{RelayUplink, SessionClient};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const NEVER: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(20);

struct Two {
    redis: Redis,
    world: World,
    other: Another,
    /// As the other edge's process has it.
    beside_the_other: SharedBus,
}

async fn two() -> Two {
    let redis = Redis::start(None).await;
    let way = async || bus::connect(&redis.address()).await.unwrap();
    let rarely = |options: &mut netpatch_gateway::ingress::Options| options.look_every = NEVER;
    let world = World::start_on(way().await, clock(), rarely).await;
    let beside_the_other = way().await;
    let other = world.another_edge_on(beside_the_other.clone());
    let two = Two {
        redis,
        world,
        other,
        beside_the_other,
    };
    two.both_listen().await;
    two
}

impl Two {
    /// Both edges have subscribed to everything.
    async fn both_listen(&self) {
        for topic in [
            "ingress.scan",
            "ingress.standing",
            "scheduler.outbox",
            "policy.outbox",
        ] {
            poll_until("two edges listen", PATIENCE, async || {
                (self.redis.subscribers(topic).await == 2).then_some(())
            })
            .await;
        }
    }

    /// A host whose session is at the first edge.
    async fn host_at_the_first(&self) -> (Holder, SessionClient) {
        let host = self.world.host();
        let (signing, counters) = (host.clone(), AtomicU64::new(1));
        let edges = [self.world.address];
        let mut session = self.world.agent_to(&edges, &host, move |resume_id| Hello {
            protocol: 1,
            resume_id,
            counter: Some(signing.counter(1, counters.fetch_add(1, Ordering::Relaxed))),
            membership_version: 1,
            ..Hello::default()
        });
        up(&mut session).await;
        // When it is answered, the first look for documents is over.
        answered(&mut session).await;
        (host, session)
    }

    /// What anybody had is revoked: who is looked at goes.
    fn revoked(&self) {
        self.world.played.script.lock().unwrap().revoked = true;
    }

    fn looks(&self) -> u32 {
        self.world.played.script.lock().unwrap().looks
    }

    /// An order becomes deliverable, and the scheduler beside the other edge tells the bus.
    async fn order(&self, sequence: u64) -> netpatch_types::Sha256 {
        let order = self.world.order(sequence);
        let digest = order.digest();
        self.world.played.script.lock().unwrap().orders.push(order);
        self.beside_the_other.publish("scheduler.outbox", b"").await;
        digest
    }
}

/// A check-in is answered.
async fn answered(session: &mut SessionClient) {
    let mark = netpatch_protocol::session::Heartbeat::default();
    session
        .handle()
        .send_uncounted(netpatch_protocol::session::agent_message::Body::Heartbeat(
            mark,
        ));
    assert!(matches!(
        message(session).await,
        edge_message::Body::Heartbeat(_)
    ));
}

async fn ordered(session: &mut SessionClient) -> netpatch_types::Sha256 {
    match message(session).await {
        edge_message::Body::Document(envelope) if envelope.is::<Order>() => envelope.digest(),
        other => panic!("no order: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_to_be_done_now_reaches_a_host_at_the_other_edge() {
    let two = two().await;
    let (host, mut session) = two.host_at_the_first().await;
    let digest = two.order(1).await;
    assert_eq!(ordered(&mut session).await, digest);
    // A person at the other edge asks for a scan.
    let organization = two.world.organization.organization;
    request_scan(&two.beside_the_other, organization, vec![host.host()]).await;
    assert!(matches!(
        message(&mut session).await,
        edge_message::Body::ScanNow(_)
    ));
    // And the other way round: it moves, and is told there of what becomes known here.
    drop(session);
    let (signing, counters) = (host.clone(), AtomicU64::new(100));
    let edges = [two.other.address];
    let mut session = two.world.agent_to(&edges, &host, move |resume_id| Hello {
        protocol: 1,
        resume_id,
        counter: Some(signing.counter(1, counters.fetch_add(1, Ordering::Relaxed))),
        membership_version: 1,
        active_orders: vec![digest.0.to_vec()],
        ..Hello::default()
    });
    up(&mut session).await;
    let member = two.world.membership(2);
    two.world.played.script.lock().unwrap().membership = Some(member);
    two.world.bus.publish("policy.outbox", b"").await;
    assert!(matches!(
        message(&mut session).await,
        edge_message::Body::Document(envelope) if envelope.is::<Membership>()
    ));
}

#[tokio::test]
async fn wiping_redis_or_losing_it_for_a_while_delays_no_order() {
    let two = two().await;
    let (host, mut session) = two.host_at_the_first().await;
    assert_eq!(two.redis.ask("DBSIZE").await, ":0", "it holds no truth");
    assert_eq!(two.redis.ask("FLUSHALL").await, "+OK");
    let digest = two.order(1).await;
    assert_eq!(ordered(&mut session).await, digest);

    // Gone, and another, empty one in its place: the hint of the order was lost, and that one may have been is one.
    let Two {
        redis,
        world,
        other,
        beside_the_other,
    } = two;
    let port = redis.port();
    drop(redis);
    let order = world.order(2);
    let digest = order.digest();
    world.played.script.lock().unwrap().orders.push(order);
    beside_the_other.publish("scheduler.outbox", b"").await;
    let redis = Redis::start(Some(port)).await;
    assert_eq!(ordered(&mut session).await, digest);

    // From then on hints arrive again.
    let two = Two {
        redis,
        world,
        other,
        beside_the_other,
    };
    two.both_listen().await;
    let organization = two.world.organization.organization;
    request_scan(&two.beside_the_other, organization, vec![host.host()]).await;
    assert!(matches!(
        message(&mut session).await,
        edge_message::Body::ScanNow(_)
    ));
}

#[tokio::test]
async fn a_host_that_is_revoked_beside_the_other_edge_goes_at_once_and_nobody_else_is_looked_at() {
    let two = two().await;
    let (host, mut session) = two.host_at_the_first().await;
    let (_, mut other) = two.host_at_the_first().await;
    two.revoked();
    assert_eq!(two.looks(), 0);
    standing_changed(&*two.beside_the_other, host.name).await;
    let reason = refusal(&mut session).await;
    assert!(reason.contains("not accepted"), "{reason}");
    answered(&mut other).await;
    assert_eq!(two.looks(), 1);
}

#[tokio::test]
async fn a_relay_that_is_revoked_beside_the_other_edge_goes_at_once_and_its_hosts_with_it() {
    let two = two().await;
    let relay = two.world.organization.holder(SubjectKind::Relay);
    let another = two.world.organization.holder(SubjectKind::Relay);
    let to = two.world.address.to_string().as_str().into();
    let clock = clock();
    let connect = async |relay: &Holder| {
        let link = RelayUplink::connect(&to, two.world.trust(), &relay.tls, &clock, limits());
        let link = link.await.expect("connected");
        let asked = link.open(stream_open::Kind::Site(SiteRequest {})).await;
        asked.expect("let in");
        link
    };
    let (link, stays) = (connect(&relay).await, connect(&another).await);
    two.revoked();
    standing_changed(&*two.beside_the_other, relay.name).await;
    let reason = link.closed().await.to_string();
    assert!(reason.contains("revoked"), "{reason}");
    let asked = stays.open(stream_open::Kind::Site(SiteRequest {})).await;
    asked.expect("nobody doubted it");
    assert_eq!(two.looks(), 1);
}

#[tokio::test]
async fn a_fork_that_one_edge_sees_ends_the_session_at_the_other() {
    let two = two().await;
    let (host, mut session) = two.host_at_the_first().await;
    let at_the_other = |boot: u8, n: u64| {
        let (signing, counters) = (host.clone(), AtomicU64::new(n));
        let hello = move |resume_id| Hello {
            protocol: 1,
            resume_id,
            counter: Some(signing.counter(boot, counters.fetch_add(1, Ordering::Relaxed))),
            ..Hello::default()
        };
        two.world.agent_to(&[two.other.address], &host, hello)
    };
    let mut original = at_the_other(1, 50);
    up(&mut original).await;
    let mut copy = at_the_other(2, 10);
    let reason = down(&mut copy).await;
    assert!(reason.contains("quarantined"), "{reason}");
    let reason = refusal(&mut session).await;
    assert!(reason.contains("quarantined"), "{reason}");
}

#[tokio::test]
async fn a_revocation_whose_hint_is_lost_with_redis_holds_when_redis_is_back() {
    let two = two().await;
    let (host, mut session) = two.host_at_the_first().await;
    let port = two.redis.port();
    drop(two.redis);
    two.world.played.script.lock().unwrap().revoked = true;
    standing_changed(&*two.beside_the_other, host.name).await;
    answered(&mut session).await;
    let _redis = Redis::start(Some(port)).await;
    let reason = refusal(&mut session).await;
    assert!(reason.contains("not accepted"), "{reason}");
}

#[tokio::test]
async fn who_is_let_in_while_it_is_revoked_does_not_slip_through() {
    let two = two().await;
    // Its session ends when the edge has heard everything that was said before.
    let (mark, mut marks) = two.host_at_the_first().await;
    let admitted = || two.world.played.script.lock().unwrap().admitted;
    let (host, before) = (two.world.host(), admitted());
    // It is looked at for the first time, and not let in yet.
    let held_up = two.world.played.standing.write().await;
    let mut session = two.world.agent(&host, 1, 1);
    poll_until("the first look at it", PATIENCE, async || {
        (admitted() > before).then_some(())
    })
    .await;
    two.revoked();
    for one in [&host, &mark] {
        standing_changed(&*two.beside_the_other, one.name).await;
    }
    refusal(&mut marks).await;
    drop(held_up);
    let reason = down(&mut session).await;
    assert!(reason.contains("not accepted"), "{reason}");
}

#[tokio::test]
async fn hints_that_name_nobody_end_nothing() {
    let two = two().await;
    let (host, mut session) = two.host_at_the_first().await;
    two.revoked();
    let long = "x".repeat(100_000);
    let name = host.name.to_string();
    let cut = &name[..name.len() - 1];
    for rubbish in [&b"\xff\xfe"[..], b"null", long.as_bytes(), cut.as_bytes()] {
        two.beside_the_other
            .publish("ingress.standing", rubbish)
            .await;
    }
    // Of another organization, of a relay with the host's id.
    let mut others = [host.name; 2];
    others[0].organization = netpatch_types::OrganizationId(host.name.id);
    others[1].kind = SubjectKind::Relay;
    for other in others {
        standing_changed(&*two.beside_the_other, other).await;
    }
    answered(&mut session).await;
    assert_eq!(two.looks(), 0);
    standing_changed(&*two.beside_the_other, host.name).await;
    refusal(&mut session).await;
}
