//! Runs: get, list.

use super::SchedulerService;
use crate::domain::gate::RunFact;
use crate::store;
use netpatch_inventory_api::{HostFilter, HostList};
use netpatch_scheduler_api::{Run, RunList};
use netpatch_types::{
    HostId, Page, PageRequest, Permission, RequestContext, RunId, ServiceError, ServiceResult,
};
use std::collections::HashSet;

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
        if self
            .hosts_in_scope(ctx, &[run.host])
            .await?
            .is_some_and(|hosts| hosts.is_empty())
        {
            return Err(ServiceError::not_found("run"));
        }
        self.mark_silent(ctx, std::iter::once(&mut run)).await?;
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
        let runs: Vec<Run> = rows.into_iter().map(|stored| stored.run).collect();
        let hosts: Vec<HostId> = runs.iter().map(|run| run.host).collect();
        let mut page = Page::from_rows(runs, request.page.limit(), |run: &Run| run.id.to_string());
        // A reader of some sites gets shorter pages; the last cursor still leads on.
        if let Some(hosts) = self.hosts_in_scope(ctx, &hosts).await? {
            page.rows.retain(|row| hosts.contains(&row.node.host));
        }
        self.mark_silent(ctx, page.rows.iter_mut().map(|row| &mut row.node))
            .await?;
        Ok(page)
    }

    /// Which of these hosts stand on the reader's sites; `None`: the reader may see all.
    async fn hosts_in_scope(
        &self,
        ctx: &RequestContext,
        hosts: &[HostId],
    ) -> ServiceResult<Option<HashSet<HostId>>> {
        let Some(sites) = &ctx.sites else {
            return Ok(None);
        };
        let mut inside = HashSet::new();
        for ids in hosts.chunks(100) {
            let list = HostList {
                page: PageRequest::largest(),
                filter: HostFilter {
                    ids: ids.to_vec(),
                    ..HostFilter::default()
                },
            };
            let page = self.inventory.host_list(ctx, list).await?;
            let own = page
                .into_nodes()
                .into_iter()
                .filter(|host| sites.contains(&host.site));
            inside.extend(own.map(|host| host.id));
        }
        Ok(Some(inside))
    }

    async fn mark_silent<'a>(
        &self,
        ctx: &RequestContext,
        runs: impl Iterator<Item = &'a mut Run>,
    ) -> ServiceResult<()> {
        let runs: Vec<&mut Run> = runs.collect();
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
