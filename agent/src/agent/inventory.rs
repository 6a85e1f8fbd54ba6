//! Scans, and what the edge was told of them: an unchanged host sends nothing but its manifest's hash.

use super::link::Link;
use super::{Agent, SCAN_PAUSE, lock};
use crate::provider::union::Known;
use crate::scan::{self, Scan};
use crate::state::StateFolder;
use netpatch_agent_core::Failure;
use netpatch_protocol::manifest::delta_between;
use netpatch_protocol::session::{HostFacts, Manifest, Welcome, agent_message};
use netpatch_types::Sha256;
use netpatch_window::Schedule;
use prost::Message as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

const FILE: &str = "manifest.bin";
/// What each provider said last.
const KNOWN: &str = "known.json";
/// A scan that failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(60);

/// What the edge was told.
#[derive(Default)]
pub(super) struct Reported {
    /// The newest manifest.
    manifest: Option<Manifest>,
    /// The one before it, as a base for a delta.
    base: Option<Manifest>,
    facts: Option<HostFacts>,
    applicability: Option<Sha256>,
    /// What the last scan found, by provider.
    pub(super) known: Known,
}

impl Reported {
    pub(super) fn load(state: &StateFolder) -> Self {
        let manifest = state
            .read(FILE)
            .ok()
            .flatten()
            .and_then(|bytes| Manifest::decode(bytes.as_slice()).ok());
        let known = state
            .read(KNOWN)
            .ok()
            .flatten()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self {
            manifest,
            known,
            ..Self::default()
        }
    }

    /// The newest manifest's hash; empty before the first scan.
    pub(super) fn hash(&self) -> Vec<u8> {
        self.manifest
            .as_ref()
            .map(|manifest| manifest.hash.clone())
            .unwrap_or_default()
    }

    /// The next scan reports what could be installed even if it is unchanged.
    pub(super) fn forget_applicability(&mut self) {
        self.applicability = None;
    }
}

impl Agent {
    /// Starts a scan when one is due, somebody can be told, and nothing is being installed.
    pub(super) fn start_scan(&mut self, link: &Link, done: &mpsc::Sender<Result<Scan, Failure>>) {
        let is_due = link.carrier.is_some() && Instant::now() >= self.next_scan;
        if self.scanning || !is_due || self.driver.is_changing() {
            return;
        }
        self.scanning = true;
        let due = self.scheduled();
        // What was changed on the host is seen without asking its sources anew: they are asked by schedule and by wish.
        let refresh = std::mem::take(&mut self.refresh) || Instant::now() >= self.refresh_due;
        if refresh {
            self.refresh_due = due;
        }
        (self.next_scan, self.scheduled_for) = (due, due);
        let audit_only = self.is_audit_only();
        let (driver, providers) = (Arc::clone(&self.driver), self.providers.clone());
        let known = lock(&self.reported).known.clone();
        let (payloads, done) = (Arc::clone(&self.payloads), done.clone());
        let runner = self.runner.clone();
        tokio::spawn(async move {
            let _gate = driver.gate.lock().await;
            let scan = scan::scan(&providers, &known, payloads, &runner, audit_only, refresh).await;
            let _ = done.send(scan).await;
        });
    }

    /// When the next scan by schedule is due.
    pub(super) fn scheduled(&mut self) -> Instant {
        let host = self.enrolled.enrolment.host.to_string();
        let ((schedule, who), now) = (self.schedule(), self.now());
        let wait = schedule.wait(now, self.zone, &host);
        self.status.scan_schedule = format!("{who}: {schedule}");
        self.status.scheduled_scan_at = Some(now + wait);
        Instant::now() + wait
    }

    /// As the host's own configuration says, else as its site does, else every so often.
    fn schedule(&self) -> (Schedule, &'static str) {
        if let Some(own) = &self.own_schedule {
            return (own.clone(), "the host");
        }
        let documents = self.documents();
        let said = documents
            .membership()
            .and_then(|membership| membership.scan.as_ref());
        let by_itself = (Schedule::every(SCAN_PAUSE), "nobody");
        let Some(said) = said else {
            return by_itself;
        };
        let jitter = Duration::from_secs(said.jitter_seconds.into());
        match Schedule::cron(&said.cron, jitter) {
            Ok(schedule) => (schedule, "the site"),
            Err(error) => {
                tracing::warn!(%error, "what the site says of scans cannot be read");
                by_itself
            }
        }
    }

    /// The site says something else of scans: the next one is due by that, unless it was asked for sooner.
    pub(super) fn on_new_schedule(&mut self) {
        let due = self.scheduled();
        if self.next_scan == self.scheduled_for {
            self.next_scan = due;
        }
        self.scheduled_for = due;
        self.refresh_due = due;
    }

    fn is_audit_only(&self) -> bool {
        self.audit_only
            || self
                .documents()
                .membership()
                .is_some_and(|membership| membership.audit_only)
    }

    /// Tells the edge what is new.
    pub(super) fn on_scan(&mut self, link: &Link, scan: Result<Scan, Failure>) {
        let scan = match scan {
            Ok(scan) => scan,
            Err(failure) => {
                tracing::warn!(%failure, "the scan failed");
                self.status.scan_problem = Some(failure.to_string());
                self.next_scan = self.next_scan.min(Instant::now() + AGAIN);
                self.refresh = true;
                return;
            }
        };
        self.status.scanned(&scan, self.now());
        self.watch.set(&self.providers.watched());
        let mut reported = lock(&self.reported);
        if reported.facts.as_ref() != Some(&scan.facts)
            && link.send(agent_message::Body::Facts(scan.facts.clone()))
        {
            reported.facts = Some(scan.facts);
        }
        if reported.known != scan.known {
            self.keep_known(&scan.known);
            reported.known = scan.known;
        }
        let is_new = reported.hash() != scan.manifest.hash;
        if is_new {
            if let Err(error) = self.state.write(FILE, &scan.manifest.encode_to_vec()) {
                tracing::warn!(%error, "cannot keep the manifest");
            }
            reported.base = reported.manifest.replace(scan.manifest);
            let base = reported
                .base
                .as_ref()
                .map(|base| base.hash.clone())
                .unwrap_or_default();
            drop(reported);
            self.send_manifest(link, &base);
            reported = lock(&self.reported);
        }
        let digest = Sha256::of(&scan.applicability.encode_to_vec());
        if reported.applicability != Some(digest)
            && link.send(agent_message::Body::Applicability(scan.applicability))
        {
            reported.applicability = Some(digest);
        }
    }

    fn keep_known(&self, known: &Known) {
        let written = serde_json::to_vec(known)
            .map_err(std::io::Error::other)
            .and_then(|json| self.state.write(KNOWN, &json));
        if let Err(error) = written {
            tracing::warn!(%error, "cannot keep what is known of the host");
        }
    }

    /// Sends the newest manifest, as a delta if the edge holds the one before.
    pub(super) fn send_manifest(&self, link: &Link, base_hash: &[u8]) {
        let reported = lock(&self.reported);
        let Some(manifest) = &reported.manifest else {
            return;
        };
        let base = reported
            .base
            .as_ref()
            .filter(|base| !base_hash.is_empty() && base.hash == base_hash);
        let body = match base {
            Some(base) => agent_message::Body::ManifestDelta(delta_between(
                &base.components,
                &manifest.components,
            )),
            None => agent_message::Body::Manifest(manifest.clone()),
        };
        link.send(body);
    }

    /// The edge says what it holds: what is missing is sent, and a new session hears everything.
    pub(super) fn after_welcome(&mut self, link: &Link, welcome: &Welcome) {
        let known_here = lock(&self.reported).hash();
        if !known_here.is_empty() && welcome.known_manifest_hash != known_here {
            self.send_manifest(link, &welcome.known_manifest_hash);
        }
        if self.status.resume_id != welcome.resume_id {
            self.status.resume_id.clone_from(&welcome.resume_id);
            self.reports.forget();
            let mut reported = lock(&self.reported);
            reported.facts = None;
            reported.applicability = None;
            drop(reported);
            self.scan_soon();
        }
    }
}
