use super::*;

pub(super) struct Payloads;

impl MigrationName for Payloads {
    fn name(&self) -> &'static str {
        "m0015_payloads"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Payloads {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = statements(include_str!("../../../migrations/0015_payloads.sql"));
        sql.extend(protect_tenant_table(SCHEMA, "payload_sources"));
        execute_all(manager.get_connection(), sql).await
    }
}
