//! Migrations of the schema `identity`.

use netpatch_storage::{
    Migrations, OutboxPrune, directory_function, execute_all, outbox_table_sql,
    protect_directory_table, protect_tenant_table, schema_sql, statements, worker_may,
};
use sea_orm_migration::prelude::*;

/// All migrations of this crate.
#[must_use]
pub fn migrations() -> Migrations {
    Migrations::of::<Migrator>("identity")
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(M0001),
            Box::new(OutboxPrune("identity")),
            Box::new(M0002),
            Box::new(M0003),
            Box::new(M0004),
            Box::new(M0005),
            Box::new(M0006),
            Box::new(M0007),
            Box::new(M0008),
            Box::new(M0009),
        ]
    }

    fn migration_table_name() -> DynIden {
        "identity_migrations".into_iden()
    }
}

struct M0001;

impl MigrationName for M0001 {
    fn name(&self) -> &'static str {
        "m0001"
    }
}

const TENANT_TABLES: [&str; 11] = [
    "organizations",
    "sites",
    "users",
    "grants",
    "delegations",
    "delegated_customers",
    "api_clients",
    "enrolment_tokens",
    "relays",
    "certificates",
    "idempotency_keys",
];

const DIRECTORY_FUNCTIONS: [&str; 12] = [
    "user_enter(bytea, uuid, uuid)",
    "user_by_email(bytea)",
    "session_open(bytea, uuid, uuid, text, timestamptz, timestamptz)",
    "session_by_hash(bytea)",
    "session_close(bytea)",
    "sessions_close(uuid, uuid)",
    "token_enter(bytea, uuid, uuid)",
    "token_by_hash(bytea)",
    "claim_open(bytea, bytea, bytea, text, text, text, timestamptz, timestamptz)",
    "claim_by_code(bytea)",
    "claim_take(bytea, uuid, uuid, uuid, bytea)",
    "claim_by_device(bytea)",
];

#[async_trait::async_trait]
impl MigrationTrait for M0001 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = schema_sql("identity");
        sql.extend(statements(include_str!("../migrations/m0001.sql")));
        for table in TENANT_TABLES {
            sql.extend(protect_tenant_table("identity", table));
        }
        for table in ["user_directory", "sessions", "token_directory", "claims"] {
            sql.extend(protect_directory_table("identity", table));
        }
        for function in DIRECTORY_FUNCTIONS {
            sql.extend(directory_function("identity", function));
        }
        sql.extend(worker_may("identity", "organizations", "select"));
        sql.extend(worker_may("identity", "idempotency_keys", "select, delete"));
        sql.extend(outbox_table_sql("identity"));
        sql.extend(netpatch_storage::cursor_table_sql("identity"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct M0002;

impl MigrationName for M0002 {
    fn name(&self) -> &'static str {
        "m0002"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0002 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../migrations/m0002.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct M0003;

impl MigrationName for M0003 {
    fn name(&self) -> &'static str {
        "m0003"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0003 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../migrations/m0003.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct M0004;

impl MigrationName for M0004 {
    fn name(&self) -> &'static str {
        "m0004"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0004 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../migrations/m0004.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct M0005;

impl MigrationName for M0005 {
    fn name(&self) -> &'static str {
        "m0005"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0005 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../migrations/m0005.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct M0006;

impl MigrationName for M0006 {
    fn name(&self) -> &'static str {
        "m0006"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0006 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = statements(include_str!("../migrations/m0006.sql"));
        sql.extend(protect_directory_table("identity", "wrong_codes"));
        for function in [
            "wrong_code_begin(uuid, uuid, timestamptz, timestamptz, integer)",
            "wrong_code_forgive(uuid)",
        ] {
            sql.extend(directory_function("identity", function));
        }
        execute_all(manager.get_connection(), sql).await
    }
}

struct M0007;

impl MigrationName for M0007 {
    fn name(&self) -> &'static str {
        "m0007"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0007 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../migrations/m0007.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct M0008;

impl MigrationName for M0008 {
    fn name(&self) -> &'static str {
        "m0008"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0008 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../migrations/m0008.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}

struct M0009;

impl MigrationName for M0009 {
    fn name(&self) -> &'static str {
        "m0009"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0009 {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../migrations/m0009.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}
