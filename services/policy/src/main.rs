//! Policy as a process of its own, for the split deployment: an external database, the other services by address.

use async_trait::async_trait;
use netpatch_chassis::service::{Made, Service};
use netpatch_chassis::{BoxError, Process};
use netpatch_policy::{PolicyParts, PolicyService, migrations};
use netpatch_policy_api::policy_router;
use netpatch_storage::{Database, KeyFolder, PoolSettings, bus};
use std::process::ExitCode;
use std::sync::Arc;

struct Program;

#[async_trait]
impl Service for Program {
    const NAME: &'static str = "netpatch-policy";
    const ABOUT: &'static str = "Decides which patches may go where, and when";

    async fn make(process: &Process) -> Result<Made, BoxError> {
        let configuration = &process.configuration;
        let settings = &configuration.database;
        let pools = PoolSettings::of(settings.max_connections, settings.statement_timeout_ms);
        let urls = settings.external()?.into();
        let database = Database::open(&urls, &pools, &[migrations()]).await?;
        process.health.register("database", database.check());
        let service = Arc::new(PolicyService::new(PolicyParts {
            database,
            bus: bus::connect(configuration.bus.address()).await?,
            clock: process.clock(),
            keys: KeyFolder::open(configuration.data_dir.join("keys"))?,
            inventory: process.remote(configuration.services.inventory.as_deref())?,
        }));
        let reporting = process.remote(configuration.services.reporting.as_deref())?;
        let stop = process.tasks.stop_token();
        Ok(Made {
            router: policy_router(service.clone(), process.verifier()),
            work: Box::pin(async move { service.run(reporting, stop).await }),
        })
    }
}

fn main() -> ExitCode {
    netpatch_chassis::service::main::<Program>()
}
