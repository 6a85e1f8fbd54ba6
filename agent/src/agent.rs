//! The agent's process: one session with the edge, one engine for runs, one scan at a time.
//!
//! Invariants: it never ends by itself, whatever the network does; every message is acknowledged only when its effect
//! is durable; scans and steps of runs never ask the package manager at the same time.

mod documents;
mod drive;
mod inventory;
mod link;
mod renewal;
mod reports;
mod search;
mod status;

pub use status::{RunStatus, Status, read_status};

use crate::clock::{EdgeClock, Uptime};
use crate::counter::CheckIn;
use crate::payload::switch::Switch;
use crate::provider::Providers;
use crate::run::report::ResultSigner;
use crate::run::{Engine, Runs};
use crate::state::StateFolder;
use crate::state::documents::Documents;
use crate::state::identity::{Enrolled, IdentityFault};
use crate::state::ways::Ways;
use crate::watch::Watch;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use drive::Driver;
use inventory::Reported;
use link::Link;
use netpatch_proof::P256Signer;
use netpatch_tunnel::{Limits, Proxies, SessionEvent, SiteClient};
use netpatch_types::{Clock as _, SharedClock};
use netpatch_window::Schedule;
use reports::Reports;
use search::Searches;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Freshness, certificate and scan are looked at this often.
const TICK: Duration = Duration::from_secs(5);

/// Between two scans where neither the host nor its site says when.
pub const SCAN_PAUSE: Duration = Duration::from_secs(4 * 3600);

/// How an agent runs.
pub struct Options {
    /// The state folder, opened.
    pub state: StateFolder,
    /// The host's root; `/` but for tests.
    pub runner: crate::command::Runner,
    /// Report only, whatever is ordered.
    pub audit_only: bool,
    /// When the host is scanned without being asked, as its own configuration says: it outweighs what the site says, which outweighs
    /// [`SCAN_PAUSE`]. Besides, it is when something was installed or removed.
    pub schedule: Option<Schedule>,
    /// The site's forward proxy, for the way to the edge over TCP and, without a relay, to mirrors.
    pub proxies: Proxies,
    /// The wall clock.
    pub clock: SharedClock,
    /// What carries confirmed time on.
    pub uptime: Uptime,
    /// Who knows and changes what is installed, if not whom the host has.
    pub providers: Option<Providers>,
}

/// Why an agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AgentFault {
    /// The identity.
    #[error(transparent)]
    Identity(#[from] IdentityFault),
    /// The identity key.
    #[error("the identity key cannot be used")]
    Key,
    /// The disk.
    #[error("cannot use the state folder: {0}")]
    Io(#[from] std::io::Error),
    /// The certificate.
    #[error("the certificate cannot be read: {0}")]
    Certificate(#[from] netpatch_tunnel::IdentityError),
}

/// A running agent.
pub struct Agent {
    state: StateFolder,
    runner: crate::command::Runner,
    audit_only: bool,
    own_schedule: Option<Schedule>,
    proxies: Proxies,
    /// The host's own time; counts for the schedule.
    zone: Tz,
    watch: Watch,
    enrolled: Enrolled,
    documents: Arc<Mutex<Documents>>,
    clock: Arc<EdgeClock>,
    providers: Providers,
    payloads: Arc<Switch>,
    site: Option<Arc<SiteClient>>,
    ways: Ways,
    /// Whether the session's ways are others than those that it was made with.
    is_way_changed: bool,
    searches: Searches,
    runs: Runs,
    signer: ResultSigner,
    check_in: Arc<Mutex<CheckIn>>,
    reported: Arc<Mutex<Reported>>,
    driver: Arc<Driver>,
    reports: Reports,
    asked_freshness: BTreeMap<Uuid, Instant>,
    status: Status,
    next_scan: Instant,
    /// When it would be if nobody asked for one.
    scheduled_for: Instant,
    scanning: bool,
    /// The next scan fetches the package manager's indices anew.
    refresh: bool,
    refresh_due: Instant,
    renewal_asked: Option<Instant>,
    /// A run is over: look whether the agent's own files were replaced.
    replaced_check: bool,
}

/// A relay that vanished without a word is noticed in time for its hosts to be at the edge within half a minute: these packets stay
/// inside the site.
fn site_limits() -> Limits {
    Limits {
        idle_timeout: Duration::from_secs(18),
        keep_alive: Duration::from_secs(5),
        ..Limits::default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the agent until it is told to stop.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), AgentFault> {
    let _only_one = options.state.lock()?;
    let clock = Arc::new(EdgeClock::carried_by(
        &options.state,
        options.clock.clone(),
        options.uptime.clone(),
    ));
    Agent::new(options, clock).await?.serve(stop).await
}

impl Agent {
    async fn new(options: Options, clock: Arc<EdgeClock>) -> Result<Self, AgentFault> {
        let Options {
            state,
            runner,
            audit_only,
            schedule,
            proxies,
            providers,
            ..
        } = options;
        let enrolled = Enrolled::load(&state)?;
        let key = || P256Signer::from_pkcs8_der(&enrolled.key).ok_or(AgentFault::Key);
        let mut documents = Documents::load(&state, enrolled.trust())?;
        let runs = Runs::new(&state);
        for recorded in runs.recorded() {
            let order = &recorded.run.order;
            if documents.highest_sequence(order.deployment) < Some(order.sequence) {
                documents.took(order.deployment, order.sequence)?;
            }
        }
        let ways = Ways::load(
            &state,
            enrolled.enrolment.relay.as_ref(),
            documents.membership(),
        );
        let documents = Arc::new(Mutex::new(documents));
        let site = ways.first().map(|address| {
            let shared: SharedClock = clock.clone();
            Arc::new(SiteClient::new(
                address.to_owned(),
                enrolled.ca.clone(),
                enrolled.tls(),
                shared,
                site_limits(),
            ))
        });
        let shared: SharedClock = clock.clone();
        let sources = search::payloads(site.as_ref(), &ways, &proxies, shared);
        let payloads = Arc::new(Switch::new(sources));
        let providers = match providers {
            Some(providers) => providers,
            None => Providers::of_host(&runner, &state.file("")).await,
        };
        std::fs::create_dir_all(state.file("apt"))?;
        let zone = crate::facts::read(runner.root()).time_zone;
        let engine = Engine::new(
            Arc::clone(providers.installer()),
            Arc::clone(&documents),
            Arc::clone(&clock),
            payloads.clone(),
            zone.clone(),
        );
        let signer = ResultSigner {
            organization_id: enrolled.enrolment.organization.to_string(),
            host_id: enrolled.enrolment.host.to_string(),
            key: key()?,
            public_key: netpatch_tunnel::identity::subject_key(&enrolled.certificate)?.1,
        };
        let check_in = CheckIn::new(&state, &crate::facts::boot_id(), key()?)?;
        let mut status = Status::begin(&enrolled, clock.now());
        status.relay = ways.first().map(str::to_owned);
        let watch = Watch::new(runner.root());
        Ok(Self {
            reported: Arc::new(Mutex::new(Reported::load(&state))),
            driver: Arc::new(Driver::new(engine, runs.clone(), Arc::clone(&clock))),
            check_in: Arc::new(Mutex::new(check_in)),
            reports: Reports::default(),
            asked_freshness: BTreeMap::new(),
            next_scan: Instant::now(),
            scheduled_for: Instant::now(),
            scanning: false,
            refresh: true,
            refresh_due: Instant::now(),
            renewal_asked: None,
            replaced_check: false,
            state,
            runner,
            audit_only,
            own_schedule: schedule,
            proxies,
            zone: zone.parse().unwrap_or(Tz::UTC),
            watch,
            enrolled,
            documents,
            clock,
            providers,
            payloads,
            site,
            ways,
            is_way_changed: false,
            searches: Searches::new(),
            runs,
            signer,
            status,
        })
    }

    /// The loop: whatever happens is handled here, one thing at a time.
    async fn serve(&mut self, stop: CancellationToken) -> Result<(), AgentFault> {
        let (changed, mut changes) = mpsc::channel(64);
        let (scanned, mut scans) = mpsc::channel(1);
        let (renewed_after_end, mut renewals) = mpsc::channel(1);
        let (searched, mut searches) = mpsc::channel(1);
        let mut link = Link::connect(self);
        // The results of what an earlier process ended are made before anything else changes the host.
        self.report_runs(&link).await;
        let driving = tokio::spawn(Arc::clone(&self.driver).drive(changed));
        let _driving = tokio_util::task::AbortOnDropHandle::new(driving);
        let renewed = Arc::new(Notify::new());
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first scan is due at once; this is when the next one would be.
        self.scheduled_for = self.scheduled();
        // What an earlier process wrote is not so any more.
        self.publish_status(&link);
        loop {
            let check_in_due = link.due;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                event = link.session.next() => match event {
                    Some(event) => self.on_event(&mut link, event, &renewed).await,
                    None => link = Link::connect(self),
                },
                Some(finished) = changes.recv() => {
                    self.report_runs(&link).await;
                    if finished {
                        self.scan_soon();
                        self.replaced_check = true;
                        self.runs.tidy();
                    }
                }
                Some(scan) = scans.recv() => {
                    self.scanning = false;
                    self.on_scan(&link, scan);
                }
                Some(answer) = renewals.recv() => self.on_renewed_after_end(answer, &renewed),
                Some(found) = searches.recv() => {
                    if self.on_search(found) {
                        link = Link::connect(self);
                    }
                }
                () = self.watch.changed() => {
                    tracing::info!("the host's packages have changed");
                    self.next_scan = Instant::now();
                }
                () = sleep_until(check_in_due) => self.heartbeat(&mut link),
                () = renewed.notified() => link = Link::connect(self),
                _ = tick.tick() => {
                    self.search_relay(&link, &searched);
                    self.ask_freshness(&link);
                    self.ask_renewal(&link, &renewed_after_end);
                    self.start_scan(&link, &scanned);
                    self.restart_if_replaced(&link);
                    if self.wants_left_orders() {
                        link = Link::connect(self);
                    }
                }
            }
            if std::mem::take(&mut self.is_way_changed) {
                link = Link::connect(self);
            }
            self.publish_status(&link);
        }
    }

    async fn on_event(&mut self, link: &mut Link, event: SessionEvent, renewed: &Arc<Notify>) {
        match event {
            SessionEvent::Up { carrier, welcome } => {
                tracing::info!(?carrier, "session is up");
                link.up(carrier, &welcome);
                if let Some(time) = &welcome.time {
                    self.take_time(time);
                }
                self.on_way_up(carrier, &welcome);
                self.after_welcome(link, &welcome);
                self.report_runs(link).await;
                self.driver.wake();
            }
            SessionEvent::Down { reason } => {
                tracing::info!(%reason, "session is down");
                link.down(reason);
            }
            SessionEvent::Message(message) => {
                let number = message.number;
                if let Some(body) = message.body {
                    self.on_message(link, body, renewed).await;
                }
                if number > 0 {
                    link.handle.durable(number);
                    link.acknowledge_soon();
                }
            }
        }
    }

    /// A scan with all that belongs to it, at the next occasion.
    fn scan_soon(&mut self) {
        self.next_scan = Instant::now();
        self.refresh = true;
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn documents(&self) -> MutexGuard<'_, Documents> {
        lock(&self.documents)
    }
}
