//! An organization with hosts, groups and patches as inventory would tell, and people who decide.

use chrono::{DateTime, Utc};
use netpatch_chassis::rpc::{RpcClient, RpcRouter, Transport};
use netpatch_chassis::{ContextKeys, through_rpc};
use netpatch_inventory_api as inventory;
use netpatch_inventory_api::{
    ContentItem, Group, Host, HostFacts, InventoryApi, InventoryEvent, InventoryEventV1, Patch,
    PatchContent,
};
use netpatch_policy::{PolicyParts, PolicyService};
use netpatch_policy_api::*;
use netpatch_reporting_api::{ReportingApi, ReportingEvent, ReportingEventV1};
use netpatch_storage::{bus, keys::KeyFolder};
use netpatch_testkit::{ManualClock, TestDatabase, test_context};
use netpatch_types::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// What the fake inventory and ledger know.
#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) hosts: HashMap<HostId, Host>,
    pub(crate) groups: Vec<Group>,
    pub(crate) patches: BTreeMap<PatchId, (TenantId, Patch)>,
    pub(crate) content: HashMap<(TenantId, PatchId), PatchContent>,
    /// What inventory was told to date findings by.
    pub(crate) baselines: HashMap<TenantId, inventory::BaselinesSet>,
    pub(crate) exceptions: HashMap<TenantId, inventory::ExceptionsSet>,
    inventory_events: Vec<EventEnvelope>,
    reporting_events: Vec<EventEnvelope>,
}

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) api: Arc<dyn PolicyApi>,
    pub(crate) service: Arc<PolicyService>,
    pub(crate) facts: Arc<Mutex<Facts>>,
    pub(crate) test: TestDatabase,
    pub(crate) reporting: Arc<dyn ReportingApi>,
    pub(crate) tenant: TenantId,
    _keys: tempfile::TempDir,
}

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
        let test = TestDatabase::new(&[netpatch_policy::migrations()]).await;
        let keys = tempfile::tempdir().unwrap();
        let service = Arc::new(PolicyService::new(PolicyParts {
            database: test.database().clone(),
            bus: bus::connect("memory:").await.unwrap(),
            clock: shared.clone(),
            keys: KeyFolder::open(keys.path().join("keys")).unwrap(),
            inventory: fake_inventory(&facts, &shared),
        }));
        let here: Arc<dyn PolicyApi> = service.clone();
        let api = if remote {
            through_rpc(here, shared.clone())
        } else {
            here
        };
        let reporting = fake_reporting(&facts, &shared);
        let tenant = test_context(clock.now()).write.unwrap();
        Self {
            clock,
            api,
            service,
            facts,
            test,
            reporting,
            tenant,
            _keys: keys,
        }
    }

    pub(crate) fn system(&self) -> RequestContext {
        RequestContext::system(self.tenant, "test", self.clock.now())
    }

    /// A person with every right in the organization.
    pub(crate) fn person(&self, number: u128) -> RequestContext {
        self.person_of(self.tenant, number)
    }

    pub(crate) fn person_of(&self, tenant: TenantId, number: u128) -> RequestContext {
        let mut ctx = RequestContext::system(tenant, "test", self.clock.now());
        ctx.actor = Actor {
            kind: ActorKind::User,
            id: Uuid::from_u128(number),
            home: tenant,
            display: format!("person {number}"),
            delegation: None,
        };
        ctx
    }

    pub(crate) fn tell(&self, tenant: TenantId, event: InventoryEventV1) {
        let payload = serde_json::to_value(InventoryEvent::V1(event)).unwrap();
        let mut facts = self.facts.lock().unwrap();
        let envelope = envelope(
            tenant,
            facts.inventory_events.len(),
            self.clock.now(),
            payload,
        );
        facts.inventory_events.push(envelope);
    }

    /// Hosts offer a patch that brings these packages; inventory says so.
    pub(crate) fn offer(
        &self,
        name: &str,
        change: impl FnOnce(&mut Patch),
        packages: &[&str],
    ) -> PatchId {
        let id = PatchId::of("deb", &format!("debian/bookworm/{name}/2"));
        let mut patch = Patch {
            id,
            name: name.into(),
            distribution: "debian".into(),
            release: "bookworm".into(),
            fixed_version: "2".into(),
            classification: Classification::Security,
            severity: Severity::High,
            advisories: vec!["DSA-1-1".into()],
            cvss_score: Some(7.5),
            epss: None,
            kev: false,
            origin_label: "Debian-Security".into(),
            first_seen_at: self.clock.now(),
            hosts: 3,
            superseded_by: None,
        };
        change(&mut patch);
        self.facts
            .lock()
            .unwrap()
            .patches
            .insert(id, (self.tenant, patch));
        self.offer_content(id, packages);
        id
    }

    /// What the patch brings changes; inventory says so.
    pub(crate) fn offer_content(&self, patch: PatchId, packages: &[&str]) {
        let items = packages.iter().map(|name| item(name)).collect();
        self.facts.lock().unwrap().content.insert(
            (self.tenant, patch),
            PatchContent {
                patch,
                items,
                disagreement: None,
            },
        );
        self.tell(
            self.tenant,
            InventoryEventV1::PatchesAvailable {
                host: HostId::new(self.clock.now()),
                patches: vec![patch],
            },
        );
    }

    pub(crate) fn host(&self, number: u128, groups: Vec<GroupId>) -> HostId {
        let id = HostId(Uuid::from_u128(number));
        let host = Host {
            id,
            tenant: self.tenant,
            site: SiteId(Uuid::from_u128(99)),
            facts: HostFacts {
                hostname: format!("host-{number}"),
                ..HostFacts::default()
            },
            labels: Labels::default(),
            groups,
            ring: "canary".into(),
            time_zone: "Europe/Berlin".into(),
            software_from: Default::default(),
            manifest: None,
            registered_at: self.clock.now(),
            last_seen_at: None,
            last_scan_at: None,
            scan_problem: String::new(),
            relay: None,
            probes: Vec::new(),
            quarantined: false,
            open_findings: BTreeMap::new(),
            etag: "1".into(),
        };
        self.facts.lock().unwrap().hosts.insert(id, host);
        id
    }

    pub(crate) async fn policy(&self, name: &str, rules: Vec<Rule>) -> Policy {
        self.api
            .policy_create(
                &self.person(1),
                PolicyCreate {
                    spec: spec(name, rules),
                },
            )
            .await
            .unwrap()
    }

    /// Events are read, work is done; the ledger logs what was decided; until nothing moves.
    pub(crate) async fn settle(&self) {
        self.service.run_once(None).await.unwrap();
        self.log_approvals().await;
        self.service.run_once(Some(&*self.reporting)).await.unwrap();
    }

    /// As reporting does: an event for each approval that the ledger took.
    pub(crate) async fn log_approvals(&self) {
        let decided: Vec<_> = self
            .events()
            .await
            .into_iter()
            .filter_map(|event| match event {
                PolicyEventV1::ApprovalDecided {
                    approval,
                    envelope: Some(_),
                    ..
                }
                // The ledger takes a decision without a signed document, too.
                | PolicyEventV1::ApprovalDecided {
                    approval,
                    subject: Subject::Exception { .. },
                    ..
                } => Some(approval),
                _ => None,
            })
            .collect();
        let mut facts = self.facts.lock().unwrap();
        for approval in decided.into_iter().skip(facts.reporting_events.len()) {
            let sequence = facts.reporting_events.len();
            let payload =
                serde_json::to_value(ReportingEvent::V1(ReportingEventV1::ApprovalLogged {
                    approval,
                    sequence: 0,
                }))
                .unwrap();
            let envelope = envelope(self.tenant, sequence, self.clock.now(), payload);
            facts.reporting_events.push(envelope);
        }
    }

    /// Every event of policy so far.
    pub(crate) async fn events(&self) -> Vec<PolicyEventV1> {
        // Transactions of other tests hold the horizon back.
        self.test.settle("policy").await;
        let page = self
            .api
            .events(
                &self.system(),
                EventsAfter {
                    after: Cursor::default(),
                    limit: 1000,
                },
            )
            .await
            .unwrap();
        page.events
            .into_iter()
            .map(
                |event| match serde_json::from_value(event.payload).unwrap() {
                    PolicyEvent::V1(event) => event,
                },
            )
            .collect()
    }

    pub(crate) async fn approvals(&self) -> Vec<Approval> {
        let list = ApprovalList {
            page: PageRequest::largest(),
            ..ApprovalList::default()
        };
        self.api
            .approval_list(&self.person(1), list)
            .await
            .unwrap()
            .into_nodes()
    }

    /// The only approval that is not over.
    pub(crate) async fn the_approval(&self) -> Approval {
        let mut open: Vec<_> = self
            .approvals()
            .await
            .into_iter()
            .filter(|approval| approval.status != ApprovalStatus::Expired)
            .collect();
        assert_eq!(open.len(), 1, "{open:#?}");
        open.remove(0)
    }

    pub(crate) async fn usable(&self, patch: PatchId) -> Usable {
        self.api
            .approval_usable(
                &self.system(),
                ApprovalUsable {
                    patches: vec![patch],
                    group: None,
                },
            )
            .await
            .unwrap()
    }

    pub(crate) async fn decide(
        &self,
        number: u128,
        id: ApprovalId,
        verdict: Verdict,
    ) -> ServiceResult<Approval> {
        self.api
            .approval_decide(
                &self.person(number),
                ApprovalDecide {
                    id,
                    verdict,
                    reason: "seen on the test bench".into(),
                },
            )
            .await
    }
}

pub(crate) fn item(name: &str) -> ContentItem {
    ContentItem {
        name: name.into(),
        arch: "amd64".into(),
        version: "2".into(),
        fixed_version: "2".into(),
        sha256: Some(Sha256::of(name.as_bytes())),
        size_bytes: 1000,
        remove: false,
        dependency: false,
    }
}

pub(crate) fn spec(name: &str, rules: Vec<Rule>) -> PolicySpec {
    PolicySpec {
        name: name.into(),
        enabled: true,
        group: None,
        rules,
        rollout: Rollout::default(),
        windows: vec![],
        automatic: false,
    }
}

pub(crate) fn rule(name: &str, then: Decision) -> Rule {
    Rule {
        name: name.into(),
        then,
        ..Rule::default()
    }
}

fn envelope(
    tenant: TenantId,
    index: usize,
    at: DateTime<Utc>,
    payload: serde_json::Value,
) -> EventEnvelope {
    let id = i64::try_from(index).unwrap() + 1;
    EventEnvelope {
        cursor: Cursor {
            epoch: 1,
            xid: 1,
            id,
        },
        id: Uuid::from_u128(id.cast_unsigned().into()),
        tenant,
        aggregate: String::new(),
        at,
        payload,
    }
}

fn page_of(events: &[EventEnvelope], after: Cursor, limit: u32) -> EventPage {
    let events: Vec<_> = events
        .iter()
        .filter(|event| event.cursor > after)
        .take(limit as usize)
        .cloned()
        .collect();
    let next = events.last().map_or(after, |event| event.cursor);
    EventPage { events, next }
}

fn fake_inventory(facts: &Arc<Mutex<Facts>>, clock: &SharedClock) -> Arc<dyn InventoryApi> {
    let keys = ContextKeys::random();
    let mut router = RpcRouter::new("inventory", keys.verifier(clock.clone()));
    macro_rules! answer {
        ($method:ident, $request:ty, |$held:ident, $ctx:ident, $asked:ident| $answer:expr) => {
            let known = facts.clone();
            router = router.method(
                stringify!($method),
                move |$ctx: RequestContext, $asked: $request| {
                    let $held = known.lock().unwrap();
                    let answer = $answer;
                    async move { answer }
                },
            );
        };
    }
    answer!(host_get, inventory::HostGet, |facts, ctx, asked| facts
        .hosts
        .get(&asked.id)
        .filter(|host| ctx.read.contains(&host.tenant))
        .cloned()
        .ok_or_else(|| ServiceError::not_found("host")));
    answer!(host_places, inventory::HostPlaces, |facts, ctx, asked| Ok(
        asked
            .hosts
            .iter()
            .filter_map(|host| facts.hosts.get(host))
            .filter(|host| ctx.read.contains(&host.tenant))
            .map(inventory::HostPlace::from)
            .collect::<Vec<_>>()
    ));
    answer!(host_list, inventory::HostList, |facts, ctx, _asked| Ok(
        Page::from_rows(
            facts
                .hosts
                .values()
                .filter(|host| ctx.read.contains(&host.tenant))
                .cloned()
                .collect::<Vec<_>>(),
            1000,
            |host| host.id.to_string()
        )
    ));
    answer!(group_list, inventory::GroupList, |facts, ctx, _asked| Ok(
        facts
            .groups
            .iter()
            .filter(|group| ctx.read.contains(&group.tenant))
            .cloned()
            .collect::<Vec<_>>()
    ));
    answer!(patch_get, inventory::PatchGet, |facts, ctx, asked| facts
        .patches
        .get(&asked.id)
        .filter(|(tenant, _)| ctx.read.contains(tenant))
        .map(|(_, patch)| patch.clone())
        .ok_or_else(|| ServiceError::not_found("patch")));
    answer!(patch_list, inventory::PatchList, |facts, ctx, _asked| Ok(
        Page::from_rows(
            facts
                .patches
                .values()
                .filter(|(tenant, _)| ctx.read.contains(tenant))
                .map(|(_, patch)| patch.clone())
                .collect::<Vec<_>>(),
            1000,
            |patch| patch.id.to_string()
        )
    ));
    answer!(
        patch_content,
        inventory::PatchContentGet,
        |facts, ctx, asked| facts
            .content
            .get(&(ctx.write.unwrap(), asked.patch))
            .cloned()
            .ok_or_else(|| ServiceError::not_found("patch"))
    );
    let known = facts.clone();
    router = router.method(
        "baselines_set",
        move |ctx: RequestContext, asked: inventory::BaselinesSet| {
            let tenant = ctx.write.unwrap();
            known.lock().unwrap().baselines.insert(tenant, asked);
            async { Ok(inventory::Done {}) }
        },
    );
    let known = facts.clone();
    router = router.method(
        "exceptions_set",
        move |ctx: RequestContext, asked: inventory::ExceptionsSet| {
            let tenant = ctx.write.unwrap();
            known.lock().unwrap().exceptions.insert(tenant, asked);
            async { Ok(inventory::Done {}) }
        },
    );
    answer!(events, inventory::EventsAfter, |facts, _ctx, asked| Ok(
        page_of(&facts.inventory_events, asked.after, asked.limit)
    ));
    let client = RpcClient::new(
        "inventory",
        Transport::memory(router.into_router()),
        keys.signer(clock.clone()),
    );
    Arc::new(inventory::InventoryClient::new(client))
}

fn fake_reporting(facts: &Arc<Mutex<Facts>>, clock: &SharedClock) -> Arc<dyn ReportingApi> {
    let keys = ContextKeys::random();
    let known = facts.clone();
    let router = RpcRouter::new("reporting", keys.verifier(clock.clone())).method(
        "events",
        move |_: RequestContext, asked: netpatch_reporting_api::EventsAfter| {
            let page = page_of(
                &known.lock().unwrap().reporting_events,
                asked.after,
                asked.limit,
            );
            async move { Ok(page) }
        },
    );
    let client = RpcClient::new(
        "reporting",
        Transport::memory(router.into_router()),
        keys.signer(clock.clone()),
    );
    Arc::new(netpatch_reporting_api::ReportingClient::new(client))
}
