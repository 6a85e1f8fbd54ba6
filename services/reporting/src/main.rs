//! Reporting as a process of its own, for the split deployment: an external database and S3, the other services by
//! address.

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use clap::Parser;
use netpatch_chassis::configuration::{self, Secret};
use netpatch_chassis::{App, BoxError, Process, Remote, Sources, run, wire};
use netpatch_inventory_api::InventoryApi;
use netpatch_policy_api::PolicyApi;
use netpatch_reporting::{ReportingParts, ReportingService, ReportingSettings, migrations};
use netpatch_reporting_api::{ReportingApi, reporting_router};
use netpatch_scheduler_api::SchedulerApi;
use netpatch_storage::{
    Blobs, Database, DatabaseUrls, PoolSettings, bus, keys::KeyFolder, migrate,
};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Keeps the ledger, compliance history, reports and webhooks.
#[derive(Parser)]
#[command(name = "netpatch-reporting", version)]
struct Arguments {
    /// Configuration file; its keys are those of the platform.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

struct Reporting;

#[async_trait]
impl App for Reporting {
    fn name(&self) -> &'static str {
        "netpatch-reporting"
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
        let hints = if configuration.bus.embedded() {
            "memory:"
        } else {
            configuration.bus.url.expose()
        };
        let signer = process.signer();
        let services = &configuration.services;
        let remote = |url| Remote {
            url,
            signer: &signer,
        };
        let inventory: Arc<dyn InventoryApi> = wire(None, &remote(services.inventory.as_deref()))?;
        let policy: Arc<dyn PolicyApi> = wire(None, &remote(services.policy.as_deref()))?;
        let scheduler: Arc<dyn SchedulerApi> = wire(None, &remote(services.scheduler.as_deref()))?;
        let service = Arc::new(ReportingService::new(ReportingParts {
            database: database.clone(),
            blobs: Blobs::connect(&blob_address(&configuration.blobs)?).await?,
            bus: bus::connect(hints).await?,
            clock: process.clock(),
            keys: KeyFolder::open(configuration.data_dir.join("keys"))?,
            inventory,
            policy,
            scheduler,
            settings: ReportingSettings::default(),
        })?);
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
        let api: Arc<dyn ReportingApi> = service.clone();
        let operations = process.serve_operations().await?;
        let roles = reporting_router(api, process.verifier()).merge(operations);
        process
            .serve_rpc(roles)
            .await?
            .ok_or("nobody could call this process; set rpc.addr")?;
        let stop = process.tasks.stop_token();
        process.tasks.spawn("reporting", async move {
            service.run(stop).await;
            Ok::<(), BoxError>(())
        });
        Ok(())
    }
}

/// The database's addresses. Its embedded form belongs to the platform in one process.
fn urls(database: &configuration::Database) -> anyhow::Result<DatabaseUrls> {
    ensure!(
        !database.embedded(),
        "the embedded database belongs to `netpatch serve`; set database.url"
    );
    let app = database.url.expose().to_owned();
    let optional = |url: &Option<Secret>| url.as_ref().map(|url| url.expose().to_owned());
    Ok(DatabaseUrls {
        owner: optional(&database.owner_url).unwrap_or_default(),
        // Reporting writes no catalog.
        catalog: optional(&database.catalog_url).unwrap_or_else(|| app.clone()),
        worker: optional(&database.worker_url).context("set database.worker_url")?,
        app,
    })
}

/// The blob store's address. Its embedded form belongs to the platform in one process.
fn blob_address(blobs: &configuration::Blobs) -> anyhow::Result<String> {
    ensure!(
        !blobs.embedded(),
        "the embedded blob store belongs to `netpatch serve`; set blobs.url"
    );
    ensure!(
        blobs.access_key.is_none() && blobs.secret_key.is_none(),
        "give the credentials of the blob store in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
    );
    let settings = [("endpoint", &blobs.endpoint), ("region", &blobs.region)];
    let given: Vec<String> = settings
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={value}")))
        .collect();
    Ok(if given.is_empty() {
        blobs.url.clone()
    } else {
        format!("{}?{}", blobs.url, given.join("&"))
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
        Ok(configuration) => run(Reporting, configuration),
        Err(error) => {
            eprintln!("netpatch-reporting: {error}");
            ExitCode::FAILURE
        }
    }
}
