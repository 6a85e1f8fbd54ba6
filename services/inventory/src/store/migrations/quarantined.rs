use super::*;

pub(super) struct Quarantined;

impl MigrationName for Quarantined {
    fn name(&self) -> &'static str {
        "m0017_quarantined"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Quarantined {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../../../migrations/0017_quarantined.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}
