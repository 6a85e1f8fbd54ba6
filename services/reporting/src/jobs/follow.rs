//! The events of policy, scheduler and inventory: one transaction an event, which records the ledger entry and makes
//! the deliveries. Handling an event twice changes nothing.

use crate::ReportingService;
use crate::domain::draft::{self, Draft};
use crate::domain::notice::{self, Notice};
use crate::service::SCHEMA;
use crate::store::compliance;
use netpatch_inventory_api::{InventoryEvent, InventoryEventV1};
use netpatch_policy_api::PolicyEvent;
use netpatch_reporting_api::SnapshotTake;
use netpatch_scheduler_api::{DeploymentStatus, SchedulerEvent, SchedulerEventV1};
use netpatch_storage::{Consumer, Until};
use netpatch_types::{
    DeploymentId, EventEnvelope, RequestContext, ServiceError, ServiceResult, TenantId,
};
use serde::de::DeserializeOwned;
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
            .follow(&self.database, &*self.bus, until, source, |event| {
                self.on_policy(event)
            })
            .await
    }

    pub(super) async fn follow_scheduler(&self, until: Until) -> ServiceResult<usize> {
        let source = async |after, limit| {
            let request = netpatch_scheduler_api::EventsAfter { after, limit };
            self.scheduler.events(&self.for_events(), request).await
        };
        Consumer::of(SCHEMA, "scheduler")
            .follow(&self.database, &*self.bus, until, source, |event| {
                self.on_scheduler(event)
            })
            .await
    }

    pub(super) async fn follow_inventory(&self, until: Until) -> ServiceResult<usize> {
        let source = async |after, limit| {
            let request = netpatch_inventory_api::EventsAfter { after, limit };
            self.inventory.events(&self.for_events(), request).await
        };
        Consumer::of(SCHEMA, "inventory")
            .follow(&self.database, &*self.bus, until, source, |event| {
                self.on_inventory(event)
            })
            .await
    }

    /// The context for reading events of all organizations.
    fn for_events(&self) -> RequestContext {
        self.system(TenantId::from(Uuid::nil()))
    }

    async fn on_policy(&self, event: EventEnvelope) -> ServiceResult<()> {
        let PolicyEvent::V1(what) = payload(&event)?;
        let draft = draft::of_policy(event.tenant, event.id, event.at, &what);
        let notice = notice::of_policy(event.tenant, &what);
        self.keep(&event, draft, notice).await
    }

    async fn on_scheduler(&self, event: EventEnvelope) -> ServiceResult<()> {
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
        self.keep(&event, draft, notice).await
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

    async fn on_inventory(&self, event: EventEnvelope) -> ServiceResult<()> {
        let InventoryEvent::V1(what) = payload(&event)?;
        let notice = notice::of_inventory(event.tenant, &what);
        let counted = match &what {
            InventoryEventV1::HostRegistered { .. } => true,
            InventoryEventV1::HostReported { opened, closed, .. } => opened + closed > 0,
            _ => false,
        };
        if counted {
            let tx = self.database.write(&self.system(event.tenant)).await?;
            compliance::mark_changed(&tx, self.clock.now()).await?;
            tx.commit().await?;
        }
        let draft = draft::of_inventory(event.id, event.at, &what);
        self.keep(&event, draft, notice).await
    }

    /// One transaction: the entry and the deliveries.
    async fn keep(
        &self,
        event: &EventEnvelope,
        draft: Option<Draft>,
        notice: Option<Notice>,
    ) -> ServiceResult<()> {
        if draft.is_none() && notice.is_none() {
            return Ok(());
        }
        let tx = self.database.write(&self.system(event.tenant)).await?;
        if let Some(draft) = &draft {
            self.record(&tx, draft).await?;
        }
        if let Some(notice) = &notice {
            self.notify(&tx, event.id, event.at, notice).await?;
        }
        tx.commit().await?;
        self.hint_work().await;
        Ok(())
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
