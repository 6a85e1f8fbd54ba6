//! Two edges behind one name, each with its own connection to one Redis: a host's session is at one of them, and what it is to do now
//! becomes known beside the other. No look comes due by itself in these tests: only the bus wakes a session.

use super::world::*;
use netpatch_gateway::ingress::request_scan;
use netpatch_protocol::document::{Membership, Order};
use netpatch_protocol::session::{Hello, edge_message};
use netpatch_storage::{SharedBus, bus};
use netpatch_testkit::{Redis, poll_until};
use netpatch_tunnel::SessionClient;
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
        for topic in ["ingress.scan", "scheduler.outbox", "policy.outbox"] {
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
        let mark = netpatch_protocol::session::Heartbeat::default();
        session.handle().send_uncounted(
            netpatch_protocol::session::agent_message::Body::Heartbeat(mark),
        );
        assert!(matches!(
            message(&mut session).await,
            edge_message::Body::Heartbeat(_)
        ));
        (host, session)
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
