//! Hosts wait for their evaluation in a table of their own.

use super::SCHEMA;
use netpatch_storage::{execute_all, protect_tenant_table, statements, worker_may};
use sea_orm_migration::prelude::*;

pub(super) struct Evaluation;

impl MigrationName for Evaluation {
    fn name(&self) -> &'static str {
        "m0009_evaluation"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Evaluation {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = statements(include_str!("../../../migrations/0009_evaluation.sql"));
        for table in ["evaluations", "evaluated"] {
            sql.extend(protect_tenant_table(SCHEMA, table));
            sql.extend(worker_may(SCHEMA, table, "select"));
        }
        execute_all(manager.get_connection(), sql).await
    }
}
