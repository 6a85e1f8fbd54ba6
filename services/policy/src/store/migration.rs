//! The migrations of the schema `policy`.

use crate::store::SCHEMA;
use netpatch_storage::{
    OutboxPrune, cursor_table_sql, execute_all, outbox_table_sql, protect_tenant_table, schema_sql,
    statements, worker_may,
};
use sea_orm_migration::prelude::*;

/// In order.
#[derive(Debug)]
pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(M0001),
            Box::new(OutboxPrune(SCHEMA)),
            Box::new(M0002),
            Box::new(M0003),
            Box::new(M0004),
            Box::new(M0005),
        ]
    }

    fn migration_table_name() -> DynIden {
        "policy_migrations".into_iden()
    }
}

struct M0001;

impl MigrationName for M0001 {
    fn name(&self) -> &'static str {
        "m0001_policy"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0001 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = schema_sql(SCHEMA);
        sql.extend(statements(include_str!("../../migrations/m0001.sql")));
        for table in [
            "policies",
            "windows",
            "block_entries",
            "approvals",
            "memberships",
            "work",
        ] {
            sql.extend(protect_tenant_table(SCHEMA, table));
        }
        sql.extend(worker_may(SCHEMA, "approvals", "select"));
        sql.extend(worker_may(SCHEMA, "work", "select"));
        sql.extend(outbox_table_sql(SCHEMA));
        sql.extend(cursor_table_sql(SCHEMA));
        execute_all(manager.get_connection(), sql).await
    }
}

struct M0002;

impl MigrationName for M0002 {
    fn name(&self) -> &'static str {
        "m0002_baselines"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0002 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = statements(include_str!("../../migrations/m0002_baselines.sql"));
        for table in ["baselines", "baseline_versions"] {
            sql.extend(protect_tenant_table(SCHEMA, table));
        }
        execute_all(manager.get_connection(), sql).await
    }
}

struct M0003;

impl MigrationName for M0003 {
    fn name(&self) -> &'static str {
        "m0003_exceptions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0003 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = statements(include_str!("../../migrations/m0003_exceptions.sql"));
        for table in ["exceptions", "exception_versions"] {
            sql.extend(protect_tenant_table(SCHEMA, table));
        }
        sql.extend(worker_may(SCHEMA, "exceptions", "select"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct M0004;

impl MigrationName for M0004 {
    fn name(&self) -> &'static str {
        "m0004_scan_schedules"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0004 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = statements(include_str!("../../migrations/m0004_scan_schedules.sql"));
        sql.extend(protect_tenant_table(SCHEMA, "scan_schedules"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct M0005;

impl MigrationName for M0005 {
    fn name(&self) -> &'static str {
        "m0005_site_ways"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0005 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = statements(include_str!("../../migrations/m0005_site_ways.sql"));
        sql.extend(protect_tenant_table(SCHEMA, "site_ways"));
        execute_all(manager.get_connection(), sql).await
    }
}
