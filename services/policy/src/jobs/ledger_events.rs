//! Reporting's events: an approval stands in the ledger and may be used.

use crate::PolicyService;
use crate::store::SCHEMA;
use netpatch_reporting_api::{EventsAfter, ReportingApi, ReportingEvent, ReportingEventV1};
use netpatch_storage::Consumer;
use netpatch_types::{EventEnvelope, ServiceResult};
use tokio_util::sync::CancellationToken;

impl PolicyService {
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
                .events(&self.for_events(), EventsAfter { after, limit })
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
                .events(&self.for_events(), EventsAfter { after, limit })
                .await
        };
        Self::ledger_consumer()
            .drain(&self.database, &source, &|event| self.note_ledger(event))
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
