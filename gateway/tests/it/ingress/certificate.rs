//! The edge's own certificate, over the months.

use super::world::*;
use netpatch_protocol::session::{Heartbeat, agent_message, edge_message};
use netpatch_testkit::ManualClock;
use std::sync::atomic::Ordering;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

impl World {
    async fn certificates(&self, count: u64) {
        self.until("a certificate", |_| {
            self.played.certificates.load(Ordering::Relaxed) == count
        })
        .await;
    }
}

#[tokio::test]
async fn it_is_renewed_at_half_of_its_life_under_living_sessions() {
    let time = ManualClock::shared();
    let world = World::start_at(time.clone(), |_| {}).await;
    let (host, other) = (world.host(), world.host());
    let mut early = world.agent(&host, 1, 1);
    up(&mut early).await;
    world.certificates(1).await;

    // A failure is no end: the old certificate holds on, and the next attempt comes later.
    world.played.without_certificate.store(1, Ordering::Relaxed);
    time.advance(46 * DAY);
    world
        .until("a failed renewal", |_| {
            world.played.without_certificate.load(Ordering::Relaxed) == 0
        })
        .await;
    time.advance(Duration::from_secs(601));
    world.certificates(2).await;
    time.advance(46 * DAY);
    world.certificates(3).await;

    // The first certificate has ended two days ago: a newcomer is shown another one, the session from before goes on.
    let mut late = world.agent(&other, 1, 1);
    up(&mut late).await;
    early
        .handle()
        .send_uncounted(agent_message::Body::Heartbeat(Heartbeat {
            counter: Some(host.counter(1, 2)),
            ..Heartbeat::default()
        }));
    assert!(matches!(
        message(&mut early).await,
        edge_message::Body::Heartbeat(_)
    ));
}
