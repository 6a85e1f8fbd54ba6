//! Inventory, policy and reporting as the scheduler sees them, answered from a few maps.

use chrono::{DateTime, Utc};
use netpatch_chassis::ContextKeys;
use netpatch_chassis::rpc::{RpcClient, RpcRouter, Transport};
use netpatch_inventory_api as inventory;
use netpatch_inventory_api::{ContentItem, Host, InventoryApi, Patch};
use netpatch_policy_api as policy;
use netpatch_policy_api::{
    Approval, ApprovalStatus, MaintenanceWindow, Policy, PolicyApi, PolicyEvent, PolicyEventV1,
    SignedApproval, Subject,
};
use netpatch_proof::Ed25519Signer;
use netpatch_protocol::{content, document, seal};
use netpatch_reporting_api::{ReportingApi, ReportingEvent, ReportingEventV1};
use netpatch_types::*;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// What the neighbours know.
#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) hosts: BTreeMap<HostId, Host>,
    /// Which patches a host needs.
    pub(crate) needs: BTreeMap<HostId, BTreeSet<PatchId>>,
    pub(crate) patches: BTreeMap<PatchId, Patch>,
    pub(crate) items: BTreeMap<PatchId, Vec<ContentItem>>,
    pub(crate) disagreement: BTreeMap<PatchId, String>,
    pub(crate) policies: BTreeMap<PolicyId, Policy>,
    pub(crate) windows: BTreeMap<WindowId, MaintenanceWindow>,
    pub(crate) approvals: BTreeMap<ApprovalId, Approval>,
    pub(crate) approved: BTreeMap<PatchId, SignedApproval>,
    pub(crate) owner: Option<TenantId>,
    policy_events: Vec<EventEnvelope>,
    reporting_events: Vec<EventEnvelope>,
    /// Inventory cannot be reached.
    pub(crate) inventory_down: bool,
}

pub(crate) type Shared = Arc<Mutex<Facts>>;

impl Facts {
    pub(crate) fn approve(&mut self, tenant: TenantId, patch: PatchId, now: DateTime<Utc>) {
        let items = self.items[&patch]
            .iter()
            .map(|item| document::ContentItem {
                name: item.name.clone(),
                arch: item.arch.clone(),
                version: item.version.clone(),
                fixed_version: item.fixed_version.clone(),
                sha256: item.sha256.map(|hash| hash.0.to_vec()).unwrap_or_default(),
                size_bytes: item.size_bytes,
                remove: item.remove,
                dependency: item.dependency,
                patch_id: patch.public(),
            })
            .collect();
        let digest = content::content_digest(&document::Content { items });
        let id = ApprovalId::new(now);
        let signed = document::Approval {
            approval_id: id.to_string(),
            organization_id: tenant.to_string(),
            content_digest: digest.0.to_vec(),
            patch_id: patch.public(),
            decision: "approve".into(),
            ..document::Approval::default()
        };
        let envelope = seal(&signed, &[&approval_signer()]).unwrap();
        self.approved.insert(
            patch,
            SignedApproval {
                id,
                patch,
                content_digest: digest,
                envelope: envelope.encode_to_vec(),
            },
        );
    }

    pub(crate) fn tell_policy(
        &mut self,
        tenant: TenantId,
        at: DateTime<Utc>,
        event: PolicyEventV1,
    ) {
        let payload = serde_json::to_value(PolicyEvent::V1(event)).unwrap();
        let next = envelope(tenant, self.policy_events.len(), at, payload);
        self.policy_events.push(next);
    }

    pub(crate) fn tell_reporting(
        &mut self,
        tenant: TenantId,
        at: DateTime<Utc>,
        event: ReportingEventV1,
    ) {
        let payload = serde_json::to_value(ReportingEvent::V1(event)).unwrap();
        let next = envelope(tenant, self.reporting_events.len(), at, payload);
        self.reporting_events.push(next);
    }

    fn host(&self, ctx: &RequestContext, id: HostId) -> ServiceResult<Host> {
        self.hosts
            .get(&id)
            .filter(|host| ctx.read.contains(&host.tenant))
            .cloned()
            .ok_or_else(|| ServiceError::not_found("host"))
    }
}

pub(crate) fn approval_signer() -> Ed25519Signer {
    Ed25519Signer::from_secret(&[7; 32])
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

/// Answers a method from the facts.
macro_rules! answers {
    ($router:ident, $facts:expr; $($method:ident($request:ty) |$held:ident, $ctx:ident, $asked:ident| $answer:expr;)*) => {
        $(
            let known = $facts.clone();
            let $router = $router.method(
                stringify!($method),
                move |$ctx: RequestContext, $asked: $request| {
                    let mut $held = known.lock().unwrap();
                    let _ = (&$ctx, &$asked, &mut $held);
                    let answer = $answer;
                    async move { answer }
                },
            );
        )*
    };
}

pub(crate) fn inventory(facts: &Shared, clock: &SharedClock) -> Arc<dyn InventoryApi> {
    let keys = ContextKeys::random();
    let router = RpcRouter::new("inventory", keys.verifier(clock.clone()));
    answers! { router, facts;
        host_get(inventory::HostGet) |facts, ctx, asked| if facts.inventory_down {
            Err(ServiceError::unavailable("inventory"))
        } else {
            facts.host(&ctx, asked.id)
        };
        host_places(inventory::HostPlaces) |facts, ctx, asked| if facts.inventory_down {
            Err(ServiceError::unavailable("inventory"))
        } else {
            Ok(asked.hosts.iter()
                .filter_map(|host| facts.host(&ctx, *host).ok())
                .map(|host| inventory::HostPlace::from(&host))
                .collect::<Vec<_>>())
        };
        host_list(inventory::HostList) |facts, ctx, asked| Ok(Page::from_rows(
            facts.hosts.values()
                .filter(|host| ctx.read.contains(&host.tenant))
                .filter(|host| asked.filter.ids.is_empty() || asked.filter.ids.contains(&host.id))
                .cloned().collect::<Vec<_>>(),
            1000,
            |host| host.id.to_string(),
        ));
        patch_content(inventory::PatchContentGet) |facts, ctx, asked| Ok(inventory::PatchContent {
            patch: asked.patch,
            items: facts.items.get(&asked.patch).cloned().unwrap_or_default(),
            disagreement: facts.disagreement.get(&asked.patch).cloned(),
        });
        patch_targets(inventory::PatchTargets) |facts, ctx, asked| Ok(facts.hosts.values()
            .filter(|host| ctx.read.contains(&host.tenant))
            .filter(|host| asked.group.is_none_or(|group| host.groups.contains(&group)))
            .filter(|host| facts.needs.get(&host.id).is_some_and(|needs| asked.patches.iter().any(|patch| needs.contains(patch))))
            .map(|host| inventory::Target {
                host: host.id,
                tenant: host.tenant,
                hostname: host.facts.hostname.clone(),
                site: host.site,
                ring: host.ring.clone(),
                time_zone: host.time_zone.clone(),
                patches: asked.patches.clone(),
            })
            .collect::<Vec<_>>());
        patch_payloads(inventory::PatchPayloads) |facts, ctx, asked| Ok(asked.patches.iter()
            .filter(|patch| asked.hosts.iter().any(|host| facts.host(&ctx, *host).is_ok()
                && facts.needs.get(host).is_some_and(|needs| needs.contains(patch))))
            .flat_map(|patch| facts.items.get(patch).into_iter().flatten())
            .filter_map(|item| Some(inventory::Payload {
                sha256: item.sha256?,
                size_bytes: item.size_bytes,
                urls: vec![format!("http://deb.example/debian/pool/{}.deb", item.name)],
            }))
            .collect::<Vec<_>>());
        patch_pending(inventory::PatchPending) |facts, ctx, asked| facts.host(&ctx, asked.host).map(|host| {
            let needs = facts.needs.get(&host.id).cloned().unwrap_or_default();
            asked.patches.into_iter().filter(|patch| needs.contains(patch)).collect::<Vec<_>>()
        });
        patch_list(inventory::PatchList) |facts, ctx, asked| Ok(Page::from_rows(
            facts.patches.values().filter(|_| facts.owner.is_some_and(|owner| ctx.read.contains(&owner))).cloned().collect::<Vec<_>>(),
            1000,
            |patch: &Patch| patch.id.to_string(),
        ));
    }
    let client = RpcClient::new(
        "inventory",
        Transport::memory(router.into_router()),
        keys.signer(clock.clone()),
    );
    Arc::new(inventory::InventoryClient::new(client))
}

pub(crate) fn policy(facts: &Shared, clock: &SharedClock) -> Arc<dyn PolicyApi> {
    let keys = ContextKeys::random();
    let router = RpcRouter::new("policy", keys.verifier(clock.clone()));
    let now = clock.clone();
    answers! { router, facts;
        policy_get(policy::PolicyGet) |facts, ctx, asked| facts.policies.get(&asked.id)
            .filter(|policy| ctx.read.contains(&policy.tenant)).cloned()
            .ok_or_else(|| ServiceError::not_found("policy"));
        window_get(policy::WindowGet) |facts, ctx, asked| facts.windows.get(&asked.id)
            .filter(|window| ctx.read.contains(&window.tenant)).cloned()
            .ok_or_else(|| ServiceError::not_found("window"));
        window_list(policy::WindowList) |facts, ctx, asked| Ok(Page::from_rows(
            facts.windows.values()
                .filter(|window| ctx.read.contains(&window.tenant) && asked.blackout.is_none_or(|wanted| wanted == window.spec.blackout))
                .cloned().collect::<Vec<_>>(),
            1000,
            |window: &MaintenanceWindow| window.id.to_string(),
        ));
        approval_usable(policy::ApprovalUsable) |facts, ctx, asked| {
            let mut usable = policy::Usable::default();
            for patch in asked.patches {
                let own = facts.owner.is_some_and(|owner| ctx.read.contains(&owner));
                match facts.approved.get(&patch).filter(|_| own) {
                    Some(approval) => usable.approved.push(approval.clone()),
                    None => usable.missing.push(policy::Missing {
                        patch,
                        approval: None,
                        reason: "nobody has decided".into(),
                    }),
                }
            }
            Ok(usable)
        };
        approval_request(policy::ApprovalRequest) |facts, ctx, asked| {
            let approval = approval(&ctx, asked.subject, now.now());
            facts.approvals.insert(approval.id, approval.clone());
            Ok(approval)
        };
        approval_get(policy::ApprovalGet) |facts, ctx, asked| facts.approvals.get(&asked.id)
            .filter(|approval| ctx.read.contains(&approval.tenant)).cloned()
            .ok_or_else(|| ServiceError::not_found("approval"));
        events(policy::EventsAfter) |facts, ctx, asked| Ok(page_of(&facts.policy_events, asked.after, asked.limit));
    }
    let client = RpcClient::new(
        "policy",
        Transport::memory(router.into_router()),
        keys.signer(clock.clone()),
    );
    Arc::new(policy::PolicyClient::new(client))
}

fn approval(ctx: &RequestContext, subject: Subject, now: DateTime<Utc>) -> Approval {
    Approval {
        id: ApprovalId::new(now),
        tenant: ctx.write.unwrap(),
        subject,
        status: ApprovalStatus::Awaiting,
        policy: None,
        rule: None,
        automatic: false,
        requested_by: ctx.actor.clone(),
        requested_at: now,
        required: 1,
        decisions: vec![],
        content_digest: None,
        expires_at: None,
        logged: false,
        title: "going on".into(),
    }
}

pub(crate) fn reporting(facts: &Shared, clock: &SharedClock) -> Arc<dyn ReportingApi> {
    let keys = ContextKeys::random();
    let router = RpcRouter::new("reporting", keys.verifier(clock.clone()));
    answers! { router, facts;
        events(netpatch_reporting_api::EventsAfter) |facts, ctx, asked| Ok(page_of(&facts.reporting_events, asked.after, asked.limit));
    }
    let client = RpcClient::new(
        "reporting",
        Transport::memory(router.into_router()),
        keys.signer(clock.clone()),
    );
    Arc::new(netpatch_reporting_api::ReportingClient::new(client))
}
