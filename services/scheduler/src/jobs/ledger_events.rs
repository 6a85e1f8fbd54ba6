//! Reporting's events: an order stands in the ledger and may go out.

use crate::SchedulerService;
use crate::store::{self, SCHEMA};
use netpatch_reporting_api::{EventsAfter, ReportingApi, ReportingEvent, ReportingEventV1};
use netpatch_storage::{Consumer, Until};
use netpatch_types::{EventEnvelope, ServiceResult};

impl SchedulerService {
    pub(super) async fn follow_ledger(
        &self,
        reporting: &dyn ReportingApi,
        until: Until,
    ) -> ServiceResult<usize> {
        let source = async |after, limit| {
            reporting
                .events(&self.for_events(), EventsAfter { after, limit })
                .await
        };
        Consumer::of(SCHEMA, "reporting")
            .follow(&self.database, &*self.bus, until, source, |event| {
                self.note_ledger(event)
            })
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
