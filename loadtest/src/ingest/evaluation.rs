//! Reports while there are advisories.

use super::enrolment::facts;
use super::platform::Platform;
use super::{Scenario, Texts};
use crate::report::{Report, figure, median, ms};
use crate::world::{self, Manifests};
use anyhow::{Context, Result, bail};
use netpatch_inventory::domain::manifest::manifest_hash;
use netpatch_inventory_api::{
    FeedImport, HostRegister, InventoryApi as _, ManifestDeltaReport, ManifestReport,
};
use netpatch_types::{HostId, Labels, RequestContext, SiteId};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sea_orm::ConnectionTrait as _;
use std::time::Instant;
use uuid::Uuid;

impl Scenario<'_> {
    /// What evaluation costs when there are advisories: thousands of findings a host.
    pub(super) async fn evaluation(&self, report: &mut Report) -> Result<()> {
        let Self {
            options,
            platform,
            real,
            fixes,
            ..
        } = self;
        // Only the new organization has hosts to evaluate.
        platform
            .admin
            .execute_unprepared("delete from inventory.evaluated")
            .await?;
        let inventory = &platform.inventories[0];
        let ctx = platform.organization();
        let pack_dir = options.pack.to_str().context("the pack's path")?.to_owned();
        let started = Instant::now();
        inventory.feed_import(&ctx, FeedImport { pack_dir }).await?;
        report.row(
            "import of the pack",
            started.elapsed().as_secs_f64(),
            "s",
            "",
        );
        let manifests = Texts::of(&Manifests::vary(real, fixes, options.evaluated, self.seed));
        register_numbered(platform, &ctx, options.evaluated).await?;
        let mut lone = Vec::new();
        let mut found = 0;
        let started = Instant::now();
        for number in 0..options.evaluated {
            let (hash, components) = manifests.of_host(number);
            let whole = ManifestReport {
                host: evaluated_host(number),
                hash,
                components,
            };
            let begun = Instant::now();
            let outcome = inventory.manifest_report(&ctx, whole).await?;
            lone.push(begun.elapsed());
            found += outcome.opened;
        }
        let time = started.elapsed().as_secs_f64();
        report.row(
            "evaluation of first manifests, one after the other",
            figure(options.evaluated) / time,
            "hosts/s",
            format!(
                "{found} findings opened, {:.0} a second",
                figure(found) / time
            ),
        );
        report.row(
            "a lone first report, written and evaluated, median",
            ms(median(&mut lone)),
            "ms",
            format!(
                "{} findings a host",
                found / u64::try_from(options.evaluated.max(1))?
            ),
        );
        let mut random = StdRng::seed_from_u64(self.seed + 1);
        let mut lone = Vec::new();
        for number in 0..options.evaluated {
            let (base, mut keys) = manifests.of_host(number);
            let at = random.random_range(0..keys.len());
            let new = fixes.other(&keys[at], 9);
            let removed = vec![keys.swap_remove(at)];
            let hash = manifest_hash(keys.iter().chain([&new]));
            let begun = Instant::now();
            let delta = ManifestDeltaReport {
                host: evaluated_host(number),
                base,
                hash,
                added: vec![new],
                removed,
            };
            let outcome = inventory.manifest_delta_report(&ctx, delta).await?;
            if !outcome.evaluated {
                bail!("a lone report was not evaluated at once");
            }
            lone.push(begun.elapsed());
        }
        report.row(
            "a lone report of one changed package, written and evaluated, median",
            ms(median(&mut lone)),
            "ms",
            "only the findings of the changed package are compared",
        );
        Ok(())
    }
}

fn evaluated_host(number: usize) -> HostId {
    world::host(10_000_000 + number)
}

async fn register_numbered(platform: &Platform, ctx: &RequestContext, hosts: usize) -> Result<()> {
    for number in 0..hosts {
        let register = HostRegister {
            id: evaluated_host(number),
            site: SiteId(Uuid::nil()),
            facts: facts(&format!("evaluated-{number}")),
            labels: Labels::new(),
        };
        platform.inventories[0].host_register(ctx, register).await?;
    }
    Ok(())
}
