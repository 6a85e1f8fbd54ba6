//! The events of policy, scheduler and inventory: one transaction an organization and page, which records the ledger
//! entries and makes the deliveries. Handling an event twice changes nothing.

use crate::ReportingService;
use crate::domain::draft::{self, Draft};
use crate::domain::notice::{self, Notice};
use crate::service::SCHEMA;
use crate::store::compliance;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{InventoryEvent, InventoryEventV1};
use netpatch_policy_api::PolicyEvent;
use netpatch_reporting_api::SnapshotTake;
use netpatch_scheduler_api::{DeploymentStatus, SchedulerEvent, SchedulerEventV1};
use netpatch_storage::{Consumer, Until};
use netpatch_types::{
    DeploymentId, EventEnvelope, RequestContext, ServiceError, ServiceResult, TenantId,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Counting "before" later than this after the deployment began would count what it has changed.
const LATE: chrono::Duration = chrono::Duration::seconds(60);

/// An event that this version cannot read stops the consumer: skipping it could lose a ledger entry.
fn payload<T: DeserializeOwned>(event: &EventEnvelope) -> ServiceResult<T> {
    serde_json::from_value(event.payload.clone()).map_err(|error| {
        tracing::error!(event = %event.id, %error, "an event cannot be read");
        ServiceError::internal()
    })
}

impl ReportingService {
    pub(super) async fn follow_policy(&self, until: Until) -> ServiceResult<usize> {
        let source = async |after, limit| {
            let request = netpatch_policy_api::EventsAfter { after, limit };
            self.policy.events(&self.for_events(), request).await
        };
        Consumer::of(SCHEMA, "policy")
            .follow_pages(&self.database, &*self.bus, until, source, |events| {
                self.on_policy(events)
            })
            .await
    }

    pub(super) async fn follow_scheduler(&self, until: Until) -> ServiceResult<usize> {
        let source = async |after, limit| {
            let request = netpatch_scheduler_api::EventsAfter { after, limit };
            self.scheduler.events(&self.for_events(), request).await
        };
        Consumer::of(SCHEMA, "scheduler")
            .follow_pages(&self.database, &*self.bus, until, source, |events| {
                self.on_scheduler(events)
            })
            .await
    }

    pub(super) async fn follow_inventory(&self, until: Until) -> ServiceResult<usize> {
        let source = async |after, limit| {
            let request = netpatch_inventory_api::EventsAfter { after, limit };
            self.inventory.events(&self.for_events(), request).await
        };
        Consumer::of(SCHEMA, "inventory")
            .follow_pages(&self.database, &*self.bus, until, source, |events| {
                self.on_inventory(events)
            })
            .await
    }

    /// The context for reading events of all organizations.
    fn for_events(&self) -> RequestContext {
        self.system(TenantId::from(Uuid::nil()))
    }

    async fn on_policy(&self, events: Vec<EventEnvelope>) -> ServiceResult<()> {
        let mut page = Page::default();
        for event in events {
            let PolicyEvent::V1(what) = payload(&event)?;
            let draft = draft::of_policy(event.tenant, event.id, event.at, &what);
            let notice = notice::of_policy(event.tenant, &what);
            page.add(&event, draft, notice, false);
        }
        self.keep(page).await
    }

    async fn on_scheduler(&self, events: Vec<EventEnvelope>) -> ServiceResult<()> {
        let mut page = Page::default();
        for event in events {
            let SchedulerEvent::V1(what) = payload(&event)?;
            if let SchedulerEventV1::DeploymentChanged {
                deployment, status, ..
            } = &what
                && let Some(label) = label(*status)
            {
                self.count_around(&event, *deployment, label).await?;
            }
            let draft = draft::of_scheduler(event.tenant, event.id, event.at, &what);
            let notice = notice::of_scheduler(event.tenant, &what);
            page.add(&event, draft, notice, false);
        }
        self.keep(page).await
    }

    /// Counts before or after a deployment. Without an answer of inventory the event waits for a while, so that nothing
    /// is missing; then the ledger goes on without the count.
    async fn count_around(
        &self,
        event: &EventEnvelope,
        deployment: DeploymentId,
        label: &str,
    ) -> ServiceResult<()> {
        let late = self.clock.now() - event.at > LATE;
        if late && label == "before" {
            tracing::warn!(%deployment, "too late to count compliance before the deployment");
            return Ok(());
        }
        let request = SnapshotTake {
            label: label.to_owned(),
            deployment: Some(deployment),
        };
        match self.take_snapshot(event.tenant, &request).await {
            Err(error) if late => {
                tracing::warn!(%deployment, label, %error, "compliance around the deployment is not counted");
                Ok(())
            }
            other => other.map(drop),
        }
    }

    async fn on_inventory(&self, events: Vec<EventEnvelope>) -> ServiceResult<()> {
        let mut page = Page::default();
        for event in events {
            let InventoryEvent::V1(what) = payload(&event)?;
            let counts = match &what {
                InventoryEventV1::HostRegistered { .. } => true,
                InventoryEventV1::HostReported { opened, closed, .. } => opened + closed > 0,
                _ => false,
            };
            let draft = draft::of_inventory(event.id, event.at, &what);
            let notice = notice::of_inventory(event.tenant, &what);
            page.add(&event, draft, notice, counts);
        }
        self.keep(page).await
    }

    /// One transaction an organization: that its counters changed, the entries, the deliveries.
    async fn keep(&self, page: Page) -> ServiceResult<()> {
        for (tenant, share) in page.0 {
            let tx = self.database.write(&self.system(tenant)).await?;
            if share.counts {
                compliance::mark_changed(&tx, self.clock.now()).await?;
            }
            self.record(&tx, &share.drafts).await?;
            for (event, at, notice) in &share.notices {
                self.notify(&tx, *event, *at, notice).await?;
            }
            tx.commit().await?;
            if !share.drafts.is_empty() || !share.notices.is_empty() {
                self.hint_work().await;
            }
        }
        Ok(())
    }
}

/// What a page of events leaves behind, by organization.
#[derive(Default)]
struct Page(BTreeMap<TenantId, Share>);

/// An organization's share of it, in the order of the events.
#[derive(Default)]
struct Share {
    /// What compliance counts may have changed.
    counts: bool,
    drafts: Vec<Draft>,
    notices: Vec<(Uuid, DateTime<Utc>, Notice)>,
}

impl Page {
    fn add(
        &mut self,
        event: &EventEnvelope,
        draft: Option<Draft>,
        notice: Option<Notice>,
        counts: bool,
    ) {
        if draft.is_none() && notice.is_none() && !counts {
            return;
        }
        let share = self.0.entry(event.tenant).or_default();
        share.counts |= counts;
        share.drafts.extend(draft);
        share
            .notices
            .extend(notice.map(|notice| (event.id, event.at, notice)));
    }
}

/// Which snapshot a change of a deployment asks for. The store keeps the first "before" and the last "after".
fn label(status: DeploymentStatus) -> Option<&'static str> {
    match status {
        DeploymentStatus::Scheduled | DeploymentStatus::Running => Some("before"),
        DeploymentStatus::Halted | DeploymentStatus::Completed | DeploymentStatus::Cancelled => {
            Some("after")
        }
        DeploymentStatus::Draft | DeploymentStatus::AwaitingApproval | DeploymentStatus::Paused => {
            None
        }
    }
}
