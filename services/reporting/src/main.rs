//! Reporting as a process of its own, for the split deployment: an external database and S3, the other services by
//! address.

use async_trait::async_trait;
use netpatch_chassis::service::{Made, Service};
use netpatch_chassis::{BoxError, Process};
use netpatch_reporting::{ReportingParts, ReportingService, ReportingSettings, migrations};
use netpatch_reporting_api::reporting_router;
use netpatch_storage::{Blobs, Database, KeyFolder, PoolSettings, bus};
use std::process::ExitCode;
use std::sync::Arc;

struct Program;

#[async_trait]
impl Service for Program {
    const NAME: &'static str = "netpatch-reporting";
    const ABOUT: &'static str = "Keeps the ledger, compliance history, reports and webhooks";

    async fn make(process: &Process) -> Result<Made, BoxError> {
        let configuration = &process.configuration;
        let settings = &configuration.database;
        let pools = PoolSettings::of(settings.max_connections, settings.statement_timeout_ms);
        let urls = settings.external()?.into();
        let blobs = configuration.blobs.external()?;
        let database = Database::open(&urls, &pools, &[migrations()]).await?;
        process.health.register("database", database.check());
        let services = &configuration.services;
        let service = Arc::new(ReportingService::new(ReportingParts {
            database,
            blobs: Blobs::connect(&blobs).await?,
            bus: bus::connect(configuration.bus.address()).await?,
            clock: process.clock(),
            keys: KeyFolder::open(configuration.data_dir.join("keys"))?,
            inventory: process.remote(services.inventory.as_deref())?,
            policy: process.remote(services.policy.as_deref())?,
            scheduler: process.remote(services.scheduler.as_deref())?,
            settings: ReportingSettings::default(),
        })?);
        let stop = process.tasks.stop_token();
        Ok(Made {
            router: reporting_router(service.clone(), process.verifier()),
            work: Box::pin(async move { service.run(stop).await }),
        })
    }
}

fn main() -> ExitCode {
    netpatch_chassis::service::main::<Program>()
}
