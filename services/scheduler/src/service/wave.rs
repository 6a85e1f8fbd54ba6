//! Waves with their counts.

use super::SchedulerService;
use crate::domain::gate::{self, RunFact};
use crate::store;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{HostFilter, HostList};
use netpatch_scheduler_api::Wave;
use netpatch_types::{
    DeploymentId, HostId, PageRequest, Permission, RequestContext, ServiceError, ServiceResult,
    WaveId,
};
use std::collections::HashMap;

impl SchedulerService {
    pub(super) async fn list_waves(
        &self,
        ctx: &RequestContext,
        deployment: DeploymentId,
    ) -> ServiceResult<Vec<Wave>> {
        self.get_deployment(ctx, deployment).await?;
        let tx = self.database.read(ctx).await?;
        let waves = store::wave::of_deployment(&tx, deployment).await?;
        drop(tx);
        let mut views = Vec::with_capacity(waves.len());
        for wave in waves {
            views.push(self.view(ctx, wave).await?);
        }
        Ok(views)
    }

    pub(super) async fn get_wave(&self, ctx: &RequestContext, id: WaveId) -> ServiceResult<Wave> {
        ctx.require(Permission::Read)?;
        let tx = self.database.read(ctx).await?;
        let wave = store::wave::get(&tx, id)
            .await?
            .ok_or_else(|| ServiceError::not_found("wave"))?;
        drop(tx);
        self.view(ctx, wave).await
    }

    async fn view(&self, ctx: &RequestContext, wave: store::wave::Stored) -> ServiceResult<Wave> {
        let tx = self.database.read(ctx).await?;
        let runs = store::run::newest_of_wave(&tx, wave.id).await?;
        drop(tx);
        let facts = self.facts(ctx, &runs).await?;
        Ok(Wave {
            id: wave.id,
            tenant: wave.tenant,
            deployment: wave.deployment,
            ordinal: wave.ordinal,
            status: wave.status,
            reason: wave.reason,
            counts: gate::count(wave.total, &facts, self.clock.now()),
            opened_at: wave.opened_at,
            ended_at: wave.ended_at,
        })
    }

    /// Runs as the gate sees them: with the heartbeats of those that have not ended.
    pub(crate) async fn facts(
        &self,
        ctx: &RequestContext,
        runs: &[store::run::Stored],
    ) -> ServiceResult<Vec<RunFact>> {
        let open: Vec<HostId> = runs
            .iter()
            .filter(|run| !run.run.status.is_final())
            .map(|run| run.run.host)
            .collect();
        let seen = self.last_seen(ctx, &open).await?;
        let fact = |stored: &store::run::Stored| RunFact {
            status: stored.run.status,
            confirmed: stored.run.confirmed,
            last_contact_at: stored
                .run
                .last_event_at
                .max(seen.get(&stored.run.host).copied())
                .unwrap_or_default(),
        };
        Ok(runs.iter().map(fact).collect())
    }

    pub(super) async fn last_seen(
        &self,
        ctx: &RequestContext,
        hosts: &[HostId],
    ) -> ServiceResult<HashMap<HostId, DateTime<Utc>>> {
        let mut seen = HashMap::new();
        for ids in hosts.chunks(100) {
            let filter = HostFilter {
                ids: ids.to_vec(),
                ..HostFilter::default()
            };
            let page = self
                .inventory
                .host_list(
                    ctx,
                    HostList {
                        page: PageRequest::largest(),
                        filter,
                    },
                )
                .await?;
            seen.extend(
                page.into_nodes()
                    .into_iter()
                    .filter_map(|host| Some((host.id, host.last_seen_at?))),
            );
        }
        Ok(seen)
    }
}
