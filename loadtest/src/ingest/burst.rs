//! A whole fleet that reports for the first time at once.

use super::Scenario;
use super::enrolment::facts;
use super::platform::Platform;
use crate::report::{Goal, Report, figure};
use crate::server::value;
use crate::world;
use anyhow::{Context, Result, bail};
use netpatch_inventory_api::{InventoryApi as _, ManifestReport};
use netpatch_types::RequestContext;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

impl Scenario<'_> {
    /// All hosts want to report their first manifest at the same moment, to two processes.
    pub(super) async fn burst(&self, report: &mut Report) -> Result<f64> {
        let Self {
            options,
            platform,
            ctx,
            ..
        } = self;
        let turns = Arc::new(Semaphore::new(options.callers));
        register_by_sql(platform, ctx, options.hosts).await?;
        let before = platform.deadlocks().await?;
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..options.hosts {
            let inventory = Arc::clone(&platform.inventories[number % 2]);
            let (ctx, manifests, turns) =
                (ctx.clone(), Arc::clone(&self.manifests), Arc::clone(&turns));
            tasks.spawn(async move {
                let _turn = turns.acquire().await;
                let (hash, components) = manifests.of_host(number);
                let host = world::host(number);
                let whole = ManifestReport {
                    host,
                    hash,
                    components,
                };
                inventory.manifest_report(&ctx, whole).await
            });
        }
        while let Some(done) = tasks.join_next().await {
            done?.context("a first report")?;
        }
        let time = started.elapsed().as_secs_f64();
        // The server counts deadlocks when a connection comes to rest.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let deadlocks = platform.deadlocks().await? - before;
        let carried: i64 = value(
            &platform.admin,
            "select count(*) from inventory.hosts where manifest is not null",
        )
        .await?;
        if usize::try_from(carried)? != options.hosts {
            bail!("{carried} of {} hosts have a manifest", options.hosts);
        }
        let rate = figure(options.hosts) / time;
        report.goal(
            "first manifest of registered hosts, all at once",
            rate,
            "hosts/s",
            Goal::AtLeast(1_500.0),
            format!(
                "{} hosts to two processes in {time:.1} s, {} under way at once, evaluated later",
                options.hosts, options.callers
            ),
        );
        report.goal(
            "deadlocks in the burst",
            figure(deadlocks.unsigned_abs()),
            "",
            Goal::AtMost(0.0),
            "pg_stat_database",
        );
        platform
            .drain("the burst, no advisory imported", report)
            .await?;
        Ok(rate)
    }
}

async fn register_by_sql(platform: &Platform, ctx: &RequestContext, hosts: usize) -> Result<()> {
    let facts = serde_json::to_value(facts("host"))?;
    for first in (0..hosts).step_by(20_000) {
        let numbers = first..hosts.min(first + 20_000);
        let ids: Vec<Uuid> = numbers
            .clone()
            .map(|number| world::host(number).0)
            .collect();
        let names: Vec<String> = numbers.map(|number| format!("host-{number}")).collect();
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "insert into inventory.hosts (tenant_id, id, site_id, machine_id, hostname, facts, labels, registered_at, reboot_pending) \
             select $1, id, $1, name, name, $4, '{}', now(), false from unnest($2::uuid[], $3::text[]) r(id, name)",
            [
                ctx.tenant()?.0.into(),
                ids.into(),
                names.into(),
                facts.clone().into(),
            ],
        );
        platform.admin.execute_raw(statement).await?;
    }
    platform.admin.execute_unprepared("analyze").await?;
    Ok(())
}
