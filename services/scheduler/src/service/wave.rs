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
        let floor = store::deployment::get(&tx, wave.deployment)
            .await?
            .map_or(0, |stored| stored.floor);
        drop(tx);
        let runs = that_count(runs, floor);
        // Counts are of all hosts, whatever sites the reader may see.
        let seen = self.seen(&self.system(wave.tenant), &runs).await?;
        let facts = facts(&runs, &seen);
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

    /// The heartbeats of hosts whose runs have not ended.
    pub(crate) async fn seen(
        &self,
        ctx: &RequestContext,
        runs: &[store::run::Stored],
    ) -> ServiceResult<HashMap<HostId, DateTime<Utc>>> {
        let open: Vec<HostId> = runs
            .iter()
            .filter(|run| !run.run.status.is_final())
            .map(|run| run.run.host)
            .collect();
        self.last_seen(ctx, &open).await
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

/// Runs of before a halt say nothing about the order that is out now, unless they brought the host to its goal.
pub(crate) fn that_count(runs: Vec<store::run::Stored>, floor: u64) -> Vec<store::run::Stored> {
    runs.into_iter()
        .filter(|run| run.run.sequence >= floor || run.run.confirmed == Some(true))
        .collect()
}

/// Runs as the gate sees them: with the heartbeats of those that have not ended.
pub(crate) fn facts(
    runs: &[store::run::Stored],
    seen: &HashMap<HostId, DateTime<Utc>>,
) -> Vec<RunFact> {
    let fact = |stored: &store::run::Stored| RunFact {
        status: stored.run.status,
        confirmed: stored.run.confirmed,
        last_contact_at: stored
            .run
            .last_event_at
            .max(seen.get(&stored.run.host).copied())
            .unwrap_or_default(),
    };
    runs.iter().map(fact).collect()
}
