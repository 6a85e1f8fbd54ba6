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

pub(super) struct PayloadUrls;

impl MigrationName for PayloadUrls {
    fn name(&self) -> &'static str {
        "m0016_payload_urls"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for PayloadUrls {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../../../migrations/0016_payload_urls.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}
