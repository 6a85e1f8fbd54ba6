//! `ingest`: reports of many hosts through the inventory service itself into a private PostgreSQL, and the same hosts as rows of a
//! normalised table beside it.

use crate::normalised;
use crate::report::{Goal, Report, figure, median, ms};
use crate::server::{Server, value};
use crate::world::{self, Fixes, Manifests, RealHost};
use anyhow::{Context, Result, bail};
use netpatch_inventory::Inventory;
use netpatch_inventory::domain::manifest::{by_name, manifest_hash};
use netpatch_inventory_api::{
    FeedImport, HostFacts, HostRegister, InventoryApi, ManifestDeltaReport, ManifestReport,
};
use netpatch_storage::bus::MemoryBus;
use netpatch_storage::roles::bootstrap;
use netpatch_storage::{Database, PoolSettings};
use netpatch_types::{
    ComponentKey, HostId, Labels, RequestContext, Sha256, SharedClock, SiteId, SystemClock,
    TenantId,
};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

const DATABASE: &str = "netpatch";

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
    /// Reports at the same time, but for the burst, in which all are
    #[arg(long, default_value_t = 512)]
    callers: usize,
}

/// The service over its database.
struct Platform {
    server: Server,
    admin: DatabaseConnection,
    /// Two as in two processes: they share nothing but the database.
    inventories: [Arc<Inventory>; 2],
    clock: SharedClock,
}

impl Platform {
    async fn start() -> Result<Self> {
        let server = Server::start(true).await?;
        let urls = bootstrap(&server.admin_url("postgres"), DATABASE).await?;
        let settings = PoolSettings::default();
        let migrations = [netpatch_inventory::migrations()];
        let clock: SharedClock = Arc::new(SystemClock::default());
        let make =
            |database| Inventory::new(database, Arc::new(MemoryBus::default()), clock.clone());
        let inventories = [
            make(Database::open(&urls, &settings, &migrations).await?),
            make(Database::connect(&urls, &settings).await?),
        ];
        let admin = server.admin(DATABASE).await?;
        Ok(Self {
            server,
            admin,
            inventories,
            clock,
        })
    }

    fn organization(&self) -> RequestContext {
        let now = self.clock.now();
        let mut ctx = RequestContext::system(TenantId::from(Uuid::now_v7()), "load test", now);
        ctx.deadline = now + chrono::Duration::days(1);
        ctx
    }

    async fn deadlocks(&self) -> Result<i64> {
        value(
            &self.admin,
            "select deadlocks from pg_stat_database where datname = current_database()",
        )
        .await
    }

    /// Statements that the server logs while `work` runs.
    async fn statements<T>(&self, work: impl Future<Output = Result<T>>) -> Result<(T, usize)> {
        let set = async |to: &str| -> Result<()> {
            self.admin
                .execute_unprepared(&format!("alter system set log_statement = '{to}'"))
                .await?;
            self.admin
                .execute_unprepared("select pg_reload_conf()")
                .await?;
            tokio::time::sleep(Duration::from_millis(500)).await;
            Ok(())
        };
        set("all").await?;
        let before = self.server.logged_statements()?;
        let done = work.await?;
        let after = self.server.logged_statements()?;
        set("none").await?;
        Ok((done, after - before))
    }
}

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

fn facts(name: &str) -> HostFacts {
    HostFacts {
        hostname: name.to_owned(),
        machine_id: Sha256::of(name.as_bytes()).to_string(),
        os_id: "debian".into(),
        os_version: "12".into(),
        os_release: "bookworm".into(),
        os_name: "Debian GNU/Linux 12 (bookworm)".into(),
        arch: "amd64".into(),
        kernel: "6.1.0-30-amd64".into(),
        time_zone: "Europe/Berlin".into(),
        cpu_count: 4,
        memory_bytes: 8 << 30,
        disk_free_bytes: 20 << 30,
        boot_id: "3f2c1a52-8f8e-4a58-9d0e-1f7b0c6a1b11".into(),
        ..HostFacts::default()
    }
}

pub(crate) async fn run(options: &Options, seed: u64) -> Result<Report> {
    let mut report = Report::new("ingest", seed);
    let folder = tempfile::tempdir()?;
    let pack = world::load(&options.pack)?;
    let fixes = Fixes::of(&pack, seed);
    let real = world::real_hosts(&options.pack, folder.path())?;
    let manifests = Arc::new(Manifests::vary(&real, &fixes, options.manifests, seed));
    let packages: usize = manifests.all.iter().map(|(_, all)| all.len()).sum();
    report.scene("hosts", options.hosts);
    report.scene("distinct manifests", manifests.all.len());
    report.scene("packages a host", packages / manifests.all.len().max(1));
    report.scene("distinct components", manifests.components.len());
    let platform = Platform::start().await?;
    let ctx = platform.organization();

    let first = burst(options, &platform, &ctx, &manifests, &mut report).await?;
    unchanged(options, &platform, &ctx, &manifests, &mut report).await?;
    let changed = changes(
        options,
        &platform,
        &ctx,
        &manifests,
        &fixes,
        seed,
        &mut report,
    )
    .await?;
    enrol(options, &platform, &manifests, &mut report).await?;
    normalised::run(
        &platform.server,
        options.normalised,
        &manifests,
        &normalised::Rates { first, changed },
        &mut report,
    )
    .await?;
    evaluation(options, &platform, &real, &fixes, seed, &mut report).await?;
    platform.admin.close().await?;
    platform.server.stop().await;
    Ok(report)
}

fn components(manifests: &Manifests, at: usize) -> (Sha256, Vec<ComponentKey>) {
    let (hash, numbers) = &manifests.all[at % manifests.all.len()];
    let mut keys: Vec<ComponentKey> = numbers
        .iter()
        .filter_map(|number| {
            let at = usize::try_from(*number).ok()?;
            Some(manifests.components.get(at)?.as_ref().clone())
        })
        .collect();
    keys.sort_by(by_name);
    (*hash, keys)
}

/// All hosts report their first manifest at the same moment, to two processes.
async fn burst(
    options: &Options,
    platform: &Platform,
    ctx: &RequestContext,
    manifests: &Arc<Manifests>,
    report: &mut Report,
) -> Result<f64> {
    register_by_sql(platform, ctx, options.hosts).await?;
    let before = platform.deadlocks().await?;
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..options.hosts {
        let inventory = Arc::clone(&platform.inventories[number % 2]);
        let (ctx, manifests) = (ctx.clone(), Arc::clone(manifests));
        tasks.spawn(async move {
            let (hash, components) = components(&manifests, number);
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
            "{} hosts to two processes in {time:.1} s, evaluated later",
            options.hosts
        ),
    );
    report.goal(
        "deadlocks in the burst",
        figure(deadlocks.unsigned_abs()),
        "",
        Goal::AtMost(0.0),
        "pg_stat_database",
    );
    drain(platform, "the burst, no advisory imported", report).await?;
    Ok(rate)
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

async fn drain(platform: &Platform, what: &str, report: &mut Report) -> Result<f64> {
    let waiting: i64 = value(
        &platform.admin,
        "select count(*) from inventory.evaluations",
    )
    .await?;
    let started = Instant::now();
    platform.inventories[0].reevaluate().await?;
    let time = started.elapsed().as_secs_f64();
    let rate = figure(waiting.unsigned_abs()) / time;
    report.row(
        format!("evaluation drains after {what}"),
        rate,
        "hosts/s",
        format!("{waiting} hosts in {time:.1} s, one process"),
    );
    Ok(rate)
}

async fn unchanged(
    options: &Options,
    platform: &Platform,
    ctx: &RequestContext,
    manifests: &Manifests,
    report: &mut Report,
) -> Result<()> {
    let inventory = &platform.inventories[0];
    let reports: Vec<ManifestDeltaReport> = (0..options.hosts)
        .map(|number| {
            let hash = manifests.all[number % manifests.all.len()].0;
            ManifestDeltaReport {
                host: world::host(number),
                base: hash,
                hash,
                added: Vec::new(),
                removed: Vec::new(),
            }
        })
        .collect();
    // The other process had half of the hosts: they are asked for once.
    let warm = async {
        let started = Instant::now();
        for one in &reports {
            inventory.manifest_delta_report(ctx, one.clone()).await?;
        }
        Ok(started.elapsed())
    };
    let (time, statements) = platform.statements(warm).await?;
    report.row(
        "unchanged hosts, half of them not remembered yet",
        figure(reports.len()) / time.as_secs_f64(),
        "hosts/s",
        format!("one caller; {statements} SQL statements"),
    );
    let measured = async {
        let started = Instant::now();
        for one in reports.iter().cycle().take(options.unchanged) {
            inventory.manifest_delta_report(ctx, one.clone()).await?;
        }
        Ok(started.elapsed())
    };
    let (time, statements) = platform.statements(measured).await?;
    report.goal(
        "unchanged hosts, one core",
        figure(options.unchanged) / time.as_secs_f64(),
        "hosts/s",
        Goal::AtLeast(25_000.0),
        format!(
            "{} reports in {:.2} s",
            options.unchanged,
            time.as_secs_f64()
        ),
    );
    let seconds = time.as_secs_f64().ceil();
    report.row(
        "SQL statements during them",
        figure(statements),
        "",
        format!("none for a host; once a second an organization is compared ({seconds:.0} s)"),
    );
    Ok(())
}

async fn changes(
    options: &Options,
    platform: &Platform,
    ctx: &RequestContext,
    manifests: &Manifests,
    fixes: &Fixes,
    seed: u64,
    report: &mut Report,
) -> Result<f64> {
    let mut random = StdRng::seed_from_u64(seed);
    let count = options.changed.min(options.hosts);
    let changes: Vec<Change> = (0..count)
        .map(|number| {
            let (base, mut keys) = components(manifests, number);
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
    let distinct: i64 = value(&platform.admin, "select count(*) from inventory.manifests").await?;
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
    drain(platform, "the changes, no advisory imported", report).await?;
    Ok(rate)
}

/// New hosts: register, then report, as an agent does.
async fn enrol(
    options: &Options,
    platform: &Platform,
    manifests: &Arc<Manifests>,
    report: &mut Report,
) -> Result<()> {
    let ctx = platform.organization();
    let site = SiteId(Uuid::now_v7());
    let turns = Arc::new(Semaphore::new(options.callers));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..options.enrolled {
        let inventory = Arc::clone(&platform.inventories[0]);
        let (ctx, manifests, turns) = (ctx.clone(), Arc::clone(manifests), Arc::clone(&turns));
        tasks.spawn(async move {
            let _turn = turns.acquire().await;
            let register = HostRegister {
                id: HostId(Uuid::now_v7()),
                site,
                facts: facts(&format!("new-{number}")),
                labels: Labels::new(),
            };
            let host = inventory.host_register(&ctx, register).await?.id;
            let (hash, components) = components(&manifests, number);
            let whole = ManifestReport {
                host,
                hash,
                components,
            };
            inventory.manifest_report(&ctx, whole).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done?.context("an enrolment")?;
    }
    let time = started.elapsed().as_secs_f64();
    report.goal(
        "first enrolment: register and first manifest",
        figure(options.enrolled) / time,
        "hosts/s",
        Goal::AtLeast(1_500.0),
        format!(
            "{} hosts in {time:.1} s; a registration is a transaction of its own",
            options.enrolled
        ),
    );
    drain(platform, "enrolment, no advisory imported", report).await?;
    Ok(())
}

/// What evaluation costs when there are advisories: thousands of findings a host.
async fn evaluation(
    options: &Options,
    platform: &Platform,
    real: &[RealHost],
    fixes: &Fixes,
    seed: u64,
    report: &mut Report,
) -> Result<()> {
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
    let manifests = Manifests::vary(real, fixes, options.evaluated, seed);
    register_numbered(platform, &ctx, options.evaluated).await?;
    let mut lone = Vec::new();
    let mut found = 0;
    let started = Instant::now();
    for number in 0..options.evaluated {
        let (hash, components) = components(&manifests, number);
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
    let mut random = StdRng::seed_from_u64(seed + 1);
    let mut lone = Vec::new();
    for number in 0..options.evaluated {
        let (base, mut keys) = components(&manifests, number);
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
