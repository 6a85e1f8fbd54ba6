//! Background work of policy: other services' events in, decisions and membership documents out.
//!
//! Handlers only note work in the transaction; a loop does it. Killed anywhere, it is done again, which changes nothing.

mod due;
mod inventory_events;
mod ledger_events;
mod work_loop;

use crate::PolicyService;
use crate::store::SCHEMA;
use netpatch_reporting_api::ReportingApi;
use netpatch_storage::{Until, outbox};
use netpatch_types::TenantId;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

impl PolicyService {
    /// Does the background work until `stop`.
    pub async fn run(&self, reporting: Arc<dyn ReportingApi>, stop: CancellationToken) {
        let until = Until::Stopped(stop.clone());
        let _ = tokio::join!(
            self.follow_inventory(until.clone()),
            self.follow_ledger(&*reporting, until),
            self.work_on(stop.clone()),
            outbox::tend(&self.database, SCHEMA, self.clock.clone(), stop)
        );
    }

    /// Does what there is to do now, once: events, what is due, work. For tests and for tools.
    pub async fn run_once(
        &self,
        reporting: Option<&dyn ReportingApi>,
    ) -> netpatch_types::ServiceResult<()> {
        self.follow_inventory(Until::Empty).await?;
        if let Some(reporting) = reporting {
            self.follow_ledger(reporting, Until::Empty).await?;
        }
        self.note_due().await?;
        self.drain_work().await.map(|_| ())
    }

    /// The context for reading events of all organizations.
    fn for_events(&self) -> netpatch_types::RequestContext {
        self.system(TenantId::from(Uuid::nil()))
    }
}
