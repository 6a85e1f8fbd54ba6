//! Inventory as a process of its own, for the split deployment: an external database, called by the other services.

use async_trait::async_trait;
use netpatch_chassis::service::{Made, Service};
use netpatch_chassis::{BoxError, Process};
use netpatch_inventory::{
    DeltaSettings, DeltaStore, FeedSettings, Inventory, PayloadSettings, PayloadStore, migrations,
};
use netpatch_inventory_api::inventory_router;
use netpatch_storage::{Blobs, Database, PoolSettings, bus};
use std::process::ExitCode;

struct Program;

#[async_trait]
impl Service for Program {
    const NAME: &'static str = "netpatch-inventory";
    const ABOUT: &'static str = "Knows hosts, advisories, findings and patches";

    async fn make(process: &Process) -> Result<Made, BoxError> {
        let configuration = &process.configuration;
        let settings = &configuration.database;
        let pools = PoolSettings::of(settings.max_connections, settings.statement_timeout_ms);
        let urls = settings.external()?.into();
        let database = Database::open(&urls, &pools, &[migrations()]).await?;
        process.health.register("database", database.check());
        let bus = bus::connect(configuration.bus.address()).await?;
        let feeds = &configuration.feeds;
        let feeds = FeedSettings::of(&feeds.operators, &feeds.sources, feeds.allow_private)?;
        // The embedded blob store belongs to `netpatch serve`: without one that both reach there are no differences
        // and no payloads.
        let blobs = match configuration.blobs.embedded() {
            false => Some(Blobs::connect(&configuration.blobs.external()?).await?),
            true => None,
        };
        let deltas = blobs.clone().and_then(|blobs| {
            let settings = DeltaSettings::of(&configuration.deltas)?;
            Some(DeltaStore { blobs, settings })
        });
        let payloads = blobs.and_then(|blobs| {
            let settings = PayloadSettings::of(&configuration.payloads)?;
            Some(PayloadStore { blobs, settings })
        });
        let services = &configuration.services;
        let scheduler = match payloads {
            Some(_) => Some(process.remote(services.scheduler.as_deref())?),
            None => None,
        };
        let clock = process.clock();
        let service = Inventory::with_payloads(database, bus, clock, feeds, deltas, payloads);
        let stop = process.tasks.stop_token();
        Ok(Made {
            router: inventory_router(service.clone(), process.verifier()),
            work: Box::pin(async move { service.run(scheduler, stop).await }),
        })
    }
}

fn main() -> ExitCode {
    netpatch_chassis::service::main::<Program>()
}
