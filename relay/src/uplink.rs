//! The one connection to the edge: kept up, with reports going out and the site's settings coming in.

use crate::cache::Cache;
use crate::counters::Counters;
use crate::data::{DataDir, Enrolment};
use netpatch_protocol::site::{RelayReport, SiteRequest, SiteSettings, stream_open};
use netpatch_relay_core::Upstreams;
use netpatch_tunnel::{Identity, Limits, RelayUplink, TunnelError};
use netpatch_types::SharedClock;
use prost::Message as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

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

/// What keeping the connection up needs.
pub(crate) struct Uplink {
    pub(crate) enrolment: Enrolment,
    pub(crate) identity: watch::Receiver<Identity>,
    pub(crate) data: DataDir,
    pub(crate) cache: Arc<Cache>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: SharedClock,
    pub(crate) limits: Limits,
    pub(crate) report_every: Duration,
    /// Told whether the site lets the relay probe.
    pub(crate) allow_probes: watch::Sender<bool>,
    /// Where agents reach the relay, as it is told; empty when it is not.
    pub(crate) address: String,
    pub(crate) state: watch::Sender<LinkState>,
}

impl Uplink {
    /// Never ends: connects, reports while it is up, and connects again.
    pub(crate) async fn keep_up(self) {
        let mut wait = FIRST_WAIT;
        loop {
            let identity = self.identity.borrow().clone();
            let connecting = RelayUplink::connect(
                &self.enrolment.server,
                self.enrolment.trust(),
                &identity,
                &self.clock,
                self.limits,
            );
            let problem = match connecting.await {
                Ok(link) => {
                    let (reason, was_good) = self.use_link(&link).await;
                    if was_good {
                        wait = FIRST_WAIT;
                    }
                    reason
                }
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

    /// Until the connection ends: why it did, and whether the edge ever answered on it.
    async fn use_link(&self, link: &RelayUplink) -> (String, bool) {
        let mut was_good = false;
        let mut ticks = tokio::time::interval(self.report_every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                reason = link.closed() => return (reason, was_good),
                _ = ticks.tick() => {}
            }
            match self.talk(link).await {
                Ok(()) if was_good => {}
                Ok(()) => {
                    was_good = true;
                    tracing::info!(server = %self.enrolment.server, "connected to the edge");
                    self.state.send_replace(LinkState {
                        link: Some(link.clone()),
                        problem: String::new(),
                    });
                }
                Err(error) if was_good => tracing::warn!(%error, "the edge does not answer"),
                Err(error) => {
                    // Never answered: refused, or no relay of this organization.
                    link.close();
                    return (error.to_string(), false);
                }
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
        };
        link.open(stream_open::Kind::Report(report)).await?;
        let (answer, _) = link.open(stream_open::Kind::Site(SiteRequest {})).await?;
        let settings = SiteSettings::decode(answer.body.as_slice())
            .map_err(|error| TunnelError::Unexpected(error.to_string()))?;
        self.cache
            .set_upstreams(Upstreams::from_settings(&settings));
        self.cache.line().set(&settings);
        self.allow_probes.send_replace(settings.probes_exposure);
        if self.data.settings().ok().as_ref() != Some(&settings)
            && let Err(error) = self.data.save_settings(&settings)
        {
            tracing::warn!(%error, "cannot keep the site's settings");
        }
        Ok(())
    }
}
