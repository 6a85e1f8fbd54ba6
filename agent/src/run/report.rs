//! What the edge is told about a run: the states of its journal in order, the last one with a signed result.

use crate::provider::union::Known;
use crate::provider::{Installer, Inventory};
use crate::state::journal::Recorded;
use crate::state::write_durably;
use netpatch_agent_core::RunState;
use netpatch_agent_core::failure::evidence_lines;
use netpatch_agent_core::journal::{Run, Step};
use netpatch_proof::{P256Signer, SigningFailed};
use netpatch_protocol::document::{Envelope, PackageChange, RunResult};
use netpatch_protocol::session::RunEvent;
use netpatch_protocol::{manifest, seal};
use prost::Message as _;
use std::fs;
use std::io;
use std::path::Path;

const RESULT: &str = "result.envelope";
const ACKNOWLEDGED: &str = "acknowledged";
const REFUSED: &str = "refused";

/// Who signs results.
pub struct ResultSigner {
    /// The organization.
    pub organization_id: String,
    /// The host.
    pub host_id: String,
    /// The identity key.
    pub key: P256Signer,
    /// SubjectPublicKeyInfo DER of the identity key.
    pub public_key: Vec<u8>,
}

/// A report that cannot be made now.
#[derive(Debug, thiserror::Error)]
pub enum ReportFault {
    /// The key.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    /// The package manager.
    #[error(transparent)]
    Host(#[from] netpatch_agent_core::Failure),
    /// The disk.
    #[error("cannot keep the signed result: {0}")]
    Io(#[from] io::Error),
}

/// A step of a run as it is told. `result` belongs to the last step of a run that is over.
#[must_use]
pub fn event(run: &Run, step: &Step, result: Option<Envelope>) -> RunEvent {
    RunEvent {
        deployment_id: run.order.deployment.to_string(),
        sequence: run.order.sequence,
        attempt: run.order.attempt,
        step: step.step,
        state: step.state.word().to_owned(),
        at_ms: step.at_ms,
        message: step.message.clone(),
        cause: cause(step.state, run),
        evidence: evidence_lines(step.evidence.iter().cloned()),
        order: run.order.order.0.to_vec(),
        result,
        bytes_from_relay: run.bytes_from.0,
        bytes_from_origin: run.bytes_from.1,
    }
}

fn cause(state: RunState, run: &Run) -> String {
    match state {
        RunState::Failed { cause, .. } => cause.to_string(),
        RunState::Refused { refusal } => refusal.word().to_owned(),
        RunState::RollingBack | RunState::RolledBack | RunState::RollbackFailed => run.cause_word(),
        _ => String::new(),
    }
}

/// The signed result, if it was made, by this key. One that an earlier identity of the host signed is signed anew: the platform
/// takes a result only from the host that tells it.
pub fn kept_result(folder: &Path, signer: &ResultSigner) -> Result<Option<Envelope>, ReportFault> {
    let Ok(bytes) = fs::read(folder.join(RESULT)) else {
        return Ok(None);
    };
    let Ok(envelope) = Envelope::decode(bytes.as_slice()) else {
        return Ok(None);
    };
    let Ok(mut document) = RunResult::decode(envelope.payload.as_slice()) else {
        return Ok(None);
    };
    if document.public_key == signer.public_key {
        return Ok(Some(envelope));
    }
    document.public_key.clone_from(&signer.public_key);
    Ok(Some(keep(folder, &document, signer)?))
}

fn keep(
    folder: &Path,
    document: &RunResult,
    signer: &ResultSigner,
) -> Result<Envelope, ReportFault> {
    let envelope = seal(document, &[&signer.key])?;
    write_durably(&folder.join(RESULT), &envelope.encode_to_vec())?;
    Ok(envelope)
}

/// The signed result, made once and kept. It says what is on the host now: to be made before anything else changes there. `known` is
/// what the last scan found.
pub async fn result(
    recorded: &Recorded,
    installer: &dyn Installer,
    known: &Known,
    signer: &ResultSigner,
) -> Result<Envelope, ReportFault> {
    if let Some(envelope) = kept_result(&recorded.folder, signer)? {
        return Ok(envelope);
    }
    let inventory = installer.inventory().await?;
    let all = known
        .clone()
        .with(installer.name(), inventory.components.clone())
        .components();
    let run = &recorded.run;
    let document = RunResult {
        organization_id: signer.organization_id.clone(),
        host_id: signer.host_id.clone(),
        deployment_id: run.order.deployment.to_string(),
        sequence: run.order.sequence,
        attempt: run.order.attempt,
        order: run.order.order.0.to_vec(),
        state: run.state.word().to_owned(),
        cause: run.cause_word(),
        changes: changes(run, &inventory),
        started_at_ms: run.install_began_at_ms.unwrap_or(run.offered_at_ms),
        ended_at_ms: run
            .steps
            .last()
            .map_or(run.offered_at_ms, |step| step.at_ms),
        manifest_hash: manifest::manifest_hash(&crate::scan::components(&all))
            .0
            .to_vec(),
        // These two states are reached only over a clean audit.
        audit_clean: matches!(run.state, RunState::Succeeded | RunState::RolledBack),
        evidence: run
            .steps
            .iter()
            .rev()
            .find(|step| !step.evidence.is_empty())
            .map(|step| evidence_lines(step.evidence.iter().cloned()))
            .unwrap_or_default(),
        public_key: signer.public_key.clone(),
    };
    keep(&recorded.folder, &document, signer)
}

/// What is different from before, package by package of the plan.
fn changes(run: &Run, inventory: &Inventory) -> Vec<PackageChange> {
    let now = |name: &str, arch: &str| {
        inventory
            .components
            .iter()
            .find(|component| component.name == name && component.arch == arch)
            .map(|component| component.version.clone())
            .unwrap_or_default()
    };
    run.plan
        .iter()
        .flat_map(|plan| &plan.items)
        .map(|item| PackageChange {
            name: item.name.clone(),
            arch: item.arch.clone(),
            before: item.before.clone().unwrap_or_default(),
            after: now(&item.name, &item.arch),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

/// The highest step that the platform has stored.
#[must_use]
pub fn acknowledged(folder: &Path) -> u64 {
    fs::read_to_string(folder.join(ACKNOWLEDGED))
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// Remembers what the platform says it has stored: more than before, or less if it was put back to an earlier state.
pub fn acknowledge(folder: &Path, step: u64) -> io::Result<()> {
    if step != acknowledged(folder) {
        write_durably(&folder.join(ACKNOWLEDGED), step.to_string().as_bytes())?;
    }
    match fs::remove_file(folder.join(REFUSED)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Why the platform does not store this run; `None` when it does, or was not asked yet.
#[must_use]
pub fn refused(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join(REFUSED)).ok()
}

/// Remembers that the platform does not store this run.
pub fn refuse(folder: &Path, why: &str) -> io::Result<()> {
    write_durably(&folder.join(REFUSED), why.as_bytes())
}
