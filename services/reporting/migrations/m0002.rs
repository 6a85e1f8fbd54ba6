//! Sealed secrets of webhooks.

use netpatch_storage::{execute_all, statements, worker_may};
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0002_sealed_webhooks"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = statements(include_str!("m0002.sql"));
        sql.extend(worker_may("reporting", "webhooks", "select"));
        execute_all(manager.get_connection(), sql).await
    }
}
