//! The one connection to the edge: kept up, over QUIC, or over TCP for as long as QUIC does not get through, with reports going out and the site's settings coming in.
//!
//! A connection is left for a better one, and for any other one when nothing comes through it any more while something is sent.

use crate::cache::Cache;
use crate::counters::Counters;
use crate::data::{DataDir, Enrolment};
use netpatch_protocol::site::{RelayReport, SiteRequest, SiteSettings, stream_open};
use netpatch_relay_core::Upstreams;
use netpatch_tunnel::{CarrierKind, EdgeAddress, Identity, Limits, Over, RelayUplink, TunnelError};
use netpatch_types::SharedClock;
use prost::Message as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// A connection to the edge without any packet for this long is dead: a whole site waits behind it, and its hosts are to be past the relay
/// within 30 s. Shorter than between others, where each silence counts for one host only.
const IDLE: Duration = Duration::from_secs(15);
/// How often something is sent, so that a line that works is never silent for so long.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is known of the connection.
#[derive(Clone, Default)]
pub struct LinkState {
    /// The living connection.
    pub link: Option<RelayUplink>,
    /// Why the last one ended or could not be made; empty when it is up.
    pub problem: String,
}

/// From one connection to another.
struct Moving {
    from: Before,
    to: RelayUplink,
}

/// The connection that another one takes over from.
struct Before {
    link: RelayUplink,
    /// What runs on it waits in vain; otherwise it may end in peace.
    is_silent: bool,
}

/// Why a connection was left.
enum Left {
    For { to: RelayUplink, is_silent: bool },
    Ended { reason: String, was_good: bool },
}

/// What keeping the connection up needs.
pub(crate) struct Uplink {
    pub(crate) enrolment: Enrolment,
    pub(crate) edge: EdgeAddress,
    pub(crate) identity: watch::Receiver<Identity>,
    pub(crate) data: DataDir,
    pub(crate) cache: Arc<Cache>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: SharedClock,
    pub(crate) limits: Limits,
    pub(crate) report_every: Duration,
    /// Told whether the site lets the relay probe.
    pub(crate) allow_probes: watch::Sender<bool>,
    /// Told whether the site lets the relay serve hosts without an agent.
    pub(crate) allow_proxy: Arc<AtomicBool>,
    /// Where agents reach the relay, as it is told; empty when it is not.
    pub(crate) address: String,
    pub(crate) state: watch::Sender<LinkState>,
}

impl Uplink {
    /// Never ends: connects, reports while it is up, and connects again.
    pub(crate) async fn keep_up(self) {
        let mut wait = FIRST_WAIT;
        let mut moving: Option<Moving> = None;
        loop {
            let connected = match moving.take() {
                Some(Moving { from, to }) => Ok((to, Some(from))),
                None => self.connect(Over::Any).await.map(|link| (link, None)),
            };
            let problem = match connected {
                Ok((link, before)) => match self.use_link(&link, before).await {
                    Left::For { to, is_silent } => {
                        let from = Before { link, is_silent };
                        moving = Some(Moving { from, to });
                        continue;
                    }
                    Left::Ended { reason, was_good } => {
                        if was_good {
                            wait = FIRST_WAIT;
                        }
                        reason
                    }
                },
                Err(error) => error.to_string(),
            };
            tracing::warn!(%problem, wait_ms = wait.as_millis(), "no connection to the edge");
            self.state.send_replace(LinkState {
                link: None,
                problem,
            });
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn connect(&self, over: Over) -> Result<RelayUplink, TunnelError> {
        let identity = self.identity.borrow().clone();
        let limits = Limits {
            idle_timeout: self.limits.idle_timeout.min(IDLE),
            keep_alive: self.limits.keep_alive.min(KEEP_ALIVE),
            ..self.limits
        };
        RelayUplink::connect_over(
            over,
            &self.edge,
            self.enrolment.trust(),
            &identity,
            &self.clock,
            limits,
        )
        .await
    }

    /// Until the connection ends or another one takes over. `before` is the one that it takes over from: what runs there may end in
    /// peace until the next report, unless it is silent.
    async fn use_link(&self, link: &RelayUplink, mut before: Option<Before>) -> Left {
        let mut was_good = false;
        let mut ticks = tokio::time::interval(self.report_every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let better = self.better(link);
        let other = link.instead(|| self.connect(Over::AtOnce));
        tokio::pin!(better, other);
        loop {
            tokio::select! {
                reason = link.closed() => return Left::Ended { reason, was_good },
                to = &mut better, if was_good => return Left::For { to, is_silent: false },
                to = &mut other, if was_good => return Left::For { to, is_silent: true },
                _ = ticks.tick() => {}
            }
            if was_good && let Some(before) = before.take() {
                before.link.close();
            }
            let talked = tokio::select! {
                talked = self.talk(link) => talked,
                to = &mut other, if was_good => return Left::For { to, is_silent: true },
            };
            match talked {
                Ok(()) if was_good => {}
                Ok(()) => {
                    was_good = true;
                    let carrier = link.carrier();
                    tracing::info!(server = %self.edge, ?carrier, "connected to the edge");
                    self.state.send_replace(LinkState {
                        link: Some(link.clone()),
                        problem: String::new(),
                    });
                    // Its agents come over at once.
                    if let Some(silent) = before.take_if(|before| before.is_silent) {
                        silent.link.close();
                    }
                }
                Err(error) if was_good => tracing::warn!(%error, "the edge does not answer"),
                Err(error) => {
                    // Never answered: refused, or no relay of this organization.
                    link.close();
                    return Left::Ended {
                        reason: error.to_string(),
                        was_good,
                    };
                }
            }
        }
    }

    /// Ends when QUIC gets through again; never on a connection over QUIC.
    async fn better(&self, than: &RelayUplink) -> RelayUplink {
        if than.carrier() == CarrierKind::Direct {
            std::future::pending::<()>().await;
        }
        loop {
            tokio::time::sleep(self.limits.return_every).await;
            match self.connect(Over::Quic).await {
                Ok(link) => return link,
                Err(error) => tracing::debug!(%error, "QUIC does not get through yet"),
            }
        }
    }

    /// One report and one look at the settings.
    async fn talk(&self, link: &RelayUplink) -> Result<(), TunnelError> {
        let usage = self.cache.usage();
        let counted = self.counters.now();
        let report = RelayReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cache_bytes: usage.used_bytes,
            cache_budget_bytes: usage.budget_bytes,
            bytes_served: counted.bytes_served,
            bytes_fetched: counted.bytes_fetched,
            hits: counted.hits,
            misses: counted.misses,
            sessions: u32::try_from(counted.sessions).unwrap_or(u32::MAX),
            disk_free_bytes: self.cache.free_bytes(),
            address: self.address.clone(),
            deltas: counted.deltas,
            delta_saved_bytes: counted.delta_saved_bytes,
            stored: counted.stored,
        };
        link.open(stream_open::Kind::Report(report)).await?;
        let (answer, _) = link.open(stream_open::Kind::Site(SiteRequest {})).await?;
        let settings = SiteSettings::decode(answer.body.as_slice())
            .map_err(|error| TunnelError::Unexpected(error.to_string()))?;
        self.cache
            .set_upstreams(Upstreams::from_settings(&settings));
        self.cache.line().set(&settings);
        self.cache.allow_recipes(!settings.whole_files_only);
        self.allow_probes.send_replace(settings.probes_exposure);
        let serves_proxy = settings.serves_proxy;
        self.allow_proxy.store(serves_proxy, Ordering::Relaxed);
        if self.data.settings().ok().as_ref() != Some(&settings)
            && let Err(error) = self.data.save_settings(&settings)
        {
            tracing::warn!(%error, "cannot keep the site's settings");
        }
        Ok(())
    }
}
