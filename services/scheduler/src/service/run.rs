//! Runs: get, list.

use super::SchedulerService;
use crate::domain::gate::RunFact;
use crate::store;
use netpatch_scheduler_api::{Run, RunList};
use netpatch_types::{
    HostId, Page, Permission, RequestContext, RunId, ServiceError, ServiceResult,
};

impl SchedulerService {
    pub(super) async fn get_run(&self, ctx: &RequestContext, id: RunId) -> ServiceResult<Run> {
        ctx.require(Permission::Read)?;
        let tx = self.database.read(ctx).await?;
        let stored = store::run::get(&tx, id)
            .await?
            .ok_or_else(|| ServiceError::not_found("run"))?;
        let mut run = stored.run;
        run.events = store::run::events(&tx, id).await?;
        drop(tx);
        self.mark_silent(ctx, std::slice::from_mut(&mut run))
            .await?;
        Ok(run)
    }

    pub(super) async fn list_runs(
        &self,
        ctx: &RequestContext,
        request: RunList,
    ) -> ServiceResult<Page<Run>> {
        ctx.require(Permission::Read)?;
        let tx = self.database.read(ctx).await?;
        let rows = store::run::list(&tx, &request).await?;
        drop(tx);
        let mut runs: Vec<Run> = rows.into_iter().map(|stored| stored.run).collect();
        self.mark_silent(ctx, &mut runs).await?;
        Ok(Page::from_rows(runs, request.page.limit(), |run: &Run| {
            run.id.to_string()
        }))
    }

    async fn mark_silent(&self, ctx: &RequestContext, runs: &mut [Run]) -> ServiceResult<()> {
        let open: Vec<HostId> = runs
            .iter()
            .filter(|run| !run.status.is_final())
            .map(|run| run.host)
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let seen = self.last_seen(ctx, &open).await?;
        for run in runs {
            let last_contact_at = run
                .last_event_at
                .max(seen.get(&run.host).copied())
                .unwrap_or_default();
            run.silent = RunFact {
                status: run.status,
                confirmed: run.confirmed,
                last_contact_at,
            }
            .silent(self.clock.now());
        }
        Ok(())
    }
}
