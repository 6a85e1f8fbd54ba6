//! A real agent at the real edge through the life of its certificate: half-life, a crash in between, the end, too late.

use crate::sandbox::{Sandbox, Topology};
use netpatch_agent::agent::{self, AgentFault, Options, Status, read_status};
use netpatch_agent::command::Runner;
use netpatch_agent::enrol::{self, EnrolFault};
use netpatch_agent::state::StateFolder;
use netpatch_agent::state::identity::Enrolled;
use netpatch_auth::{EnrolmentTokenCreate, OrganizationKind, SiteCreate};
use netpatch_gateway::ingress::{self, BindError, Ingress, PlatformParts, PlatformServices};
use netpatch_storage::bus;
use netpatch_testkit::{ManualClock, poll_until};
use netpatch_types::{Clock as _, ErrorCode, Labels, RequestContext, SharedClock, SiteId};
use netpatch_window::Schedule;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// The edge of a platform whose clock the test moves, and one host that has nothing but an agent.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ctx: RequestContext,
    pub(crate) site: SiteId,
    edge: Option<(SocketAddr, CancellationToken, JoinHandle<()>)>,
    /// Where the host finds the edge, if not at its own address.
    pub(crate) server: Option<SocketAddr>,
    /// The relay that the host is told of when it enrols.
    pub(crate) relay: Option<SocketAddr>,
    root: tempfile::TempDir,
}

/// An agent's process.
pub(crate) struct Running {
    task: JoinHandle<Result<(), AgentFault>>,
    stop: CancellationToken,
}

impl World {
    /// The host is enrolled.
    pub(crate) async fn new() -> Self {
        let world = Self::before_enrolment().await;
        world.enrol(false).await.unwrap();
        world
    }

    /// The edge is there, the host is not enrolled yet.
    pub(crate) async fn before_enrolment() -> Self {
        let clock = ManualClock::shared();
        let shared: SharedClock = clock.clone();
        let sandbox = Sandbox::at(Topology::Direct, shared).await;
        let auth = &sandbox.roles.auth;
        auth.bootstrap().await.unwrap().unwrap();
        let platform = sandbox.system(netpatch_types::OrganizationId(uuid::Uuid::now_v7()));
        let organization = auth
            .organization_create(&platform, "Acme", OrganizationKind::Customer, None)
            .await
            .unwrap();
        let ctx = sandbox.system(organization.id);
        let site = SiteCreate {
            name: "Berlin".into(),
            time_zone: "Europe/Berlin".into(),
            direct_allowed: true,
            upstreams: Vec::new(),
        };
        let site = auth.site_create(&ctx, site).await.unwrap().id;
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("etc/hostname", "web-1\n"),
            ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
            (
                "etc/os-release",
                "ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n",
            ),
        ] {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let mut world = Self {
            sandbox,
            clock,
            ctx,
            site,
            edge: None,
            server: None,
            relay: None,
            root,
        };
        world.start_edge().await;
        world
    }

    /// The edge's own address.
    pub(crate) fn edge_address(&self) -> SocketAddr {
        self.edge.as_ref().unwrap().0
    }

    /// The edge is out of reach until it is started again.
    pub(crate) async fn stop_edge(&mut self) {
        if let Some((_, stop, _)) = &self.edge {
            stop.cancel();
        }
    }

    /// A new process of the edge at the old address, with a certificate of today.
    pub(crate) async fn start_edge(&mut self) {
        let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        if let Some((old, stop, task)) = self.edge.take() {
            stop.cancel();
            task.await.unwrap();
            address = old;
        }
        let roles = &self.sandbox.roles;
        let services = PlatformServices::new(PlatformParts {
            auth: roles.auth.clone(),
            inventory: roles.inventory.clone(),
            policy: roles.policy.clone(),
            scheduler: roles.scheduler.clone(),
            reporting: roles.reporting.clone(),
            blobs: roles.blobs.clone(),
        });
        let options = ingress::Options {
            heartbeat: Duration::from_secs(1),
            // Here the platform's time jumps: each check-in tells the agent of it.
            signed_every: Duration::ZERO,
            ..ingress::Options::default()
        };
        let bus = bus::connect("memory:").await.unwrap();
        let clock: SharedClock = self.clock.clone();
        let (services, stop) = (Arc::new(services), CancellationToken::new());
        // A stopped edge gives its address back a moment after its task ended.
        let bind = async || {
            let (bus, clock) = (bus.clone(), clock.clone());
            match Ingress::bind(address, services.clone(), bus, clock, options) {
                Ok(ingress) => Some(ingress),
                Err(BindError::Tunnel(_)) => None,
                Err(error) => panic!("{error}"),
            }
        };
        let ingress = poll_until("the edge's address", Duration::from_secs(10), bind).await;
        let address = ingress.local_addr().unwrap();
        let task = tokio::spawn(ingress.run(stop.clone()));
        self.edge = Some((address, stop, task));
    }

    pub(crate) fn state(&self) -> StateFolder {
        StateFolder::open(&self.root.path().join("var/lib/netpatch-agent")).unwrap()
    }

    fn clock(&self) -> SharedClock {
        self.clock.clone()
    }

    pub(crate) async fn enrol(&self, again: bool) -> Result<(), EnrolFault> {
        let create = EnrolmentTokenCreate {
            site: self.site,
            labels: Labels::new(),
            for_relay: false,
            max_uses: 1,
            ttl_seconds: 600,
        };
        let auth = &self.sandbox.roles.auth;
        let (_, token) = auth
            .enrolment_token_create(&self.ctx, create)
            .await
            .unwrap();
        let relay = self.relay.map(|relay| relay.to_string());
        let request = enrol::Request {
            server: &self.server.unwrap_or(self.edge_address()).to_string(),
            relay: relay.as_deref(),
            proxies: netpatch_tunnel::Proxies::default(),
            token: &token.parse().unwrap(),
            root: self.root.path(),
            clock: self.clock(),
            again,
        };
        enrol::enrol(&self.state(), request).await.map(drop)
    }

    /// Starts the agent. It cannot scan here, which is no matter of its certificate.
    pub(crate) fn start(&self) -> Running {
        self.start_with(Some(Schedule::every(Duration::from_secs(3600))))
    }

    /// The same with what its own configuration says of scans.
    pub(crate) fn start_with(&self, schedule: Option<Schedule>) -> Running {
        self.start_as(|options| options.schedule = schedule)
    }

    /// The same with whatever a test wants to be different.
    pub(crate) fn start_as(&self, change: impl FnOnce(&mut Options)) -> Running {
        // What an agent before it wrote.
        let _ = fs::remove_file(self.file("status.json"));
        let stop = CancellationToken::new();
        let mut options = Options {
            state: self.state(),
            runner: Runner::in_root(self.root.path().to_owned(), vec!["false".into()]),
            audit_only: false,
            schedule: None,
            proxies: netpatch_tunnel::Proxies::default(),
            clock: self.clock(),
            uptime: Arc::new(netpatch_agent::clock::uptime),
            providers: None,
        };
        change(&mut options);
        let task = tokio::spawn(agent::run(options, stop.clone()));
        Running { task, stop }
    }

    /// The agent keeps a time of the platform that is no older than a minute.
    async fn until_time_is_heard(&self) {
        poll_until("the platform's time", SOON, async || {
            let known: serde_json::Value =
                serde_json::from_slice(&fs::read(self.file("clock.json")).unwrap()).unwrap();
            let heard = known["edge_ms"].as_i64().unwrap();
            Some(()).filter(|()| self.clock.now().timestamp_millis() - heard < 60_000)
        })
        .await;
    }

    /// The machine was off: what the agent knew of the time since boot is of another boot.
    fn reboot(&self) {
        let file = self.file("clock.json");
        let mut known: serde_json::Value =
            serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        known["boot_id"] = "another boot".into();
        fs::write(file, known.to_string()).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state().file(name)
    }

    fn certificate(&self) -> Vec<u8> {
        fs::read(self.file("certificate.der")).unwrap()
    }

    /// The platform's word on a certificate of the host.
    async fn accepts(&self, certificate: &[u8]) -> Result<(), ErrorCode> {
        let services = PlatformServices::new(PlatformParts {
            auth: self.sandbox.roles.auth.clone(),
            inventory: self.sandbox.roles.inventory.clone(),
            policy: self.sandbox.roles.policy.clone(),
            scheduler: self.sandbox.roles.scheduler.clone(),
            reporting: self.sandbox.roles.reporting.clone(),
            blobs: self.sandbox.roles.blobs.clone(),
        });
        let admitted = ingress::Services::admit(&services, certificate).await;
        admitted.map(drop).map_err(|error| error.code)
    }

    /// What the agent writes of itself, once it is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
        let read = || read_status(&self.state()).unwrap();
        let found = tokio::time::timeout(SOON, async {
            poll_until(what, SOON * 2, async || {
                read().filter(|status| status.running && is_so(status))
            })
            .await
        });
        found.await.unwrap_or_else(|_| {
            let text = read().map(|status| status.to_text(self.clock.now()));
            panic!("{what} never came: {}", text.unwrap_or_default())
        })
    }

    pub(crate) async fn until_connected(&self) -> Status {
        self.until("a session", |status| {
            status.session == "up" && status.time_confirmed
        })
        .await
    }
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// As SIGKILL would.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_agent_renews_at_half_life_and_comes_back_with_the_new_certificate() {
    let mut world = World::new().await;
    let first = world.certificate();
    let agent = world.start();
    world.until_connected().await;
    assert_eq!(world.accepts(&first).await, Ok(()));

    world.clock.advance(DAY * 14);
    world.until_time_is_heard().await;
    assert_eq!(world.certificate(), first, "not before half of its life");
    world.clock.advance(DAY * 2);
    let renewed = poll_until("a new certificate", SOON, async || {
        Some(world.certificate()).filter(|certificate| *certificate != first)
    })
    .await;
    assert_eq!(
        world.accepts(&renewed).await,
        Ok(()),
        "the platform knows it"
    );
    let end = netpatch_tunnel::identity::validity(&renewed).unwrap().1;
    world
        .until("the new end", |status| {
            status.certificate_expires_at.map(|at| at.timestamp()) == Some(end)
        })
        .await;

    // After the old one's end only the new one opens a session: the agent that never stopped has it in use.
    world.clock.advance(DAY * 14 + DAY / 2);
    assert_eq!(world.accepts(&first).await, Err(ErrorCode::Unauthenticated));
    // TLS believes the last time that the platform signed: the agent, connected all the while, hears of these two weeks first.
    world.until_time_is_heard().await;
    let before = world.until_connected().await;
    world.clock.advance(Duration::from_secs(60));
    world.start_edge().await;
    world
        .until("a session with the new certificate", |status| {
            status.session == "up" && status.session_since > before.session_since
        })
        .await;
    assert_eq!(world.certificate(), renewed);
    assert!(!agent.task.is_finished());
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_dies_before_it_kept_its_new_certificate_asks_again() {
    let world = World::new().await;
    let first = world.certificate();
    // Whatever stands where the new file is written: the platform issues, the disk keeps the old one.
    let obstacle = world.file("certificate.new~");
    fs::create_dir(&obstacle).unwrap();
    let agent = world.start();
    world.until_connected().await;
    world.clock.advance(DAY * 16);
    let status = world
        .until("a certificate that is not kept", |status| {
            status.certificate_problem.is_some()
        })
        .await;
    let problem = status.certificate_problem.unwrap();
    assert!(problem.contains("cannot keep"), "{problem}");
    assert_eq!(status.session, "up", "the old one goes on");
    agent.kill().await;
    assert_eq!(world.certificate(), first);
    fs::remove_dir(&obstacle).unwrap();

    let agent = world.start();
    let renewed = poll_until("a new certificate", SOON, async || {
        Some(world.certificate()).filter(|certificate| *certificate != first)
    })
    .await;
    let status = world.until_connected().await;
    assert_eq!(status.certificate_problem, None);
    for good in [&first, &renewed] {
        assert_eq!(world.accepts(good).await, Ok(()), "each until its end");
    }
    let enrolled = Enrolled::load(&world.state()).unwrap();
    assert_eq!(enrolled.certificate, renewed);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_slept_past_the_end_renews_for_half_a_year_and_then_says_what_to_do() {
    let mut world = World::new().await;
    let first = world.certificate();
    let agent = world.start();
    let host = world.until_connected().await.host_id;
    agent.stop().await;

    world.clock.advance(DAY * (30 + 179));
    world.start_edge().await;
    world.reboot();
    assert_eq!(world.accepts(&first).await, Err(ErrorCode::Unauthenticated));
    let agent = world.start();
    world.until_connected().await;
    let second = world.certificate();
    assert_ne!(second, first);
    agent.stop().await;

    world.clock.advance(DAY * (30 + 181));
    world.start_edge().await;
    world.reboot();
    let agent = world.start();
    let status = world
        .until("a refusal", |status| status.certificate_problem.is_some())
        .await;
    assert_eq!((status.session.as_str(), status.running), ("down", true));
    let text = status.to_text(world.clock().now());
    assert!(text.contains("enrol again with a token"), "{text}");
    assert_eq!(world.certificate(), second);
    assert!(
        matches!(world.enrol(true).await, Err(EnrolFault::Running)),
        "not under a running agent"
    );
    agent.stop().await;
    assert!(matches!(
        world.enrol(false).await,
        Err(EnrolFault::Already(_))
    ));
    world.enrol(true).await.unwrap();
    let agent = world.start();
    let status = world.until_connected().await;
    assert_eq!((status.host_id, status.certificate_problem), (host, None));
    agent.stop().await;
}
