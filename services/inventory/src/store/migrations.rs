//! The schema `inventory`.

mod evaluation;
mod exceptions;
mod hardware;
mod payloads;
mod quarantined;
mod software;

use netpatch_storage::{
    OutboxPrune, execute_all, outbox_table_sql, protect_catalog_table, protect_tenant_table,
    schema_sql, statements, worker_may,
};
use sea_orm_migration::prelude::*;

/// The schema's name.
pub(crate) const SCHEMA: &str = "inventory";

const CATALOG: [&str; 6] = [
    "feeds",
    "feed_state",
    "source_aliases",
    "advisories",
    "components",
    "patches",
];
/// Those of the first migration.
const TENANT: [&str; 7] = [
    "hosts",
    "groups",
    "manifests",
    "host_manifests",
    "host_updates",
    "patch_offers",
    "exposures",
];
const CLOCKS: [&str; 2] = ["scoring", "risk_weights"];

/// The migrator.
#[derive(Debug)]
pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Inventory),
            Box::new(Affected),
            Box::new(OutboxPrune(SCHEMA)),
            Box::new(Cves),
            Box::new(Assets),
            Box::new(Clocks),
            Box::new(FeedFiles),
            Box::new(Ecosystems),
            Box::new(evaluation::Evaluation),
            Box::new(Refusals),
            Box::new(software::Software),
            Box::new(exceptions::Exceptions),
            Box::new(Probes),
            Box::new(hardware::Hardware),
            Box::new(payloads::Payloads),
            Box::new(payloads::PayloadUrls),
            Box::new(quarantined::Quarantined),
        ]
    }

    fn migration_table_name() -> DynIden {
        "inventory_migrations".into_iden()
    }
}

struct Inventory;

impl MigrationName for Inventory {
    fn name(&self) -> &'static str {
        "m0001_inventory"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Inventory {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = schema_sql(SCHEMA);
        sql.extend(statements(include_str!(
            "../../migrations/0001_inventory.sql"
        )));
        for table in CATALOG {
            sql.extend(protect_catalog_table(SCHEMA, table));
        }
        for table in TENANT {
            sql.extend(protect_tenant_table(SCHEMA, table));
        }
        sql.extend(worker_may(SCHEMA, "manifests", "select"));
        sql.extend(outbox_table_sql(SCHEMA));
        execute_all(manager.get_connection(), sql).await
    }
}

struct Clocks;

impl MigrationName for Clocks {
    fn name(&self) -> &'static str {
        "m0006_clocks"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Clocks {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = statements(include_str!("../../migrations/0006_clocks.sql"));
        for table in CLOCKS {
            sql.extend(protect_tenant_table(SCHEMA, table));
        }
        sql.extend(worker_may(SCHEMA, "scoring", "select"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct Affected;

impl MigrationName for Affected {
    fn name(&self) -> &'static str {
        "m0002_affected"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Affected {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../../migrations/0002_affected.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct Cves;

impl MigrationName for Cves {
    fn name(&self) -> &'static str {
        "m0003_cves"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Cves {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = statements(include_str!("../../migrations/0003_cves.sql"));
        sql.extend(protect_catalog_table(SCHEMA, "cves"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct Ecosystems;

impl MigrationName for Ecosystems {
    fn name(&self) -> &'static str {
        "m0008_ecosystem"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Ecosystems {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../../migrations/0008_ecosystem.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct Assets;

impl MigrationName for Assets {
    fn name(&self) -> &'static str {
        "m0004_assets"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Assets {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = statements(include_str!("../../migrations/0004_assets.sql"));
        sql.extend(protect_tenant_table(SCHEMA, "assets"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct FeedFiles;

impl MigrationName for FeedFiles {
    fn name(&self) -> &'static str {
        "m0007_feed_files"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for FeedFiles {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = statements(include_str!("../../migrations/0007_feed_files.sql"));
        sql.extend(protect_catalog_table(SCHEMA, "feed_files"));
        sql.extend(protect_tenant_table(SCHEMA, "feed_told"));
        sql.extend(worker_may(SCHEMA, "feed_told", "select"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct Refusals;

impl MigrationName for Refusals {
    fn name(&self) -> &'static str {
        "m0010_refusals"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Refusals {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../../migrations/0010_refusals.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct Probes;

impl MigrationName for Probes {
    fn name(&self) -> &'static str {
        "m0013_probes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Probes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = statements(include_str!("../../migrations/0013_probes.sql"));
        sql.extend(protect_tenant_table(SCHEMA, "probes"));
        sql.extend(worker_may(SCHEMA, "probes", "select"));
        execute_all(manager.get_connection(), sql).await
    }
}
