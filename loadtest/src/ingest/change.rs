//! Hosts that change a few packages.

use super::Scenario;
use crate::report::{Goal, Report, figure};
use crate::server::value;
use crate::world;
use anyhow::{Context, Result, bail};
use netpatch_inventory::domain::manifest::manifest_hash;
use netpatch_inventory_api::{InventoryApi as _, ManifestDeltaReport};
use netpatch_types::{ComponentKey, HostId, Sha256};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// One host's change, made before the clock runs.
struct Change {
    host: HostId,
    base: Sha256,
    hash: Sha256,
    added: Vec<ComponentKey>,
    removed: Vec<ComponentKey>,
}

impl Change {
    fn report(&self) -> ManifestDeltaReport {
        ManifestDeltaReport {
            host: self.host,
            base: self.base,
            hash: self.hash,
            added: self.added.clone(),
            removed: self.removed.clone(),
        }
    }
}

impl Scenario<'_> {
    /// Each host changes three packages in its own way.
    pub(super) async fn changes(&self, report: &mut Report) -> Result<f64> {
        let Self {
            options,
            platform,
            ctx,
            fixes,
            ..
        } = self;
        let mut random = StdRng::seed_from_u64(self.seed);
        let count = options.changed.min(options.hosts);
        let changes: Vec<Change> = (0..count)
            .map(|number| {
                let (base, mut keys) = self.manifests.of_host(number);
                let (mut added, mut removed) = (Vec::new(), Vec::new());
                for turn in 0..3 {
                    let at = random.random_range(0..keys.len());
                    let new = fixes.other(&keys[at], 5 + turn + random.random_range(0..3));
                    removed.push(keys.swap_remove(at));
                    added.push(new);
                }
                let hash = manifest_hash(keys.iter().chain(&added));
                Change {
                    host: world::host(number),
                    base,
                    hash,
                    added,
                    removed,
                }
            })
            .collect();
        let changes = Arc::new(changes);
        let turns = Arc::new(Semaphore::new(options.callers));
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let inventory = Arc::clone(&platform.inventories[0]);
            let (ctx, changes, turns) = (ctx.clone(), Arc::clone(&changes), Arc::clone(&turns));
            tasks.spawn(async move {
                let _turn = turns.acquire().await;
                inventory
                    .manifest_delta_report(&ctx, changes[number].report())
                    .await
            });
        }
        while let Some(done) = tasks.join_next().await {
            let outcome = done?.context("a change")?;
            if !outcome.base_known {
                bail!("the base of a change is not held");
            }
        }
        let time = started.elapsed().as_secs_f64();
        let distinct: i64 =
            value(&platform.admin, "select count(*) from inventory.manifests").await?;
        let rate = figure(count) / time;
        report.goal(
            "hosts that change three packages",
            rate,
            "hosts/s",
            Goal::AtLeast(5_000.0),
            format!(
                "{count} hosts in {time:.1} s, {} callers, each change its own: {distinct} manifests held",
                options.callers
            ),
        );
        platform
            .drain("the changes, no advisory imported", report)
            .await?;
        Ok(rate)
    }
}
