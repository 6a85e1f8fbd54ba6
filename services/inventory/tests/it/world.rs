//! A platform with inventory alone: a database of its own, a clock that stands, a small pack.

use crate::status;
use netpatch_inventory::Inventory;
use netpatch_inventory_api::*;
use netpatch_storage::bus::MemoryBus;
use netpatch_testkit::{ManualClock, TestDatabase, test_context};
use netpatch_types::{
    Clock as _, ComponentKey, Cursor, Ecosystem, HostId, Labels, PageRequest, PatchId,
    RequestContext, Sha256, SiteId,
};
use std::path::Path;
use std::sync::Arc;

/// Inventory and what a test needs around it.
pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) clock: Arc<ManualClock>,
    /// The object itself, for its jobs.
    pub(crate) inventory: Arc<Inventory>,
    /// What is called: the object, or a client of its router.
    pub(crate) api: Arc<dyn InventoryApi>,
    /// One organization.
    pub(crate) ctx: RequestContext,
    pub(crate) site: SiteId,
    pub(crate) pack: tempfile::TempDir,
}

/// Two advisories of curl (one exploited), one of zip; an update without any CVE.
pub(crate) const CVES: [(&str, &str, &str); 3] = [
    ("CVE-2026-10001", "curl", "7.88.1-10+deb12u2"),
    ("CVE-2026-10002", "curl", "7.88.1-10+deb12u3"),
    ("CVE-2026-10003", "zip", "3.0-13+deb12u1"),
];

pub(crate) fn osv(id: &str, upstream: &[&str], source: &str, fixed: &str) -> String {
    serde_json::json!({
        "id": id, "published": "2026-01-02T00:00:00Z", "upstream": upstream,
        "affected": [{"package": {"ecosystem": "Debian:12", "name": source},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}],
    })
    .to_string()
}

/// Writes a pack of these CVE records.
pub(crate) fn write_pack(dir: &Path, cves: &[String]) {
    std::fs::create_dir_all(dir.join("debian-bookworm")).expect("folder");
    std::fs::create_dir_all(dir.join("enrich")).expect("folder");
    let file = |name: &str, text: String| std::fs::write(dir.join(name), text).expect("file");
    let lines = |lines: &[String]| lines.join("\n");
    file("debian-bookworm/cves.osv.jsonl", lines(cves));
    file(
        "debian-bookworm/advisories.osv.jsonl",
        lines(&[
            osv(
                "DSA-9001-1",
                &["CVE-2026-10001"],
                "curl",
                "7.88.1-10+deb12u2",
            ),
            osv("DSA-9002-1", &[], "tor", "0.4.7.16-1"),
        ]),
    );
    file("debian-bookworm/uploads.osv.jsonl", String::new());
    file(
        "debian-bookworm/source-aliases.tsv",
        "linux-signed-amd64\tlinux\n".to_owned(),
    );
    file(
        "enrich/epss-2026-01-10.csv",
        "cve,epss,percentile\nCVE-2026-10002,0.01,0.5\n".to_owned(),
    );
    file(
        "enrich/cvss.csv",
        "cve,vector,source\nCVE-2026-10002,CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N,x\n"
            .to_owned(),
    );
    file(
        "enrich/kev-2026.01.10.json",
        r#"{"dateReleased":"2026-01-10T00:00:00Z","vulnerabilities":[{"cveID":"CVE-2026-10001","vulnerabilityName":"curl overflow"}]}"#
            .to_owned(),
    );
}

pub(crate) fn cve_records() -> Vec<String> {
    CVES.iter()
        .map(|(cve, source, fixed)| osv(&format!("x-{cve}"), &[cve], source, fixed))
        .collect()
}

pub(crate) fn component(name: &str, version: &str, source: &str) -> ComponentKey {
    ComponentKey {
        ecosystem: Ecosystem::Deb,
        distribution: "debian".into(),
        release: "bookworm".into(),
        name: name.into(),
        version: version.into(),
        arch: "amd64".into(),
        source: source.into(),
        source_version: version.into(),
    }
}

pub(crate) fn update(name: &str, source: &str, candidate: &str) -> InstallableUpdate {
    InstallableUpdate {
        name: name.into(),
        arch: "amd64".into(),
        installed_version: "1".into(),
        candidate_version: candidate.into(),
        source: source.into(),
        source_version: candidate.into(),
        sha256: Sha256::of(format!("{name} {candidate}").as_bytes()),
        size_bytes: 1000,
        origin: "Debian".into(),
        suite: "stable-security".into(),
        label: "Debian-Security".into(),
        state: UpdateState::Installable,
        phased_percent: 0,
        section: "net".into(),
        requires: Vec::new(),
        ecosystem: netpatch_types::Ecosystem::Deb,
        errata: Vec::new(),
        security: false,
    }
}

pub(crate) fn patch_id(source: &str, version: &str) -> PatchId {
    PatchId::of("deb", &format!("debian/bookworm/{source}/{version}"))
}

pub(crate) fn facts(machine: u8, hostname: &str) -> HostFacts {
    HostFacts {
        hostname: hostname.into(),
        machine_id: format!("{machine:02x}").repeat(32),
        os_id: "debian".into(),
        os_version: "12".into(),
        os_release: "bookworm".into(),
        arch: "amd64".into(),
        time_zone: "Europe/Vienna".into(),
        ..HostFacts::default()
    }
}

/// Tests move the clock by days.
fn patient(mut ctx: RequestContext) -> RequestContext {
    ctx.deadline += chrono::Duration::days(365);
    ctx
}

impl World {
    /// The same world twice: called directly, and through router and client.
    pub(crate) async fn both() -> [Self; 2] {
        [Self::direct().await, Self::remote().await]
    }

    pub(crate) async fn direct() -> Self {
        let database = TestDatabase::new(&[netpatch_inventory::migrations()]).await;
        let clock = ManualClock::shared();
        let inventory = Inventory::new(
            database.database().clone(),
            Arc::new(MemoryBus::default()),
            clock.clone(),
        );
        let ctx = patient(test_context(clock.now()));
        let pack = tempfile::tempdir().expect("temporary folder");
        write_pack(pack.path(), &cve_records());
        Self {
            database,
            api: inventory.clone(),
            inventory,
            site: SiteId::new(clock.now()),
            clock,
            ctx,
            pack,
        }
    }

    async fn remote() -> Self {
        let mut world = Self::direct().await;
        let api: Arc<dyn InventoryApi> = world.inventory.clone();
        world.api = netpatch_chassis::through_rpc(api, world.clock.clone());
        world
    }

    pub(crate) async fn import(&self) {
        self.import_from(self.pack.path().to_str().expect("text"))
            .await;
    }

    pub(crate) async fn import_from(&self, dir: &str) -> Vec<FeedStatus> {
        let request = FeedImport {
            pack_dir: dir.to_owned(),
        };
        let feeds = self
            .api
            .feed_import(&self.ctx, request)
            .await
            .expect("import");
        self.inventory.reevaluate().await.expect("re-evaluation");
        feeds
    }

    /// A context of the same system in a new organization.
    pub(crate) fn stranger(&self) -> RequestContext {
        patient(test_context(self.clock.now()))
    }

    pub(crate) async fn host(&self, machine: u8, labels: &[(&str, &str)]) -> HostId {
        let labels: Labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let id = HostId::new(self.clock.now());
        let request = HostRegister {
            id,
            site: self.site,
            facts: facts(machine, &format!("host{machine}")),
            labels,
        };
        self.api
            .host_register(&self.ctx, request)
            .await
            .expect("register")
            .id
    }

    pub(crate) async fn report(
        &self,
        host: HostId,
        components: Vec<ComponentKey>,
    ) -> ManifestOutcome {
        let hash = netpatch_inventory::domain::manifest::manifest_hash(&components);
        self.api
            .manifest_report(
                &self.ctx,
                ManifestReport {
                    host,
                    hash,
                    components,
                },
            )
            .await
            .expect("manifest")
    }

    pub(crate) async fn offer(&self, host: HostId, updates: Vec<InstallableUpdate>) {
        let manifest = self.get(host).await.manifest.unwrap_or_default();
        let request = ApplicabilityReport {
            sources: Vec::new(),
            host,
            manifest,
            updates,
            problem: String::new(),
        };
        self.api
            .applicability_report(&self.ctx, request)
            .await
            .expect("applicability");
    }

    pub(crate) async fn get(&self, id: HostId) -> Host {
        self.api
            .host_get(&self.ctx, HostGet { id })
            .await
            .expect("host")
    }

    pub(crate) async fn findings(&self, filter: FindingFilter) -> Vec<Finding> {
        let request = FindingList {
            page: PageRequest::largest(),
            filter,
            ..FindingList::default()
        };
        self.api
            .finding_list(&self.ctx, request)
            .await
            .expect("findings")
            .into_nodes()
    }

    /// Every event so far.
    pub(crate) async fn events(&self) -> Vec<InventoryEventV1> {
        self.database.settle("inventory").await;
        let mut all = Vec::new();
        let mut after = Cursor::default();
        loop {
            let page = self
                .api
                .events(&self.ctx, EventsAfter { after, limit: 500 })
                .await
                .expect("events");
            if page.events.is_empty() {
                return all;
            }
            after = page.next;
            for event in page.events {
                let InventoryEvent::V1(event) =
                    serde_json::from_value(event.payload).expect("an event of inventory");
                all.push(event);
            }
        }
    }

    /// The transactions that wrote the rows of every tenant table: equal fingerprints mean that nothing was written.
    pub(crate) async fn fingerprint(&self) -> Vec<String> {
        let tables = [
            "hosts",
            "manifests",
            "host_manifests",
            "host_updates",
            "patch_offers",
            "exposures",
            "assets",
            "outbox",
        ];
        let tx = self
            .database
            .database()
            .write(&self.ctx)
            .await
            .expect("transaction");
        let mut all = Vec::new();
        for table in tables {
            let sql = format!(
                "select coalesce(string_agg(t.xmin::text, ',' order by t.ctid), '') from inventory.{table} t"
            );
            all.push(format!(
                "{table}: {}",
                tx.value::<String>(&sql, [])
                    .await
                    .expect("rows")
                    .unwrap_or_default()
            ));
        }
        all
    }
}

/// The bundled pack's folder.
pub(crate) fn bundled_pack() -> String {
    status::pack_dir()
}
