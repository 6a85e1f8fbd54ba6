use super::*;

pub(super) struct Hardware;

impl MigrationName for Hardware {
    fn name(&self) -> &'static str {
        "m0014_hardware"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Hardware {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../../../migrations/0014_hardware.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}
