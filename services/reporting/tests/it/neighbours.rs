//! The other services, as far as reporting asks them. Behind a router and a client, so every answer goes through JSON.

use chrono::{DateTime, Utc};
use netpatch_chassis::rpc::{RpcClient, RpcRouter, Transport};
use netpatch_chassis::{ContextKeys, ContextSigner, ContextVerifier};
use netpatch_inventory_api::{
    ComplianceCell, ComplianceNow, FindingList, InventoryApi, InventoryClient, InventoryEvent,
    InventoryEventV1, RiskWeights, RiskWeightsGet, RiskWeightsHeld,
};
use netpatch_policy_api::{
    ApprovalKey, ApprovalKeyGet, Baseline, BaselineList, BaselineSpec, PolicyApi, PolicyClient,
    PolicyEvent, PolicyEventV1, Standard,
};
use netpatch_scheduler_api::{
    Deployment, DeploymentGet, DirectorKey, DirectorKeyGet, Run, RunList, SchedulerApi,
    SchedulerClient, SchedulerEvent, SchedulerEventV1,
};
use netpatch_types::{
    BaselineId, Cursor, EventEnvelope, EventPage, Page, RequestContext, ServiceError, SharedClock,
    TenantId,
};
use serde::Serialize;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// The outbox of a service.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<EventEnvelope>>>);

impl Events {
    /// Somebody else has handled it.
    pub(crate) fn forget(&self, id: Uuid) {
        self.0.lock().unwrap().retain(|event| event.id != id);
    }

    pub(crate) fn push(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        payload: &impl Serialize,
    ) -> Uuid {
        let mut events = self.0.lock().unwrap();
        let id = Uuid::now_v7();
        let cursor = Cursor {
            epoch: 1,
            xid: events.last().map_or(0, |last| last.cursor.xid) + 1,
            id: 1,
        };
        let payload = serde_json::to_value(payload).unwrap();
        events.push(EventEnvelope {
            cursor,
            id,
            tenant,
            aggregate: String::new(),
            at,
            payload,
        });
        id
    }

    fn after(&self, after: Cursor, limit: u32) -> EventPage {
        let events = self.0.lock().unwrap();
        let events: Vec<_> = events
            .iter()
            .filter(|event| event.cursor > after)
            .take(limit as usize)
            .cloned()
            .collect();
        let next = events.last().map_or(after, |event| event.cursor);
        EventPage { events, next }
    }
}

/// What the neighbours say.
#[derive(Clone, Default)]
pub(crate) struct Neighbours {
    pub(crate) inventory: Events,
    pub(crate) policy: Events,
    pub(crate) scheduler: Events,
    pub(crate) cells: Arc<Mutex<Vec<ComplianceCell>>>,
    pub(crate) findings: Arc<Mutex<Vec<netpatch_inventory_api::Finding>>>,
    pub(crate) deployments: Arc<Mutex<Vec<Deployment>>>,
    pub(crate) runs: Arc<Mutex<Vec<Run>>>,
    pub(crate) director_key: Arc<Mutex<Vec<u8>>>,
    pub(crate) approval_key: Arc<Mutex<Vec<u8>>>,
}

impl Neighbours {
    pub(crate) fn policy_event(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        event: PolicyEventV1,
    ) -> Uuid {
        self.policy.push(tenant, at, &PolicyEvent::V1(event))
    }

    pub(crate) fn scheduler_event(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        event: SchedulerEventV1,
    ) -> Uuid {
        self.scheduler.push(tenant, at, &SchedulerEvent::V1(event))
    }

    pub(crate) fn inventory_event(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        event: InventoryEventV1,
    ) -> Uuid {
        self.inventory.push(tenant, at, &InventoryEvent::V1(event))
    }

    pub(crate) fn inventory(&self, clock: &SharedClock) -> Arc<dyn InventoryApi> {
        let me = self.clone();
        Arc::new(InventoryClient::new(client(
            "inventory",
            clock,
            |verifier| {
                let (cells, findings, events) = (me.cells, me.findings, me.inventory);
                RpcRouter::new("inventory", verifier)
                    .method("compliance_now", move |_, request: ComplianceNow| {
                        let cells = cells
                            .lock()
                            .unwrap()
                            .iter()
                            .filter(|cell| Some(cell.tenant) == request.tenant)
                            .cloned()
                            .collect();
                        async move { Ok::<Vec<ComplianceCell>, ServiceError>(cells) }
                    })
                    .method(
                        "risk_weights_get",
                        move |ctx: RequestContext, _: RiskWeightsGet| {
                            let held = RiskWeightsHeld {
                                tenant: ctx.write.unwrap(),
                                version: 3,
                                weights: RiskWeights::default(),
                                changed_at: None,
                                changed_by: None,
                            };
                            async move { Ok(held) }
                        },
                    )
                    .method("finding_list", move |_, request: FindingList| {
                        let all: Vec<_> = findings.lock().unwrap().clone();
                        async move { Ok(page(all, &request.page)) }
                    })
                    .method(
                        "events",
                        move |_, request: netpatch_inventory_api::EventsAfter| {
                            let page = events.after(request.after, request.limit);
                            async move { Ok(page) }
                        },
                    )
            },
        )))
    }

    pub(crate) fn policy(&self, clock: &SharedClock) -> Arc<dyn PolicyApi> {
        let (key, events) = (Arc::clone(&self.approval_key), self.policy.clone());
        Arc::new(PolicyClient::new(client("policy", clock, |verifier| {
            RpcRouter::new("policy", verifier)
                .method(
                    "baseline_list",
                    move |ctx: RequestContext, request: BaselineList| {
                        let named = |name: &str| Baseline {
                            id: BaselineId::from(Uuid::from_u128(1)),
                            tenant: ctx.write.unwrap(),
                            spec: BaselineSpec {
                                name: name.into(),
                                standard: Standard::CisaBod2604,
                                group: None,
                                rules: vec![],
                                followed: true,
                            },
                            etag: "1".into(),
                            archived_at: None,
                        };
                        let all =
                            vec![named("federal"), named("servers"), named("cardholder data")];
                        let page = page(all, &request.page);
                        async move { Ok(page) }
                    },
                )
                .method("approval_key", move |_, _: ApprovalKeyGet| {
                    let public_key = key.lock().unwrap().clone();
                    async move { Ok(ApprovalKey { public_key }) }
                })
                .method(
                    "events",
                    move |_, request: netpatch_policy_api::EventsAfter| {
                        let page = events.after(request.after, request.limit);
                        async move { Ok(page) }
                    },
                )
        })))
    }

    pub(crate) fn scheduler(&self, clock: &SharedClock) -> Arc<dyn SchedulerApi> {
        let me = self.clone();
        Arc::new(SchedulerClient::new(client(
            "scheduler",
            clock,
            |verifier| {
                let (deployments, runs, key, events) =
                    (me.deployments, me.runs, me.director_key, me.scheduler);
                RpcRouter::new("scheduler", verifier)
                    .method("deployment_get", move |ctx, request: DeploymentGet| {
                        let known = deployments
                            .lock()
                            .unwrap()
                            .iter()
                            .find(|known| known.id == request.id)
                            .cloned();
                        let found = known.filter(|known| ctx.read.contains(&known.tenant));
                        async move { found.ok_or_else(|| ServiceError::not_found("deployment")) }
                    })
                    .method("run_list", move |_, request: RunList| {
                        let all: Vec<Run> = runs.lock().unwrap().clone();
                        async move { Ok(page(all, &request.page)) }
                    })
                    .method("director_key", move |_, _: DirectorKeyGet| {
                        let public_key = key.lock().unwrap().clone();
                        async move { Ok(DirectorKey { public_key }) }
                    })
                    .method(
                        "events",
                        move |_, request: netpatch_scheduler_api::EventsAfter| {
                            let page = events.after(request.after, request.limit);
                            async move { Ok(page) }
                        },
                    )
            },
        )))
    }
}

/// Pages of two, so that following them is tested.
fn page<T>(all: Vec<T>, request: &netpatch_types::PageRequest) -> Page<T> {
    let first: usize = request
        .after
        .as_deref()
        .map_or(0, |after| after.parse().unwrap());
    let mut next = first;
    Page::from_rows(all.into_iter().skip(first).take(3).collect(), 2, |_| {
        String::new()
    })
    .number(&mut next)
}

trait Number {
    fn number(self, next: &mut usize) -> Self;
}

impl<T> Number for Page<T> {
    fn number(mut self, next: &mut usize) -> Self {
        for row in &mut self.rows {
            *next += 1;
            row.cursor = next.to_string();
        }
        self
    }
}

fn client(
    service: &'static str,
    clock: &SharedClock,
    router: impl FnOnce(ContextVerifier) -> RpcRouter,
) -> RpcClient {
    let keys = ContextKeys::random();
    let router = router(keys.verifier(Arc::clone(clock))).into_router();
    let signer: ContextSigner = keys.signer(Arc::clone(clock));
    RpcClient::new(service, Transport::memory(router), signer)
}
