//! An organization with three hosts, one approved patch, a policy and a nightly window.

use crate::neighbours::{self, Facts, Shared};
use netpatch_chassis::through_rpc;
use netpatch_inventory_api::{ContentItem, Host, HostFacts, Patch};
use netpatch_policy_api::{MaintenanceWindow, Policy, PolicySpec, Rollout, WaveSize, WindowSpec};
use netpatch_proof::PublicKey;
use netpatch_protocol::document::{Envelope, Order};
use netpatch_protocol::open_envelope;
use netpatch_reporting_api::{ReportingApi, ReportingEventV1};
use netpatch_scheduler::{SchedulerParts, SchedulerService};
use netpatch_scheduler_api::*;
use netpatch_storage::{KeyFolder, bus};
use netpatch_testkit::{ManualClock, TestDatabase, test_context};
use netpatch_types::*;
use netpatch_window::WindowRule;
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) api: Arc<dyn SchedulerApi>,
    pub(crate) service: Arc<SchedulerService>,
    pub(crate) facts: Shared,
    pub(crate) test: TestDatabase,
    pub(crate) reporting: Arc<dyn ReportingApi>,
    pub(crate) tenant: TenantId,
    pub(crate) policy: PolicyId,
    pub(crate) patch: PatchId,
    pub(crate) hosts: Vec<HostId>,
    logged: Mutex<usize>,
    keys: tempfile::TempDir,
}

pub(crate) const SITE: SiteId = SiteId(Uuid::from_u128(99));

impl World {
    /// Callers hold the object itself.
    pub(crate) async fn direct() -> Self {
        Self::new(false).await
    }

    /// Callers hold a client, as in the split deployment.
    pub(crate) async fn remote() -> Self {
        Self::new(true).await
    }

    async fn new(remote: bool) -> Self {
        let clock = ManualClock::shared();
        let shared: SharedClock = clock.clone();
        let facts = Arc::new(Mutex::new(Facts::default()));
        let test = TestDatabase::new(&[netpatch_scheduler::migrations()]).await;
        let keys = tempfile::tempdir().unwrap();
        let service = service(&test, &keys, &facts, &shared).await;
        let here: Arc<dyn SchedulerApi> = service.clone();
        let api = if remote {
            through_rpc(here, shared.clone())
        } else {
            here
        };
        let reporting = neighbours::reporting(&facts, &shared);
        let tenant = test_context(clock.now()).write.unwrap();
        facts.lock().unwrap().owner = Some(tenant);
        let mut world = Self {
            clock,
            api,
            service,
            facts,
            test,
            reporting,
            tenant,
            policy: PolicyId(Uuid::from_u128(500)),
            patch: PatchId::of("deb", "debian/bookworm/openssl/2"),
            hosts: Vec::new(),
            logged: Mutex::new(0),
            keys,
        };
        world.furnish();
        world
    }

    fn furnish(&mut self) {
        let window = WindowId(Uuid::from_u128(600));
        self.window(window, "FREQ=DAILY", "2026-01-01T22:00:00");
        self.set_policy(Rollout::default(), |spec| spec.windows = vec![window]);
        self.patch = self.offer("openssl");
        self.approve(self.patch);
        for number in 1..=3 {
            let host = self.host(number);
            self.hosts.push(host);
        }
    }

    pub(crate) fn window(&self, id: WindowId, rrule: &str, starts_at: &str) {
        let rule = WindowRule {
            rrule: rrule.into(),
            starts_at: starts_at.parse().unwrap(),
            duration_s: 7200,
            offset_days: 0,
            time_zone: None,
        };
        let spec = WindowSpec {
            name: id.to_string(),
            rule,
            blackout: false,
        };
        self.facts.lock().unwrap().windows.insert(
            id,
            MaintenanceWindow {
                id,
                tenant: self.tenant,
                spec,
                etag: "1".into(),
            },
        );
    }

    pub(crate) fn set_policy(&self, rollout: Rollout, change: impl FnOnce(&mut PolicySpec)) {
        let mut spec = PolicySpec {
            name: "servers".into(),
            enabled: true,
            group: None,
            rules: vec![],
            rollout,
            windows: vec![WindowId(Uuid::from_u128(600))],
            automatic: false,
        };
        change(&mut spec);
        self.facts.lock().unwrap().policies.insert(
            self.policy,
            Policy {
                id: self.policy,
                tenant: self.tenant,
                spec,
                etag: "1".into(),
            },
        );
    }

    /// Inventory knows a patch that brings one package; every host needs it.
    pub(crate) fn offer(&self, name: &str) -> PatchId {
        let id = PatchId::of("deb", &format!("debian/bookworm/{name}/2"));
        let mut facts = self.facts.lock().unwrap();
        facts.patches.insert(
            id,
            Patch {
                id,
                name: name.into(),
                distribution: "debian".into(),
                release: "bookworm".into(),
                fixed_version: "2".into(),
                classification: Classification::Security,
                severity: Severity::High,
                advisories: vec![],
                cvss_score: None,
                epss: None,
                kev: false,
                origin_label: String::new(),
                first_seen_at: self.clock.now(),
                hosts: 3,
                superseded_by: None,
            },
        );
        facts.items.insert(
            id,
            vec![ContentItem {
                name: name.into(),
                arch: "amd64".into(),
                version: "2".into(),
                fixed_version: "2".into(),
                sha256: Some(Sha256::of(name.as_bytes())),
                size_bytes: 1000,
                remove: false,
                dependency: false,
            }],
        );
        for needs in facts.needs.values_mut() {
            needs.insert(id);
        }
        id
    }

    pub(crate) fn approve(&self, patch: PatchId) {
        let now = self.clock.now();
        self.facts.lock().unwrap().approve(self.tenant, patch, now);
    }

    /// A host that needs every patch.
    pub(crate) fn host(&self, number: u128) -> HostId {
        let id = HostId(Uuid::from_u128(number));
        let now = self.clock.now();
        let mut facts = self.facts.lock().unwrap();
        let needs = facts.patches.keys().copied().collect();
        facts.needs.insert(id, needs);
        facts.hosts.insert(
            id,
            Host {
                id,
                tenant: self.tenant,
                site: SITE,
                facts: HostFacts {
                    hostname: format!("host-{number}"),
                    ..HostFacts::default()
                },
                labels: Labels::default(),
                groups: vec![],
                ring: "broad".into(),
                time_zone: "Europe/Berlin".into(),
                software_from: Default::default(),
                manifest: None,
                registered_at: now,
                last_seen_at: Some(now),
                last_scan_at: None,
                scan_problem: String::new(),
                relay: None,
                probes: Vec::new(),
                quarantined: false,
                open_findings: BTreeMap::new(),
                etag: "1".into(),
            },
        );
        id
    }

    /// The host needs nothing any more, and a scan has said so.
    pub(crate) fn patched(&self, host: HostId) {
        let now = self.clock.now();
        let mut facts = self.facts.lock().unwrap();
        facts.needs.remove(&host);
        facts.hosts.get_mut(&host).unwrap().last_scan_at = Some(now);
    }

    pub(crate) fn change_host(&self, host: HostId, change: impl FnOnce(&mut Host)) {
        change(self.facts.lock().unwrap().hosts.get_mut(&host).unwrap());
    }

    /// Hosts give a sign of life.
    pub(crate) fn heartbeat(&self) {
        let now = self.clock.now();
        for host in self.facts.lock().unwrap().hosts.values_mut() {
            host.last_seen_at = Some(now);
        }
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn system(&self) -> RequestContext {
        RequestContext::system(self.tenant, "test", self.clock.now())
    }

    pub(crate) fn agent(&self, host: HostId) -> RequestContext {
        let mut ctx = self.system();
        ctx.actor.kind = ActorKind::Agent;
        ctx.actor.id = host.0;
        ctx.permissions.clear();
        ctx
    }

    /// A person with every right in the organization.
    pub(crate) fn person(&self) -> RequestContext {
        self.person_of(self.tenant)
    }

    pub(crate) fn person_of(&self, tenant: TenantId) -> RequestContext {
        let mut ctx = RequestContext::system(tenant, "test", self.clock.now());
        ctx.actor = Actor {
            kind: ActorKind::User,
            id: Uuid::from_u128(1),
            home: tenant,
            display: "person".into(),
            delegation: None,
        };
        ctx
    }

    pub(crate) fn request(&self) -> DeploymentCreate {
        DeploymentCreate {
            name: "january".into(),
            policy: self.policy,
            patches: vec![self.patch],
            not_before: None,
            not_after: None,
            dry_run: false,
        }
    }

    pub(crate) async fn deploy(&self) -> Deployment {
        let plan = self
            .api
            .deployment_create(&self.person(), self.request())
            .await
            .unwrap();
        plan.deployment
            .unwrap_or_else(|| panic!("{:?}", plan.missing))
    }

    /// All hosts in one wave.
    pub(crate) fn one_wave(&self, rollout: Rollout) {
        let waves = vec![WaveSize::Percent { percent: 100 }];
        self.set_policy(Rollout { waves, ..rollout }, |_| {});
    }

    /// The background work and the ledger, until nothing moves.
    pub(crate) async fn settle(&self) {
        for _ in 0..3 {
            self.work().await;
            self.log_orders().await;
        }
        self.work().await;
    }

    pub(crate) async fn work(&self) {
        self.service.run_once(&*self.reporting).await.unwrap();
    }

    /// As reporting does: an event for each order that the ledger took.
    pub(crate) async fn log_orders(&self) {
        self.test.settle("scheduler").await;
        let events = self.events().await;
        let now = self.clock.now();
        let mut logged = self.logged.lock().unwrap();
        for event in events.iter().skip(*logged) {
            if let SchedulerEventV1::OrderSigned {
                deployment,
                wave,
                order,
                ..
            } = event
            {
                let event = ReportingEventV1::OrderLogged {
                    deployment: *deployment,
                    wave: *wave,
                    order: *order,
                    sequence: 1,
                };
                self.facts
                    .lock()
                    .unwrap()
                    .tell_reporting(self.tenant, now, event);
            }
        }
        *logged = events.len();
    }

    /// Every event of the scheduler so far.
    pub(crate) async fn events(&self) -> Vec<SchedulerEventV1> {
        // Transactions of other tests hold the horizon back.
        self.test.settle("scheduler").await;
        let mut after = Cursor::default();
        let mut all = Vec::new();
        loop {
            let asked = EventsAfter { after, limit: 1000 };
            let page = self.api.events(&self.system(), asked).await.unwrap();
            if page.events.is_empty() {
                return all;
            }
            after = page.next;
            all.extend(page.events.into_iter().map(|event| {
                match serde_json::from_value(event.payload).unwrap() {
                    SchedulerEvent::V1(event) => event,
                }
            }));
        }
    }

    pub(crate) async fn get(&self, id: DeploymentId) -> Deployment {
        self.api
            .deployment_get(&self.person(), DeploymentGet { id })
            .await
            .unwrap()
    }

    pub(crate) async fn waves(&self, deployment: DeploymentId) -> Vec<Wave> {
        self.api
            .wave_list(&self.person(), WaveList { deployment })
            .await
            .unwrap()
    }

    pub(crate) async fn wave_words(&self, deployment: DeploymentId) -> Vec<WaveStatus> {
        let waves = self.waves(deployment).await;
        waves.into_iter().map(|wave| wave.status).collect()
    }

    pub(crate) async fn documents(&self, host: HostId, held: Vec<Sha256>) -> Vec<HostDocument> {
        let asked = DocumentsForHost { host, held };
        self.api
            .documents_for_host(&self.agent(host), asked)
            .await
            .unwrap()
    }

    /// The orders that a host should hold, verified as an agent does.
    pub(crate) async fn orders(&self, host: HostId) -> Vec<(Sha256, Order)> {
        let keys = [self.director().await];
        let documents = self.documents(host, vec![]).await;
        documents
            .into_iter()
            .filter_map(|document| {
                let envelope = Envelope::decode(document.envelope.as_slice()).unwrap();
                if !envelope.is::<Order>() {
                    return None;
                }
                let order = open_envelope::<Order>(&envelope, &keys, 1).unwrap();
                assert_eq!(envelope.digest(), document.digest);
                Some((document.digest, order))
            })
            .collect()
    }

    pub(crate) async fn director(&self) -> PublicKey {
        let key = self
            .api
            .director_key(&self.system(), DirectorKeyGet {})
            .await
            .unwrap();
        PublicKey::ed25519(&key.public_key).unwrap()
    }

    /// Hosts that have an order now.
    pub(crate) async fn ordered(&self) -> Vec<HostId> {
        let mut ordered = Vec::new();
        for host in &self.hosts {
            if !self.orders(*host).await.is_empty() {
                ordered.push(*host);
            }
        }
        ordered
    }

    /// The scheduler as it is after its process was started again.
    pub(crate) async fn restart(&mut self) {
        let shared: SharedClock = self.clock.clone();
        self.service = service(&self.test, &self.keys, &self.facts, &shared).await;
        self.api = self.service.clone();
    }
}

async fn service(
    test: &TestDatabase,
    keys: &tempfile::TempDir,
    facts: &Shared,
    clock: &SharedClock,
) -> Arc<SchedulerService> {
    Arc::new(SchedulerService::new(SchedulerParts {
        database: test.database().clone(),
        bus: bus::connect("memory:").await.unwrap(),
        clock: clock.clone(),
        keys: KeyFolder::open(keys.path().join("keys")).unwrap(),
        inventory: neighbours::inventory(facts, clock),
        policy: neighbours::policy(facts, clock),
    }))
}

pub(crate) fn change(id: DeploymentId, reason: &str) -> DeploymentChange {
    DeploymentChange {
        id,
        reason: reason.into(),
        if_match: None,
    }
}
