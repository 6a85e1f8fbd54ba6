//! Background work of policy: other services' events in, decisions and membership documents out.
//!
//! Handlers only note work in the transaction; a loop does it. Killed anywhere, it is done again, which changes nothing.

mod due;
mod inventory_events;
mod ledger_events;
mod work_loop;

use crate::PolicyService;
use netpatch_reporting_api::ReportingApi;
use netpatch_types::TenantId;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

impl PolicyService {
    /// Does the background work until `stop`.
    pub async fn run(&self, reporting: Arc<dyn ReportingApi>, stop: CancellationToken) {
        tokio::join!(
            self.follow_inventory(stop.clone()),
            self.follow_ledger(&*reporting, stop.clone()),
            self.work_on(stop)
        );
    }

    /// Does what there is to do now, once: events, what is due, work. For tests and for tools.
    pub async fn run_once(
        &self,
        reporting: Option<&dyn ReportingApi>,
    ) -> netpatch_types::ServiceResult<()> {
        self.drain_inventory().await?;
        if let Some(reporting) = reporting {
            self.drain_ledger(reporting).await?;
        }
        self.note_due().await?;
        self.drain_work().await.map(|_| ())
    }

    /// The context for reading events of all organizations.
    fn for_events(&self) -> netpatch_types::RequestContext {
        self.system(TenantId::from(Uuid::nil()))
    }
}
