//! Signed documents that the agent holds: membership, freshness, halts, the sequences it has taken. Verified when they
//! arrive and again when they are read from the disk.

use super::StateFolder;
use netpatch_agent_core::Refused;
use netpatch_agent_core::lease::{DeploymentWord, open_freshness, open_halt};
use netpatch_agent_core::order::Trust;
use netpatch_protocol::document::{Envelope, Membership};
use prost::Message as _;
use std::collections::BTreeMap;
use std::io;
use uuid::Uuid;

/// The documents of an agent.
#[derive(Debug)]
pub struct Documents {
    state: StateFolder,
    trust: Trust,
    membership: Option<Membership>,
    words: BTreeMap<Uuid, DeploymentWord>,
    sequences: BTreeMap<Uuid, u64>,
}

/// A document that is not taken.
#[derive(Debug, thiserror::Error)]
pub enum DocumentFault {
    /// It is not what it should be.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It cannot be kept.
    #[error("cannot keep a document: {0}")]
    Io(#[from] io::Error),
}

impl Documents {
    /// Reads what is held; what does not verify any more is left out.
    pub fn load(state: &StateFolder, trust: Trust) -> io::Result<Self> {
        let mut documents = Self {
            state: state.clone(),
            trust,
            membership: None,
            words: BTreeMap::new(),
            sequences: BTreeMap::new(),
        };
        if let Some(bytes) = state.read("sequences.json")? {
            documents.sequences = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
        }
        if let Some(envelope) = envelope(state.read("membership.envelope")?) {
            documents.membership = documents.trust.membership(&envelope, 0).ok();
        }
        for entry in std::fs::read_dir(state.file("documents"))? {
            let Some(envelope) = envelope(std::fs::read(entry?.path()).ok()) else {
                continue;
            };
            if let Ok(freshness) = open_freshness(&envelope, &documents.trust) {
                documents
                    .word(&freshness.deployment_id)
                    .take_freshness(freshness);
            } else if let Ok(halt) = open_halt(&envelope, &documents.trust) {
                documents.word(&halt.deployment_id).take_halt(&halt);
            }
        }
        Ok(documents)
    }

    /// Whom the agent believes.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Takes new keys after a new root document.
    pub fn set_trust(&mut self, trust: Trust) {
        self.trust = trust;
    }

    /// The newest membership.
    #[must_use]
    pub fn membership(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    /// Takes a membership that is newer than the one held.
    pub fn take_membership(&mut self, envelope: &Envelope) -> Result<(), DocumentFault> {
        let held = self
            .membership
            .as_ref()
            .map_or(0, |membership| membership.version);
        let membership = self.trust.membership(envelope, held)?;
        self.state
            .write("membership.envelope", &envelope.encode_to_vec())?;
        self.membership = Some(membership);
        Ok(())
    }

    /// Takes a freshness statement.
    pub fn take_freshness(&mut self, envelope: &Envelope) -> Result<Uuid, DocumentFault> {
        let freshness = open_freshness(envelope, &self.trust)?;
        let deployment = deployment(&freshness.deployment_id)?;
        self.state.write(
            &format!("documents/{deployment}.freshness"),
            &envelope.encode_to_vec(),
        )?;
        self.words
            .entry(deployment)
            .or_default()
            .take_freshness(freshness);
        Ok(deployment)
    }

    /// Takes a halt.
    pub fn take_halt(&mut self, envelope: &Envelope) -> Result<Uuid, DocumentFault> {
        let halt = open_halt(envelope, &self.trust)?;
        let deployment = deployment(&halt.deployment_id)?;
        self.state.write(
            &format!("documents/{deployment}.halt"),
            &envelope.encode_to_vec(),
        )?;
        self.words.entry(deployment).or_default().take_halt(&halt);
        Ok(deployment)
    }

    /// What the director said about a deployment.
    #[must_use]
    pub fn about(&self, deployment: Uuid) -> DeploymentWord {
        self.words.get(&deployment).cloned().unwrap_or_default()
    }

    /// The highest sequence of a deployment that was taken.
    #[must_use]
    pub fn highest_sequence(&self, deployment: Uuid) -> Option<u64> {
        self.sequences.get(&deployment).copied()
    }

    /// Remembers that a sequence was taken.
    pub fn took(&mut self, deployment: Uuid, sequence: u64) -> io::Result<()> {
        let highest = self.sequences.entry(deployment).or_default();
        *highest = sequence.max(*highest);
        let json = serde_json::to_vec(&self.sequences).map_err(io::Error::other)?;
        self.state.write("sequences.json", &json)
    }

    fn word(&mut self, deployment_id: &str) -> &mut DeploymentWord {
        self.words
            .entry(deployment_id.parse().unwrap_or_default())
            .or_default()
    }
}

fn envelope(bytes: Option<Vec<u8>>) -> Option<Envelope> {
    Envelope::decode(bytes?.as_slice()).ok()
}

fn deployment(id: &str) -> Result<Uuid, Refused> {
    id.parse().map_err(|_| {
        Refused::new(
            netpatch_agent_core::Refusal::Signature,
            format!("{id:?} names no deployment"),
        )
    })
}
