//! A site that forbids the direct way: what it says reaches its hosts signed, they wait for its relays and never go past them, over a
//! restart too, and nobody is locked out by it. The agent, the relay, the edge and PostgreSQL are real.

use crate::delta::{Place, running_relay, running_relay_at};
use crate::line::Line;
use crate::offline::{LONG, Site};
use crate::renewal::World;
use netpatch_agent::agent::Status;
use netpatch_agent_core::RunState;
use netpatch_auth::SiteUpdate;
use netpatch_gateway::Apis;
use netpatch_storage::bus;
use netpatch_testkit::poll_until;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

const HOUR: Duration = Duration::from_secs(3600);

/// Stands where the host believes the edge to be, answers nobody and counts who knocks.
pub(crate) struct Trap {
    pub(crate) address: SocketAddr,
    knocks: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Trap {
    pub(crate) async fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let knocks = Arc::<AtomicUsize>::default();
        let counted = knocks.clone();
        let task = tokio::spawn(async move {
            let mut packet = [0; 2048];
            loop {
                tokio::select! {
                    _ = udp.recv_from(&mut packet) => {}
                    _ = tcp.accept() => {}
                }
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            address,
            knocks,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn knocks(&self) -> usize {
        self.knocks.load(Ordering::Relaxed)
    }
}

/// What the gateway's process does beside the edge: carries what identity says of sites to policy.
pub(crate) fn carrying(world: &World) -> AbortOnDropHandle<()> {
    let roles = &world.sandbox.roles;
    let (inventory, policy) = (roles.inventory.clone(), roles.policy.clone());
    let (scheduler, reporting) = (roles.scheduler.clone(), roles.reporting.clone());
    let auth = roles.auth.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        let bus = bus::connect("memory:").await.unwrap();
        let apis = Apis {
            inventory,
            policy,
            scheduler,
            reporting,
            auth,
            bus,
        };
        netpatch_gateway::sites::run(apis, CancellationToken::new()).await;
    }))
}

impl World {
    pub(crate) fn place(&self) -> Place {
        Place {
            ctx: self.ctx.clone(),
            organization: self.ctx.write.unwrap(),
            site: self.site,
        }
    }

    pub(crate) async fn allows_direct(&self, direct_allowed: bool) {
        let update = SiteUpdate {
            direct_allowed: Some(direct_allowed),
            ..SiteUpdate::new(self.site)
        };
        let auth = &self.sandbox.roles.auth;
        auth.site_update(&self.ctx, update).await.unwrap();
    }

    async fn until_over(&self, carrier: &str) -> Status {
        self.until(carrier, |status| status.carrier.as_deref() == Some(carrier))
            .await
    }

    /// The relay is lost, and the agent has looked for another one since.
    async fn until_looked_in_vain(&self) -> Status {
        let waits = |status: &Status| status.session == "down" && !status.relays_refused.is_empty();
        self.until("a search in vain", waits).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_of_a_site_that_forbids_it_waits_for_its_relay_and_never_goes_past_it() {
    let mut world = World::before_enrolment().await;
    let _carrying = carrying(&world);
    let edge = world.edge_address().to_string();
    let (relay, _folder) = running_relay(&world.sandbox, &world.place(), &edge).await;
    let line = Line::to(relay.local_addr().unwrap()).await;
    let trap = Trap::start().await;
    (world.relay, world.server) = (Some(line.address), Some(trap.address));
    world.enrol(false).await.unwrap();
    let site = Site::of(world, line);
    let world = &site.world;
    let agent = site.start();
    world.until_over("relay").await;
    world.allows_direct(false).await;
    let status = world
        .until("the site's word", |status| status.direct_forbidden)
        .await;
    let text = status.to_text(status.started_at);
    assert!(text.contains("forbids to go past its relays"), "{text}");
    world.until_over("relay").await;
    let policy = site.policy("tomorrow", 24).await;
    let app = site.deploy(policy, "app").await;
    let knocks = trap.knocks();

    // The relay is lost. What the host holds it runs, and what comes of it it keeps.
    site.line.carries(false, false);
    let status = world.until_looked_in_vain().await;
    assert!(status.relay.is_some(), "it waits for it: {status:?}");
    let text = status.to_text(status.started_at);
    assert!(text.contains("the relay is waited for"), "{text}");
    world.clock.advance(HOUR * 25);
    assert_eq!(site.until_over(&app).await.run.state, RunState::Succeeded);
    agent.kill().await;

    // Nor does the next one, which has never heard the platform.
    let agent = site.start();
    world.until_looked_in_vain().await;
    assert_eq!(trap.knocks(), knocks, "nobody has dialled the edge");
    site.line.carries(true, true);
    world.until_over("relay").await;
    site.arrives(&[&app]).await;
    assert_eq!(trap.knocks(), knocks, "nobody has dialled the edge");

    // Once it may, it goes directly.
    world.allows_direct(true).await;
    world
        .until("the site's word", |status| {
            !status.direct_forbidden && status.carrier.as_deref() == Some("relay")
        })
        .await;
    site.line.carries(false, false);
    poll_until("a knock at the edge", LONG, async || {
        (trap.knocks() > knocks).then_some(())
    })
    .await;
    agent.stop().await;
}

/// A port that nobody has.
pub(crate) fn free() -> SocketAddr {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_knows_of_no_relay_is_told_of_it_and_moves_and_a_mistake_is_undone() {
    let world = World::before_enrolment().await;
    let _carrying = carrying(&world);
    world.allows_direct(false).await;
    world.enrol(false).await.unwrap();
    let agent = world.start();
    // Nobody is there to go through: the platform says so, and that is all it says.
    let refused = |status: &Status| {
        let reason = status.reason.as_deref().unwrap_or_default();
        status.session == "down" && reason.contains("through its relays")
    };
    // The edge knows it from identity, the host's own document follows it through policy.
    let is_told = |status: &Status| refused(status) && status.direct_forbidden;
    let status = world.until("a refusal and why", is_told).await;
    assert_eq!(status.relay, None);

    // That was a mistake.
    world.allows_direct(true).await;
    let free_again =
        |status: &Status| !status.direct_forbidden && status.carrier.as_deref() == Some("direct");
    world.until("the direct way", free_again).await;
    // It was not: the session that is up ends, for the next ones the host is bound to ask.
    world.allows_direct(false).await;
    world.until("a refusal", refused).await;

    // Now there is a relay. The host is told of it, goes through it, and from then on through nothing else.
    let (place, edge) = (world.place(), world.edge_address().to_string());
    let at = free();
    let (relay, _folder) = running_relay_at(&world.sandbox, &place, &edge, at).await;
    let status = world.until_over("relay").await;
    assert_eq!(status.relay, Some(at.to_string()));
    relay.run_until(async {}).await.unwrap();
    let status = world.until_looked_in_vain().await;
    assert_eq!(status.relay, Some(at.to_string()), "{status:?}");
    agent.stop().await;
}
