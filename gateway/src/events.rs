//! What happened, for subscriptions: the services' events as thin ones (kind, subject, time) with a growing sequence.
//!
//! Hints wake the hub, polling makes up for lost ones. The newest events are kept in memory so that a client that comes back with its
//! last sequence misses nothing of a short break; after a longer one it reads again.

use crate::graphql::context::Apis;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use netpatch_inventory_api as inventory;
use netpatch_policy_api as policy;
use netpatch_scheduler_api as scheduler;
use netpatch_types::{
    Cursor, DeploymentId, EventEnvelope, EventPage, OrganizationId, RequestContext, ServiceResult,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Kinds of events, the `kinds` of `organizationEvents`.
pub const KINDS: [&str; 9] = [
    "approval.requested",
    "approval.decided",
    "deployment.changed",
    "wave.changed",
    "run.changed",
    "host.reported",
    "finding.critical",
    "asset.changed",
    "asset.imported",
];

/// Events that are kept.
const KEPT: usize = 10_000;
/// Without hints the hub looks this often.
const POLL: Duration = Duration::from_secs(2);

/// A thin event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThinEvent {
    /// Grows.
    pub sequence: u64,
    /// Whose.
    pub organization: OrganizationId,
    /// One of [`KINDS`].
    pub kind: &'static str,
    /// Public id of what it is about.
    pub subject: String,
    /// The deployment it belongs to.
    pub deployment: Option<DeploymentId>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Tells subscriptions what happened. Cheap to clone.
#[derive(Clone)]
pub struct EventHub {
    apis: Apis,
    kept: Arc<Mutex<VecDeque<Arc<ThinEvent>>>>,
    sender: broadcast::Sender<Arc<ThinEvent>>,
}

impl std::fmt::Debug for EventHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventHub").finish_non_exhaustive()
    }
}

impl EventHub {
    /// Over the services; nothing is read until [`Self::run`].
    #[must_use]
    pub fn new(apis: Apis) -> Self {
        Self {
            apis,
            kept: Arc::default(),
            sender: broadcast::channel(1024).0,
        }
    }

    /// The kept events behind a sequence, and everything from now on. Nothing falls between the two.
    pub fn follow(
        &self,
        after: Option<u64>,
    ) -> (Vec<Arc<ThinEvent>>, broadcast::Receiver<Arc<ThinEvent>>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.sender.subscribe();
        let missed = after.map(|after| {
            kept.iter()
                .filter(|event| event.sequence > after)
                .cloned()
                .collect()
        });
        (missed.unwrap_or_default(), receiver)
    }

    /// The newest sequence.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .back()
            .map_or(0, |event| event.sequence)
    }

    /// Reads the services' events until stopped.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::join!(
            self.tail(
                "inventory",
                &stop,
                |after, limit| self.inventory(after, limit),
                inventory_event
            ),
            self.tail(
                "policy",
                &stop,
                |after, limit| self.policy(after, limit),
                policy_event
            ),
            self.tail(
                "scheduler",
                &stop,
                |after, limit| self.scheduler(after, limit),
                scheduler_event
            ),
        );
    }

    async fn tail<F: Future<Output = ServiceResult<EventPage>>>(
        &self,
        service: &str,
        stop: &CancellationToken,
        read: impl Fn(Cursor, u32) -> F,
        thin: fn(&EventEnvelope) -> Option<ThinEvent>,
    ) {
        let mut hints = self.apis.bus.subscribe(&format!("{service}.outbox")).await;
        let mut cursor = Cursor::default();
        loop {
            match read(cursor, 1000).await {
                Ok(page) => {
                    let is_full = page.events.len() == 1000;
                    cursor = page.next;
                    for event in page.events.iter().filter_map(thin) {
                        self.tell(event);
                    }
                    if is_full {
                        continue;
                    }
                }
                Err(error) => {
                    tracing::debug!(service, %error, "events cannot be read; trying again")
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hints.next() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// The sequence is the event's time in microseconds, or one more than the newest: growing, and about the same after a restart.
    fn tell(&self, mut event: ThinEvent) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = kept.back().map_or(0, |event| event.sequence);
        event.sequence = u64::try_from(event.at.timestamp_micros())
            .unwrap_or(0)
            .max(newest + 1);
        let event = Arc::new(event);
        kept.push_back(Arc::clone(&event));
        while kept.len() > KEPT {
            kept.pop_front();
        }
        // Nobody listens: then nobody is told.
        let _ = self.sender.send(event);
    }

    fn system(&self) -> RequestContext {
        let now = self.apis.auth.clock().now();
        RequestContext::system(OrganizationId(uuid::Uuid::nil()), "event hub", now)
    }

    async fn inventory(&self, after: Cursor, limit: u32) -> ServiceResult<EventPage> {
        self.apis
            .inventory
            .events(&self.system(), inventory::EventsAfter { after, limit })
            .await
    }

    async fn policy(&self, after: Cursor, limit: u32) -> ServiceResult<EventPage> {
        self.apis
            .policy
            .events(&self.system(), policy::EventsAfter { after, limit })
            .await
    }

    async fn scheduler(&self, after: Cursor, limit: u32) -> ServiceResult<EventPage> {
        self.apis
            .scheduler
            .events(&self.system(), scheduler::EventsAfter { after, limit })
            .await
    }
}

fn thin(
    envelope: &EventEnvelope,
    kind: &'static str,
    subject: String,
    deployment: Option<DeploymentId>,
) -> Option<ThinEvent> {
    Some(ThinEvent {
        sequence: 0,
        organization: envelope.tenant,
        kind,
        subject,
        deployment,
        at: envelope.at,
    })
}

fn inventory_event(envelope: &EventEnvelope) -> Option<ThinEvent> {
    use inventory::{InventoryEvent, InventoryEventV1};
    let InventoryEvent::V1(event) = serde_json::from_value(envelope.payload.clone()).ok()?;
    match event {
        InventoryEventV1::HostReported { host, .. }
        | InventoryEventV1::HostRegistered { host, .. }
        | InventoryEventV1::SoftwareImported { host, .. }
        | InventoryEventV1::HostChanged { host } => thin(
            envelope,
            "host.reported",
            host.public(envelope.tenant),
            None,
        ),
        InventoryEventV1::CriticalFinding { finding, .. } => thin(
            envelope,
            "finding.critical",
            finding.public(envelope.tenant),
            None,
        ),
        InventoryEventV1::AssetChanged { asset, .. }
        | InventoryEventV1::AssetLinked { asset, .. }
        | InventoryEventV1::AssetDeleted { asset, .. } => thin(
            envelope,
            "asset.changed",
            asset.public(envelope.tenant),
            None,
        ),
        InventoryEventV1::AssetsImported { .. } => thin(
            envelope,
            "asset.imported",
            envelope.tenant.public(envelope.tenant),
            None,
        ),
        InventoryEventV1::AdvisoriesChanged { .. } => thin(
            envelope,
            "advisories.changed",
            envelope.tenant.public(envelope.tenant),
            None,
        ),
        InventoryEventV1::PatchesAvailable { .. }
        | InventoryEventV1::HardwareRulesChanged { .. }
        | InventoryEventV1::RiskWeightsChanged { .. } => None,
    }
}

fn policy_event(envelope: &EventEnvelope) -> Option<ThinEvent> {
    use policy::{PolicyEvent, PolicyEventV1};
    let PolicyEvent::V1(event) = serde_json::from_value(envelope.payload.clone()).ok()?;
    match event {
        PolicyEventV1::ApprovalRequested { approval, .. } => thin(
            envelope,
            "approval.requested",
            approval.public(envelope.tenant),
            None,
        ),
        PolicyEventV1::ApprovalDecided { approval, .. } => thin(
            envelope,
            "approval.decided",
            approval.public(envelope.tenant),
            None,
        ),
        _ => None,
    }
}

fn scheduler_event(envelope: &EventEnvelope) -> Option<ThinEvent> {
    use scheduler::{SchedulerEvent, SchedulerEventV1};
    let SchedulerEvent::V1(event) = serde_json::from_value(envelope.payload.clone()).ok()?;
    let of = envelope.tenant;
    match event {
        SchedulerEventV1::DeploymentChanged { deployment, .. } => thin(
            envelope,
            "deployment.changed",
            deployment.public(of),
            Some(deployment),
        ),
        SchedulerEventV1::WaveChanged {
            deployment, wave, ..
        } => thin(envelope, "wave.changed", wave.public(of), Some(deployment)),
        SchedulerEventV1::RunChanged {
            deployment, run, ..
        }
        | SchedulerEventV1::RunEnded {
            deployment, run, ..
        } => thin(envelope, "run.changed", run.public(of), Some(deployment)),
        _ => None,
    }
}
