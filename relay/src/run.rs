//! A running relay: its tasks and what they share. Dropping it stops it.

use crate::agents::Agents;
use crate::announce::{self, Announcement};
use crate::cache::Cache;
use crate::cache::store::{Store, StoreError};
use crate::config::{Config, PlatformPayloads};
use crate::counters::{self, Counters};
use crate::data::{DataDir, DataError};
use crate::delta::FromEdge;
use crate::front;
use crate::metrics::{self, Metrics};
use crate::probe::{Connected, Prober};
use crate::refused::{Doorkeeper, Listening};
use crate::renew::Renewal;
use crate::staging::{Progress, Stager};
use crate::status::{Standing, Status, WRITE_EVERY};
use crate::stored;
use crate::uplink::{LinkState, Uplink};
use netpatch_relay_core::Upstreams;
use netpatch_tunnel::{CarrierKind, Limits, RelayUplink, SiteEndpoint, TunnelError};
use netpatch_types::SharedClock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What to fetch ahead is asked once in so many reports.
const STAGING_REPORTS: u32 = 5;

/// Why a relay cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It has no certificate.
    #[error("relay is not claimed yet; run `netpatch-relay claim` first")]
    Unclaimed,
    /// The data directory.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The cache's folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sockets.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// A part of it ended that never should.
    #[error("a part of the relay ended unexpectedly: {0}")]
    Ended(String),
}

/// A running relay.
pub struct Relay {
    data: DataDir,
    endpoint: Arc<SiteEndpoint>,
    cache: Arc<Cache>,
    counters: Arc<Counters>,
    clock: SharedClock,
    link: watch::Receiver<LinkState>,
    metrics: Option<SocketAddr>,
    proxy: Option<SocketAddr>,
    allow_proxy: Arc<AtomicBool>,
    staging: watch::Receiver<Progress>,
    _announcement: Option<Announcement>,
    tasks: JoinSet<()>,
}

/// Hosts that need the hint find the relay otherwise too, so without it the relay runs on.
fn announced(id: &str, listen: SocketAddr) -> Option<Announcement> {
    let announced = Announcement::start(id, listen, announce::PORT);
    if let Err(error) = &announced {
        tracing::warn!(%error, "hosts cannot be told of the relay by multicast DNS");
    }
    announced.ok()
}

impl Relay {
    /// Starts a claimed relay.
    pub fn start(
        data: DataDir,
        config: &Config,
        clock: SharedClock,
        limits: Limits,
    ) -> Result<Self, RunError> {
        let enrolment = data.enrolment()?.ok_or(RunError::Unclaimed)?;
        let identity = enrolment.identity(data.key()?);
        let counters = Arc::new(Counters::of(&data));
        let cache = Arc::new(Cache::open_behind(
            config.proxy.clone(),
            Store::open(&data.join("cache"))?,
            config.cache_budget_bytes,
            config.metadata_fresh_seconds,
            counters.clone(),
            clock.clone(),
        )?);
        let settings = data.settings()?;
        cache.set_upstreams(Upstreams::from_settings(&settings));
        cache.line().set(&settings);
        cache.allow_recipes(!settings.whole_files_only);
        let allow_proxy = Arc::new(AtomicBool::new(settings.serves_proxy));
        let ca = enrolment.ca.clone();
        let endpoint = SiteEndpoint::bind(config.listen, &identity, ca, clock.clone(), limits)?;
        let endpoint = Arc::new(endpoint);
        let announcement = match config.mdns {
            true => announced(&enrolment.relay_id, endpoint.local_addr()?),
            false => None,
        };
        let (identity, current_identity) = watch::channel(identity);
        let (state, link) = watch::channel(LinkState::default());
        let (allow_probes, probes_allowed) = watch::channel(false);
        if config.delta_plain_bytes > 0 {
            cache.use_recipes(Arc::new(FromEdge(link.clone())), config.delta_plain_bytes);
        }
        if config.platform_payloads != PlatformPayloads::Never {
            let is_first = config.platform_payloads == PlatformPayloads::Before;
            let kept = Arc::new(stored::FromEdge(link.clone()));
            cache.use_kept(kept, is_first, &config.platform_store_hosts);
        }
        let connected = Arc::<Connected>::default();
        let report_every = Duration::from_secs(u64::from(config.report_seconds));
        let mut tasks = JoinSet::new();
        let door = Arc::new(Doorkeeper::of(&data));
        let agents = Agents {
            door: door.clone(),
            cache: cache.clone(),
            counters: counters.clone(),
            connected: connected.clone(),
            link: link.clone(),
            enrolments: Arc::default(),
        };
        tasks.spawn(agents.serve(endpoint.clone()));
        tasks.spawn(counters::keep(counters.clone(), data.clone()));
        let shown = Metrics {
            cache: cache.clone(),
            counters: counters.clone(),
            link: link.clone(),
            identity: current_identity.clone(),
            clock: clock.clone(),
        };
        let metrics = metrics::serve(config.metrics_listen, shown, &mut tasks);
        let proxy = front::listen(config.proxy_listen, &cache, &allow_proxy, &mut tasks);
        let edge = config.proxy.edge(&enrolment.server);
        let uplink = Uplink {
            enrolment: enrolment.clone(),
            edge: edge.clone(),
            identity: current_identity,
            data: data.clone(),
            cache: cache.clone(),
            counters: counters.clone(),
            clock: clock.clone(),
            limits,
            address: config.advertise.clone(),
            report_every,
            allow_probes,
            allow_proxy: allow_proxy.clone(),
            state,
        };
        tasks.spawn(uplink.keep_up());
        let listening = Listening {
            door,
            data: data.clone(),
            link: link.clone(),
        };
        tasks.spawn(listening.keep_told());
        let (pacing, edge_link) = (cache.clone(), link.clone());
        tasks.spawn(async move {
            let round_trip = || edge_link.borrow().link.as_ref()?.probe();
            pacing.line().keep_pace(round_trip).await;
        });
        let (progress, staging) = watch::channel(Progress::new());
        let stager = Stager {
            data: data.clone(),
            cache: cache.clone(),
            link: link.clone(),
            every: report_every * STAGING_REPORTS,
            progress,
        };
        tasks.spawn(stager.keep_staging());
        let prober = Prober {
            connected,
            link: link.clone(),
            allowed: probes_allowed,
            clock: clock.clone(),
            every: report_every,
        };
        tasks.spawn(prober.keep_probing());
        let renewal = Renewal {
            data: data.clone(),
            enrolment,
            edge,
            clock: clock.clone(),
            limits,
            identity,
            endpoint: endpoint.clone(),
        };
        tasks.spawn(renewal.keep_valid());
        Ok(Self {
            data,
            endpoint,
            cache,
            counters,
            clock,
            link,
            metrics,
            proxy,
            allow_proxy,
            staging,
            _announcement: announcement,
            tasks,
        })
    }

    /// Where agents reach it.
    pub fn local_addr(&self) -> Result<SocketAddr, RunError> {
        Ok(self.endpoint.local_addr()?)
    }

    /// What carries the connection to the edge; `None` when there is none.
    #[must_use]
    pub fn carrier(&self) -> Option<CarrierKind> {
        let state = self.link.borrow();
        state.link.as_ref().map(RelayUplink::carrier)
    }

    /// Waits until the edge has answered.
    pub async fn online(&mut self) {
        // The sender lives as long as the tasks, which live as long as this.
        let _ = self.link.wait_for(|state| state.link.is_some()).await;
    }

    /// What it says of itself.
    pub fn status(&self) -> Result<Status, RunError> {
        let link = self.link.borrow().clone();
        let standing = match link.link {
            Some(_) => Standing::Online,
            None => Standing::Offline,
        };
        let usage = self.cache.usage();
        let round_trip = link.link.map(|link| link.round_trip()).unwrap_or_default();
        let now_ms = self.clock.now().timestamp_millis();
        Ok(Status {
            listen: self.local_addr()?.to_string(),
            metrics: self.metrics.map(|at| at.to_string()).unwrap_or_default(),
            proxy: self.proxy.map(|at| at.to_string()).unwrap_or_default(),
            proxy_allowed: self.allow_proxy.load(Ordering::Relaxed),
            problem: link.problem,
            round_trip_ms: u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX),
            repositories: self.cache.repositories(),
            cache_bytes: usage.used_bytes,
            cache_budget_bytes: usage.budget_bytes,
            payloads: usage.payloads,
            cache_problem: self.cache.problem(),
            disk_free_bytes: self.cache.free_bytes(),
            staging: self.staging.borrow().iter().map(Into::into).collect(),
            line_kilobits_per_second: self.cache.line().limit(),
            paced_kilobits_per_second: self.cache.line().pace(),
            counted: self.counters.now(),
            ..Status::new(&self.data, now_ms, standing)?
        })
    }

    /// Writes the status from time to time until `stop` ends; then takes leave of agents and edge.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        tokio::pin!(stop);
        let mut ticks = tokio::time::interval(WRITE_EVERY);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = ticks.tick() => {}
                Ok(()) = self.link.changed() => {}
                Some(ended) = self.tasks.join_next() => {
                    let reason = ended.err().map(|error| error.to_string());
                    return Err(RunError::Ended(reason.unwrap_or_else(|| "without a reason".into())));
                }
            }
            if let Err(error) = self.status()?.write(&self.data) {
                tracing::warn!(%error, "cannot write the status");
            }
        }
        let link = self.link.borrow().link.clone();
        if let Some(link) = link {
            link.close();
        }
        self.endpoint.close();
        self.tasks.shutdown().await;
        let _ = tokio::time::timeout(Duration::from_secs(2), self.endpoint.closed()).await;
        self.counters.write(&self.data);
        let now_ms = self.clock.now().timestamp_millis();
        Status::new(&self.data, now_ms, Standing::Stopped)?.write(&self.data)?;
        Ok(())
    }
}
