//! Ledger index, compliance history, reports, webhooks.

use netpatch_storage::{
    cursor_table_sql, execute_all, outbox_table_sql, protect_tenant_table, schema_sql, statements,
    worker_may,
};
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

const SCHEMA: &str = "reporting";

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0001"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = schema_sql(SCHEMA);
        sql.extend(statements(include_str!("m0001.sql")));
        for table in [
            "ledger_heads",
            "ledger_entries",
            "ledger_documents",
            "ledger_checkpoints",
            "compliance_snapshots",
            "compliance_state",
            "reports",
            "webhooks",
            "webhook_deliveries",
        ] {
            sql.extend(protect_tenant_table(SCHEMA, table));
        }
        for table in ["ledger_entries", "ledger_documents", "ledger_checkpoints"] {
            sql.push(format!(
                "revoke update, delete on {SCHEMA}.{table} from netpatch_app"
            ));
        }
        sql.extend(worker_may(SCHEMA, "ledger_heads", "select"));
        sql.extend(worker_may(SCHEMA, "compliance_state", "select"));
        sql.extend(worker_may(SCHEMA, "reports", "select"));
        sql.extend(worker_may(SCHEMA, "webhook_deliveries", "select, update"));
        sql.extend(outbox_table_sql(SCHEMA));
        sql.extend(cursor_table_sql(SCHEMA));
        execute_all(manager.get_connection(), sql).await
    }
}
