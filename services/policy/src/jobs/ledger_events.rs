//! Reporting's events: an approval stands in the ledger and may be used.

use crate::PolicyService;
use crate::store::SCHEMA;
use netpatch_reporting_api::{EventsAfter, ReportingApi, ReportingEvent, ReportingEventV1};
use netpatch_storage::{Consumer, Until};
use netpatch_types::{EventEnvelope, ServiceResult};

impl PolicyService {
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
            Ok(ReportingEvent::V1(ReportingEventV1::ApprovalLogged { approval, .. })) => {
                self.approval_logged(event.tenant, approval).await
            }
            Ok(ReportingEvent::V1(ReportingEventV1::OrderLogged { .. })) => Ok(()),
            Err(_) => {
                tracing::warn!(event = %event.id, "an event of reporting in a version that policy does not read");
                Ok(())
            }
        }
    }
}
