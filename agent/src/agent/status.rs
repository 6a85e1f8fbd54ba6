//! What `netpatch-agent status` shows: written by the running agent, read by anybody who may read the folder.

mod text;

use super::Agent;
use super::link::Link;
use crate::discovery::{Refused, Way};
use crate::run::report;
use crate::scan::Scan;
use crate::state::StateFolder;
use crate::state::identity::Enrolled;
use crate::state::journal::Recorded;
use chrono::{DateTime, Utc};
use netpatch_protocol::session::installable_update;
use netpatch_tunnel::CarrierKind;
use serde::{Deserialize, Serialize};
use std::io;

const FILE: &str = "status.json";

/// The agent's state for people and scripts. Times are RFC 3339, UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The agent's version.
    pub agent_version: String,
    /// Public id of the host.
    pub host_id: String,
    /// The edge, `host:port`.
    pub server: String,
    /// The relay, `host:port`.
    pub relay: Option<String>,
    /// By which way the relay was found; none when it was named at enrolment.
    #[serde(default)]
    pub relay_found_by: Option<Way>,
    /// What is said to be a relay and is not used.
    #[serde(default)]
    pub relays_refused: Vec<Refused>,
    /// Whether the site forbids to go past its relays.
    #[serde(default)]
    pub direct_forbidden: bool,
    /// Why nobody can be asked for a relay.
    #[serde(default)]
    pub relay_problem: Option<String>,
    /// Whether the agent runs now; found out by the reader.
    #[serde(default)]
    pub running: bool,
    /// Process id of the agent that wrote this.
    pub pid: u32,
    /// When the agent started.
    pub started_at: DateTime<Utc>,
    /// `up` or `down`.
    pub session: String,
    /// `relay`, `direct` or `tcp` when up.
    pub carrier: Option<String>,
    /// Why the session is down.
    pub reason: Option<String>,
    /// Since when the session is as it is.
    pub session_since: DateTime<Utc>,
    /// Whether the edge has confirmed the time since boot.
    pub time_confirmed: bool,
    /// How far the wall clock is ahead of the confirmed time.
    pub clock_skew_ms: Option<i64>,
    /// Whether the host only reports.
    pub audit_only: bool,
    /// The ring, once a membership has arrived.
    pub ring: Option<String>,
    /// When the certificate ends.
    pub certificate_expires_at: Option<DateTime<Utc>>,
    /// Why the certificate could not be renewed.
    #[serde(default)]
    pub certificate_problem: Option<String>,
    /// The last scan that came to an end.
    pub last_scan_at: Option<DateTime<Utc>>,
    /// Why the last scan failed.
    pub scan_problem: Option<String>,
    /// Who says when scans come, and when.
    #[serde(default)]
    pub scan_schedule: String,
    /// When the next one comes by that, if nobody asks for one sooner.
    #[serde(default)]
    pub scheduled_scan_at: Option<DateTime<Utc>>,
    /// Installed packages.
    pub components: usize,
    /// Newer versions that would be installed.
    pub installable: usize,
    /// Newer versions that are held, phased or kept back.
    pub not_installable: usize,
    /// Whether the host asks for a restart.
    pub reboot_pending: bool,
    /// Why orders are left with the platform for now.
    #[serde(default)]
    pub order_problem: Option<String>,
    /// Newest first.
    pub runs: Vec<RunStatus>,
    /// Names the session; not shown.
    #[serde(skip)]
    pub(super) resume_id: Vec<u8>,
    #[serde(skip)]
    written: String,
}

/// A run for people and scripts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// The deployment's id.
    pub deployment: String,
    /// The order's sequence.
    pub sequence: u64,
    /// The state's word.
    pub state: String,
    /// The failure's or refusal's word.
    pub cause: Option<String>,
    /// What the last step says.
    pub message: String,
    /// When the last step was taken.
    pub at: Option<DateTime<Utc>>,
    /// Whether the platform has stored every step.
    #[serde(default)]
    pub told: bool,
    /// Why the platform does not store it.
    #[serde(default)]
    pub report_problem: Option<String>,
}

impl Status {
    pub(super) fn begin(enrolled: &Enrolled, now: DateTime<Utc>) -> Self {
        let enrolment = &enrolled.enrolment;
        Self {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            host_id: enrolment.host.public(enrolment.organization),
            server: enrolment.server.clone(),
            relay: enrolment.relay.clone(),
            relay_found_by: None,
            relays_refused: Vec::new(),
            direct_forbidden: false,
            relay_problem: None,
            running: true,
            pid: std::process::id(),
            started_at: now,
            session: "down".into(),
            carrier: None,
            reason: None,
            session_since: now,
            time_confirmed: false,
            clock_skew_ms: None,
            audit_only: false,
            ring: None,
            certificate_expires_at: None,
            certificate_problem: None,
            last_scan_at: None,
            scan_problem: None,
            scan_schedule: String::new(),
            scheduled_scan_at: None,
            components: 0,
            installable: 0,
            not_installable: 0,
            reboot_pending: false,
            order_problem: None,
            runs: Vec::new(),
            resume_id: Vec::new(),
            written: String::new(),
        }
    }

    pub(super) fn scanned(&mut self, scan: &Scan, now: DateTime<Utc>) {
        let updates = &scan.applicability.updates;
        let ready = installable_update::State::Installable;
        self.last_scan_at = Some(now);
        self.components = scan.manifest.components.len();
        self.installable = updates
            .iter()
            .filter(|update| update.state() == ready)
            .count();
        self.not_installable = updates.len() - self.installable;
        self.reboot_pending = scan.facts.reboot_pending;
        self.scan_problem =
            Some(scan.applicability.problem.clone()).filter(|problem| !problem.is_empty());
    }
}

impl Agent {
    /// Writes the status file if anything in it is new.
    pub(super) fn publish_status(&mut self, link: &Link) {
        let now = self.now();
        let session = if link.carrier.is_some() { "up" } else { "down" };
        if self.status.session != session {
            session.clone_into(&mut self.status.session);
            self.status.session_since = now;
        }
        self.status.carrier = link.carrier.map(|carrier| match carrier {
            CarrierKind::Relay => "relay".to_owned(),
            CarrierKind::Direct => "direct".to_owned(),
            CarrierKind::Tcp => "tcp".to_owned(),
        });
        self.status.reason = Some(link.reason.clone()).filter(|reason| !reason.is_empty());
        self.status.direct_forbidden = self.ways.is_direct_forbidden();
        self.status.time_confirmed = self.clock.is_confirmed();
        // Whole seconds, so that the file is not new with every beat.
        self.status.clock_skew_ms = self
            .clock
            .wall_clock_ahead()
            .map(|ahead| ahead.num_seconds() * 1000);
        let (ring, member_audits) = self
            .documents()
            .membership()
            .map(|membership| (Some(membership.ring.clone()), membership.audit_only))
            .unwrap_or_default();
        self.status.ring = ring;
        self.status.audit_only = self.audit_only || member_audits;
        self.status.certificate_expires_at =
            netpatch_tunnel::identity::validity(&self.enrolled.certificate)
                .ok()
                .and_then(|(_, not_after)| DateTime::from_timestamp(not_after, 0));
        let mut runs = self.runs.recorded();
        runs.reverse();
        self.status.runs = runs
            .iter()
            .map(|Recorded { folder, run }| {
                let last = run.steps.last();
                RunStatus {
                    deployment: run.order.deployment.to_string(),
                    sequence: run.order.sequence,
                    state: run.state.word().to_owned(),
                    cause: Some(run.cause_word()).filter(|cause| !cause.is_empty()),
                    message: last.map(|step| step.message.clone()).unwrap_or_default(),
                    at: last.and_then(|step| DateTime::from_timestamp_millis(step.at_ms)),
                    told: report::acknowledged(folder) >= run.steps.len() as u64,
                    report_problem: report::refused(folder),
                }
            })
            .collect();
        let Ok(json) = serde_json::to_string_pretty(&self.status) else {
            return;
        };
        if json != self.status.written {
            match self.state.write(FILE, json.as_bytes()) {
                Ok(()) => self.status.written = json,
                Err(error) => tracing::warn!(%error, "cannot write the status file"),
            }
        }
    }
}

/// Reads the status file; `None` before the agent has run. What an agent left that does not run any more says so.
pub fn read_status(state: &StateFolder) -> io::Result<Option<Status>> {
    let Some(bytes) = state.read(FILE)? else {
        return Ok(None);
    };
    let mut status: Status = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
    status.running = state.is_locked()?;
    if !status.running {
        "down".clone_into(&mut status.session);
        status.carrier = None;
        status.reason = Some("the agent does not run".to_owned());
    }
    Ok(Some(status))
}
