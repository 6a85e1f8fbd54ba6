//! Whole runs of an rpm host: from a signed order to the final state, and from a finding of a real inventory service until
//! it is gone.

use crate::host::PATIENCE;
use crate::order::{Agent, order};
use crate::rpm_host::{RpmHost, folder};
use netpatch_agent::provider::union::Known;
use netpatch_agent::provider::{Installer, Providers};
use netpatch_agent::run::Runs;
use netpatch_agent::run::engine::Advance;
use netpatch_agent::scan::{Scan, scan};
use netpatch_agent_core::journal::Run;
use netpatch_agent_core::plan::ContentItem;
use netpatch_agent_core::{FailureCause, RunState};
use netpatch_inventory::Inventory;
use netpatch_inventory_api::*;
use netpatch_protocol::manifest::verify_manifest;
use netpatch_protocol::session::installable_update::State;
use netpatch_storage::bus::MemoryBus;
use netpatch_testkit::{TestDatabase, test_context};
use netpatch_types::{
    Clock as _, Ecosystem, HostId, Labels, PageRequest, RequestContext, Sha256, SiteId, SystemClock,
};
use std::path::Path;
use std::sync::Arc;

/// Runs an order with this content.
async fn run<I: Installer + Clone + 'static>(host: &RpmHost<I>, content: &[ContentItem]) -> Run {
    let agent = Agent::start(&host.machine.path().join("var/lib/netpatch-agent"));
    agent.accept(&order(content, 1, agent.clock.now().timestamp_millis()));
    let engine = agent.engine(Arc::new(host.installer.clone()), host.shelf.clone());
    let mut journal = Runs::new(&agent.state).all(0).pop().expect("a run");
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        match engine.advance(&mut journal).await.expect("advances") {
            Advance::Moved => {}
            Advance::Finished => return journal.run().clone(),
            // The package manager works; it is asked again until the deadline.
            Advance::Wait { reason, .. } => {
                assert!(std::time::Instant::now() < deadline, "{reason}");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
    }
}

#[tokio::test]
async fn a_script_that_fails_is_rolled_back_with_its_cause() {
    let host = RpmHost::with(&["np-failing-post", "np-good"]).await;
    let before = host.packages();
    let (_, content) = host.plan(&["np-failing-post", "np-good"]).await;
    let run = run(&host, &content).await;
    assert_eq!(run.state, RunState::RolledBack, "{:?}", run.steps.last());
    assert_eq!(run.cause, Some(FailureCause::MaintainerScriptFailed));
    assert_eq!(host.packages(), before);
}

#[tokio::test]
async fn zypper_carries_out_an_order_and_undoes_one_that_fails() {
    let host = RpmHost::with_zypper(&["np-failing-post", "np-good", "np-secure"]).await;
    let before = host.packages();
    let (_, content) = host.plan(&["np-failing-post", "np-good"]).await;
    let failed = run(&host, &content).await;
    assert_eq!(failed.state, RunState::RolledBack, "{:?}", failed.steps);
    assert_eq!(failed.cause, Some(FailureCause::MaintainerScriptFailed));
    assert_eq!(host.packages(), before);

    let host = RpmHost::with_zypper(&["np-good", "np-secure"]).await;
    let (_, content) = host.plan(&["np-good", "np-secure"]).await;
    let done = run(&host, &content).await;
    assert_eq!(done.state, RunState::Succeeded, "{:?}", done.steps);
    assert!(done.bytes_from.0 > 0);
    assert!(host.has("np-secure-2.0") && host.has("np-good-2.0"));
}

/// An inventory service over a database of its own, which knows one advisory.
struct Platform {
    _database: TestDatabase,
    inventory: Arc<Inventory>,
    ctx: RequestContext,
    host: HostId,
}

impl Platform {
    async fn with_advisory() -> Self {
        let database = TestDatabase::new(&[netpatch_inventory::migrations()]).await;
        let clock = SystemClock::shared();
        let inventory = Inventory::new(
            database.database().clone(),
            Arc::new(MemoryBus::default()),
            clock.clone(),
        );
        let mut ctx = test_context(clock.now());
        ctx.deadline += chrono::Duration::hours(1);
        let pack = tempfile::tempdir().expect("folder");
        write_pack(pack.path());
        let request = FeedImport {
            pack_dir: pack.path().to_str().expect("text").to_owned(),
        };
        inventory.feed_import(&ctx, request).await.expect("import");
        let host = HostId::new(clock.now());
        Self {
            _database: database,
            inventory,
            ctx,
            host,
        }
    }

    /// What the edge would make of a scan.
    async fn take(&self, found: Scan) {
        let (ctx, host) = (&self.ctx, self.host);
        let facts = HostFacts {
            hostname: found.facts.hostname.clone(),
            machine_id: Sha256::of(b"machine").to_string(),
            os_id: found.facts.os_id.clone(),
            os_version: found.facts.os_version.clone(),
            os_release: found.facts.os_release.clone(),
            arch: found.facts.arch.clone(),
            ..HostFacts::default()
        };
        let register = HostRegister {
            id: host,
            site: SiteId(host.0),
            facts,
            labels: Labels::new(),
        };
        self.inventory
            .host_register(ctx, register)
            .await
            .expect("registered");
        let (hash, components) = verify_manifest(&found.manifest).expect("a manifest");
        let report = ManifestReport {
            host,
            hash,
            components,
        };
        self.inventory
            .manifest_report(ctx, report)
            .await
            .expect("taken");
        assert_eq!(found.applicability.problem, "");
        let report = ApplicabilityReport {
            sources: Vec::new(),
            host,
            manifest: hash,
            updates: found
                .applicability
                .updates
                .into_iter()
                .map(update)
                .collect(),
            problem: String::new(),
        };
        self.inventory
            .applicability_report(ctx, report)
            .await
            .expect("taken");
    }

    async fn findings(&self) -> Vec<Finding> {
        let list = FindingList {
            page: PageRequest::largest(),
            order: FindingOrder::default(),
            filter: FindingFilter {
                host: Some(self.host),
                ..FindingFilter::default()
            },
        };
        let page = self.inventory.finding_list(&self.ctx, list).await;
        page.expect("findings").into_nodes()
    }
}

fn update(update: netpatch_protocol::session::InstallableUpdate) -> InstallableUpdate {
    InstallableUpdate {
        state: match update.state() {
            State::Installable => UpdateState::Installable,
            _ => UpdateState::KeptBack,
        },
        sha256: Sha256::from_slice(&update.sha256).expect("a hash"),
        ecosystem: Ecosystem::from_word(&update.ecosystem).expect("an ecosystem"),
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
        phased_percent: update.phased_percent,
        section: update.section,
        requires: Vec::new(),
        errata: update.errata,
        security: update.security,
    }
}

fn write_pack(place: &Path) {
    for folder in ["almalinux", "debian-bookworm", "enrich"] {
        std::fs::create_dir_all(place.join(folder)).expect("folder");
    }
    let record = r#"{"id":"NPSA-2026:0001","published":"2026-11-01T00:00:00Z","related":["CVE-2026-0001"],"affected":[{"package":{"ecosystem":"AlmaLinux:9","name":"np-secure"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1:2.0-1"}]}]}]}"#;
    let debian = r#"{"id":"x-CVE-2026-0009","published":"2026-01-02T00:00:00Z","upstream":["CVE-2026-0009"],"affected":[{"package":{"ecosystem":"Debian:12","name":"other"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2"}]}]}]}"#;
    for (name, text) in [
        ("almalinux/advisories.osv.jsonl", record),
        ("debian-bookworm/cves.osv.jsonl", debian),
        (
            "debian-bookworm/advisories.osv.jsonl",
            &debian.replace("x-CVE-2026-0009", "DSA-9001-1"),
        ),
        ("debian-bookworm/uploads.osv.jsonl", ""),
        (
            "debian-bookworm/source-aliases.tsv",
            "linux-signed-amd64\tlinux\n",
        ),
        (
            "enrich/epss-2026-01-10.csv",
            "cve,epss,percentile\nCVE-2026-0009,0.01,0.5\n",
        ),
        (
            "enrich/cvss.csv",
            "cve,vector,source\nCVE-2026-0009,CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N,x\n",
        ),
        (
            "enrich/kev-2026.01.10.json",
            r#"{"dateReleased":"2026-01-10T00:00:00Z","vulnerabilities":[{"cveID":"CVE-2026-0009","vulnerabilityName":"x"}]}"#,
        ),
    ] {
        std::fs::write(place.join(name), text).expect("a file of the pack");
    }
}

#[tokio::test]
async fn a_finding_of_an_rpm_host_is_installed_away() {
    let platform = Platform::with_advisory().await;
    let host = RpmHost::with(&["np-secure", "np-good"]).await;
    let (root, runner) = (host.machine.path(), host.machine.runner());
    let providers = Providers::of_host(&runner, &root.join("var/lib/netpatch-agent")).await;
    let look = async |known: &Known| {
        let found = scan(&providers, known, host.shelf.clone(), &runner, false, true).await;
        found.expect("a scan")
    };
    let found = look(&Known::default()).await;
    let known = found.known.clone();
    platform.take(found).await;
    let findings = platform.findings().await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    let finding = &findings[0];
    assert_eq!(
        (
            finding.advisory.name.as_str(),
            finding.component.version.as_str(),
            finding.evidence.fixed_version.as_str()
        ),
        ("NPSA-2026:0001", "1:1.0-1", "1:2.0-1")
    );
    assert_eq!(finding.applicability, Applicability::Installable);

    // What the inventory says the patch is made of is what the host is ordered to install.
    let get = PatchContentGet {
        patch: finding.patch.expect("a patch"),
        group: None,
    };
    let patch = platform
        .inventory
        .patch_content(&platform.ctx, get)
        .await
        .expect("content");
    assert_eq!(patch.disagreement, None);
    let content: Vec<ContentItem> = patch
        .items
        .into_iter()
        .map(|item| ContentItem {
            name: item.name,
            arch: item.arch,
            version: item.version,
            fixed_version: item.fixed_version,
            sha256: item.sha256,
            size_bytes: item.size_bytes,
            remove: item.remove,
            dependency: item.dependency,
        })
        .collect();
    let file = std::fs::read(folder().join("np-secure-2.0-1.noarch.rpm")).expect("the package");
    assert_eq!(content[0].sha256, Some(Sha256::of(&file)));
    let run = run(&host, &content).await;
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.steps.last());
    assert!(run.bytes_from.0 > 0);
    assert!(host.has("np-secure-2.0") && host.has("np-good-1.0"));

    platform.take(look(&known).await).await;
    assert_eq!(platform.findings().await, Vec::<Finding>::new());
}
