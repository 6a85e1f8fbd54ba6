//! The journal of a run: append-only lines, each with a digest chained to the line before.
//!
//! A line is `<16 hexadecimal digits> <JSON>\n`; the digits begin SHA-256(digits of the line before ‖ JSON). A torn
//! last line is dropped: what it said had not been promised to anybody. A damaged line with lines after it is an
//! error: somebody else wrote there. The types below are frozen: a change means a new version and a migration, and a
//! test holds their exact bytes.

mod run;

pub use run::{Run, Step};

use crate::plan::Plan;
use crate::{IllegalTransition, Input};
use netpatch_types::Sha256;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The version that this crate writes.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`VERSION`].
    pub v: u32,
    /// From 1, without gaps.
    pub seq: u64,
    /// The host's wall clock, Unix milliseconds.
    pub at_ms: i64,
    /// What happened.
    pub record: Record,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// Always first.
    Order(OrderRecord),
    /// The run's state changes.
    Transition {
        /// The input of the state machine.
        input: Input,
        /// For a person.
        message: String,
        /// Lines that show it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<String>,
    },
    /// What the package manager will do.
    Planned {
        /// The packages.
        plan: Plan,
    },
    /// What staging found.
    Staged {
        /// Whether every installed version is kept.
        rollback_possible: bool,
        /// Packages whose installed version could not be kept.
        without_way_back: Vec<String>,
        /// Bytes that the relay delivered.
        bytes_from_relay: u64,
        /// Bytes that came from the source directly.
        bytes_from_origin: u64,
    },
    /// The state before is kept in the run's folder.
    Snapshot {
        /// Hash of the kept file.
        sha256: Sha256,
    },
    /// A package manager was started.
    Process(ProcessRecord),
}

/// Which order the run obeys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// The deployment.
    pub deployment: Uuid,
    /// The wave.
    pub wave: Uuid,
    /// The order's sequence within the deployment.
    pub sequence: u64,
    /// From 1.
    pub attempt: u32,
    /// SHA-256 of the order's payload bytes.
    pub order: Sha256,
    /// The encoded envelope as it was verified, hexadecimal.
    pub envelope: String,
}

/// What a started package manager is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The ordered transaction.
    Install,
    /// The way back.
    Rollback,
}

/// A started package manager, so that another agent process finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// What for.
    pub purpose: Purpose,
    /// Process id of its supervisor.
    pub pid: u32,
    /// Start time, clock ticks since boot (field 22 of proc(5) stat): with the id it names one process.
    pub start_ticks: u64,
    /// The boot in which it runs.
    pub boot_id: String,
}

/// A journal that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// A line was changed after it was written.
    #[error("line {line} of the journal does not match its digest")]
    Damaged {
        /// From 1.
        line: usize,
    },
    /// The digest is right but this agent cannot read the line.
    #[error("line {line} of the journal has version {version}, this agent reads up to {VERSION}")]
    TooNew {
        /// From 1.
        line: usize,
        /// What it says.
        version: u32,
    },
    /// Digest right, JSON or order of lines wrong: a programming error.
    #[error("line {line} of the journal cannot be read: {reason}")]
    Unreadable {
        /// From 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// The lines describe a run that cannot be.
    #[error("line {seq} of the journal: {source}")]
    Illegal {
        /// The line's number.
        seq: u64,
        /// Why.
        source: IllegalTransition,
    },
}

/// Turns entries into lines, knowing the digest of the line before.
#[derive(Clone, Debug)]
pub struct Encoder {
    previous: String,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            previous: "netpatch-journal".to_owned(),
        }
    }
}

impl Encoder {
    /// The line of an entry, to be appended and synced as a whole.
    pub fn encode(&mut self, entry: &Entry) -> Result<Vec<u8>, JournalError> {
        let json = serde_json::to_string(entry).map_err(|error| JournalError::Unreadable {
            line: usize::try_from(entry.seq).unwrap_or(usize::MAX),
            reason: error.to_string(),
        })?;
        let digest = chain(&self.previous, &json);
        let line = format!("{digest} {json}\n").into_bytes();
        self.previous = digest;
        Ok(line)
    }
}

/// What a journal's bytes hold.
#[derive(Debug)]
pub struct Decoded {
    /// The entries, in order.
    pub entries: Vec<Entry>,
    /// How many bytes are whole lines; what follows is torn and to be cut off.
    pub whole_bytes: usize,
    /// Goes on after the last whole line.
    pub encoder: Encoder,
}

#[derive(Deserialize)]
struct VersionOnly {
    v: u32,
}

/// Reads a journal; tolerates a torn end.
pub fn decode(bytes: &[u8]) -> Result<Decoded, JournalError> {
    let mut encoder = Encoder::default();
    let mut entries = Vec::new();
    let (mut whole_bytes, mut line) = (0, 0);
    while let Some(length) = bytes[whole_bytes..].iter().position(|byte| *byte == b'\n') {
        line += 1;
        let text = &bytes[whole_bytes..whole_bytes + length];
        let is_last = whole_bytes + length + 1 == bytes.len();
        let Some((digest, json)) = checked(&encoder.previous, text) else {
            if is_last {
                break;
            }
            return Err(JournalError::Damaged { line });
        };
        let version = serde_json::from_str::<VersionOnly>(json)
            .map_err(|error| JournalError::Unreadable {
                line,
                reason: error.to_string(),
            })?
            .v;
        if version > VERSION {
            return Err(JournalError::TooNew { line, version });
        }
        let entry: Entry =
            serde_json::from_str(json).map_err(|error| JournalError::Unreadable {
                line,
                reason: error.to_string(),
            })?;
        if entry.seq != entries.len() as u64 + 1 {
            return Err(JournalError::Unreadable {
                line,
                reason: format!("number {} is out of order", entry.seq),
            });
        }
        entries.push(entry);
        encoder.previous = digest.to_owned();
        whole_bytes += length + 1;
    }
    Ok(Decoded {
        entries,
        whole_bytes,
        encoder,
    })
}

fn checked<'a>(previous: &str, line: &'a [u8]) -> Option<(&'a str, &'a str)> {
    let (digest, json) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    (digest == chain(previous, json)).then_some((digest, json))
}

fn chain(previous: &str, json: &str) -> String {
    let mut bytes = Vec::with_capacity(previous.len() + json.len());
    bytes.extend_from_slice(previous.as_bytes());
    bytes.extend_from_slice(json.as_bytes());
    Sha256::of(&bytes).to_string()[..16].to_owned()
}

#[cfg(test)]
mod tests;
