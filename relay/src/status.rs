//! What the relay says of itself: `status.json`, written by the running relay, read by `netpatch-relay status`.

use crate::counters::Counted;
use crate::data::{DataDir, DataError};
use chrono::{DateTime, SecondsFormat};
use netpatch_types::Sha256;
use serde::{Deserialize, Serialize};

/// Where a relay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Not claimed yet.
    Unclaimed,
    /// Running and connected to the edge.
    Online,
    /// Running without the edge: the cache serves, sessions do not pass.
    Offline,
    /// Claimed, but not running.
    Stopped,
}

impl Standing {
    /// The word of the JSON form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unclaimed => "unclaimed",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Stopped => "stopped",
        }
    }
}

/// The relay's state. Times are Unix milliseconds, sizes bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Where it stands.
    pub state: Standing,
    /// When this was written.
    pub updated_at_ms: i64,
    /// Of the program that wrote it.
    pub version: String,
    /// SHA-256 of the relay's public key.
    pub fingerprint: String,
    /// Shown in the portal's claim dialogue; empty unless a claim is waiting.
    #[serde(default)]
    pub claim_code: String,
    /// When that code ends; 0 unless a claim is waiting.
    #[serde(default)]
    pub claim_expires_at_ms: i64,
    /// Empty before the claim.
    #[serde(default)]
    pub organization_id: String,
    /// Empty before the claim.
    #[serde(default)]
    pub relay_id: String,
    /// Empty before the claim.
    #[serde(default)]
    pub site_id: String,
    /// The edge, `host:port`.
    #[serde(default)]
    pub server: String,
    /// Where agents reach it.
    #[serde(default)]
    pub listen: String,
    /// Where its numbers are read; empty when nowhere.
    #[serde(default)]
    pub metrics: String,
    /// Where hosts without an agent reach the cache; empty when nowhere.
    #[serde(default)]
    pub proxy: String,
    /// Whether the site allows that.
    #[serde(default)]
    pub proxy_allowed: bool,
    /// Process that wrote it.
    #[serde(default)]
    pub pid: u32,
    /// Why there is no connection to the edge; empty when there is.
    #[serde(default)]
    pub problem: String,
    /// To the edge and back, milliseconds.
    #[serde(default)]
    pub round_trip_ms: u64,
    /// Repositories that are served.
    #[serde(default)]
    pub repositories: usize,
    /// Bytes that the cache holds.
    #[serde(default)]
    pub cache_bytes: u64,
    /// Bytes that it may hold.
    #[serde(default)]
    pub cache_budget_bytes: u64,
    /// Payloads that it holds.
    #[serde(default)]
    pub payloads: usize,
    /// Why the cache's folder took no payload the last time; empty when it did.
    #[serde(default)]
    pub cache_problem: String,
    /// Free on its disk.
    #[serde(default)]
    pub disk_free_bytes: u64,
    /// What the line may carry now, units of 1000 bits per second; none: without limit.
    #[serde(default)]
    pub line_kilobits_per_second: Option<u32>,
    /// What payloads are held to, in the same units, so that nothing else waits for them; none: nothing has waited lately.
    #[serde(default)]
    pub paced_kilobits_per_second: Option<u32>,
    /// What is fetched ahead, first needed first.
    #[serde(default)]
    pub staging: Vec<StagedWave>,
    /// Since the relay was set up.
    #[serde(default)]
    pub counted: Counted,
}

/// What is fetched ahead for a wave. Times are Unix milliseconds, sizes bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StagedWave {
    /// UUID.
    pub deployment: String,
    /// From 1.
    pub wave: u32,
    /// How many payloads it needs here.
    pub payloads: u32,
    /// Of how many bytes.
    pub bytes: u64,
    /// How many of them are here.
    pub staged: u32,
    /// Of how many bytes.
    pub staged_bytes: u64,
    /// When hosts may install them at the earliest; 0: not known.
    pub needed_at_ms: i64,
    /// Why one cannot be fetched; empty when all can.
    pub problem: String,
}

impl From<&netpatch_protocol::site::StagedWave> for StagedWave {
    fn from(wave: &netpatch_protocol::site::StagedWave) -> Self {
        Self {
            deployment: wave.deployment_id.clone(),
            wave: wave.wave,
            payloads: wave.payloads,
            bytes: wave.bytes,
            staged: wave.staged,
            staged_bytes: wave.staged_bytes,
            needed_at_ms: wave.needed_at_ms,
            problem: wave.problem.clone(),
        }
    }
}

impl StagedWave {
    fn to_text(&self) -> String {
        let at =
            DateTime::from_timestamp_millis(self.needed_at_ms).filter(|_| self.needed_at_ms > 0);
        let at = at.map_or_else(
            || "when a window opens".to_owned(),
            |at| format!("by {}", at.to_rfc3339_opts(SecondsFormat::Secs, true)),
        );
        let mut text = format!(
            "{} of {} payloads, {} of {} bytes, for wave {} of {}, {at}",
            self.staged, self.payloads, self.staged_bytes, self.bytes, self.wave, self.deployment
        );
        if !self.problem.is_empty() {
            text = format!("{text}; {}", self.problem);
        }
        text
    }
}

/// A running relay writes this often.
pub const WRITE_EVERY: std::time::Duration = std::time::Duration::from_secs(2);
/// What is older than this was written by a relay that runs no more.
const STALE_MS: i64 = 15_000;

fn idle(data: &DataDir) -> Result<Standing, DataError> {
    Ok(match data.enrolment()? {
        Some(_) => Standing::Stopped,
        None => Standing::Unclaimed,
    })
}

impl Status {
    /// A relay that says nothing but its fingerprint; makes its key if there is none.
    pub fn new(data: &DataDir, now_ms: i64, state: Standing) -> Result<Self, DataError> {
        let enrolment = data.enrolment()?;
        let field = |read: fn(&crate::Enrolment) -> &String| {
            enrolment
                .as_ref()
                .map(|e| read(e).clone())
                .unwrap_or_default()
        };
        Ok(Self {
            state,
            updated_at_ms: now_ms,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            fingerprint: data.fingerprint()?.to_string(),
            claim_code: String::new(),
            claim_expires_at_ms: 0,
            organization_id: field(|e| &e.organization_id),
            relay_id: field(|e| &e.relay_id),
            site_id: field(|e| &e.site_id),
            server: field(|e| &e.server),
            listen: String::new(),
            metrics: String::new(),
            proxy: String::new(),
            proxy_allowed: false,
            pid: std::process::id(),
            problem: String::new(),
            round_trip_ms: 0,
            repositories: 0,
            cache_bytes: 0,
            cache_budget_bytes: 0,
            payloads: 0,
            cache_problem: String::new(),
            disk_free_bytes: 0,
            line_kilobits_per_second: None,
            paced_kilobits_per_second: None,
            staging: Vec::new(),
            counted: Counted::default(),
        })
    }

    /// Replaces the file.
    pub fn write(&self, data: &DataDir) -> Result<(), DataError> {
        // Plain data always becomes JSON.
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        data.write("status.json", &text, 0o644)
    }

    /// What the file says, corrected by its age: a relay that has stopped writes nothing.
    pub fn read(data: &DataDir, now_ms: i64) -> Result<Self, DataError> {
        match Self::written(data, now_ms)? {
            Some(status) => Ok(status),
            None => Self::new(data, now_ms, idle(data)?),
        }
    }

    /// The same, if there is a file.
    pub fn written(data: &DataDir, now_ms: i64) -> Result<Option<Self>, DataError> {
        let written = data.read("status.json")?;
        let Some(mut status) = written.and_then(|text| serde_json::from_slice::<Self>(&text).ok())
        else {
            return Ok(None);
        };
        let idle = idle(data)?;
        if now_ms > status.claim_expires_at_ms {
            status.claim_code.clear();
        }
        if now_ms.saturating_sub(status.updated_at_ms) > STALE_MS && status.claim_code.is_empty() {
            status.state = idle;
        }
        Ok(Some(status))
    }

    /// A line for each value that says something.
    #[must_use]
    pub fn to_text(&self) -> String {
        let cache = format!(
            "{} of {} bytes, {} payloads",
            self.cache_bytes, self.cache_budget_bytes, self.payloads
        );
        let traffic = format!(
            "{} bytes to agents, {} bytes from upstreams, {} hits, {} misses",
            self.counted.bytes_served,
            self.counted.bytes_fetched,
            self.counted.hits,
            self.counted.misses
        );
        let deltas = match self.counted.deltas {
            0 => String::new(),
            count => format!(
                "{count} payloads rebuilt from {} bytes, {} bytes saved",
                self.counted.recipe_bytes, self.counted.delta_saved_bytes
            ),
        };
        let fingerprint = self.fingerprint.parse::<Sha256>();
        let fingerprint = fingerprint.map_or_else(|_| String::new(), |key| key.grouped());
        let agents = format!(
            "{} connected, {} sessions",
            self.counted.agents, self.counted.sessions
        );
        let proxy = match (self.proxy.is_empty(), self.proxy_allowed) {
            (true, _) => String::new(),
            (false, true) => self.proxy.clone(),
            (false, false) => format!("{}, refusing: the site does not allow it", self.proxy),
        };
        let line = match (
            self.line_kilobits_per_second,
            self.paced_kilobits_per_second,
        ) {
            (None, None) => String::new(),
            (Some(limit), None) => format!("{limit} kbit/s"),
            (None, Some(pace)) => format!("{pace} kbit/s for payloads, so that nothing waits"),
            (Some(limit), Some(pace)) => format!(
                "{limit} kbit/s, {} for payloads, so that nothing waits",
                pace.min(limit)
            ),
        };
        let staged: Vec<String> = self.staging.iter().map(StagedWave::to_text).collect();
        let lines = [
            ("state", self.state.as_str()),
            ("problem", &self.problem),
            ("claim code", &self.claim_code),
            ("fingerprint", &fingerprint),
            ("organization", &self.organization_id),
            ("site", &self.site_id),
            ("relay", &self.relay_id),
            ("server", &self.server),
            ("listen", &self.listen),
            ("metrics", &self.metrics),
            ("proxy", &proxy),
            ("agents", &agents),
            ("cache", &cache),
            ("cache problem", &self.cache_problem),
            ("traffic", &traffic),
            ("differences", &deltas),
            ("line", &line),
        ];
        let staged = staged.iter().map(|wave| ("staged", wave.as_str()));
        let lines = lines.into_iter().chain(staged);
        let shown = lines.filter(|(_, value)| !value.is_empty());
        shown
            .map(|(name, value)| format!("{name:<13} {value}\n"))
            .collect()
    }
}
