//! The scheduler as a process of its own, for the split deployment: an external database, the other services by address.

use anyhow::Context as _;
use async_trait::async_trait;
use clap::Parser;
use netpatch_chassis::{App, BoxError, Process, Remote, Sources, run, wire};
use netpatch_inventory_api::InventoryApi;
use netpatch_policy_api::PolicyApi;
use netpatch_reporting_api::ReportingApi;
use netpatch_scheduler::{SchedulerParts, SchedulerService, migrations};
use netpatch_scheduler_api::{SchedulerApi, scheduler_router};
use netpatch_storage::{Database, DatabaseUrls, PoolSettings, bus, keys::KeyFolder, migrate};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Runs deployments: waves, signed orders, runs.
#[derive(Parser)]
#[command(name = "netpatch-scheduler", version)]
struct Arguments {
    /// Configuration file; its keys are those of the platform.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

struct Scheduler;

#[async_trait]
impl App for Scheduler {
    fn name(&self) -> &'static str {
        "netpatch-scheduler"
    }

    async fn start(&mut self, process: &mut Process) -> Result<(), BoxError> {
        let configuration = Arc::clone(&process.configuration);
        let urls = urls(&configuration.database)?;
        if !urls.owner.is_empty() {
            migrate(&urls.owner, &[migrations()]).await?;
        }
        let settings = PoolSettings {
            app_connections: configuration.database.max_connections,
            statement_timeout: Duration::from_millis(configuration.database.statement_timeout_ms),
            ..PoolSettings::default()
        };
        let database = Database::connect(&urls, &settings).await?;
        let address = if configuration.bus.embedded() {
            "memory:"
        } else {
            configuration.bus.url.expose()
        };
        let signer = process.signer();
        let remote = |url| Remote {
            url,
            signer: &signer,
        };
        let inventory: Arc<dyn InventoryApi> =
            wire(None, &remote(configuration.services.inventory.as_deref()))?;
        let policy: Arc<dyn PolicyApi> =
            wire(None, &remote(configuration.services.policy.as_deref()))?;
        let reporting: Arc<dyn ReportingApi> =
            wire(None, &remote(configuration.services.reporting.as_deref()))?;
        let service = Arc::new(SchedulerService::new(SchedulerParts {
            database: database.clone(),
            bus: bus::connect(address).await?,
            clock: process.clock(),
            keys: KeyFolder::open(configuration.data_dir.join("keys"))?,
            inventory,
            policy,
        }));
        process.health.register("database", move || {
            let database = database.clone();
            async move {
                database
                    .ping()
                    .await
                    .map(|()| "answers".to_owned())
                    .map_err(|error| error.to_string())
            }
        });
        let api: Arc<dyn SchedulerApi> = service.clone();
        let operations = process.serve_operations().await?;
        let roles = scheduler_router(api, process.verifier()).merge(operations);
        process
            .serve_rpc(roles)
            .await?
            .ok_or("nobody could call this process; set rpc.addr")?;
        let stop = process.tasks.stop_token();
        process.tasks.spawn("scheduler", async move {
            service.run(reporting, stop).await;
            Ok::<(), BoxError>(())
        });
        Ok(())
    }
}

/// The database's addresses. Its embedded form belongs to the platform in one process.
fn urls(database: &netpatch_chassis::configuration::Database) -> anyhow::Result<DatabaseUrls> {
    anyhow::ensure!(
        !database.embedded(),
        "the embedded database belongs to `netpatch serve`; set database.url"
    );
    let needed = |url: &Option<netpatch_chassis::configuration::Secret>,
                  key: &str|
     -> anyhow::Result<String> {
        Ok(url
            .as_ref()
            .with_context(|| format!("set database.{key}"))?
            .expose()
            .to_owned())
    };
    let app = database.url.expose().to_owned();
    Ok(DatabaseUrls {
        owner: database
            .owner_url
            .as_ref()
            .map(|url| url.expose().to_owned())
            .unwrap_or_default(),
        // The scheduler writes no catalog.
        catalog: database
            .catalog_url
            .as_ref()
            .map_or_else(|| app.clone(), |url| url.expose().to_owned()),
        worker: needed(&database.worker_url, "worker_url")?,
        app,
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let sources = arguments
        .config
        .into_iter()
        .fold(Sources::new(), Sources::file)
        .process_environment();
    match sources.load() {
        Ok(configuration) => run(Scheduler, configuration),
        Err(error) => {
            eprintln!("netpatch-scheduler: {error}");
            ExitCode::FAILURE
        }
    }
}
