//! Reporting's events: an order stands in the ledger and may go out.

use crate::SchedulerService;
use crate::store::{self, SCHEMA};
use netpatch_reporting_api::{EventsAfter, ReportingApi, ReportingEvent, ReportingEventV1};
use netpatch_storage::Consumer;
use netpatch_types::{EventEnvelope, ServiceResult, TenantId};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

impl SchedulerService {
    fn ledger_consumer() -> Consumer {
        Consumer::new(SCHEMA, "reporting", "reporting.outbox")
    }

    pub(super) async fn follow_ledger(
        &self,
        reporting: &dyn ReportingApi,
        stop: CancellationToken,
    ) {
        let source = async |after, limit| {
            reporting
                .events(
                    &self.system(TenantId::from(Uuid::nil())),
                    EventsAfter { after, limit },
                )
                .await
        };
        Self::ledger_consumer()
            .run(&self.database, &*self.bus, stop, source, |event| {
                self.note_ledger(event)
            })
            .await;
    }

    pub(super) async fn drain_ledger(&self, reporting: &dyn ReportingApi) -> ServiceResult<usize> {
        let source = async |after, limit| {
            reporting
                .events(
                    &self.system(TenantId::from(Uuid::nil())),
                    EventsAfter { after, limit },
                )
                .await
        };
        Self::ledger_consumer()
            .drain(&self.database, &source, &|event| self.note_ledger(event))
            .await
    }

    async fn note_ledger(&self, event: EventEnvelope) -> ServiceResult<()> {
        match serde_json::from_value(event.payload) {
            Ok(ReportingEvent::V1(ReportingEventV1::OrderLogged { order, .. })) => {
                let tx = self.database.write(&self.system(event.tenant)).await?;
                let released = store::document::release(&tx, order).await?;
                tx.commit().await?;
                if released {
                    self.hint(event.tenant).await;
                }
            }
            Ok(ReportingEvent::V1(ReportingEventV1::ApprovalLogged { .. })) => {}
            Err(_) => {
                tracing::warn!(event = %event.id, "an event of reporting in a version that the scheduler does not read")
            }
        }
        Ok(())
    }
}
