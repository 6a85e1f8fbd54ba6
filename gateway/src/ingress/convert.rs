//! From the wire's messages to the services' types. What does not fit is wrong input, never a guess.

use chrono::DateTime;
use netpatch_inventory_api as inventory;
use netpatch_protocol::manifest::{keys_of, verify_manifest};
use netpatch_protocol::session as wire;
use netpatch_scheduler_api::{RunEvent, RunStatus};
use netpatch_types::{Ecosystem, ErrorCode, HostId, ServiceError, ServiceResult, Sha256};

/// Lines of evidence of one step, and bytes of a line.
const EVIDENCE: (usize, usize) = (50, 500);

/// The word of an error code on the wire.
pub(crate) fn error_word(code: ErrorCode) -> String {
    let word = serde_json::to_value(code).ok();
    word.and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

pub(crate) fn digest(field: &str, bytes: &[u8]) -> ServiceResult<Sha256> {
    Sha256::from_slice(bytes).ok_or_else(|| ServiceError::invalid(field, "a digest has 32 bytes"))
}

pub(crate) fn facts(facts: wire::HostFacts) -> ServiceResult<inventory::HostFacts> {
    let listening: ServiceResult<_> = facts.listening.into_iter().map(socket).collect();
    let hardware = facts.hardware.unwrap_or_default();
    let firewall = facts.firewall.unwrap_or_default();
    Ok(inventory::HostFacts {
        hostname: facts.hostname,
        machine_id: facts.machine_id,
        os_id: facts.os_id,
        os_version: facts.os_version,
        os_release: facts.os_release,
        os_name: facts.os_name,
        arch: facts.arch,
        kernel: facts.kernel,
        time_zone: facts.time_zone,
        cpu_count: facts.cpu_count,
        memory_bytes: facts.memory_bytes,
        disk_free_bytes: facts.disk_free_bytes,
        boot_id: facts.boot_id,
        reboot_pending: facts.reboot_pending,
        audit_only: facts.audit_only,
        serial: hardware.serial,
        vendor: hardware.vendor,
        model: hardware.model,
        installed_kernel: facts.installed_kernel,
        listening: listening?,
        firewall: inventory::Firewall {
            reader: firewall.reader,
            problem: problem(&firewall.problem),
        },
        hardware: inventory::Hardware {
            firmware: hardware.firmware,
            processor: hardware.processor,
            virtualization: hardware.virtualization,
            disks: hardware.disks.into_iter().map(disk).collect(),
            cards: hardware.cards.into_iter().map(card).collect(),
            chassis: hardware.chassis,
        },
        stale_services: facts
            .stale_services
            .into_iter()
            .map(|stale| inventory::StaleService {
                unit: stale.unit,
                process: stale.process,
                files: stale.files,
            })
            .collect(),
        providers: facts
            .providers
            .into_iter()
            .map(|provider| inventory::ProviderState {
                problem: problem(&provider.problem),
                name: provider.name,
                components: provider.components,
            })
            .collect(),
    })
}

fn socket(socket: wire::ListeningSocket) -> ServiceResult<inventory::ListeningSocket> {
    let allowed_by_firewall = match socket.firewall() {
        wire::FirewallVerdict::Allowed => Some(true),
        wire::FirewallVerdict::Blocked => Some(false),
        wire::FirewallVerdict::Unspecified => None,
    };
    let port = u16::try_from(socket.port)
        .map_err(|_| ServiceError::invalid("listening", "a port is at most 65535"))?;
    Ok(inventory::ListeningSocket {
        protocol: socket.protocol,
        address: socket.address,
        port,
        not_loopback: socket.not_loopback,
        allowed_by_firewall,
        process: socket.process,
        unit: socket.unit,
        package: socket.package,
    })
}

fn disk(disk: wire::Disk) -> inventory::Disk {
    inventory::Disk {
        name: disk.name,
        model: disk.model,
        size_bytes: disk.size_bytes,
    }
}

fn card(card: wire::NetworkCard) -> inventory::NetworkCard {
    inventory::NetworkCard {
        name: card.name,
        address: card.address,
    }
}

/// What a program said, in one line that fits.
fn problem(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(250)
        .collect()
}

pub(crate) fn manifest(
    host: HostId,
    manifest: &wire::Manifest,
) -> ServiceResult<inventory::ManifestReport> {
    let (hash, components) = verify_manifest(manifest)
        .map_err(|error| ServiceError::invalid("manifest", error.to_string()))?;
    Ok(inventory::ManifestReport {
        host,
        hash,
        components,
    })
}

pub(crate) fn manifest_delta(
    host: HostId,
    delta: &wire::ManifestDelta,
) -> ServiceResult<inventory::ManifestDeltaReport> {
    let keys = |components| {
        keys_of(components)
            .map_err(|error| ServiceError::invalid("manifestDelta", error.to_string()))
    };
    Ok(inventory::ManifestDeltaReport {
        host,
        base: digest("baseHash", &delta.base_hash)?,
        hash: digest("hash", &delta.hash)?,
        added: keys(&delta.added)?,
        removed: keys(&delta.removed)?,
    })
}

pub(crate) fn applicability(
    host: HostId,
    report: wire::Applicability,
) -> ServiceResult<inventory::ApplicabilityReport> {
    let updates: ServiceResult<Vec<_>> = report.updates.into_iter().map(update).collect();
    let source = |source: wire::PayloadSource| {
        Ok(inventory::PayloadSource {
            sha256: digest("sha256", &source.sha256)?,
            url: source.url,
        })
    };
    let sources: ServiceResult<Vec<_>> = report.sources.into_iter().map(source).collect();
    Ok(inventory::ApplicabilityReport {
        host,
        manifest: digest("manifestHash", &report.manifest_hash)?,
        updates: updates?,
        problem: report.problem.chars().take(2000).collect(),
        sources: sources?,
    })
}

fn update(update: wire::InstallableUpdate) -> ServiceResult<inventory::InstallableUpdate> {
    use wire::installable_update::State;
    let state = match update.state() {
        State::Installable => inventory::UpdateState::Installable,
        State::Held => inventory::UpdateState::Held,
        State::Phased => inventory::UpdateState::Phased,
        State::KeptBack => inventory::UpdateState::KeptBack,
        State::Unspecified => {
            return Err(ServiceError::invalid("state", "an update has a state"));
        }
    };
    let change = |change: wire::PlannedChange| {
        Ok(inventory::PlannedChange {
            sha256: match change.sha256.as_slice() {
                [] => None,
                bytes => Some(digest("sha256", bytes)?),
            },
            name: change.name,
            arch: change.arch,
            version: change.version,
            size_bytes: change.size_bytes,
            remove: change.remove,
        })
    };
    let ecosystem = match update.ecosystem.as_str() {
        "" => Ecosystem::Deb,
        word => Ecosystem::from_word(word).ok_or_else(|| {
            ServiceError::invalid(
                "ecosystem",
                "an update has an ecosystem that is not known here",
            )
        })?,
    };
    let requires: ServiceResult<Vec<_>> = update.requires.into_iter().map(change).collect();
    Ok(inventory::InstallableUpdate {
        sha256: digest("sha256", &update.sha256)?,
        name: update.name,
        arch: update.arch,
        installed_version: update.installed_version,
        candidate_version: update.candidate_version,
        source: update.source,
        source_version: update.source_version,
        size_bytes: update.size_bytes,
        origin: update.origin,
        suite: update.suite,
        label: update.label,
        state,
        phased_percent: update.phased_percent,
        section: update.section,
        requires: requires?,
        ecosystem,
        errata: update.errata,
        security: update.security,
    })
}

pub(crate) fn run_event(event: wire::RunEvent) -> ServiceResult<RunEvent> {
    let status = RunStatus::from_word(&event.state).ok_or_else(|| {
        ServiceError::invalid("state", "the run has a state that is not known here")
    })?;
    let at = DateTime::from_timestamp_millis(event.at_ms)
        .ok_or_else(|| ServiceError::invalid("atMs", "the time is out of range"))?;
    let (lines, width) = EVIDENCE;
    let cut = |line: String| line.chars().take(width).collect::<String>();
    Ok(RunEvent {
        step: event.step,
        status,
        at,
        message: event.message.chars().take(2000).collect(),
        cause: event.cause.chars().take(100).collect(),
        evidence: event.evidence.into_iter().take(lines).map(cut).collect(),
    })
}
