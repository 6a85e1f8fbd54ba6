//! A scan: what is installed, and what could be, as the edge wants it.

use crate::command::Runner;
use crate::payload::{PayloadOrigin, PayloadSource};
use crate::provider::union::{Known, Part};
use crate::provider::{Installable, Installer, Located, Providers, UpdateState};
use netpatch_agent_core::Failure;
use netpatch_agent_core::plan::Change;
use netpatch_protocol::manifest::manifest_of;
use netpatch_protocol::session::{
    Applicability, Component, HostFacts, InstallableUpdate, Manifest, PayloadSource as WireSource,
    PlannedChange, ProviderState, installable_update,
};
use netpatch_types::{ComponentKey, Ecosystem};
use std::path::Path;
use std::sync::Arc;

/// What a scan found.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// What the host is.
    pub facts: HostFacts,
    /// What is installed.
    pub manifest: Manifest,
    /// The same, by provider.
    pub known: Known,
    /// What could be installed.
    pub applicability: Applicability,
}

/// Scans the host: asks every provider what is installed, refreshes the installer's indices if wanted and asks it what could be.
/// `known` is what an earlier scan found. Fails only when nothing is known at all.
pub async fn scan(
    providers: &Providers,
    known: &Known,
    payloads: Arc<dyn PayloadSource>,
    runner: &Runner,
    audit_only: bool,
    refresh: bool,
) -> Result<Scan, Failure> {
    let answers = providers.ask().await;
    let failure = answers
        .iter()
        .find_map(|answer| answer.inventory.clone().err());
    let (known, parts) = known.after(answers);
    if let Some(failure) = failure.filter(|_| known.is_empty()) {
        return Err(failure);
    }
    let manifest = manifest_of(components(&known.components()));
    let installer = providers.installer().as_ref();
    let refreshed = if refresh {
        refresh_indices(installer, payloads).await
    } else {
        Ok(())
    };
    let (updates, problem) = match installer.installable().await {
        Ok(updates) => (
            updates,
            refreshed
                .err()
                .map(|failure| failure.to_string())
                .unwrap_or_default(),
        ),
        Err(failure) => (Vec::new(), failure.to_string()),
    };
    let sources = match updates.is_empty() {
        true => Vec::new(),
        false => installer.sources().await,
    };
    let applicability = Applicability {
        sources: sources.into_iter().map(source).collect(),
        manifest_hash: manifest.hash.clone(),
        updates: updates
            .iter()
            .map(|one| update(one, installer.ecosystem()))
            .collect(),
        problem,
    };
    let arch = installer.arch().await.unwrap_or_default();
    let observed = crate::facts::observe(runner, providers).await;
    let facts = HostFacts {
        providers: parts.iter().map(provider_state).collect(),
        listening: observed.listening,
        firewall: Some(observed.firewall),
        hardware: Some(observed.hardware),
        installed_kernel: observed.installed_kernel,
        stale_services: observed.stale_services,
        ..facts(runner.root(), &arch, audit_only)
    };
    Ok(Scan {
        facts,
        manifest,
        known,
        applicability,
    })
}

async fn refresh_indices(
    installer: &dyn Installer,
    payloads: Arc<dyn PayloadSource>,
) -> Result<(), Failure> {
    let repositories = installer.repositories().await?;
    let origin = PayloadOrigin::open(payloads, repositories)
        .await
        .map_err(|error| {
            Failure::new(
                netpatch_agent_core::FailureCause::NetworkUnreachable,
                [format!("cannot open a port: {error}")],
            )
        })?;
    installer.refresh(Some(&origin.url())).await
}

/// Components in the protocol's words.
#[must_use]
pub fn components(keys: &[ComponentKey]) -> Vec<Component> {
    keys.iter().map(Component::from).collect()
}

fn provider_state(part: &Part) -> ProviderState {
    ProviderState {
        name: part.name.clone(),
        components: u32::try_from(part.components).unwrap_or(u32::MAX),
        problem: part.problem.clone(),
    }
}

/// The host's facts in the protocol's words, as far as they stand in files.
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
        ..HostFacts::default()
    }
}

/// Whether the host asks for a restart, or has a newer kernel than the one that runs.
#[must_use]
pub fn is_reboot_pending(root: &Path) -> bool {
    root.join("run/reboot-required").exists()
        || crate::facts::is_newer_installed(root, &crate::facts::running_kernel())
}

fn source(located: Located) -> WireSource {
    WireSource {
        sha256: located.sha256.0.to_vec(),
        url: located.url,
    }
}

fn update(update: &Installable, ecosystem: Ecosystem) -> InstallableUpdate {
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
        ecosystem: ecosystem.as_str().to_owned(),
        errata: update.errata.clone(),
        security: update.security,
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
