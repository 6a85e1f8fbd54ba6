use super::*;

pub(super) struct Software;

impl MigrationName for Software {
    fn name(&self) -> &'static str {
        "m0011_software"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Software {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../../../migrations/0011_software.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}
