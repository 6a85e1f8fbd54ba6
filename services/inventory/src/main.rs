//! Inventory as a process of its own, for the split deployment: an external database, called by the other services.

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use clap::Parser;
use netpatch_chassis::configuration::{self, Secret};
use netpatch_chassis::{App, BoxError, Process, Sources, run};
use netpatch_inventory::{Inventory, migrations};
use netpatch_inventory_api::{InventoryApi, inventory_router};
use netpatch_storage::{Database, DatabaseUrls, PoolSettings, bus, migrate};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Knows hosts, advisories, findings and patches.
#[derive(Parser)]
#[command(name = "netpatch-inventory", version)]
struct Arguments {
    /// Configuration file; its keys are those of the platform.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

struct Role;

#[async_trait]
impl App for Role {
    fn name(&self) -> &'static str {
        "netpatch-inventory"
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
        let inventory = Inventory::new(
            database.clone(),
            bus::connect(hints).await?,
            process.clock(),
        );
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
        let api: Arc<dyn InventoryApi> = inventory.clone();
        let operations = process.serve_operations().await?;
        let roles = inventory_router(api, process.verifier()).merge(operations);
        process
            .serve_rpc(roles)
            .await?
            .ok_or("nobody could call this process; set rpc.addr")?;
        let stop = process.tasks.stop_token();
        process.tasks.spawn("inventory", async move {
            inventory.run(stop).await;
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
    let given = |url: &Option<Secret>| url.as_ref().map(|url| url.expose().to_owned());
    Ok(DatabaseUrls {
        owner: given(&database.owner_url).unwrap_or_default(),
        app: database.url.expose().to_owned(),
        catalog: given(&database.catalog_url).context("set database.catalog_url")?,
        worker: given(&database.worker_url).context("set database.worker_url")?,
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
        Ok(configuration) => run(Role, configuration),
        Err(error) => {
            eprintln!("netpatch-inventory: {error}");
            ExitCode::FAILURE
        }
    }
}
