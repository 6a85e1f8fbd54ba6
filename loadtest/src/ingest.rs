//! `ingest`: reports of many hosts through the inventory service itself into a private PostgreSQL, and the same hosts as rows of a
//! normalised table beside it.

mod burst;
mod change;
mod enrolment;
mod evaluation;
mod platform;
mod unchanged;

use crate::normalised;
use crate::report::Report;
use crate::world::{self, Fixes, Manifests, RealHost};
use anyhow::Result;
use netpatch_inventory::domain::manifest::by_name;
use netpatch_types::{ComponentKey, RequestContext, Sha256};
use platform::Platform;
use std::path::PathBuf;
use std::sync::Arc;

/// Options of `ingest`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A whole offline pack, with the hosts
    #[arg(long, value_name = "DIR")]
    pack: PathBuf,
    /// Hosts that report at once
    #[arg(long, default_value_t = 100_000)]
    hosts: usize,
    /// Distinct manifests among them
    #[arg(long, default_value_t = 2_000)]
    manifests: usize,
    /// Hosts that change three packages, each in its own way
    #[arg(long, default_value_t = 20_000)]
    changed: usize,
    /// Hosts that register and report for the first time, one call after the other
    #[arg(long, default_value_t = 3_000)]
    enrolled: usize,
    /// Unchanged reports
    #[arg(long, default_value_t = 1_000_000)]
    unchanged: usize,
    /// Hosts that are evaluated with the pack imported
    #[arg(long, default_value_t = 40)]
    evaluated: usize,
    /// Hosts of the normalised table
    #[arg(long, default_value_t = 1_000)]
    normalised: usize,
    /// Reports that are under way at the same time; the others wait until they are admitted
    #[arg(long, default_value_t = 512)]
    callers: usize,
}

/// What is measured with.
struct Scenario<'a> {
    options: &'a Options,
    seed: u64,
    platform: Platform,
    /// The organization of the burst.
    ctx: RequestContext,
    manifests: Arc<Texts>,
    fixes: Fixes,
    real: Vec<RealHost>,
}

/// Manifests as agents send them.
struct Texts {
    components: Vec<Arc<ComponentKey>>,
    /// Hash, and numbers of components in the order of the protocol.
    all: Vec<(Sha256, Vec<u32>)>,
}

impl Texts {
    fn of(manifests: &Manifests) -> Self {
        let components = manifests.components.clone();
        let key = |number: u32| {
            usize::try_from(number)
                .ok()
                .and_then(|at| components.get(at))
        };
        let ordered = |numbers: &[u32]| {
            let mut ordered = numbers.to_vec();
            ordered.sort_by(|one, other| match (key(*one), key(*other)) {
                (Some(one), Some(other)) => by_name(one, other),
                (one, other) => one.is_some().cmp(&other.is_some()),
            });
            ordered
        };
        let all = manifests.all.iter();
        let all = all
            .map(|(hash, numbers)| (*hash, ordered(numbers)))
            .collect();
        Self { components, all }
    }

    /// The manifest of a host; there are fewer manifests than hosts.
    fn of_host(&self, at: usize) -> (Sha256, Vec<ComponentKey>) {
        let (hash, numbers) = &self.all[at % self.all.len()];
        let key = |number: &u32| self.components.get(usize::try_from(*number).ok()?);
        let keys = numbers.iter().filter_map(key);
        (*hash, keys.map(|key| key.as_ref().clone()).collect())
    }
}

pub(crate) async fn run(options: &Options, seed: u64) -> Result<Report> {
    let mut report = Report::new("ingest", seed);
    let folder = tempfile::tempdir()?;
    let pack = world::load(&options.pack)?;
    let fixes = Fixes::of(&pack, seed);
    let real = world::real_hosts(&options.pack, folder.path())?;
    let manifests = Manifests::vary(&real, &fixes, options.manifests, seed);
    let packages: usize = manifests.all.iter().map(|(_, all)| all.len()).sum();
    report.scene("hosts", options.hosts);
    report.scene("distinct manifests", manifests.all.len());
    report.scene("packages a host", packages / manifests.all.len().max(1));
    report.scene("distinct components", manifests.components.len());
    let platform = Platform::start().await?;
    let scenario = Scenario {
        options,
        seed,
        ctx: platform.organization(),
        platform,
        manifests: Arc::new(Texts::of(&manifests)),
        fixes,
        real,
    };

    let first = scenario.burst(&mut report).await?;
    scenario.unchanged(&mut report).await?;
    let changed = scenario.changes(&mut report).await?;
    scenario.enrol(&mut report).await?;
    normalised::run(
        &scenario.platform.server,
        options.normalised,
        &manifests,
        &normalised::Rates { first, changed },
        &mut report,
    )
    .await?;
    scenario.evaluation(&mut report).await?;
    scenario.platform.admin.close().await?;
    scenario.platform.server.stop().await;
    Ok(report)
}
