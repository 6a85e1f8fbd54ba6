//! A host without an agent: reports what an agent would, and signs its run results.

use crate::sandbox::Sandbox;
use netpatch_inventory_api::*;
use netpatch_proof::{P256Signer, Signer as _};
use netpatch_protocol::document::{Envelope, Order, RunResult};
use netpatch_protocol::{manifest, seal};
use netpatch_scheduler_api::{DocumentsForHost, RunEvent, RunReport, RunStatus};
use netpatch_types::{ComponentKey, Ecosystem, HostId, Labels, RequestContext, Sha256, SiteId};
use prost::Message as _;

pub(crate) struct FakeHost {
    pub(crate) id: HostId,
    name: String,
    repository: String,
    key: P256Signer,
}

/// An outdated version, and one that is newer than every fix in the pack.
pub(crate) const OLD: &str = "3.0.15-1~deb12u1";
pub(crate) const FIXED: &str = "3.0.99-1~deb12u1";

fn component(name: &str, version: &str) -> ComponentKey {
    ComponentKey {
        ecosystem: Ecosystem::Deb,
        distribution: "debian".into(),
        release: "bookworm".into(),
        name: name.into(),
        version: version.into(),
        arch: "amd64".into(),
        source: "openssl".into(),
        source_version: version.into(),
    }
}

fn wire(key: &ComponentKey) -> netpatch_protocol::session::Component {
    netpatch_protocol::session::Component {
        name: key.name.clone(),
        version: key.version.clone(),
        arch: key.arch.clone(),
        source: key.source.clone(),
        source_version: key.source_version.clone(),
        ecosystem: "deb".into(),
        distribution: key.distribution.clone(),
        release: key.release.clone(),
    }
}

/// The repository of the hosts' packages.
pub(crate) const REPOSITORY: &str = "http://deb.example/debian";

/// Where apt would fetch the updates.
fn sources(repository: &str, updates: &[InstallableUpdate]) -> Vec<PayloadSource> {
    let source = |update: &InstallableUpdate| PayloadSource {
        sha256: update.sha256,
        url: format!("{repository}/pool/{}.deb", update.name),
    };
    updates.iter().map(source).collect()
}

pub(crate) fn manifest_at(version: &str) -> (Sha256, Vec<ComponentKey>) {
    let components = vec![component("libssl3", version), component("openssl", version)];
    let messages: Vec<_> = components.iter().map(wire).collect();
    (manifest::manifest_hash(&messages), components)
}

impl FakeHost {
    pub(crate) async fn enrol(
        sandbox: &Sandbox,
        ctx: &RequestContext,
        site: SiteId,
        repository: &str,
        number: u8,
    ) -> Self {
        let name = format!("host-{number}");
        let facts = HostFacts {
            hostname: name.clone(),
            machine_id: Sha256::of(name.as_bytes()).to_string(),
            os_id: "debian".into(),
            os_version: "12".into(),
            os_release: "bookworm".into(),
            os_name: "Debian GNU/Linux 12 (bookworm)".into(),
            arch: "amd64".into(),
            time_zone: "Europe/Berlin".into(),
            ..HostFacts::default()
        };
        let register = HostRegister {
            id: HostId::new(sandbox.clock.now()),
            site,
            facts,
            labels: Labels::new(),
        };
        let id = sandbox
            .roles
            .inventory
            .host_register(ctx, register)
            .await
            .unwrap()
            .id;
        let host = Self {
            id,
            name,
            repository: repository.to_owned(),
            key: P256Signer::from_secret(&[number; 32]).unwrap(),
        };
        host.report(sandbox, ctx, OLD).await;
        host
    }

    /// Scans: manifest and applicability at an installed version.
    pub(crate) async fn report(&self, sandbox: &Sandbox, ctx: &RequestContext, version: &str) {
        let (hash, components) = manifest_at(version);
        sandbox
            .roles
            .inventory
            .manifest_report(
                ctx,
                ManifestReport {
                    host: self.id,
                    hash,
                    components,
                },
            )
            .await
            .unwrap();
        let update = |name: &str| InstallableUpdate {
            name: name.into(),
            arch: "amd64".into(),
            installed_version: version.into(),
            candidate_version: FIXED.into(),
            source: "openssl".into(),
            source_version: FIXED.into(),
            sha256: Sha256::of(name.as_bytes()),
            size_bytes: 1000,
            origin: "Debian".into(),
            suite: "bookworm-security".into(),
            label: "Debian-Security".into(),
            state: UpdateState::Installable,
            phased_percent: 0,
            section: "utils".into(),
            requires: Vec::new(),
            ecosystem: Ecosystem::Deb,
            errata: Vec::new(),
            security: false,
        };
        let updates = if version == FIXED {
            Vec::new()
        } else {
            vec![update("libssl3"), update("openssl")]
        };
        let report = ApplicabilityReport {
            sources: sources(&self.repository, &updates),
            host: self.id,
            manifest: hash,
            updates,
            problem: String::new(),
        };
        sandbox
            .roles
            .inventory
            .applicability_report(ctx, report)
            .await
            .unwrap();
        let seen = vec![Seen {
            host: self.id,
            at: sandbox.clock.now(),
            relay: None,
            reboot_pending: false,
            forked: false,
        }];
        sandbox
            .roles
            .inventory
            .presence_report(ctx, PresenceReport { seen })
            .await
            .unwrap();
    }

    /// The orders that the host should hold.
    pub(crate) async fn orders(
        &self,
        sandbox: &Sandbox,
        ctx: &RequestContext,
    ) -> Vec<(Sha256, Envelope, Order)> {
        let asked = DocumentsForHost {
            host: self.id,
            held: Vec::new(),
        };
        let documents = sandbox
            .roles
            .scheduler
            .documents_for_host(ctx, asked)
            .await
            .unwrap();
        let read = |document: netpatch_scheduler_api::HostDocument| {
            let envelope = Envelope::decode(document.envelope.as_slice()).unwrap();
            if envelope.payload_type != <Order as netpatch_protocol::Document>::PAYLOAD_TYPE {
                return None;
            }
            let order = Order::decode(envelope.payload.as_slice()).unwrap();
            Some((document.digest, envelope, order))
        };
        documents.into_iter().filter_map(read).collect()
    }

    /// Runs an order: journal steps, signed result, and the scan afterwards.
    pub(crate) async fn obey(
        &self,
        sandbox: &Sandbox,
        ctx: &RequestContext,
        order: &(Sha256, Envelope, Order),
        works: bool,
    ) {
        let report = self.journal(sandbox, order, works);
        self.tell(sandbox, ctx, report).await;
        let installed = if works { FIXED } else { OLD };
        self.report(sandbox, ctx, installed).await;
    }

    /// The first steps of a good run, as an agent in the middle of it reports them.
    pub(crate) async fn begin(
        &self,
        sandbox: &Sandbox,
        ctx: &RequestContext,
        order: &(Sha256, Envelope, Order),
        last: RunStatus,
    ) {
        let mut report = self.journal(sandbox, order, true);
        let steps = report.events.iter().position(|event| event.status == last);
        report.events.truncate(steps.unwrap() + 1);
        report.result = None;
        self.tell(sandbox, ctx, report).await;
    }

    async fn tell(&self, sandbox: &Sandbox, ctx: &RequestContext, report: RunReport) {
        let steps = report.events.len() as u64;
        let stored = sandbox.roles.scheduler.run_report(ctx, report).await;
        assert_eq!(stored.unwrap().step, steps);
    }

    /// The whole journal of a run, with its signed result.
    fn journal(
        &self,
        sandbox: &Sandbox,
        (digest, _, order): &(Sha256, Envelope, Order),
        works: bool,
    ) -> RunReport {
        let now = sandbox.clock.now();
        let (end, cause) = if works {
            (RunStatus::Succeeded, "")
        } else {
            (RunStatus::RolledBack, "maintainer_script_failed")
        };
        let installed = if works { FIXED } else { OLD };
        let result = RunResult {
            organization_id: order.organization_id.clone(),
            host_id: self.id.to_string(),
            deployment_id: order.deployment_id.clone(),
            sequence: order.sequence,
            attempt: 1,
            order: digest.0.to_vec(),
            state: end.as_str().into(),
            cause: cause.into(),
            started_at_ms: now.timestamp_millis(),
            ended_at_ms: now.timestamp_millis(),
            manifest_hash: manifest_at(installed).0.0.to_vec(),
            audit_clean: true,
            public_key: spki(&self.key),
            ..RunResult::default()
        };
        let envelope = seal(&result, &[&self.key]).unwrap().encode_to_vec();
        let mut states = vec![
            RunStatus::Accepted,
            RunStatus::Staging,
            RunStatus::Staged,
            RunStatus::Snapshotting,
            RunStatus::Installing,
        ];
        states.extend(if works {
            vec![RunStatus::Verifying, end]
        } else {
            vec![RunStatus::Failed, RunStatus::RollingBack, end]
        });
        let event = |(step, status): (u64, RunStatus)| RunEvent {
            step,
            status,
            at: now,
            message: format!("{} of {}", status.as_str(), self.name),
            cause: if status == RunStatus::Failed {
                cause.into()
            } else {
                String::new()
            },
            evidence: Vec::new(),
        };
        RunReport {
            host: self.id,
            deployment: order.deployment_id.parse::<uuid::Uuid>().unwrap().into(),
            sequence: order.sequence,
            attempt: 1,
            order: *digest,
            events: (1..).zip(states).map(event).collect(),
            result: Some(envelope),
            bytes_from_relay: 2000,
            bytes_from_origin: 0,
        }
    }
}

/// SubjectPublicKeyInfo (RFC 5480) of a P-256 key: a fixed prefix and the compressed point.
fn spki(key: &P256Signer) -> Vec<u8> {
    const PREFIX: [u8; 26] = [
        0x30, 0x39, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x22, 0x00,
    ];
    [&PREFIX[..], key.public_key().as_bytes()].concat()
}
