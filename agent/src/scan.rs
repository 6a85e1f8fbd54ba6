//! A scan: what is installed, and what could be, as the edge wants it.

use crate::payload::{PayloadOrigin, PayloadSource};
use crate::provider::{Installable, Inventory, Provider, UpdateState};
use netpatch_agent_core::Failure;
use netpatch_agent_core::plan::Change;
use netpatch_protocol::manifest::manifest_of;
use netpatch_protocol::session::{
    Applicability, Component, HostFacts, InstallableUpdate, Manifest, PlannedChange,
    installable_update,
};
use std::path::Path;
use std::sync::Arc;

/// What a scan found.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// What the host is.
    pub facts: HostFacts,
    /// What is installed.
    pub manifest: Manifest,
    /// What could be installed.
    pub applicability: Applicability,
}

/// Scans the host: refreshes the package manager's indices and asks it.
pub async fn scan(
    provider: &dyn Provider,
    payloads: Arc<dyn PayloadSource>,
    root: &Path,
    audit_only: bool,
) -> Result<Scan, Failure> {
    let inventory = provider.inventory().await?;
    let manifest = manifest_of(components(&inventory));
    let refreshed = refresh(provider, payloads).await;
    let (updates, problem) = match provider.installable().await {
        Ok(updates) => (
            updates,
            refreshed
                .err()
                .map(|failure| failure.to_string())
                .unwrap_or_default(),
        ),
        Err(failure) => (Vec::new(), failure.to_string()),
    };
    let applicability = Applicability {
        manifest_hash: manifest.hash.clone(),
        updates: updates.iter().map(update).collect(),
        problem,
    };
    Ok(Scan {
        facts: facts(root, &inventory.arch, audit_only),
        manifest,
        applicability,
    })
}

async fn refresh(provider: &dyn Provider, payloads: Arc<dyn PayloadSource>) -> Result<(), Failure> {
    let repositories = provider.repositories().await?;
    let origin = PayloadOrigin::open(payloads, repositories)
        .await
        .map_err(|error| {
            Failure::new(
                netpatch_agent_core::FailureCause::NetworkUnreachable,
                [format!("cannot open a port: {error}")],
            )
        })?;
    provider.refresh(Some(&origin.url())).await
}

/// An inventory in the protocol's words.
#[must_use]
pub fn components(inventory: &Inventory) -> Vec<Component> {
    inventory
        .components
        .iter()
        .map(|key| Component {
            name: key.name.clone(),
            version: key.version.clone(),
            arch: key.arch.clone(),
            source: key.source.clone(),
            source_version: key.source_version.clone(),
            ecosystem: key.ecosystem.as_str().to_owned(),
            distribution: key.distribution.clone(),
            release: key.release.clone(),
        })
        .collect()
}

/// The host's facts in the protocol's words.
#[must_use]
pub fn facts(root: &Path, arch: &str, audit_only: bool) -> HostFacts {
    let facts = crate::facts::read(root);
    HostFacts {
        hostname: facts.hostname,
        machine_id: facts.machine_id,
        os_id: facts.os_id,
        os_version: facts.os_version,
        os_release: facts.os_release,
        os_name: facts.os_name,
        arch: arch.to_owned(),
        kernel: facts.kernel,
        time_zone: facts.time_zone,
        cpu_count: facts.cpu_count,
        memory_bytes: facts.memory_bytes,
        // In steps of 64 MiB, so that facts do not change with every log line.
        disk_free_bytes: facts.disk_free_bytes >> 26 << 26,
        boot_id: facts.boot_id,
        reboot_pending: is_reboot_pending(root),
        audit_only,
    }
}

/// Whether the host asks for a restart.
#[must_use]
pub fn is_reboot_pending(root: &Path) -> bool {
    root.join("run/reboot-required").exists()
}

fn update(update: &Installable) -> InstallableUpdate {
    let state = match update.state {
        UpdateState::Installable => installable_update::State::Installable,
        UpdateState::Held => installable_update::State::Held,
        UpdateState::Phased => installable_update::State::Phased,
        UpdateState::KeptBack => installable_update::State::KeptBack,
    };
    InstallableUpdate {
        name: update.name.clone(),
        arch: update.arch.clone(),
        installed_version: update.installed_version.clone(),
        candidate_version: update.candidate_version.clone(),
        source: update.source.clone(),
        source_version: update.source_version.clone(),
        sha256: update.sha256.0.to_vec(),
        size_bytes: update.size_bytes,
        origin: update.origin.clone(),
        suite: update.suite.clone(),
        label: update.label.clone(),
        state: state.into(),
        phased_percent: update.phased_percent,
        section: update.section.clone(),
        requires: update
            .requires
            .iter()
            .map(|item| PlannedChange {
                name: item.name.clone(),
                arch: item.arch.clone(),
                version: item.version.clone().unwrap_or_default(),
                sha256: item
                    .sha256
                    .map(|sha256| sha256.0.to_vec())
                    .unwrap_or_default(),
                size_bytes: item.size_bytes,
                remove: item.change == Change::Remove,
            })
            .collect(),
    }
}
