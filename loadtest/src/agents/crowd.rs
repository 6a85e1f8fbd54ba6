//! All simulated hosts, and their sessions.

use super::figures::{Figures, spread};
use super::host::{Host, Life, Ways};
use super::platform::{Platform, Site};
use super::relay::Relay;
use super::scenario::Scenario;
use crate::report::Report;
use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use netpatch_protocol::session::Manifest;
use netpatch_types::SharedClock;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Whatever is waited for: while nothing happens for this long, nothing will.
const STILL: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

/// Everybody.
pub(super) struct Crowd {
    hosts: Vec<(Arc<Host>, Ways)>,
    figures: Arc<Figures>,
    pace: watch::Sender<Duration>,
    sessions: JoinSet<()>,
}

impl Crowd {
    /// Enrols all hosts.
    pub(super) async fn enrol(
        scenario: &Scenario,
        site: &Site,
        manifests: &[Arc<Manifest>],
        platform: &Platform,
        relays: &[Relay],
        clock: SharedClock,
        report: &mut Report,
    ) -> Result<Self> {
        let tokens = site.tokens(scenario.count).await?;
        let (began, cpu) = (Instant::now(), platform.cpu()?);
        let enrolling = (0..scenario.count).map(|number| {
            let ways = Ways {
                edge: platform.quic.clone(),
                relay: relays
                    .get(number % relays.len().max(1))
                    .map(|relay| relay.address.clone()),
                over: scenario.over,
                clock: clock.clone(),
            };
            let token = Site::token_of(&tokens, number).unwrap_or_default();
            let manifest = Arc::clone(&manifests[number % manifests.len()]);
            async move {
                let asked = Instant::now();
                let host = Host::enrol(number, token, manifest, &ways).await?;
                Ok::<_, anyhow::Error>(((Arc::new(host), ways), asked.elapsed()))
            }
        });
        let enrolled: Vec<_> = futures::stream::iter(enrolling)
            .buffer_unordered(scenario.enrolling)
            .try_collect()
            .await?;
        let used = platform.cpu()? - cpu;
        let (hosts, mut times): (Vec<_>, Vec<_>) = enrolled.into_iter().unzip();
        report.row(
            "enrolments",
            super::rate(hosts.len(), began.elapsed()),
            "1/s",
            format!(
                "{} at once; {:.1} s of the platform's processor",
                scenario.enrolling,
                used.as_secs_f64()
            ),
        );
        spread(report, "enrolment", &mut times, String::new());
        Ok(Self {
            hosts,
            figures: Arc::default(),
            pace: watch::Sender::new(Duration::ZERO),
            sessions: JoinSet::new(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// How long a check-in is on the line, without TLS.
    pub(super) fn check_in_bytes(&self) -> usize {
        let first = self.hosts.first();
        first.map_or(0, |(host, _)| host.check_in_bytes())
    }

    pub(super) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// How often everybody checks in from now on; zero: as the edge says.
    pub(super) fn pace(&self, pace: Duration) {
        self.pace.send_replace(pace);
    }

    /// Opens a session for everybody, so many at the same time, and waits for the last welcome.
    pub(super) async fn connect(&mut self, at_once: usize) -> Result<()> {
        self.figures.begin();
        let turns = Arc::new(Semaphore::new(at_once));
        for number in 0..self.hosts.len() {
            let turn = Arc::clone(&turns).acquire_owned();
            let turn = tokio::time::timeout(STILL, turn).await;
            let turn =
                turn.with_context(|| format!("no session comes up: {}", self.figures.downs()))??;
            self.begin(number, Instant::now(), Some(turn));
        }
        self.all_welcomed().await
    }

    /// Opens all sessions at once; how long until the last welcome.
    pub(super) async fn connect_at_once(&mut self) -> Result<Duration> {
        self.figures.begin();
        let began = Instant::now();
        for number in 0..self.hosts.len() {
            self.begin(number, began, None);
        }
        self.all_welcomed().await?;
        Ok(began.elapsed())
    }

    fn begin(
        &mut self,
        number: usize,
        wanted: Instant,
        turn: Option<tokio::sync::OwnedSemaphorePermit>,
    ) {
        let (host, ways) = &self.hosts[number];
        let life = Life {
            figures: Arc::clone(&self.figures),
            pace: self.pace.subscribe(),
            wanted,
            turn,
        };
        self.sessions
            .spawn(Arc::clone(host).live(ways.clone(), life));
    }

    /// Ends every session.
    pub(super) async fn leave(&mut self) {
        self.sessions.shutdown().await;
    }

    /// Waits until every manifest is stored.
    pub(super) async fn all_stored(&self) -> Result<()> {
        self.reaches("stored manifests", |figures| {
            figures.stored.load(Ordering::Relaxed)
        })
        .await
    }

    /// Waits until every session that was lost is welcomed again.
    pub(super) async fn all_welcomed(&self) -> Result<()> {
        self.reaches("welcomes", |figures| {
            figures.welcomed.load(Ordering::Relaxed)
        })
        .await
    }

    async fn reaches(&self, what: &str, count: impl Fn(&Figures) -> usize) -> Result<()> {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let now = count(&self.figures);
            if now >= self.hosts.len() {
                return Ok(());
            }
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > STILL {
                bail!(
                    "{now} of {} {what}, and no more for two minutes: {}",
                    self.hosts.len(),
                    self.figures.downs()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
